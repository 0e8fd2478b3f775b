"""Walk a list that others change meanwhile, a page per round trip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct

from redisjobs.inspector.entries import JobEntry

E = TypeVar("E", bound=JobEntry)
E_co = TypeVar("E_co", bound=JobEntry, covariant=True)

PAGE = 50


class Hit(NamedTuple, Generic[E_co]):
    """An entry that matches: how many stand before it, and the cursor to go on from behind it."""

    entry: E_co
    rank: int
    cursor: str


class Slice(Struct, Generic[E_co], frozen=True):
    """What a look found: of `total` entries `start` stand before those it read, `looked`, of `size_bytes`."""

    total: int
    start: int
    looked: int
    size_bytes: int
    cursor: str
    hits: Sequence[Hit[E_co]]

    @property
    def ended(self) -> bool:
        """Whether nothing stands behind it."""
        return self.start + self.looked >= self.total


def walk(page: Callable[[int, int], tuple[int, list[E]]], *, grows_in_front: bool) -> Iterator[E]:
    """Give all entries; `page(start, count)` reads some, and the size of the whole at the same instant.

    Whoever walks may delete what he was given. What others take away shifts the rest, or does not, so it is taken up
    again a little before, and goes on behind the last entry that was given. What others add in front of a list that
    grows there is passed over; elsewhere it may be given too, and in the worst case something twice.
    """
    start, known, last = 0, 0, b""
    while True:
        size, entries = page(start, PAGE)
        moved = start > 0 and size != known
        if moved and (size < known or grows_in_front):
            start = max(0, start + size - known)
            size, entries = page(start, PAGE)
        if not entries:
            return
        known, start = size, start + len(entries)
        given = [entry.raw for entry in entries]
        if moved and last in given:
            entries = entries[given.index(last) + 1 :]
        last = given[-1]
        yield from entries
