"""Rates: how many jobs a second go into each queue and out of it, from what changes between looks.

Our workers note every few seconds how many jobs they took of each queue; with the change of its size that tells how
many came in. Others note nothing: of a queue that one of them listens to only the net change is known.
"""

from __future__ import annotations

from collections import deque

from msgspec import Struct

from redisjobs import clock
from redisjobs.inspector.access import Access
from redisjobs.inspector.processes import ProcessSet
from redisjobs.inspector.stats import Stats
from redisjobs.store.ops import metrics as ops

WINDOW_S = 15.0
"""How far back a look compares, so that what workers note every 5 s comes out even."""


class QueueRates(Struct, frozen=True):
    """Jobs a second: into a queue, out of it, and what its size changes by. None: not known."""

    name: str
    size: int
    in_s: float | None = None
    out_s: float | None = None
    net_s: float | None = None


class Rates(Struct, frozen=True):
    """What changed over the last `over_s` seconds, which are 0 at the first look: then nothing is known yet.

    `processed_s` and `failed_s` are runs a second, Ruby's too.
    """

    at: float
    over_s: float
    queues: dict[str, QueueRates]
    processed_s: float | None = None
    failed_s: float | None = None


class _Look(Struct):
    """What was found at one moment. `came`: how many jobs came into each queue since the look before."""

    at: float
    processed: int
    failed: int
    sizes: dict[str, int]
    taken: dict[str, int]
    came: dict[str, int] = {}

    def ever(self, queue: str) -> int:
        """Count what was in a queue up to now, as far as it was noted."""
        return self.sizes.get(queue, 0) + self.taken.get(queue, 0)


class Sampler:
    """Looks again and again, for one who shows it; looks more than a second apart are worth it."""

    def __init__(self, access: Access, *, window_s: float = WINDOW_S) -> None:
        self._access = access
        self._window_s = window_s
        self._looks: deque[_Look] = deque()

    def look(self) -> Rates:
        """Look, and return the rates since the first look within the window. Cost: some round trips."""
        stats = Stats(self._access)
        taken = self._access.run(ops.taken(self._access.keys))
        sizes = {queue.name: queue.size for queue in stats.summaries}
        now = _Look(clock.monotonic(), stats.processed, stats.failed, sizes, taken)
        now.came = {queue: self._came(queue, now) for queue in sizes}
        self._looks.append(now)
        while len(self._looks) > 2 and self._looks[1].at <= now.at - self._window_s:
            self._looks.popleft()
        first, over_s = self._looks[0], now.at - self._looks[0].at
        if over_s <= 0:
            return Rates(clock.now(), 0.0, {name: QueueRates(name, size) for name, size in sizes.items()})
        foreign = {name for process in ProcessSet(self._access) if not process.ours for name in process.queues}
        return Rates(
            clock.now(),
            over_s,
            {name: self._queue(name, over_s, known=self._counts and name not in foreign) for name in sizes},
            max(0, now.processed - first.processed) / over_s,
            max(0, now.failed - first.failed) / over_s,
        )

    @property
    def _counts(self) -> bool:
        return self._access.keys.has_metrics  # Resque's own workers tell nobody which queues they take from

    def _came(self, queue: str, now: _Look) -> int:
        """Count what came into a queue since the last look.

        What was taken is missing from the size at once and noted some seconds later: so nothing came before there was
        more of it, ever, than in all looks of the window. What is deleted hides as many new ones for that long.
        """
        known = [look.ever(queue) for look in self._looks]
        return max(0, now.ever(queue) - max(known)) if known else 0

    def _queue(self, name: str, over_s: float, *, known: bool) -> QueueRates:
        first, now = self._looks[0], self._looks[-1]
        net_s = (now.sizes.get(name, 0) - first.sizes.get(name, 0)) / over_s
        if not known:
            return QueueRates(name, now.sizes[name], net_s=net_s)
        came = sum(look.came.get(name, 0) for look in list(self._looks)[1:])
        out = max(0, now.taken.get(name, 0) - first.taken.get(name, 0))
        return QueueRates(name, now.sizes[name], came / over_s, out / over_s, net_s)
