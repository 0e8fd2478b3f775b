"""Do one thing with many jobs of a set or a queue: all that match, or those that somebody chose.

It is done in bounded steps: who iterates may stop after each. Each job is moved by its exact bytes in one script, and
who removes it moves it: two at once on the same jobs, Ruby's pages among them, neither lose nor double one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, TypeAlias

import msgspec
from msgspec import Struct

from redisjobs import clock
from redisjobs.errors import RedisJobsError
from redisjobs.inspector.entries import Acted, JobEntry
from redisjobs.inspector.query import Query
from redisjobs.inspector.queues import Queue
from redisjobs.inspector.sets import JobSet, RetrySet, ScheduledSet
from redisjobs.inspector.sweep import MOST, Source, Sweep, sweep
from redisjobs.store.ops.queues import ANYWHERE, Where

_TOLD = 100  # reasons that are kept
_APART_S = 1e-6  # moments that are given: Ruby's pages find an entry by its score

Act: TypeAlias = Callable[[Sequence[Any], Where], Acted[JobEntry]]


class Retry(Struct, frozen=True):
    """Put jobs of a set into their queues now; `queue` overrides the one that they name."""

    done: ClassVar[str] = "enqueued"

    queue: str | None = None

    def on(self, source: Source) -> Act:
        """Return what does it with some entries of a source; so do the others."""
        if not isinstance(source, JobSet):
            raise RedisJobsError(f"{source!r}: its jobs are in a queue already")
        return lambda entries, _: source.enqueue_some(entries, queue=self.queue)


class Kill(Struct, frozen=True):
    """Move jobs to the dead set. Death handlers are not called: they belong to workers."""

    done: ClassVar[str] = "killed"

    def on(self, source: Source) -> Act:
        """See `Retry.on`."""
        if isinstance(source, Queue):
            return source.kill_some
        if not isinstance(source, RetrySet | ScheduledSet):
            raise RedisJobsError("jobs of the dead set are dead already: delete or retry them")
        return lambda entries, _: source.kill_some(entries)


class Delete(Struct, frozen=True):
    """Delete jobs."""

    done: ClassVar[str] = "deleted"

    def on(self, source: Source) -> Act:
        """See `Retry.on`."""
        if isinstance(source, Queue):
            return source.delete_some
        return lambda entries, _: source.delete_some(entries)


class Reschedule(Struct, frozen=True):
    """Give jobs that wait another moment: `at` (Unix seconds), or their own one `by_s` seconds later."""

    done: ClassVar[str] = "rescheduled"

    at: float | None = None
    by_s: float = 0.0

    def on(self, source: Source) -> Act:
        """See `Retry.on`."""
        if not isinstance(source, RetrySet | ScheduledSet):
            raise RedisJobsError("only jobs that wait for a moment can be rescheduled: those of retries and scheduled")
        numbers = itertools.count()

        def moment(entry: Any) -> float:
            if self.at is None:
                return float(entry.score + self.by_s)
            return self.at + next(numbers) * _APART_S

        return lambda entries, _: source.reschedule_some(entries, moment)


class Move(Struct, frozen=True):
    """Move jobs of a queue to another queue, in order and behind what that has."""

    done: ClassVar[str] = "moved"

    queue: str

    def on(self, source: Source) -> Act:
        """See `Retry.on`."""
        if not isinstance(source, Queue) or source.name == self.queue or not self.queue:
            raise RedisJobsError(f"jobs can be moved from one queue to another, not from {source!r} to {self.queue!r}")
        return lambda entries, where: source.move_some(entries, self.queue, where)


Action: TypeAlias = Retry | Kill | Delete | Reschedule | Move


class Progress(Struct, frozen=True):
    """How far it is: entries looked at, of how many there were at the start; jobs done, and those left where they are.

    What matches and is neither was not there any more: somebody else was quicker.
    """

    looked: int
    total: int
    done: int
    left: int
    finished: bool


class Bulk:
    """One action on the jobs of a source that match a query; `selection`: only on those of these exact bytes.

    Iterate it: each turn is one step, of a few round trips, and tells how far it is. `reasons` tell why some were left,
    by their ids, of the first hundred. Of a set the soonest (of the dead the oldest) go first, of a queue the next.

    Raises:
        RedisJobsError: this cannot be done with jobs of this source.
    """

    def __init__(
        self, source: Source, query: Query, action: Action, *, selection: Sequence[bytes] | None = None
    ) -> None:
        self.action = action
        self.reasons: list[tuple[str, str]] = []
        self._source = source
        self._query = query
        self._selection = selection
        self._act = action.on(source)
        self._met: set[bytes | str] = set()

    def __iter__(self) -> Iterator[Progress]:
        looked = done = left = 0
        if self._selection is None:
            walk = sweep(self._source, self._query)
            slices, total = self._walked(walk), walk.total
        else:
            slices, total = self._selected(self._selection), len(self._selection)
        for seen, acted in slices:
            looked, done, left = looked + seen, done + acted.count, left + len(acted.left)
            self.reasons += [(entry.id, reason) for entry, reason in acted.left[: _TOLD - len(self.reasons)]]
            yield Progress(looked, max(total, looked), done, left, finished=False)
        yield Progress(looked, max(total, looked), done, left, finished=True)

    def _walked(self, walk: Sweep[JobEntry]) -> Iterator[tuple[int, Acted[JobEntry]]]:
        for entries in walk:
            wanted = [entry for entry in entries if self._query.matches(entry) and self._is_new(entry)]
            acted = self._act(wanted, walk.where) if wanted else Acted(0)
            walk.gone({entry.raw for entry in wanted} - {entry.raw for entry, _ in acted.left})
            yield len(entries), acted

    def _selected(self, raws: Sequence[bytes]) -> Iterator[tuple[int, Acted[JobEntry]]]:
        step = 1 if isinstance(self._source, Queue) else MOST  # there Redis looks through the queue for each
        for at in range(0, len(raws), step):
            some = raws[at : at + step]
            wanted = [entry for entry in self._source.these(some) if self._query.matches(entry)]
            yield len(some), self._act(wanted, ANYWHERE) if wanted else Acted(0)

    def _is_new(self, entry: JobEntry) -> bool:
        """Whether this was not met before: one that fails again, or goes later, is in front of this walk once more."""
        key: bytes | str
        if isinstance(self.action, Reschedule):
            key = entry.raw
        elif isinstance(self.action, Retry) and isinstance(self._source, RetrySet):
            key = entry.id
        else:
            return True
        is_new = key not in self._met
        self._met.add(key)
        return is_new


class Counted(Struct, frozen=True):
    """How many match; `partial`: at least so many, as only `looked` of `total` entries were looked at."""

    count: int
    looked: int
    total: int

    @property
    def partial(self) -> bool:
        """Whether the time was up before all was looked at."""
        return self.looked < self.total


def count(source: Source, query: Query, *, budget_s: float = 0.2) -> Counted:
    """Count the entries that match, for about `budget_s` seconds."""
    until = clock.monotonic() + budget_s
    walk = sweep(source, query)
    if not (_timeless(query) if isinstance(source, JobSet) else query):
        return Counted(walk.total, walk.total, walk.total)
    found = looked = 0
    for entries in walk:
        looked += len(entries)
        found += sum(map(query.matches, entries))
        if clock.monotonic() >= until:
            return Counted(found, looked, max(looked, walk.total))
    return Counted(found, looked, looked)


def _timeless(query: Query) -> Query:
    return msgspec.structs.replace(query, since=None, until=None)
