"""Walk a set or a queue in bounded slices, in the order jobs run, while others and the one who walks take from it.

Nothing that stays where it is, is passed over because of what workers take or producers add; what comes while the walk
is under way may be met too. Where others delete from the middle of a queue, or from many entries with one score, a few
may be missed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Generic, TypeAlias, TypeVar

from redisjobs.inspector.entries import JobEntry, SetEntry
from redisjobs.inspector.query import Query
from redisjobs.inspector.queues import Queue
from redisjobs.inspector.sets import JobSet
from redisjobs.store.ops.queues import ANYWHERE, Where

E_co = TypeVar("E_co", bound=JobEntry, covariant=True)
Source: TypeAlias = JobSet | Queue

MOST = 100  # entries of a slice
_LARGE_BYTES = 1024 * 1024  # so that Redis writes no reply for milliseconds
_SLACK = 5  # slices that workers may have taken while one of a queue was looked at


def sweep(source: Source, query: Query) -> Sweep[JobEntry]:
    """Begin a walk; in a set only through the time that is asked for. Everything else is for `Query.matches`."""
    return SetSweep(source, query) if isinstance(source, JobSet) else QueueSweep(source)


class Sweep(Generic[E_co]):
    """A walk. `total`: how many entries there were at its start; `where`: the slice that was given last, in a queue."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.where = ANYWHERE
        self._limit = MOST

    def __iter__(self) -> Iterator[Sequence[E_co]]:
        while found := self._next():
            size_bytes = sum(len(entry.raw) for entry in found)
            self._limit = max(1, self._limit // 2) if size_bytes > _LARGE_BYTES else min(MOST, self._limit * 2)
            yield found

    def gone(self, raws: Collection[bytes]) -> None:
        """Hear which entries of the slice that was given last are not there any more."""

    def _next(self) -> Sequence[E_co]:
        raise NotImplementedError


class SetSweep(Sweep[SetEntry]):
    """A walk through a set, the lowest score first, up to the highest that there is at its start."""

    def __init__(self, source: JobSet, query: Query) -> None:
        low = -math.inf if query.since is None else query.since
        high = math.inf if query.until is None else query.until
        super().__init__(source.count(low, high))
        self._source = source
        self._score, self._high = low, min(high, source.last_score)
        self._skip = 0  # entries with just this score that were given, and are there
        self._given: Sequence[SetEntry] = ()

    def gone(self, raws: Collection[bytes]) -> None:
        """See `Sweep.gone`."""
        self._skip -= sum(entry.score == self._score and entry.raw in raws for entry in self._given)

    def _next(self) -> Sequence[SetEntry]:
        found = self._source.between(self._score, self._high, offset=self._skip, limit=self._limit)
        if found:
            last = found[-1].score
            ties = sum(entry.score == last for entry in found)
            self._skip = ties + (self._skip if last == self._score else 0)
            self._score, self._given = last, found
        return found


class QueueSweep(Sweep[JobEntry]):
    """A walk through a queue, the next to run first, over as many jobs as it has at its start.

    Workers take from where it begins: it finds its place again by the last job that it gave and that is still there.
    """

    def __init__(self, source: Queue) -> None:
        super().__init__(source.size)
        self._source = source
        self._remaining = self.total
        self._start = 0  # how many jobs were given, and are there
        self._anchor, self._before = b"", b""  # the last one of them, and that of the slice before
        self._given: Sequence[JobEntry] = ()

    def gone(self, raws: Collection[bytes]) -> None:
        """See `Sweep.gone`."""
        kept = [entry.raw for entry in self._given if entry.raw not in raws]
        self._start -= len(self._given) - len(kept)
        self._anchor = kept[-1] if kept else self._before

    def _next(self) -> Sequence[JobEntry]:
        limit = min(self._limit, self._remaining)
        if limit <= 0:
            return ()
        first, found = self._behind_anchor(limit)
        slack = min(first, limit)
        self.where = Where(first - slack, slack + 2 * limit)  # workers take some meanwhile, or give some back
        self._start, self._given, self._before = first + len(found), found, self._anchor
        self._anchor = found[-1].raw if found else self._anchor
        self._remaining -= len(found)
        return found

    def _behind_anchor(self, limit: int) -> tuple[int, Sequence[JobEntry]]:
        """Return the place of the next jobs, and these."""
        begin, reach, extra = self._start, 1, 0
        while begin > 0:
            begin = max(0, begin - reach)
            window = self._source.oldest(begin, reach + limit + extra)
            raws = [entry.raw for entry in window]
            if self._anchor in raws:
                passed = raws.index(self._anchor) + 1
                return begin + passed, window[passed : passed + limit]
            reach = extra = _SLACK * limit  # workers took some, or gave some back
        return 0, self._source.oldest(0, limit)  # workers took all that was given
