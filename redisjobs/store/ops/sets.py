"""Ops on the sorted sets: what is due, promote, bury, remove, look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from redisjobs.config import DeadSetConfig
from redisjobs.store.keys import Keys
from redisjobs.store.op import Op, command


class Due(Struct, frozen=True):
    """What a look at a set found: Redis' time, the first moment still to come, and the payloads that are due."""

    now: float
    next_at: float | None
    payloads: list[bytes]


def due(set_key: str, *, offset: int = 0, count: int) -> Op[Due]:
    """Look at the due members of a set, by Redis' clock. Safe to send twice: it only reads."""
    return Op("due", keys=(set_key,), args=(offset, count), decode=_due)


def promote(keys: Keys, set_key: str, queue: str, moves: Iterable[tuple[bytes, bytes]]) -> Op[int]:
    """Move members of a set to a queue: each as it stands there and as it goes on. Returns how many were there.

    Safe to send twice: who removes a member moves it.
    """
    return Op(
        "promote",
        keys=(set_key, keys.queue(queue), keys.queues),
        args=(queue, *(part for move in moves for part in move)),
        decode=int,
    )


def bury(keys: Keys, set_key: str, moves: Iterable[tuple[bytes, bytes]], *, dead: DeadSetConfig) -> Op[int]:
    """Move members of a set to the dead set and trim that. Returns how many were there.

    Safe to send twice: who removes a member moves it.
    """
    return Op(
        "bury",
        keys=(set_key, keys.dead),
        args=(
            dead.max_jobs,
            f"{dead.max_age_s:.0f}",
            int(keys.wire == "verk"),
            *(part for move in moves for part in move),
        ),
        decode=int,
    )


def reschedule(set_key: str, moves: Iterable[tuple[bytes, float, float]]) -> Op[int]:
    """Give members of a set other scores: each with the one it was seen with, and the new one. Returns how many got it.

    Safe to send twice: by then they have another score than was seen.
    """
    return Op(
        "reschedule",
        keys=(set_key,),
        args=[part for raw, seen, at in moves for part in (raw, repr(seen), repr(at))],
        decode=int,
    )


def remove(set_key: str, members: Sequence[bytes]) -> Op[int]:
    """Delete members of a set. Safe to send twice: the second finds nothing."""
    return command("ZREM", set_key, *members, decode=int)


def size(set_key: str) -> Op[int]:
    """Count the members of a set. Safe to send twice: it only reads."""
    return command("ZCARD", set_key, decode=int)


def between(set_key: str, low: str, high: str) -> Op[int]:
    """Count the members with scores between two, as Redis writes them: `-inf`, `(5` is without 5 itself.

    Safe to send twice: it only reads.
    """
    return command("ZCOUNT", set_key, low, high, decode=int)


def page(set_key: str, *, start: int, stop: int, newest_first: bool) -> Op[list[tuple[bytes, float]]]:
    """Read members by rank, `stop` included. Safe to send twice: it only reads."""
    name = "ZREVRANGE" if newest_first else "ZRANGE"
    return command(name, set_key, start, stop, "WITHSCORES", decode=_scored)


def ranged(set_key: str, low: float, high: float, *, offset: int, count: int) -> Op[list[tuple[bytes, float]]]:
    """Read members by score, the lowest first, both bounds included. Safe to send twice: it only reads."""
    return command(
        "ZRANGEBYSCORE", set_key, repr(low), repr(high), "WITHSCORES", "LIMIT", offset, count, decode=_scored
    )


def score(set_key: str, member: bytes) -> Op[float | None]:
    """Read the score of a member, None if it is not there. Safe to send twice: it only reads."""
    return command("ZSCORE", set_key, member, decode=lambda found: None if found is None else float(found))


def search(set_key: str, cursor: int, *, text: str, count: int) -> Op[tuple[int, list[tuple[bytes, float]]]]:
    """Scan some members for those that contain a text. Returns the next cursor, 0 at the end.

    Safe to send twice: it only reads.
    """
    pattern = "".join(f"\\{char}" if char in "*?[]\\^" else char for char in text)
    return command(
        "ZSCAN",
        set_key,
        cursor,
        "MATCH",
        f"*{pattern}*",
        "COUNT",
        count,
        decode=lambda reply: (int(reply[0]), _scored(reply[1])),
    )


def clear(set_key: str) -> Op[int]:
    """Delete all members of a set; return how many. Safe to send twice: the second finds what came since."""
    return Op("clear_set", keys=(set_key,), decode=int)


def delete(key: str) -> Op[int]:
    """Delete a key in the background. Safe to send twice: it is gone then."""
    return command("UNLINK", key, decode=int)


def _due(reply: Any) -> Due:
    now, next_at, payloads = reply
    return Due(float(now), float(next_at) if next_at is not None else None, payloads)


def _scored(reply: Sequence[Any]) -> list[tuple[bytes, float]]:
    if reply and isinstance(reply[0], list | tuple):
        return [(member, float(score)) for member, score in reply]
    return [(reply[at], float(reply[at + 1])) for at in range(0, len(reply), 2)]
