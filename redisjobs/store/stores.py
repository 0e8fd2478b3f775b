"""BlockingStore and AsyncStore: send Ops singly, in one trip, or as one transaction.

Both keep a few connections and hand each to one request at a time. A store with `patience_s` tries again after a
failed connection until that time is over: every Op is safe to send twice.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload
from weakref import WeakKeyDictionary

from redisjobs import clock
from redisjobs.config import RedisConfig
from redisjobs.errors import StoreUnavailableError
from redisjobs.lazy import LazyModule
from redisjobs.store.connect import AsyncLine, Line, shown
from redisjobs.store.op import Op, Together

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LazyModule("asyncio")

T = TypeVar("T")

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
_MAX_LINES = 10  # connections of one event loop


class BlockingStore:
    """Sends Ops from any thread. After a fork the child opens connections of its own."""

    def __init__(self, config: RedisConfig, *, patience_s: float = 0.0) -> None:
        self.config = config
        self._patience_s = patience_s
        self._free: deque[Line] = deque()
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

    def line(self, *, timeout_s: float | None = None) -> Line:
        """Return a connection of one's own, for who waits on sockets."""
        return Line(self.config, timeout_s=timeout_s)

    def close(self) -> None:
        """Close the connections that nobody uses; the store stays usable."""
        while self._free:
            self._free.pop().close()

    def _patiently(self, ops: Sequence[Op[Any]], atomic: bool) -> list[Any]:
        pauses = _Pauses(self._patience_s)
        while True:
            try:
                return self._once(ops, atomic)
            except StoreUnavailableError as error:
                pause_s = pauses.next_s()
                if pause_s is None:
                    raise unavailable(self.config, error) from error
            time.sleep(pause_s)

    def _once(self, ops: Sequence[Op[Any]], atomic: bool) -> list[Any]:
        if self._pid != os.getpid():
            self._pid, self._free = os.getpid(), deque()
        try:
            line = self._free.pop()
        except IndexError:
            line = Line(self.config)
        if line.stale:  # Redis was restarted since: that is no outage now
            line.close()
        try:
            replies = line.request(ops, atomic=atomic)
        except BaseException:
            line.close()  # replies that nobody read may still be on their way
            raise
        self._free.append(line)
        return replies


class AsyncStore:
    """See `BlockingStore`: the same from coroutines, on any number of event loops."""

    def __init__(self, config: RedisConfig, *, patience_s: float = 0.0) -> None:
        self.config = config
        self._patience_s = patience_s
        self._loops: WeakKeyDictionary[Any, tuple[asyncio.Semaphore, deque[AsyncLine]]] = WeakKeyDictionary()

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
        _, free = self._lines()
        while free:
            await free.pop().close(wait=True)

    async def _patiently(self, ops: Sequence[Op[Any]], atomic: bool) -> list[Any]:
        pauses = _Pauses(self._patience_s)
        while True:
            try:
                return await self._once(ops, atomic)
            except StoreUnavailableError as error:
                pause_s = pauses.next_s()
                if pause_s is None:
                    raise unavailable(self.config, error) from error
            await asyncio.sleep(pause_s)

    async def _once(self, ops: Sequence[Op[Any]], atomic: bool) -> list[Any]:
        limit, free = self._lines()
        async with limit:
            line = free.pop() if free else AsyncLine(self.config)
            if line.stale:
                await line.close()
            try:
                replies = await line.request(ops, atomic=atomic)
            except BaseException:
                await line.close()
                raise
            free.append(line)
            return replies

    def _lines(self) -> tuple[asyncio.Semaphore, deque[AsyncLine]]:
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            self._loops[loop] = (asyncio.Semaphore(_MAX_LINES), deque())
        return self._loops[loop]


def unavailable(config: RedisConfig, error: Exception) -> StoreUnavailableError:
    """Return the error that names the server that did not answer."""
    return StoreUnavailableError(f"no answer from Redis at {shown(config.url)}: {error}")


class _Pauses:
    """How long to wait before each new try: doubling, until the patience is over."""

    def __init__(self, patience_s: float) -> None:
        self._until = clock.monotonic() + patience_s
        self._next_s = _FIRST_PAUSE_S

    def next_s(self) -> float | None:
        pause_s = min(self._next_s, _LONGEST_PAUSE_S)
        self._next_s *= 2
        return pause_s if clock.monotonic() + pause_s < self._until else None


def _parts(wanted: Op[Any] | Together) -> tuple[Sequence[Op[Any]], bool]:
    if isinstance(wanted, Together):
        return wanted.ops, wanted.atomic
    return (wanted,), False
