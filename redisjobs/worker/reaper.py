"""Bring back the jobs of processes that died.

A process that dies leaves its lease lists behind. The reaper finds those whose owner is dead and moves each job to the
pop end of its queue, in order; one that was brought back too often is buried as a poison pill.

Dead is who missed some heartbeats and has no connection to Redis any more (the kernel of a killed process closes them
at once, while code that holds the GIL, or a stopped process, keeps them), or whose heartbeat ran out altogether (its
machine is gone, and nobody closed anything). A silent Redis lets heartbeats run out though all live: so it must be
true at two looks, with no outage seen here in between, and between them every living process has had time to come back.

Must not know: how jobs run, why they fail, what a middleware is.
Always holds: a job is in exactly one list before and after `recover.lua`, never in two and never in none.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from typing import NamedTuple

from redisjobs import clock
from redisjobs.config import WorkerConfig
from redisjobs.errors import StoreError, StoreUnavailableError, WrongTypeError
from redisjobs.store.dialect import dialect
from redisjobs.store.op import Op, Steps
from redisjobs.store.ops import leases, processes, server
from redisjobs.store.ops.leases import Lease, Settlement
from redisjobs.worker.endings import endings
from redisjobs.worker.health import Health
from redisjobs.worker.wiring import Wiring

log = logging.getLogger("redisjobs")

_BACK_S = 2.0  # the least that a living process gets to connect again and beat
_LOOK_S = 0.3  # between two looks in a large fleet, all processes' together


class _Missed(NamedTuple):
    """Since when a process looks dead (monotonic), the outages seen until then, and how long it must look so."""

    since: float
    outages: int
    wait_s: float


class Reaper:
    """One turn looks at every owner of leases."""

    name = "reaper"

    def __init__(
        self, identity: str, wiring: Wiring, settings: WorkerConfig, health: Health, queues: Sequence[str]
    ) -> None:
        self._identity = identity
        self._keys = wiring.keys
        self._dialect = dialect(wiring.keys)
        self._endings = endings(wiring)
        self._dead = wiring.dead
        self._queues = set(queues)
        self._every_s = settings.reap_s
        self._ttl_s = settings.heartbeat_ttl_s
        self._silent_s = settings.heartbeat_ttl_s / 10  # two heartbeats missed
        self._unconnected_s = max(_BACK_S, settings.heartbeat_ttl_s / 20)
        self._expired_s = max(_BACK_S, settings.heartbeat_ttl_s / 4)
        self._max_recoveries = settings.max_recoveries
        self._health = health
        self._missing: dict[str, _Missed] = {}

    def once(self) -> Steps[float]:
        """Look once, recover what was missing before too; return the seconds until the next look."""
        queues = yield from self._or_nothing(leases.leased_queues(self._keys))
        owned: dict[str, list[str]] = {}
        for queue in sorted(self._queues.union(queues)):
            for identity in (yield from self._or_nothing(leases.owners(self._keys, queue))):
                owned.setdefault(identity, []).append(queue)
        owned.pop(self._identity, None)  # whatever became of our heartbeat, we live
        gone = yield from self._gone(sorted(owned))
        for identity in gone:
            yield from self._recover(identity, owned[identity])
        known = yield from self._tidy()
        return min([self._pause_s(known), *(one.wait_s for one in self._missing.values())])

    def _gone(self, identities: list[str]) -> Steps[list[str]]:
        """Return those that count as dead: missing now, and at a look long enough ago."""
        missing = yield from self._missed(identities)
        now, outages = clock.monotonic(), self._health.outages
        before = self._missing
        self._missing = {}
        gone = []
        for identity, wait_s in missing.items():
            known = before.get(identity)
            since = known.since if known is not None and known.outages == outages else now
            if now - since >= wait_s:
                gone.append(identity)
            else:
                self._missing[identity] = _Missed(since, outages, wait_s)
        return gone

    def _missed(self, identities: list[str]) -> Steps[dict[str, float]]:
        """Return those that look dead at this moment, and how long each must look so."""
        if not identities:
            return {}
        silences = yield from processes.silences(self._keys, identities, ttl_s=self._ttl_s)
        silent = dict(zip(identities, silences, strict=True))
        missed = {identity: self._expired_s for identity, silent_s in silent.items() if silent_s is None}
        doubted = [name for name, silent_s in silent.items() if silent_s is not None and silent_s >= self._silent_s]
        if doubted:
            unconnected = yield from self._unconnected(doubted)
            missed |= dict.fromkeys(unconnected, self._unconnected_s)
        return missed

    def _unconnected(self, identities: list[str]) -> Steps[list[str]]:
        """Return those that have no connection; none if Redis does not tell who is connected."""
        try:
            names = yield from server.connected_names()
        except StoreUnavailableError:
            raise
        except StoreError:  # not allowed here: their heartbeats will run out
            return []
        return [identity for identity in identities if identity not in names] if self._identity in names else []

    def _pause_s(self, processes: int) -> float:
        """Return the seconds until the next look: in a large fleet each process looks the less often."""
        shared_s = processes * _LOOK_S
        return self._every_s if shared_s <= self._every_s else shared_s * random.uniform(0.5, 1.5)

    def _recover(self, identity: str, queues: list[str]) -> Steps[None]:
        for queue in queues:
            try:
                yield from self._recover_from(queue, identity)
            except WrongTypeError as error:
                log.error(
                    "jobs of a dead process cannot be recovered yet",
                    extra={"identity": identity, "queue": queue, "error": str(error)},
                )

    def _recover_from(self, queue: str, identity: str) -> Steps[None]:
        recover = leases.recover(self._keys, queue, identity=identity, max_recoveries=self._max_recoveries)
        given, poison = yield from recover
        if given:
            log.warning("jobs of a dead process recovered", extra={"identity": identity, "queue": queue, "jobs": given})
        if poison:
            buried = [self._poisoned(queue, raw) for raw in poison]
            yield from self._dialect.settle(buried, identity=identity, dead=self._dead)
            yield from recover  # now that nothing is left, it is an owner no more

    def _or_nothing(self, wanted: Op[list[str]]) -> Steps[list[str]]:
        """Ask for names; where a key holds something else there are none, and the other keys count."""
        try:
            return (yield from wanted)
        except WrongTypeError as error:
            log.error("leases cannot be looked for", extra={"error": str(error)})
            return []

    def _poisoned(self, queue: str, raw: bytes) -> Settlement:
        reason = f"poison pill: {self._max_recoveries} processes died while they ran this job"
        log.error(reason, extra={"queue": queue, "raw": repr(raw[:200])})
        return self._endings.poisoned(Lease(queue, raw, 0.0), reason)

    def _tidy(self) -> Steps[int]:
        """Take processes off the registry that left no leases and have no heartbeat; return how many are on it."""
        known = yield from processes.identities(self._keys)
        if not known:
            return 0
        silences = yield from processes.silences(self._keys, known, ttl_s=self._ttl_s)
        gone = [identity for identity, silent_s in zip(known, silences, strict=True) if silent_s is None]
        gone = [identity for identity in gone if identity not in self._missing]
        if gone:
            for request in self._dialect.forget(gone):
                yield from request
        return len(known) - len(gone)
