"""Several servers at once: which of them the jobs of a queue go to, and requests that say where they go."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from redisjobs.errors import OptionError, did_you_mean
from redisjobs.lazy import LazyModule
from redisjobs.store.keys import Keys
from redisjobs.store.op import Op, Together
from redisjobs.store.stores import AsyncStore, BlockingStore

if TYPE_CHECKING:
    import fnmatch
else:
    fnmatch = LazyModule("fnmatch")


class Stores(Protocol):
    """One server; asked anew for each push, since it may be started only then."""

    @property
    def store(self) -> BlockingStore: ...
    @property
    def astore(self) -> AsyncStore: ...


class Shard(Stores, Protocol):
    """A server with a name of its own, and what keys are called there."""

    @property
    def keys(self) -> Keys: ...


class On(Struct, frozen=True):
    """A request to the server of a shard."""

    shard: str
    wanted: Op[Any] | Together

    def __iter__(self) -> Generator[On, Any, Any]:
        reply = yield self
        return reply


class Shards:
    """The servers besides the main one, by name. `routes` are patterns of queues and the shard that each goes to."""

    def __init__(self, shards: Mapping[str, Shard], routes: Mapping[str, str]) -> None:
        self._shards = shards
        self._routes = routes

    def check(self, name: str) -> str:
        """Return the name of a shard; raises OptionError if there is none such."""
        if name and name not in self._shards:
            hint = did_you_mean(name, self._shards, ".")
            raise OptionError(f"no shard is called {name!r}{hint} There are: {', '.join(self._shards) or 'none'}")
        return name

    def of(self, queue: str) -> str:
        """Return the shard of a queue: of the first pattern that fits; empty for the main server."""
        if not self._routes:
            return ""
        return next((shard for pattern, shard in self._routes.items() if fnmatch.fnmatchcase(queue, pattern)), "")

    def keys(self, shard: str) -> Keys:
        """Return what keys are called on a shard."""
        return self._shards[shard].keys

    def store(self, main: Stores) -> BlockingStore | Router:
        """Return what sends a request where it belongs; from threads."""
        return (
            Router(main.store, {name: one.store for name, one in self._shards.items()}) if self._shards else main.store
        )

    def astore(self, main: Stores) -> AsyncStore | Router:
        """See `store`; from coroutines."""
        if not self._shards:
            return main.astore
        return Router(main.astore, {name: one.astore for name, one in self._shards.items()})


class Router:
    """Passes each request on to the server that it is for; of async stores it returns what is to be awaited."""

    def __init__(self, main: Any, shards: Mapping[str, Any]) -> None:
        self._main = main
        self._shards = shards

    def run(self, wanted: Any) -> Any:
        """Send a request; see `BlockingStore.run`."""
        if isinstance(wanted, On):
            return self._shards[wanted.shard].run(wanted.wanted)
        return self._main.run(wanted)
