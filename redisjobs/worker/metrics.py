"""Metrics: how often and how long each class ran, for the pages that show it.

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

    def note(self, work: Work, settlement: Settlement) -> None:
        """Count a job that ended, if it ran to its end."""
        if settlement.counted:
            name = work.payload.name
            tally = self._tallies.get(name)
            if tally is None:
                tally = self._tallies[name] = Tally()
            tally.note(work.took_s, failed=settlement.counted == FAILED)

    def take(self) -> dict[str, Tally]:
        """Return what was counted, and begin anew."""
        taken, self._tallies = self._tallies, {}
        return taken


class Metrics:
    """Writes what the fetchers of a worker counted. One turn is one writing."""

    name = "metrics"

    def __init__(self, identity: str, keys: Keys, wire: Wire) -> None:
        self._identity = identity
        self._keys = keys
        self._generations = metrics.generations(wire) if keys.has_metrics else ()
        self._waiting: dict[str, Tally] = {}
        self._sending: dict[str, Tally] = {}
        self._number, self._at = 0, 0.0
        self._lock = threading.Lock()

    def add(self, tallies: dict[str, Tally]) -> None:
        """Take what was counted, from any thread."""
        if not self._generations:
            return
        with self._lock:
            for name, tally in tallies.items():
                if "|" not in name:  # the pages split at it
                    self._waiting.setdefault(name, Tally()).add(tally)

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
            self._sending = {}
        return EVERY_S

    def _next(self) -> bool:
        with self._lock:
            names = list(self._waiting)[:_MOST_CLASSES]
            self._sending = {name: self._waiting.pop(name) for name in names}
        self._number += 1
        self._at = clock.now()
        return bool(names)
