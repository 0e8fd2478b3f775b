"""The side door of an app for tests: which apps there are, and how one works elsewhere for a while.

Always holds: nothing here keeps an app alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet

from redisjobs.lazy import LazyModule

if TYPE_CHECKING:
    from redisjobs.worker import stand_in as stand_ins
else:
    stand_ins = LazyModule("redisjobs.worker.stand_in")


class Living:
    """The apps of this process that were made and are still in use."""

    def __init__(self) -> None:
        self._all: WeakSet[Any] = WeakSet()
        self.watchers: list[Callable[[Any], None]] = []
        """Called with each new one."""

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._all))

    def add(self, app: object) -> None:
        """Take note of a new one, and tell the watchers."""
        self._all.add(app)
        for watcher in self.watchers:
            watcher(app)


class DoorsForTests:
    """What `redisjobs.testing` needs of an app."""

    living: ClassVar[Living] = Living()
    _shards: dict[str, Any]

    def stand_in(self, *, memory: bool = True) -> stand_ins.StandIn:
        """Return what has this app on a Redis of its own for a while, in memory or real."""
        return stand_ins.StandIn(self, self._shards, memory=memory)  # type: ignore[arg-type]  # all apps are RedisJobs
