"""What a worker does on Resque only: resque-scheduler's delayed jobs, and the queues that patterns stand for.

Delayed jobs are moved where no resque-scheduler holds its lock, and the lock is never taken: whoever holds it must
also enqueue what recurs, which is Ruby's to do. Each move is one step, so several of our processes double nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from redisjobs.errors import PayloadError, WrongTypeError
from redisjobs.service import Service
from redisjobs.store.op import Steps
from redisjobs.store.ops import leases
from redisjobs.store.ops import queues as queue_ops
from redisjobs.store.ops import resque as ops
from redisjobs.store.ops.leases import Lease
from redisjobs.store.resque_keys import ResqueKeys
from redisjobs.wire import resque as items
from redisjobs.worker.capsule import Capsule, Patterns
from redisjobs.worker.endings import endings
from redisjobs.worker.poller import Poller
from redisjobs.worker.wiring import Wiring

log = logging.getLogger("redisjobs")

BATCH = 100
LOOK_S = 2.0
"""How often the names of queues are read, where patterns are; Resque's workers do it every 5 s."""

_AGAIN_S = 1.0


class ResquePoller:
    """One turn moves a batch of delayed jobs."""

    name = "poller"

    def __init__(self, wiring: Wiring, keys: ResqueKeys, max_poll_s: float) -> None:
        self._keys = keys
        self._endings = endings(wiring)
        self._max_poll_s = max_poll_s

    def once(self) -> Steps[float]:
        """Move what is due; return the seconds until the next is, 0 if more are due now."""
        due = yield from ops.due(self._keys, count=BATCH)
        moved = 0
        for second, found in due.jobs.items():
            moves = [self._promoted(item) for item in found]
            try:
                moved += yield from ops.promote(self._keys, second, moves)
            except WrongTypeError as error:
                log.error("due jobs wait: a key has another type", extra={"second": second, "error": str(error)})
        if due.jobs:
            return 0.0 if moved else min(_AGAIN_S, self._max_poll_s)
        return self._max_poll_s if due.next_at is None else min(self._max_poll_s, max(0.0, due.next_at - due.now))

    def _promoted(self, item: bytes) -> tuple[bytes, bytes, str]:
        """Return a job as it waits, as it goes on, and its queue; one that is none goes to the failed list."""
        try:
            queue, goes_on = items.promoted(item)
        except PayloadError as error:
            log.error(
                "malformed payload, moved to the failed list",
                extra={"field": error.field, "problem": error.problem, "raw": repr(item[:200])},
            )
            return item, self._endings.malformed(Lease("default", item, 0.0), error).payload, ""
        return item, goes_on, queue


class QueueWatch:
    """One turn reads which queues there are."""

    name = "queue watch"

    def __init__(self, keys: ResqueKeys, capsules: Sequence[Patterns]) -> None:
        self._keys = keys
        self._capsules = capsules

    def once(self) -> Steps[float]:
        """Tell the capsules; return the seconds until the next look.

        The names of the queues are written before anything is taken from them, for others to find what we held.
        """
        known = yield from queue_ops.names(self._keys)
        found = {name for capsule in self._capsules for name in capsule.matching(known)}
        if found:
            yield from leases.listen(self._keys, sorted(found))
        for capsule in self._capsules:
            capsule.refresh(known)
        return LOOK_S


def poller(wiring: Wiring, max_poll_s: float) -> Service:
    """Return what moves due jobs, in the dialect that the keys are of."""
    if isinstance(wiring.keys, ResqueKeys):
        return ResquePoller(wiring, wiring.keys, max_poll_s)
    return Poller(wiring, max_poll_s)


def watches(wiring: Wiring, capsules: Sequence[Capsule]) -> list[Service]:
    """Return what keeps patterns of queues up to date, if there are any."""
    patterns = [capsule for capsule in capsules if isinstance(capsule, Patterns)]
    return [QueueWatch(wiring.keys, patterns)] if patterns and isinstance(wiring.keys, ResqueKeys) else []
