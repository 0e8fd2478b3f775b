"""Executors whose jobs wait at a gate that the test opens."""

from __future__ import annotations

import asyncio
import threading

from redisjobs import RedisJobs
from redisjobs.errors import JobInterrupted
from redisjobs.store.ops.leases import Settlement, done, released
from redisjobs.wire import payload
from redisjobs.worker.executors import Executor
from redisjobs.worker.executors.coroutines import Coroutines, LoopThread
from redisjobs.worker.executors.threads import Threads
from redisjobs.worker.work import Work
from tests.support.builders import a_lease
from tests.worker.runs import Most

JOB = RedisJobs("redis://127.0.0.1:1").job(name="Mail")(lambda: None)  # nothing connects


def works(*numbers: int) -> list[Work]:
    """Return works told apart by their one argument."""
    leases = [a_lease(args=[number]) for number in numbers]
    return [Work(lease, payload.decode(lease.raw), JOB) for lease in leases]


def number(end: Settlement) -> int:
    """Return which of the `works` it is."""
    found: int = payload.decode(end.lease.raw).args[0]
    return found


class Pool:
    """An executor whose jobs wait at a gate; `started` and `ended` tell their order, `most` how many were inside."""

    executor: Executor
    interrupts: type[BaseException]

    def __init__(self) -> None:
        self.started: list[int] = []
        self.ended: list[Settlement] = []
        self.caught: list[type[BaseException]] = []
        self.inside = Most()

    def open(self) -> None:
        """Let all jobs pass, from now on."""
        raise NotImplementedError

    def end(self) -> None:
        """End what the executor left."""
        self.open()
        self.executor.stop()

    @property
    def numbers(self) -> list[int]:
        """Which jobs have ended, in that order."""
        return [number(end) for end in self.ended]

    def runs(self, *numbers: int) -> bool:
        """Tell whether just these run, as the executor says."""
        return sorted(one.work.payload.args[0] for one in self.executor.running()) == sorted(numbers)


class ThreadPool(Pool):
    """Over `Threads`."""

    interrupts = JobInterrupted

    def __init__(self, count: int, *, name: str = "pool-") -> None:
        super().__init__()
        self._gate = threading.Event()
        self._name = name
        self.executor = Threads(name, count, self._run, self.ended.append)

    def open(self) -> None:
        """See `Pool.open`."""
        self._gate.set()

    @property
    def alive(self) -> set[int]:
        """Which of its threads live, by number; give it a name of its own, another test's may still be leaving."""
        start = f"redisjobs-{self._name}"
        named = [thread.name for thread in threading.enumerate()]
        return {int(name.removeprefix(start)) for name in named if name.startswith(start)}

    def _run(self, work: Work) -> Settlement:
        with self.inside:
            try:
                self.started.append(work.payload.args[0])
                while not self._gate.wait(0.005):  # an interrupt is heard between two waits
                    pass
            except BaseException as error:
                self.caught.append(type(error))
                return released(work.lease)
            return done(work.lease)


class CoroutinePool(Pool):
    """Over `Coroutines`."""

    interrupts = asyncio.CancelledError

    def __init__(self, count: int) -> None:
        super().__init__()
        self.thread = LoopThread()
        self._gate = asyncio.Event()
        self.executor = Coroutines("pool-", count, self.thread, self._run, self.ended.append)

    def open(self) -> None:
        """See `Pool.open`."""
        self.thread.loop().call_soon_threadsafe(self._gate.set)

    def end(self) -> None:
        """See `Pool.end`."""
        super().end()
        self.thread.stop(nothing)

    async def _run(self, work: Work) -> Settlement:
        with self.inside:
            try:
                self.started.append(work.payload.args[0])
                await self._gate.wait()
            except asyncio.CancelledError as error:
                self.caught.append(type(error))
                return released(work.lease)
            return done(work.lease)


async def nothing() -> None:
    """Clean up nothing."""
