"""Runs plain functions, each thread one at a time.

An idle thread can be had to do something else until a job comes of it: so the fetcher lets it wait for the next one,
which then starts where it arrived, without another thread to be woken.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from redisjobs import clock
from redisjobs.errors import JobCancelled, JobInterrupted
from redisjobs.store.ops.leases import Settlement
from redisjobs.worker.watchdog import Interruption, interrupt
from redisjobs.worker.work import Running, Work


class Threads:
    """`count` threads that share one line of waiting work. They are started with the first work."""

    def __init__(
        self, name: str, count: int, run: Callable[[Work], Settlement], finished: Callable[[Settlement], None]
    ) -> None:
        self._name = name
        self._count = count
        self._run = run
        self._finished = finished
        self._line: SimpleQueue[Work | Callable[[], Work | None] | None] = SimpleQueue()
        self._current: list[tuple[Work, float] | None] = [None] * count
        self._threads: list[threading.Thread] = []
        self._stopped = False

    def submit(self, batch: list[Work]) -> None:
        """Take work, the first to run first."""
        put = self._line.put
        for work in batch:
            put(work)
        if len(self._threads) < self._count:
            self._start(len(batch))

    @property
    def started(self) -> int:
        """How many threads there are."""
        return len(self._threads)

    def borrow(self, call: Callable[[], Work | None]) -> None:
        """Have an idle thread call this, and then run what it returns. Only while nothing else waits."""
        self._line.put(call)

    @property
    def waiting(self) -> int:
        """How many were taken and not started."""
        return self._line.qsize()

    def take_back(self) -> list[Work]:
        """Return what was not started, oldest first; it will not be."""
        taken: list[Work] = []
        while True:
            try:
                work = self._line.get_nowait()
            except Empty:
                return taken
            if isinstance(work, Work):
                taken.append(work)

    def running(self) -> list[Running]:
        """What runs at this moment."""
        now = list(self._current)
        return [Running(*one, tid=f"{self._name}{at}") for at, one in enumerate(now) if one is not None]

    def interrupt(self) -> None:
        """Raise JobInterrupted in the threads that run something. Code that waits in C hears it only afterwards."""
        for at, thread in enumerate(self._threads):
            if self._current[at] is not None and thread.ident is not None:
                interrupt(thread.ident, JobInterrupted)

    def cancel(self, tid: str, jid: str) -> None:
        """End the run of a job in a thread of this name, if it still goes on."""
        for one in self.running():
            if one.is_run(tid, jid):
                self._cancel(one.work, int(tid.removeprefix(self._name)))

    def stop(self) -> None:
        """End the idle threads; one that still runs something ends after it."""
        self._stopped = True
        for _ in self._threads:
            self._line.put(None)

    def _cancel(self, work: Work, at: int) -> None:
        """Raise JobCancelled in the job, as soon as its own code runs and while it does."""
        ident = self._threads[at].ident
        if work.interruption is None and ident is not None:
            work.interruption = Interruption(ident, JobCancelled)
        work.cancelled = True  # behind the line above and before the one below: see Processor
        if work.inside and work.interruption is not None:
            work.interruption.fire()

    def _start(self, more: int) -> None:
        for _ in range(min(more, self._count - len(self._threads))):
            at = len(self._threads)
            thread = threading.Thread(target=self._loop, args=(at,), name=f"redisjobs-{self._name}{at}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _loop(self, at: int) -> None:
        get, run, finished, current = self._line.get, self._run, self._finished, self._current
        now, monotonic = clock.now, clock.monotonic
        while True:
            try:
                work = get()
                if not isinstance(work, Work):
                    if work is None:
                        return
                    work = work()
                    if work is None:
                        continue
                current[at] = (work, now())
                began = monotonic()
                settlement = run(work)
                work.took_s = monotonic() - began
                current[at] = None
                finished(settlement)
            except JobInterrupted:  # it came too late, after the job's end: the lease was given back already
                current[at] = None
                if self._stopped:  # and it may have taken the place of what says so in the line
                    return
