"""BlockingStore and AsyncStore: send Ops singly, in one trip, or as one transaction.

Both keep a few connections: threads have each to themselves for a request, coroutines share them. A store with
`patience_s` tries again after a failed connection until that time is over: every Op is safe to send twice.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeVar, overload
from weakref import WeakKeyDictionary

from redisjobs import clock
from redisjobs.config import RedisConfig
from redisjobs.errors import StoreUnavailableError
from redisjobs.lazy import LazyModule
from redisjobs.store.connect import (
    AsyncLine,
    Line,
    Request,
    UnknownScriptError,
    decoded,
    message,
    shown,
    transaction_replies,
)
from redisjobs.store.op import Op, Together

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LazyModule("asyncio")

T = TypeVar("T")

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
_MAX_LINES = 10  # connections of one event loop
_MAX_TOGETHER = 200  # requests in one trip
_MAX_TRIP_BYTES = 1024 * 1024  # and one request more: a trip has to be sent within the timeout


class BlockingStore:
    """Sends Ops from any thread. After a fork the child opens connections of its own."""

    def __init__(self, config: RedisConfig, *, patience_s: float = 0.0) -> None:
        self.config = config
        self._patience_s = patience_s
        self._free: deque[Line] = deque()
        self._out: set[Line] = set()
        self._pid = os.getpid()

    @overload
    def run(self, wanted: Op[T]) -> T: ...
    @overload
    def run(self, wanted: Together) -> list[Any]: ...
    def run(self, wanted: Op[Any] | Together) -> Any:
        """Send and return the reply; of some together, the list of replies.

        Raises:
            StoreUnavailableError: Redis did not answer in time, and not again until the patience was over.
            StoreError: Redis refused a request.
        """
        ops, atomic = _parts(wanted)
        replies = self._patiently(ops, atomic)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies if isinstance(wanted, Together) else replies[0]

    def impatient(self) -> BlockingStore:
        """Return one of the same Redis that gives up after the first failure."""
        return BlockingStore(self.config)

    def line(self, *, timeout_s: float | None = None) -> Line:
        """Return a connection of one's own, for who waits on sockets."""
        return Line(self.config, timeout_s=timeout_s)

    def close(self) -> None:
        """Close the connections that nobody uses; the store stays usable."""
        while self._free:
            self._free.pop().close()

    def _patiently(self, ops: Sequence[Op[Any]], atomic: bool) -> list[Any]:
        until = clock.monotonic() + self._patience_s
        pauses: Iterator[float] | None = None
        while True:
            try:
                return self._once(ops, atomic)
            except StoreUnavailableError as error:
                pauses = pauses or _pauses(until)
                pause_s = next(pauses, None)
                if pause_s is None:
                    raise unavailable(self.config, error) from error
            time.sleep(pause_s)

    def _once(self, ops: Sequence[Op[Any]], atomic: bool) -> list[Any]:
        if self._pid != os.getpid():
            self._pid, self._free, self._out = os.getpid(), deque(), set()
        try:
            line = self._free.pop()
        except IndexError:
            line = Line(self.config)
        if line.stale:  # Redis was restarted since: that is no outage now
            line.close()
        out = self._out
        out.add(line)
        line.eager = len(out) == 1
        try:
            replies = line.request(ops, atomic=atomic)
        except BaseException:
            line.close()  # replies that nobody read may still be on their way
            raise
        finally:
            out.discard(line)
        self._free.append(line)
        return replies


