"""Who is there: the apps of this process, for whom a test has no other way to find.

Always holds: it keeps nobody alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar
from weakref import WeakSet

T = TypeVar("T")


class Living(Generic[T]):
    """The objects of a kind that were made and are still in use."""

    def __init__(self) -> None:
        self._all: WeakSet[T] = WeakSet()
        self.watchers: list[Callable[[T], None]] = []
        """Called with each new one."""

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._all))

    def add(self, one: T) -> None:
        """Take note of a new one, and tell the watchers."""
        self._all.add(one)
        for watcher in self.watchers:
            watcher(one)
