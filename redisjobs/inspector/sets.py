"""The retry, schedule and dead sets: look, move on, bury, delete.

Every move is atomic per job and on the exact bytes: who removes a job moves it, so nothing here loses or doubles one
while workers, Ruby's too, work on the same set. What is no job is never moved as if it were one.

Unlike Ruby's API, `kill` calls no death handlers: they belong to workers, and there is none here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from math import ceil, inf
from typing import TypeAlias

from redisjobs import clock
from redisjobs.errors import PayloadError, QueryError, WrongTypeError
from redisjobs.inspector.access import Access
from redisjobs.inspector.entries import RAW_ID, Acted, SetEntry
from redisjobs.inspector.pages import PAGE, Hit, Slice, walk
from redisjobs.inspector.query import Query
from redisjobs.store.keys import Keys
from redisjobs.store.op import Op, Together
from redisjobs.store.ops import moves
from redisjobs.store.ops import sets as ops
from redisjobs.wire import elixir, payload
from redisjobs.wire.times import stamp

log = logging.getLogger("redisjobs")

_PLAIN = re.compile(r"[\w-]+", re.ASCII)
_MOST_RETRIES = 1_000_000_000  # more than that is no count: it stays as it is

STEP = 100  # jobs that one round trip of a bulk move takes
SCAN = 1000
_TRIES = 5  # to read a set that changes in front of what is read
_CURSOR = re.compile(r"-?(inf|[0-9]{1,20}(\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?):[0-9]{1,15}:[0-9]{1,15}")

Left: TypeAlias = Callable[[SetEntry, str], None]
"""Called with an entry that a bulk move left where it is, and why."""


def log_left(entry: SetEntry, reason: str) -> None:
    """Say in the log that an entry was left where it is."""
    log.warning("left where it is", extra={"entry": entry.id, "reason": reason})


class JobSet:
    """What the three sets have in common. Each look asks Redis; a job that moves meanwhile may be missed."""

    newest_first = False
    title = ""
    place = ""
    """What people and files call it; of queues it is `queue:NAME`."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._keys = access.keys
        self._key = self._key_in(access.keys)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    @property
    def size(self) -> int:
        """How many there are."""
        return self._access.run(ops.size(self._key))

    def __len__(self) -> int:
        return self.size

    def __bool__(self) -> bool:  # an empty set is a set
        return True

    def __iter__(self) -> Iterator[SetEntry]:
        """Give all entries, the soonest first (of the dead the newest), a page per round trip."""
        return walk(self._page, grows_in_front=False)

    def page(self, offset: int = 0, limit: int = PAGE) -> list[SetEntry]:
        """Return some entries, in the order of iteration."""
        return self._page(offset, limit)[1]

    def find(self, jid: str) -> SetEntry | None:
        """Return the job of a jid, or the entry of an `id`; the first in order if there are some. Cost: O(size)."""
        if jid.startswith(RAW_ID) or not _PLAIN.fullmatch(jid):  # no jid, or one that JSON may write otherwise
            return next((entry for entry in self if entry.id == jid), None)
        found = [entry for entry in self.scan(jid) if entry.jid == jid]
        return min(found, key=lambda entry: -entry.score if self.newest_first else entry.score, default=None)

    def scan(self, text: str) -> Iterator[SetEntry]:
        """Give all entries whose bytes contain a text, in no order. Cost: O(size), done by Redis in small steps."""
        cursor, seen = None, set()
        while cursor != 0:
            cursor, members = self._access.run(ops.search(self._key, cursor or 0, text=text, count=SCAN))
            for raw, score in members:
                if raw not in seen:  # Redis may give one twice
                    seen.add(raw)
                    yield SetEntry(raw, score=score)

    def seek(self, query: Query, cursor: str, count: int) -> Slice[SetEntry]:
        """Look at up to `count` entries of the time asked for, in order, from a cursor on. Cost: a round trip or two.

        Raises:
            QueryError: that is no cursor.
        """
        if cursor and not _CURSOR.fullmatch(cursor):
            raise QueryError(f"{cursor[:40]!r} is no cursor: start again without one")
        score, passed, rank = cursor.split(":") if cursor else ("", "0", "0")
        first, total, start, members = self._stretch(query, score, int(passed), int(rank), count)
        last, equal, size, hits = float(score or "nan"), int(passed), 0, []
        for at, (raw, found) in enumerate(members, start):
            equal = equal + 1 if found == last else 1
            last = found
            size += len(raw)
            if query.could_match(raw) and query.matches(entry := SetEntry(raw, score=found)):
                hits.append(Hit(entry, at - first, f"{found!r}:{equal}:{at + 1}"))
        after = f"{last!r}:{equal}:{start + len(members)}" if members else cursor
        return Slice(total, start - first, len(members), size, after, hits)

    def _stretch(
        self, query: Query, score: str, passed: int, rank: int, count: int
    ) -> tuple[int, int, int, list[tuple[bytes, float]]]:
        """Read behind `passed` members of a score, by their rank: it is read again if that has changed."""
        low, high = (repr(away if at is None else at) for at, away in ((query.since, -inf), (query.until, inf)))
        down = self.newest_first
        for _ in range(_TRIES):
            counts = (
                self._before(high if down else low),
                ops.between(self._key, low, high),
                self._before(score or "0"),
                ops.between(self._key, score or "0", score or "0"),
            )
            read = ops.page(self._key, start=rank, stop=rank + count - 1, newest_first=down)
            first, total, before, equal, members = self._access.run(Together((*counts, read), atomic=True))
            start = max(first, before + min(passed, equal)) if score else first
            if start == rank:
                break
            rank = start
        return first, total, rank, members[: max(0, first + total - rank)]

    def _before(self, score: str) -> Op[int]:
        """Count what stands before the first of a score."""
        return ops.between(self._key, *((f"({score}", "inf") if self.newest_first else ("-inf", f"({score}")))

    def enqueue(self, job: str | SetEntry, *, queue: str | None = None) -> bool:
        """Put one job into its queue now, by its jid or as it was listed; False if it is not here any more.

        `queue` overrides the one that the job names. Of the envelope that a worker put around malformed bytes, the
        bytes go back as they came.

        Raises:
            PayloadError: it is no job that could run, or names no queue. It stays where it is.
        """
        entry = self._entry(job)
        if entry is None:
            return False
        target, raw = self._revived(entry, queue)
        return self._access.run(ops.promote(self._keys, self._key, target, [(entry.raw, raw)])) > 0

    def enqueue_all(self, *, queue: str | None = None, left: Left = log_left) -> int:
        """Put all jobs that are here now into their queues, the soonest (of the dead the oldest) first.

        Returns how many were moved; what cannot be is left here, and `left` is told. Cost: a round trip per 100 jobs
        and queue.
        """

        def move(entries: list[SetEntry]) -> tuple[int, int]:
            acted = self.enqueue_some(entries, queue=queue)
            for entry, reason in acted.left:
                left(entry, reason)
            return acted.count, len(acted.left)

        return self._in_steps(move)

    def enqueue_some(self, entries: Sequence[SetEntry], *, queue: str | None = None) -> Acted[SetEntry]:
        """Put some jobs, as they were listed, into their queues, in this order; see `enqueue`.

        Cost: a round trip per queue.
        """
        by_queue: dict[str, list[tuple[SetEntry, bytes]]] = {}
        moved, left = 0, list[tuple[SetEntry, str]]()
        for entry in entries:
            try:
                target, raw = self._revived(entry, queue)
            except PayloadError as error:
                left.append((entry, f"{error.field}: {error.problem}"))
            else:
                by_queue.setdefault(target, []).append((entry, raw))
        for target, pairs in by_queue.items():
            raws = [(entry.raw, raw) for entry, raw in pairs]
            try:
                moved += self._access.run(ops.promote(self._keys, self._key, target, raws))
            except WrongTypeError as error:
                left += [(entry, str(error)) for entry, _ in pairs]
        return Acted(moved, left)

    def delete_some(self, entries: Sequence[SetEntry]) -> Acted[SetEntry]:
        """Delete some jobs, as they were listed."""
        return Acted(self._access.run(ops.remove(self._key, [entry.raw for entry in entries])))

    def between(self, low: float, high: float, *, offset: int = 0, limit: int = PAGE) -> list[SetEntry]:
        """Return some entries with scores from `low` to `high`, the lowest first. Cost: O(offset)."""
        found = self._access.run(ops.ranged(self._key, low, high, offset=offset, count=limit))
        return [SetEntry(raw, score=score) for raw, score in found]

    def count(self, low: float = -inf, high: float = inf) -> int:
        """Count the entries with scores from `low` to `high`."""
        return self._access.run(ops.between(self._key, repr(low), repr(high)))

    @property
    def last_score(self) -> float:
        """The highest score that an entry has; -inf if there is none."""
        found = self._access.run(ops.page(self._key, start=0, stop=0, newest_first=True))
        return found[0][1] if found else -inf

    def these(self, raws: Sequence[bytes]) -> list[SetEntry]:
        """Return the entries of these bytes that are here."""
        scores = self._access.run(Together([ops.score(self._key, raw) for raw in raws]))
        return [SetEntry(raw, score=at) for raw, at in zip(raws, scores, strict=True) if at is not None]

    def add_some(self, scored: Sequence[tuple[bytes, float]]) -> None:
        """Put bytes here as they are; those that are here already get their score."""
        self._access.run(moves.add(self._key, scored))

    def delete(self, job: str | SetEntry) -> bool:
        """Delete one job, by its jid or as it was listed; False if it is not here any more."""
        entry = self._entry(job)
        return entry is not None and self._access.run(ops.remove(self._key, [entry.raw])) > 0

    def clear(self) -> int:
        """Delete all jobs; return how many."""
        return self._access.run(ops.clear(self._key))

    def _key_in(self, keys: Keys) -> str:
        raise NotImplementedError

    def _page(self, start: int, count: int) -> tuple[int, list[SetEntry]]:
        if count <= 0:
            return self.size, []
        return self._ranked(start, count, self.newest_first)

    def _ranked(self, start: int, count: int, newest_first: bool) -> tuple[int, list[SetEntry]]:
        read = ops.page(self._key, start=start, stop=start + count - 1, newest_first=newest_first)
        size, members = self._access.run(Together((ops.size(self._key), read), atomic=True))
        return size, [SetEntry(raw, score=score) for raw, score in members]

    def _in_steps(self, move: Callable[[list[SetEntry]], tuple[int, int]]) -> int:
        """Move what is here now, lowest score first; `move` returns how many went, and how many it left."""
        moved, kept, remaining = 0, 0, self.size  # no more than these: a job may come back at once
        while remaining > 0:
            _, entries = self._ranked(kept, min(STEP, remaining), False)
            if not entries:
                break
            went, stayed = move(entries)
            moved, kept, remaining = moved + went, kept + stayed, remaining - len(entries)
        return moved

    def _entry(self, job: str | SetEntry) -> SetEntry | None:
        return self.find(job) if isinstance(job, str) else job

    def _revived(self, entry: SetEntry, queue: str | None) -> tuple[str, bytes]:
        """Return the queue that an entry goes to, and its bytes as they go; raises PayloadError if it cannot."""
        if entry.problem is not None:
            raise entry.problem
        fields = entry.payload or {}
        target = fields.get("queue", "default") if queue is None else queue
        if not isinstance(target, str) or not target:
            raise PayloadError("queue", "not the name of a queue: say which", entry.raw)
        changes: dict[str, int | float | str] = {**self._changes(entry)}
        if self._access.wire in elixir.ELIXIR:  # both lose a job that names none when it fails there
            changes["queue"] = target
        return target, payload.change(entry.raw, changes, drop=("at",), wire=self._access.wire)

    def _changes(self, entry: SetEntry) -> dict[str, int | float]:
        return {"enqueued_at": stamp(clock.now(), self._access.wire)}


