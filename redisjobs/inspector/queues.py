"""Queues: how long they are, what is in them; pause, clear, delete one job."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from redisjobs import clock
from redisjobs.errors import QueryError, RedisJobsError, WrongTypeError
from redisjobs.inspector.access import Access
from redisjobs.inspector.entries import Acted, JobEntry
from redisjobs.inspector.pages import PAGE, Hit, Slice, walk
from redisjobs.inspector.query import Query
from redisjobs.store.op import Op
from redisjobs.store.ops import queues as ops
from redisjobs.store.ops.queues import ANYWHERE, Where
from redisjobs.store.resque_keys import ResqueKeys
from redisjobs.wire import payload

QUEUE = "queue"
_CURSOR = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class QueueSummary:
    """One queue as of now; `problem` says why the rest is zero if its key is no queue."""

    name: str
    size: int
    latency_s: float
    paused: bool
    problem: str = ""


class Queue:
    """One queue. Each look asks Redis; a job that moves meanwhile may be seen twice or not at all."""

    def __init__(self, access: Access, name: str) -> None:
        self.name = name
        self._access = access
        self._keys = access.keys

    def __repr__(self) -> str:
        return f"<Queue {self.name}>"

    @property
    def title(self) -> str:
        """See `JobSet`."""
        return f"the queue {self.name}"

    @property
    def place(self) -> str:
        """See `JobSet`."""
        return f"{QUEUE}:{self.name}"

    @property
    def size(self) -> int:
        """How many jobs wait; those that workers hold are not counted."""
        return self._access.run(ops.size(self._keys, self.name))

    def __len__(self) -> int:
        return self.size

    def __bool__(self) -> bool:  # an empty queue is a queue
        return True

    @property
    def latency_s(self) -> float:
        """How long the job that runs next has waited, in seconds; 0 if there is none, or it does not say."""
        return _latency_s(self._access.run(ops.oldest(self._keys, self.name)))

    @property
    def paused(self) -> bool:
        """Whether workers leave this queue alone. Ruby's open-source workers do not heed it."""
        return self.name in self._access.run(ops.paused(self._keys))

    def pause(self) -> None:
        """Let workers leave this queue alone; what they hold of it they run. Jobs can still be pushed."""
        self._access.run(ops.pause(self._keys, self.name))

    def unpause(self) -> None:
        """Let workers take from this queue again."""
        self._access.run(ops.unpause(self._keys, self.name))

    def page(self, offset: int = 0, limit: int = PAGE) -> list[JobEntry]:
        """Return some entries, newest first."""
        return self._page(offset, limit)[1]

    def __iter__(self) -> Iterator[JobEntry]:
        """Give all entries, newest first, a page per round trip."""
        return walk(self._page, grows_in_front=True)

    def seek(self, query: Query, cursor: str, count: int) -> Slice[JobEntry]:
        """Look at up to `count` entries, newest first, from a cursor on. Cost: one round trip.

        Raises:
            QueryError: that is no cursor.
        """
        if cursor and not _CURSOR.fullmatch(cursor):
            raise QueryError(f"{cursor[:40]!r} is no cursor: start again without one")
        start = int(cursor or 0)
        total, page = self._access.run(ops.page(self._keys, self.name, start=start, stop=start + count - 1))
        is_resque = isinstance(self._keys, ResqueKeys)
        likely = [(index, raw) for index, raw in enumerate(page, start) if is_resque or query.could_match(raw)]
        found = [self._access.entry(raw, self.name, index=index) for index, raw in likely]
        hits = [Hit(one, one.index or 0, str((one.index or 0) + 1)) for one in found if query.matches(one)]
        return Slice(total, start, len(page), sum(map(len, page)), str(start + len(page)), hits)

    def find(self, jid: str) -> JobEntry | None:
        """Return the job of a jid, or the entry of an `id`; None if it is not here. Cost: O(length of the queue)."""
        return next((entry for entry in self if entry.id == jid), None)

    def delete(self, job: str | JobEntry) -> bool:
        """Delete one job, by its jid or as it was listed; False if it is not here any more."""
        entry = self.find(job) if isinstance(job, str) else job
        return entry is not None and self._access.run(ops.remove(self._keys, self.name, entry.raw)) > 0

    def clear(self) -> int:
        """Delete all jobs and the name of the queue; return how many went. What workers hold is not touched."""
        return self._access.run(ops.clear(self._keys, self.name))

    def oldest(self, start: int, limit: int) -> list[JobEntry]:
        """Return some entries in the order they run, `start` passed over.

        Raises:
            RedisJobsError: it is a queue of Resque's, whose order is the other one.
        """
        if self._keys.next_end != "R":
            raise RedisJobsError("Resque's queues have their other end in front: bulk work cannot walk them")
        found = self._access.run(ops.oldest_from(self._keys, self.name, start=start, count=limit))
        return [self._access.entry(raw, self.name) for raw in found]

    def these(self, raws: Sequence[bytes]) -> list[JobEntry]:
        """Return entries of these bytes, whether they are here or not."""
        return [self._access.entry(raw, self.name) for raw in raws]

    def delete_some(self, entries: Sequence[JobEntry], where: Where = ANYWHERE) -> Acted[JobEntry]:
        """Delete some jobs, as they were listed."""
        raws = [entry.raw for entry in entries]
        return Acted(self._pluck(lambda place: ops.withdraw(self._keys, self.name, raws, place), len(raws), where))

    def kill_some(self, entries: Sequence[JobEntry], where: Where = ANYWHERE) -> Acted[JobEntry]:
        """Move some jobs, as they were listed, to the dead set. Calls no death handlers."""
        pairs = [(entry.raw, self._access.buried(entry)) for entry in entries]
        dead = self._access.dead
        return Acted(
            self._pluck(lambda place: ops.condemn(self._keys, self.name, pairs, place, dead=dead), len(pairs), where)
        )

    def move_some(self, entries: Sequence[JobEntry], target: str, where: Where = ANYWHERE) -> Acted[JobEntry]:
        """Move some jobs, as they were listed, to another queue, behind what it has. Bytes that are no job stay."""
        left = [(entry, f"{entry.problem.field}: {entry.problem.problem}") for entry in entries if entry.problem]
        jobs = [entry.raw for entry in entries if entry.problem is None]
        pairs = [(raw, payload.change(raw, {"queue": target})) for raw in jobs]
        return Acted(
            self._pluck(lambda place: ops.divert(self._keys, self.name, target, pairs, place), len(pairs), where), left
        )

    def _pluck(self, op: Callable[[Where], Op[int]], count: int, where: Where) -> int:
        """Take `count` jobs; those that are not there any more from nearer to the end where workers take them."""
        found = self._access.run(op(where)) if count else 0
        if found < count and where.wider != where:
            found += self._access.run(op(where.wider))
        return found

    def push_some(self, raws: Sequence[bytes]) -> None:
        """Put bytes here as they are, behind what is here; the first runs first."""
        self._access.run(ops.push(self._keys, self.name, raws, producer=ops.Producer(os.urandom(8).hex())))

    def _page(self, start: int, count: int) -> tuple[int, list[JobEntry]]:
        if count <= 0:
            return self.size, []
        size, page = self._access.run(ops.page(self._keys, self.name, start=start, stop=start + count - 1))
        return size, [self._access.entry(raw, self.name, index=index) for index, raw in enumerate(page, start)]


