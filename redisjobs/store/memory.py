"""A Redis in the memory of this process, reached without a connection: for tests.

fakeredis (the extra `testing`) runs the same scripts and commands that a server would. Coroutines are answered without
being made to wait, so nothing of a store belongs to an event loop.

Always holds: the requests of one call are done with nothing in between.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec import Struct

from redisjobs.config import RedisConfig
from redisjobs.errors import ConfigError, StoreError
from redisjobs.lazy import LazyModule
from redisjobs.store.connect import decoded, translate
from redisjobs.store.op import Arg, Op, Together
from redisjobs.store.scripts import script
from redisjobs.store.stores import AsyncStore, BlockingStore

fakeredis = LazyModule("fakeredis")  # an extra, and slow to import
redis_errors = LazyModule("redis.exceptions")


class Call(Struct, frozen=True, eq=False):
    """No request but a call, that Steps ask of such a store: in their thread, or on their event loop."""

    call: Callable[[], Any]
    acall: Callable[[], Awaitable[Any]]


class MemoryStore(BlockingStore):
    """Answers Ops at once. `closed` is called when its app lets go of it.

    Raises:
        ConfigError: fakeredis is not installed, or not the Lua that it needs.
    """

    def __init__(self, config: RedisConfig, closed: Callable[[MemoryStore], None]) -> None:
        super().__init__(config)
        if not all(importlib.util.find_spec(name) for name in ("fakeredis", "lupa")):
            raise ConfigError("tests without a Redis need fakeredis and its Lua: pip install 'redisjobs[testing]'")
        self._redis = fakeredis.FakeRedis(server=fakeredis.FakeServer(), protocol=2)
        self._redis.response_callbacks.clear()  # replies as a server gives them
        self._lock = threading.RLock()
        self._closed = closed

    def run(self, wanted: Op[Any] | Together | Call) -> Any:
        """See `BlockingStore.run`."""
        if isinstance(wanted, Call):
            return wanted.call()
        replies = self.request(wanted.ops if isinstance(wanted, Together) else (wanted,))
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies if isinstance(wanted, Together) else replies[0]

    def request(self, ops: Sequence[Op[Any]], *, atomic: bool = True) -> list[Any]:
        """See `Line.request`; all requests are atomic."""
        with self._lock:
            return [decoded(op, self._reply(op)) for op in ops]

    def impatient(self) -> MemoryStore:
        """Return this one: it never fails."""
        return self

    def close(self) -> None:
        """Tell whoever wants to know; there is nothing to close."""
        self._closed(self)

    def _reply(self, op: Op[Any]) -> Any:
        words = [op.name, *op.args]
        if op.is_script:
            words = ["EVAL", script(op.name).text, len(op.keys), *op.keys, *op.args]
        try:
            return self._redis.execute_command(*map(_word, words))
        except redis_errors.RedisError as error:
            found = translate(error)
            return found if isinstance(found, Exception) else StoreError(str(error))


class AsyncMemoryStore(AsyncStore):
    """See `MemoryStore`; of the same data."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store.config)
        self._store = store

    async def run(self, wanted: Op[Any] | Together | Call) -> Any:
        """See `MemoryStore.run`."""
        return await wanted.acall() if isinstance(wanted, Call) else self._store.run(wanted)

    async def close(self) -> None:
        """There is nothing to close."""


def _word(word: Arg) -> Arg:
    return word.encode("utf-8", "surrogateescape") if isinstance(word, str) else word
