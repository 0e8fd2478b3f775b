"""Metrics: how often and how long each class ran, for the pages that show it; and how many jobs left each queue.

Fetchers count as jobs end, each for itself, and hand over about once a second; a service writes it all every few
seconds. A process that is killed takes the last seconds with it: the exact counters are the settle's.
"""

from __future__ import annotations

import threading

from redisjobs import clock
from redisjobs.store.keys import Keys
from redisjobs.store.op import Steps
from redisjobs.store.ops import metrics as ops
from redisjobs.store.ops.leases import FAILED, Settlement
from redisjobs.store.ops.metrics import Sums
from redisjobs.wire import metrics
from redisjobs.wire.metrics import Tally
from redisjobs.wire.times import Wire
from redisjobs.worker.work import Work

EVERY_S = 5.0
_MOST_CLASSES = 200  # in one script


class Counts:
    """What one fetcher counted since it last handed over."""

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}
        self._taken: dict[str, int] = {}
        self.failed = 0
        """How many runs failed of all that were handed over."""

    def note(self, work: Work, settlement: Settlement) -> None:
        """Count a job that ended, if it ran to its end."""
        if settlement.counted:
            name = work.payload.name
            tally = self._tallies.get(name)
            if tally is None:
                tally = self._tallies[name] = Tally()
            tally.note(work.took_s, failed=settlement.counted == FAILED)
        elif settlement.where == "queue":
            self.took(work.lease.queue, -1)

    def took(self, queue: str, count: int) -> None:
        """Count jobs that were taken from a queue; those that are given back are less than none."""
        self._taken[queue] = self._taken.get(queue, 0) + count

    def take(self) -> Sums:
        """Return what was counted, and begin anew."""
        taken = Sums(self._tallies, {queue: count for queue, count in self._taken.items() if count})
        self._tallies, self._taken = {}, {}
        self.failed += sum(tally.failures for tally in taken.tallies.values())
        return taken


class Metrics:
    """Writes what the fetchers of a worker counted. One turn is one writing."""

    name = "metrics"

    def __init__(self, identity: str, keys: Keys, wire: Wire) -> None:
        self._identity = identity
        self._keys = keys
        self._generations = metrics.generations(wire) if keys.has_metrics else ()
        self._waiting, self._sending = Sums(), Sums()
        self._number, self._at = 0, 0.0
        self._lock = threading.Lock()

    def add(self, sums: Sums) -> None:
        """Take what was counted, from any thread."""
        with self._lock:
            taken = self._waiting.taken
            for queue, count in sums.taken.items():
                taken[queue] = taken.get(queue, 0) + count
            for name, tally in sums.tallies.items() if self._generations else ():
                if "|" not in name:  # the pages split at it
                    self._waiting.tallies.setdefault(name, Tally()).add(tally)

    def once(self) -> Steps[float]:
        """Write what was counted so far; what Redis did not take is written first, the next time."""
        while self._sending or self._next():
            yield from ops.tally(
                self._keys,
                self._sending,
                at=self._at,
                generations=self._generations,
                identity=self._identity,
                number=self._number,
            )
            self._sending = Sums()
        return EVERY_S

    def _next(self) -> bool:
        with self._lock:
            waiting = self._waiting
            names = list(waiting.tallies)[:_MOST_CLASSES]
            self._sending = Sums({name: waiting.tallies.pop(name) for name in names}, waiting.taken)
            waiting.taken = {}
        self._number += 1
        self._at = clock.now()
        return bool(self._sending)
