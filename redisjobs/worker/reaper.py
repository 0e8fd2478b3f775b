"""Bring back the jobs of processes that died.

A process that dies leaves its lease lists behind. The reaper finds those whose owner has no heartbeat and moves
each job to the pop end of its queue, in order; one that was brought back too often is buried as a poison pill.

A silent Redis lets heartbeats run out though all live: so a heartbeat must be missing in two looks, with no outage
seen here in between, and between them every living process has had time to beat.

Must not know: how jobs run, why they fail, what a middleware is.
Always holds: a job is in exactly one list before and after `recover.lua`, never in two and never in none.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from redisjobs import clock
from redisjobs.config import WorkerConfig
from redisjobs.errors import PayloadError, WrongTypeError
from redisjobs.store.op import Op, Steps
from redisjobs.store.ops import leases, processes
from redisjobs.store.ops.leases import NO_RUN, Lease, Settlement
from redisjobs.wire import deadletter, payload
from redisjobs.wire.times import stamp
from redisjobs.worker.health import Health
from redisjobs.worker.wiring import Wiring

log = logging.getLogger("redisjobs")


class Reaper:
    """One turn looks at every owner of leases."""

    name = "reaper"

    def __init__(
        self, identity: str, wiring: Wiring, settings: WorkerConfig, health: Health, queues: Sequence[str]
    ) -> None:
        self._identity = identity
        self._keys = wiring.keys
        self._dead = wiring.dead
        self._wire = wiring.policy.wire
        self._queues = set(queues)
        self._every_s = settings.reap_s
        self._again_s = max(2.0, settings.heartbeat_ttl_s / 4)  # three heartbeats: whoever lives has beaten by then
        self._max_recoveries = settings.max_recoveries
        self._health = health
        self._missing: dict[str, tuple[float, int]] = {}  # identity -> when first missed, outages until then

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
        yield from self._tidy()
        return min(self._every_s, self._again_s) if self._missing else self._every_s

    def _gone(self, identities: list[str]) -> Steps[list[str]]:
        """Return those that count as dead: missing now, and at a look long enough ago."""
        if not identities:
            self._missing.clear()
            return []
        alive = yield from processes.alive(self._keys, identities)
        now, outages = clock.monotonic(), self._health.outages
        missing = {identity for identity, lives in zip(identities, alive, strict=True) if not lives}
        before = self._missing
        self._missing = {}
        gone = []
        for identity in missing:
            since, outages_then = before.get(identity, (now, outages))
            if outages_then != outages:
                since = now
            if now - since >= self._again_s:
                gone.append(identity)
            else:
                self._missing[identity] = (since, outages)
        return sorted(gone)

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
            yield from leases.settle(self._keys, buried, identity=identity, dead=self._dead)
            yield from recover  # now that nothing is left, it is an owner no more

    def _or_nothing(self, wanted: Op[list[str]]) -> Steps[list[str]]:
        """Ask for names; where a key holds something else there are none, and the other keys count."""
        try:
            return (yield from wanted)
        except WrongTypeError as error:
            log.error("leases cannot be looked for", extra={"error": str(error)})
            return []

    def _poisoned(self, queue: str, raw: bytes) -> Settlement:
        now = clock.now()
        reason = f"poison pill: {self._max_recoveries} processes died while they ran this job"
        told: dict[str, Any] = {
            "queue": queue,
            "error_class": "redisjobs.PoisonPill",
            "error_message": f"{reason}. Look for a crash of the interpreter or memory running out",
            "failed_at": stamp(now, self._wire),
        }
        log.error(reason, extra={"queue": queue, "raw": repr(raw[:200])})
        try:
            payload.decode(raw)
            mended = payload.mended(payload.fields(raw), at=now, wire=self._wire)
            buried = payload.change(raw, mended | told, drop=("at",))
        except PayloadError as error:
            buried = deadletter.wrap(raw, error, queue=queue, at=now, wire=self._wire)
        return Settlement(Lease(queue, raw, 0.0), "dead", NO_RUN, buried)

    def _tidy(self) -> Steps[None]:
        """Take processes off the registry that left no leases and have no heartbeat, as Ruby's cleanup does."""
        known = yield from processes.identities(self._keys)
        if not known:
            return
        alive = yield from processes.alive(self._keys, known)
        gone = [identity for identity, lives in zip(known, alive, strict=True) if not lives]
        gone = [identity for identity in gone if identity not in self._missing]
        if gone:
            yield from processes.forget(self._keys, gone)
