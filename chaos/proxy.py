"""A TCP proxy in front of Redis that does to connections what networks do; an event loop in a thread of its own.

Must not know: what the bytes mean, but for one word that it may look for in requests.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Coroutine
from typing import Any

from tests.support.real_redis import free_port

_NO_LINGER = struct.pack("ii", 1, 0)  # close sends a reset
_CHUNK = 1 << 16


class _Pair:
    """A connection of a client, and the one to Redis that belongs to it."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near = near
        self.far = far
        self.asked = b""
        self.silent = False  # what comes is swallowed, and nothing is ever closed
        self.crawls = False  # one byte a second comes back, for ever

    def reset(self) -> None:
        """Close both with a reset."""
        for writer in (self.near, self.far):
            one = writer.get_extra_info("socket")
            if one is not None and one.fileno() >= 0:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            writer.transport.abort()


class Proxy:
    """Passes bytes on between a port of the loopback and a server's.

    What may be set, from any thread: `reset_chance` for each chunk that passes; `lose_words` and `lose_chance`: an
    answer to a request with one of these words is swallowed, and its connection reset.
    """

    def __init__(self, port: int) -> None:
        self.port = free_port()
        self.reset_chance = 0.0
        self._hole = False
        self.lose_words: tuple[bytes, ...] = ()
        self.lose_chance = 0.0
        self.faults = 0
        self._target = port
        self._chance = random.Random(7)
        self._pairs: set[_Pair] = set()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._listen())

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"redis://127.0.0.1:{self.port}/0"

    def reset_all(self) -> None:
        """Reset every connection."""
        self._run(self._reset_all())

    def open_hole(self) -> None:
        """Have every connection, and each new one until `close_hole`, be silent for ever."""
        self._hole = True
        self._run(self._silence())

    def crawl(self) -> None:
        """Have each connection that is open now bring back one byte a second from now on."""
        self._run(self._slow_down())

    def cut_far(self) -> None:
        """Close the connections to Redis; the clients' stay open and are silent: half-open."""
        self._run(self._cut_far())

    def close_hole(self) -> None:
        """Let new connections through."""
        self._hole = False

    def close(self) -> None:
        """End it and its connections."""
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _run(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _end(self) -> None:
        self._listener.close()
        await self._reset_all()
        for task in self._tasks:
            task.cancel()

    async def _reset_all(self) -> None:
        for pair in list(self._pairs):
            self._fault(pair)

    async def _silence(self) -> None:
        for pair in self._pairs:
            pair.silent = True
            self.faults += 1

    async def _slow_down(self) -> None:
        for pair in self._pairs:
            pair.crawls = True
            self.faults += 1

    async def _cut_far(self) -> None:
        for pair in self._pairs:
            pair.silent = True
            pair.far.transport.abort()
            self.faults += 1

    def _fault(self, pair: _Pair) -> None:
        self.faults += 1
        pair.reset()

    async def _accept(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        try:
            far, to_far = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            to_near.transport.abort()
            return
        pair = _Pair(to_near, to_far)
        pair.silent = self._hole
        self._pairs.add(pair)
        for source, target, back in ((near, to_far, False), (far, to_near, True)):
            task = self._loop.create_task(self._pump(pair, source, target, back))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, pair: _Pair, source: asyncio.StreamReader, target: asyncio.StreamWriter, back: bool) -> None:
        try:
            while data := await source.read(_CHUNK):
                if pair.silent:
                    continue
                if not back:
                    pair.asked = data
                elif self._swallows(pair):
                    self._fault(pair)
                    break
                if self._chance.random() < self.reset_chance:
                    self._fault(pair)
                    break
                while back and pair.crawls and len(data) > 1:
                    target.write(data[:1])
                    data = data[1:]
                    await asyncio.sleep(1)
                target.write(data)
                await target.drain()
        except OSError:
            pass
        if not pair.silent:  # a hole closes nothing, even if the other end did
            self._pairs.discard(pair)
            pair.near.close()
            pair.far.close()

    def _swallows(self, pair: _Pair) -> bool:
        found = any(word in pair.asked for word in self.lose_words)
        return found and self._chance.random() < self.lose_chance
