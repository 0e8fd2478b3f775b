"""Slots: where the jobs of a capsule are between lease and outcome.

Must not know: Redis, how jobs run.
Always holds: each job that was taken and has not ended is with an executor, or pending, or with the job thread that
leads the fetcher's loop, which is about to run it. Only the thread that leads calls anything here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import chain

from redisjobs import clock
from redisjobs.store.ops.leases import Lease, Settlement
from redisjobs.worker.executors import Executor
from redisjobs.worker.executors.threads import Threads
from redisjobs.worker.metrics import Counts
from redisjobs.worker.work import THREAD, Running, Work


class Slots:
    """Gives jobs to executors, each to that which `Work.kind` names, and counts what they hold."""

    def __init__(self, concurrency: int, threads: Threads, *others: Executor) -> None:
        self.concurrency = concurrency
        self.threads = threads
        self.leader_is_job_thread = False
        self.leaders_own: Work | None = None
        """What the leader is to run itself, if it is a job thread."""
        self.counts = Counts()
        """What the jobs were that ended, and how many were taken of each queue."""
        self.moved_at = clock.monotonic()
        """When a job was last given to or back from an executor, in monotonic seconds."""
        self._executors: tuple[Executor, ...] = (threads, *others)
        self._held: dict[Lease, Work] = {}
        self._counts = [0] * len(self._executors)
        self._pending: deque[Work] = deque()

    def __len__(self) -> int:
        """Count the jobs that executors hold, running or not."""
        return sum(self._counts)

    @property
    def full(self) -> bool:
        """Whether no slot is free."""
        return sum(self._counts) >= self.concurrency

    @property
    def has_idle_thread(self) -> bool:
        """Whether a job thread has nothing to do."""
        return self.threads.started > self._counts[THREAD]

    @property
    def waiting(self) -> int:
        """How many the executors have taken and not started."""
        return sum([executor.waiting for executor in self._executors])

    @property
    def pending(self) -> bool:
        """Whether there are jobs that no executor has."""
        return bool(self._pending)

    @property
    def held(self) -> int:
        """How many jobs are here, pending ones too. From any thread."""
        return len(self._held)

    @property
    def leases(self) -> Iterable[Lease]:
        """The leases of all jobs, pending ones too."""
        return self._held

    def running(self) -> list[Running]:
        """What runs at this moment. From any thread."""
        return [one for executor in self._executors for one in executor.running()]

    def put(self, works: list[Work]) -> None:
        """Take jobs, the first to run first."""
        for work in works:
            self._held[work.lease] = work
        self._pending.extend(works)
        self._dispatch()

    def end(self, done: deque[Settlement], now: float) -> list[Settlement]:
        """Empty `done`, in which others put jobs that ended; return those that had not been given back."""
        ended = []
        held, counts, note = self._held, self._counts, self.counts.note
        while done:
            settlement = done.popleft()
            work = held.pop(settlement.lease, None)
            if work is not None:
                counts[work.kind] -= 1
                note(work, settlement)
                ended.append(settlement)
        if ended:
            self.moved_at = now
            if self._pending:
                self._dispatch()
        return ended

    def take_back(self) -> list[Lease]:
        """Take out the jobs that nobody started."""
        taken = [executor.take_back() for executor in self._executors]
        for kind, works in enumerate(taken):
            self._counts[kind] -= len(works)
        back = [work.lease for work in chain(*taken, self._pending)]
        self._pending.clear()
        for lease in back:
            del self._held[lease]
            self.counts.took(lease.queue, -1)
        return back

    def abandon(self) -> list[Lease]:
        """Take out all jobs, whatever becomes of their runs."""
        back = list(self._held)
        self._held.clear()
        for lease in back:
            self.counts.took(lease.queue, -1)
        return back

    def _dispatch(self) -> None:
        """Give pending work to the executors: ahead of free slots only while just one of them has any.

        So that all of them together never run more than the capsule's concurrency.
        """
        batches: list[list[Work]] = [[] for _ in self._executors]
        counts = self._counts
        while self._pending:
            kind = self._pending[0].kind
            if (total := sum(counts)) >= self.concurrency and total != counts[kind]:
                break
            batches[kind].append(self._pending.popleft())
            counts[kind] += 1
        if any(batches):
            self.moved_at = clock.monotonic()
        if self.leader_is_job_thread and self.leaders_own is None and batches[THREAD]:
            self.leaders_own = batches[THREAD].pop(0)
        for executor, batch in zip(self._executors, batches, strict=True):
            if batch:
                executor.submit(batch)
