"""Runs coroutine functions on one event loop, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from itertools import count as count_up
from typing import Any, TypeVar

from redisjobs import clock
from redisjobs.store.ops.leases import Settlement
from redisjobs.worker.work import Running, Work

T = TypeVar("T")


class LoopThread:
    """An event loop in a thread, started when first needed and shared by all capsules of a worker."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the running loop."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="redisjobs-loop", daemon=True)
                self._thread.start()
            return self._loop

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for it here."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop()).result()

    def stop(self, cleanup: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Run a last coroutine and end the loop; nothing if it was never started."""
        if self._loop is None or self._thread is None:
            return
        self.run(cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        if not self._thread.is_alive():
            self._loop.close()


class Coroutines:
    """Runs up to `count` coroutines at once."""

    def __init__(
        self,
        name: str,
        count: int,
        thread: LoopThread,
        run: Callable[[Work], Awaitable[Settlement]],
        finished: Callable[[Settlement], None],
    ) -> None:
        self._name = name
        self._count = count
        self._thread = thread
        self._run = run
        self._finished = finished
        self._line: deque[Work] = deque()
        self._tasks: dict[asyncio.Task[None], Running] = {}
        self._numbers = count_up()

    def submit(self, batch: list[Work]) -> None:
        """Take work, the first to run first."""
        self._line.extend(batch)
        self._thread.loop().call_soon_threadsafe(self._start_some)

    @property
    def waiting(self) -> int:
        """How many were taken and not started."""
        return len(self._line)

    def take_back(self) -> list[Work]:
        """Return what was not started, oldest first; it will not be."""
        taken: list[Work] = []
        while True:
            try:
                taken.append(self._line.popleft())
            except IndexError:
                return taken

    def running(self) -> list[Running]:
        """What runs at this moment."""
        return list(self._tasks.values())

    def interrupt(self) -> None:
        """Cancel what runs."""
        if self._tasks:
            self._thread.loop().call_soon_threadsafe(self._cancel)

    def cancel(self, tid: str, jid: str) -> None:
        """Cancel the run of a job in a task of this name, if it still goes on."""
        for task, one in list(self._tasks.items()):
            if one.is_run(tid, jid):
                one.work.cancelled = True
                self._thread.loop().call_soon_threadsafe(task.cancel)  # behind its first step: it hears it in the job

    def stop(self) -> None:
        """Nothing to end: the loop is the worker's."""

    def _start_some(self) -> None:
        loop = asyncio.get_running_loop()
        while len(self._tasks) < self._count:
            try:
                work = self._line.popleft()
            except IndexError:
                return
            tid = f"{self._name}a{next(self._numbers)}"
            task = loop.create_task(self._one(work), name=tid)
            self._tasks[task] = Running(work, clock.now(), tid)
            task.add_done_callback(self._ended)

    async def _one(self, work: Work) -> None:
        began = clock.monotonic()
        settlement = await self._run(work)
        work.took_s = clock.monotonic() - began
        self._finished(settlement)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if self._line:
            self._start_some()

    def _cancel(self) -> None:
        for task in list(self._tasks):
            task.cancel()