def all_queues(access: Access) -> list[Queue]:
    """Return all queues that were pushed to and not cleared since, by name. Cost: one round trip."""
    return [Queue(access, name) for name in access.run(ops.names(access.keys))]


def summaries(access: Access) -> list[QueueSummary]:
    """Return all queues as of now, by name. Cost: three round trips, however many queues."""
    names = access.run(ops.names(access.keys))
    if not names:
        return []
    paused = access.run(ops.paused(access.keys))
    found = access.gather([op(access.keys, name) for name in names for op in (ops.size, ops.oldest)])
    return [
        _summary(name, size, oldest, name in paused)
        for name, size, oldest in zip(names, found[::2], found[1::2], strict=True)
    ]


def _summary(name: str, size: object, oldest: object, paused: bool) -> QueueSummary:
    problem = next((found for found in (size, oldest) if isinstance(found, WrongTypeError)), None)
    if problem is not None:
        return QueueSummary(name, 0, 0.0, paused, str(problem))
    raw = oldest if isinstance(oldest, bytes) else None
    return QueueSummary(name, size if isinstance(size, int) else 0, _latency_s(raw), paused)


def _latency_s(raw: bytes | None) -> float:
    if raw is None:
        return 0.0
    entry = JobEntry(raw)
    since = entry.enqueued_at if entry.enqueued_at is not None else entry.created_at
    return max(0.0, clock.now() - since) if since is not None else 0.0