class _Failed(JobSet):
    """Jobs that failed: one that is enqueued by hand gets the attempt back that led here, as in Ruby."""

    def _changes(self, entry: SetEntry) -> dict[str, int | float]:
        changes = super()._changes(entry)
        count = entry.retry_count
        if count is not None and abs(count) <= _MOST_RETRIES:
            changes["retry_count"] = count - 1 + elixir.counts_failures(entry.payload or {})
        return changes


class _Waiting(JobSet):
    """Jobs that wait for a moment, and may be given up instead."""

    def kill(self, job: str | SetEntry) -> bool:
        """Move one job to the dead set, unchanged; False if it is not here any more. Calls no death handlers.

        Bytes that are no job go as a worker would bury them: bare, or in an envelope where they would crash a page.
        """
        entry = self._entry(job)
        return entry is not None and self.kill_some([entry]).count > 0

    def kill_all(self) -> int:
        """Move all jobs that are here now to the dead set; return how many. Calls no death handlers."""
        return self._in_steps(lambda entries: (self.kill_some(entries).count, 0))

    def kill_some(self, entries: Sequence[SetEntry]) -> Acted[SetEntry]:
        """Move some jobs, as they were listed, to the dead set; see `kill`."""
        pairs = [(entry.raw, self._access.buried(entry)) for entry in entries]
        return Acted(self._access.run(ops.bury(self._keys, self._key, pairs, dead=self._access.dead)))

    def reschedule_some(self, entries: Sequence[SetEntry], when: Callable[[SetEntry], float]) -> Acted[SetEntry]:
        """Give some jobs, as they were listed, another moment (Unix seconds); who has a new one by now keeps it."""
        whole = ceil if self._access.wire == "verk" else float  # its pages read whole seconds only
        shifts = [(entry.raw, entry.score, float(whole(when(entry)))) for entry in entries]
        return Acted(self._access.run(ops.reschedule(self._key, shifts)))


class RetrySet(_Waiting, _Failed):
    """The failed jobs that wait for their next run."""

    title = "the retry set"
    place = "retries"

    def _key_in(self, keys: Keys) -> str:
        return keys.retry


class ScheduledSet(_Waiting):
    """The jobs that wait for their moment."""

    title = "the schedule"
    place = "scheduled"

    def _key_in(self, keys: Keys) -> str:
        return keys.schedule


class DeadSet(_Failed):
    """The jobs that were given up, and bytes that never were a job."""

    newest_first = True
    title = "the dead set"
    place = "dead"

    def _key_in(self, keys: Keys) -> str:
        return keys.dead

    def _revived(self, entry: SetEntry, queue: str | None) -> tuple[str, bytes]:
        original = entry.original
        if original is not None:
            return queue or entry.queue or "default", original
        if entry.problem is None:
            return super()._revived(entry, queue)
        target = queue or entry.queue
        if not target:
            raise PayloadError(
                entry.problem.field, f"{entry.problem.problem}; say which queue it goes back to", entry.raw
            )
        return target, entry.raw