class AsyncStore:
    """See `BlockingStore`: the same from coroutines, on any number of event loops."""

    def __init__(self, config: RedisConfig, *, patience_s: float = 0.0) -> None:
        self.config = config
        self._patience_s = patience_s
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Lines] = WeakKeyDictionary()

    @overload
    async def run(self, wanted: Op[T]) -> T: ...
    @overload
    async def run(self, wanted: Together) -> list[Any]: ...
    async def run(self, wanted: Op[Any] | Together) -> Any:
        """See `BlockingStore.run`."""
        ops, atomic = _parts(wanted)
        replies = await self._patiently(ops, atomic)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies if isinstance(wanted, Together) else replies[0]

    async def close(self) -> None:
        """Close this event loop's connections that nobody uses."""
        await self._lines().close()

    async def _patiently(self, ops: Sequence[Op[Any]], atomic: bool) -> list[Any]:
        until = clock.monotonic() + self._patience_s
        pauses: Iterator[float] | None = None
        while True:
            try:
                return await self._once(ops, atomic)
            except StoreUnavailableError as error:
                pauses = pauses or _pauses(until)
                pause_s = next(pauses, None)
                if pause_s is None:
                    raise unavailable(self.config, error) from error
            await asyncio.sleep(pause_s)

    async def _once(self, ops: Sequence[Op[Any]], atomic: bool) -> list[Any]:
        answers = await self._lines().ask(message(ops, atomic=atomic), len(ops) + 2 * atomic)
        if atomic:
            return transaction_replies(ops, answers[:-1], answers[-1])
        unknown = [at for at, answer in enumerate(answers) if isinstance(answer, UnknownScriptError)]
        if unknown:
            again = [ops[at] for at in unknown]
            for at, answer in zip(
                unknown, await self._lines().ask(message(again, by_text=True), len(again)), strict=True
            ):
                answers[at] = answer
        for answer in answers:
            if isinstance(answer, StoreUnavailableError):
                raise answer
        return [decoded(op, answer) for op, answer in zip(ops, answers, strict=True)]

    def _lines(self) -> _Lines:
        loop = asyncio.get_running_loop()
        lines = self._loops.get(loop)
        if lines is None:
            lines = self._loops[loop] = _Lines(self.config)
        return lines


class _Lines:
    """The connections of one event loop. What its coroutines ask for in one turn of the loop goes out in one write.

    A line carries one such lot at a time, and each reply goes to whose turn it is. Who is cancelled is not waited for:
    its reply is read and dropped. A line on which nobody waits any more is closed; it may have been asked to block.
    """

    def __init__(self, config: RedisConfig) -> None:
        self._config = config
        self._waiting: list[Request] = []
        self._free: list[AsyncLine] = []
        self._trips: dict[asyncio.Task[None], Sequence[Request]] = {}
        self._flushing = False

    async def ask(self, sent: bytes, count: int) -> list[Any]:
        """Send with what others ask for now; return the replies, an exception in the place of each refused one."""
        if not count:  # to write nothing keeps CPython 3.12's transports from closing
            return []
        loop = asyncio.get_running_loop()
        request = Request(sent, count, loop.create_future())
        self._waiting.append(request)
        if not self._flushing:
            self._flushing = True
            loop.call_soon(self._flush)
        try:
            return await request.replies
        except asyncio.CancelledError:
            for trip, requests in self._trips.items():
                if all(each.replies.done() for each in requests):
                    trip.cancel()
            raise

    async def close(self) -> None:
        """Close the lines that nobody uses."""
        ending = [trip for trip, requests in self._trips.items() if all(each.replies.done() for each in requests)]
        if ending:  # all replies were given, or given up; it is about to let go of its line
            await asyncio.wait(ending)
        while self._free:
            await self._free.pop().close(wait=True)

    def _flush(self) -> None:
        self._flushing = False
        self._waiting = [request for request in self._waiting if not request.replies.done()]
        while self._waiting and (self._free or len(self._trips) < _MAX_LINES):
            line = self._free.pop() if self._free else None
            sizes = accumulate(len(request.sent) for request in self._waiting[: _MAX_TOGETHER - 1])
            count = 1 + sum(size < _MAX_TRIP_BYTES for size in sizes)
            requests, self._waiting = self._waiting[:count], self._waiting[count:]
            trip = asyncio.get_running_loop().create_task(self._carry(line, requests))
            self._trips[trip] = requests
            trip.add_done_callback(self._done)

    async def _carry(self, line: AsyncLine | None, requests: Sequence[Request]) -> None:
        try:
            line = line or AsyncLine(self._config)
            await line.carry(requests)
            self._free.append(line)
        except Exception as error:
            for each in requests:
                if not each.replies.done():
                    each.replies.set_exception(type(error)(*error.args))  # its own: each raises it

    def _done(self, trip: asyncio.Task[None]) -> None:
        for each in self._trips.pop(trip):
            each.replies.cancel()  # those of a trip that was cancelled with the whole loop
        self._flush()


def unavailable(config: RedisConfig, error: Exception) -> StoreUnavailableError:
    """Return the error that names the server that did not answer."""
    return StoreUnavailableError(f"no answer from Redis at {shown(config.url)}: {error}")


def _pauses(until: float) -> Iterator[float]:
    """Give how long to wait before each new try, doubling, until that moment (monotonic seconds)."""
    pause_s = _FIRST_PAUSE_S
    while clock.monotonic() + pause_s < until:
        yield pause_s
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _parts(wanted: Op[Any] | Together) -> tuple[Sequence[Op[Any]], bool]:
    if isinstance(wanted, Together):
        return wanted.ops, wanted.atomic
    return (wanted,), False
