"""Waits, blocked in Redis, for the first job of each of some queues: one connection per queue, no polling.

Each connection has at most one BLMOVE under way. What it delivers is leased already.
"""

from __future__ import annotations

import selectors
from typing import Any

from redisjobs import clock
from redisjobs.errors import StoreError, StoreUnavailableError
from redisjobs.store.connect import Line
from redisjobs.store.keys import Keys
from redisjobs.store.op import Op
from redisjobs.store.ops import leases, server
from redisjobs.store.stores import BlockingStore
from redisjobs.worker.bell import Bell

BLOCK_S = 2.0
"""How long one BLMOVE waits; so long at most a job of a queue that was just paused may still be taken."""

MAX_LINES = 64
"""Queues beyond these, which only patterns have, are asked for at the end of each wait."""


class _Listener:
    """The connection that waits for one queue."""

    def __init__(self, line: Line, ops: list[Op[Any]]) -> None:
        self.line = line
        self.ops = ops
        self.client_id = 0
        self.registered = -1
        self.until = 0.0  # monotonic seconds; 0: it does not wait


class Listeners:
    """The blocked waits of one fetcher. Used by one thread."""

    def __init__(self, store: BlockingStore, keys: Keys, identity: str, concurrency: int, bell: Bell) -> None:
        self._store = store
        self._keys = keys
        self._identity = identity
        self._concurrency = concurrency
        self._bell = bell
        self._selector = selectors.DefaultSelector()
        self._selector.register(bell, selectors.EVENT_READ, None)
        self._all: dict[str, _Listener] = {}

    def armed(self, queue: str) -> bool:
        """Tell whether a queue is waited for."""
        listener = self._all.get(queue)
        return listener is not None and listener.until > 0

    @property
    def any_armed(self) -> bool:
        """Whether any queue is waited for."""
        return any(listener.until for listener in self._all.values())

    def arm(self, queue: str) -> None:
        """Wait for a job of a queue, if that is not so already."""
        if self.armed(queue):
            return
        listener = self._all.get(queue)
        if listener is None:
            if len(self._all) >= MAX_LINES:
                return
            timeout_s = BLOCK_S + self._store.config.timeout_s
            listener = self._all[queue] = _Listener(self._store.line(timeout_s=timeout_s), self._ops(queue))
        if not listener.line.connected:
            listener.client_id = listener.line.request([server.client_id()])[0]
        listener.line.send(listener.ops)
        if listener.registered != listener.line.fileno():
            self._unregister(listener)
            listener.registered = listener.line.fileno()
            self._selector.register(listener.registered, selectors.EVENT_READ, queue)
        listener.until = clock.monotonic() + BLOCK_S + self._store.config.timeout_s

    def sleep(self, timeout_s: float | None) -> list[tuple[str, bytes | StoreError | None]]:
        """Sleep until a queue delivers, the bell rings or the time is over.

        Returns what was delivered: a payload, None where the wait is over, or why a queue cannot be waited for.
        """
        heard = []
        for key, _ in self._selector.select(timeout_s):
            if key.data is None:
                self._bell.silence()
            else:
                heard.append((key.data, self._receive(key.data)))
        now = clock.monotonic()
        if any(listener.until and now > listener.until for listener in self._all.values()):
            raise StoreUnavailableError("a blocked wait got no answer")
        return heard

    def disarm(self, line: Line) -> list[tuple[str, bytes | StoreError | None]]:
        """End all waits, by a command on another line; return what had been delivered already."""
        waiting = [(queue, one) for queue, one in self._all.items() if one.until]
        if not waiting:
            return []
        line.request(server.unblock([one.client_id for _, one in waiting]).ops)
        return [(queue, self._receive(queue)) for queue, _ in waiting]

    def close(self) -> None:
        """Close all connections. What they were just delivering stands in the lease lists."""
        for listener in self._all.values():
            self._unregister(listener)
            listener.until = 0.0
            listener.line.close()

    def end(self) -> None:
        """Close everything, for good."""
        self.close()
        self._selector.close()

    def _receive(self, queue: str) -> bytes | StoreError | None:
        listener = self._all[queue]
        listener.until = 0.0
        answer: bytes | StoreError | None = listener.line.receive(listener.ops[-1:])[0]
        return answer

    def _ops(self, queue: str) -> list[Op[Any]]:
        return leases.wait(self._keys, queue, identity=self._identity, concurrency=self._concurrency, timeout_s=BLOCK_S)

    def _unregister(self, listener: _Listener) -> None:
        if listener.registered >= 0:
            self._selector.unregister(listener.registered)
            listener.registered = -1
