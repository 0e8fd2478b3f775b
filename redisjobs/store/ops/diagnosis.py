"""Ops that ask how a server is and what stands in it, for the doctor. Each only reads and costs little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from redisjobs.store.keys import Keys
from redisjobs.store.op import Op, command

WHOLE_BYTES = 4096
_TAIL_BYTES = 512


class Slow(Struct, frozen=True):
    """A command that took long: when it ran (Unix seconds), how long it took, and its first two words."""

    at: float
    took_s: float
    command: str


class Sample(Struct, frozen=True):
    """An entry of a queue or set: how large it is, and its bytes or, of a large one, only the last of them."""

    size_bytes: int
    raw: bytes
    score: float | None = None

    @property
    def whole(self) -> bool:
        """Whether `raw` is all of it."""
        return len(self.raw) == self.size_bytes


class Sampled(Struct, frozen=True):
    """How many entries there are, and some from both ends."""

    length: int
    entries: list[Sample]


def info() -> Op[dict[str, str]]:
    """Read what the server tells of itself, by name. Safe to send twice: it only reads."""
    return command("INFO", decode=_info)


def setting(name: str) -> Op[str]:
    """Read a setting of the server, empty if it has none such. Safe to send twice: it only reads."""
    return command("CONFIG", "GET", name, decode=lambda reply: _text(reply[1]) if reply else "")


def slow(count: int) -> Op[list[Slow]]:
    """Read the last commands that took long. Safe to send twice: it only reads."""
    return command("SLOWLOG", "GET", count, decode=lambda reply: [_slow(entry) for entry in reply])


def now() -> Op[float]:
    """Read the server's clock, Unix seconds. Safe to send twice: it only reads."""
    return command("TIME", decode=lambda reply: int(reply[0]) + int(reply[1]) / 1e6)


def sample(key: str, *, count: int) -> Op[Sampled]:
    """Look at up to `count` entries of each end of a queue or set. Safe to send twice: it only reads.

    Cost: one script, O(count), and at most `WHOLE_BYTES` for each entry, however large it is.
    """
    return Op("sample", keys=(key,), args=(count, WHOLE_BYTES, _TAIL_BYTES), decode=_sampled)


def leased(keys: Keys, queue: str, identity: str) -> Op[int]:
    """Count what a process holds of a queue. Safe to send twice: it only reads."""
    return command("LLEN", keys.lease(queue, identity), decode=int)


def left_s(keys: Keys, identity: str) -> Op[float | None]:
    """Read for how many seconds a heartbeat still counts; infinite if it has no end, None if there is none.

    Safe to send twice: it only reads.
    """

    def seconds(left_ms: int) -> float | None:
        return None if left_ms == -2 else float("inf") if left_ms < 0 else left_ms / 1000

    return command("PTTL", keys.process(identity), decode=seconds)


def beat_at(keys: Keys, identity: str) -> Op[float | None]:
    """Read when a process beat last, by its own clock. Safe to send twice: it only reads."""
    return command("HMGET", keys.process(identity), "beat", decode=lambda reply: _moment(reply[0]))


def leases(keys: Keys, cursor: int, *, count: int) -> Op[tuple[int, list[tuple[str, str]]]]:
    """Scan some keys for lease lists; return the next cursor, 0 at the end, and their queues and identities.

    Safe to send twice: it only reads.
    """
    middle = "}:"
    start = keys.lease("", "").removesuffix(middle)
    pattern = "".join(f"\\{char}" if char in "*?[]\\" else char for char in start) + "*"

    def decode(reply: Any) -> tuple[int, list[tuple[str, str]]]:
        names = [name.decode("utf-8", "surrogateescape")[len(start) :] for name in reply[1]]
        split = [name.rpartition(middle) for name in names]
        return int(reply[0]), [(queue, identity) for queue, found, identity in split if found]

    return command("SCAN", cursor, "MATCH", pattern, "COUNT", count, decode=decode)


def _info(reply: bytes) -> dict[str, str]:
    lines = [line.partition(":") for line in _text(reply).splitlines() if not line.startswith("#")]
    return {name: value for name, found, value in lines if found}


def _slow(entry: Sequence[Any]) -> Slow:
    words = [_text(word) for word in entry[3][:2]]
    return Slow(float(entry[1]), entry[2] / 1e6, " ".join(words)[:100])


def _sampled(reply: Sequence[Any]) -> Sampled:
    parts = zip(reply[1::3], reply[2::3], reply[3::3], strict=True)
    return Sampled(
        int(reply[0]), [Sample(int(size), raw, float(score) if score else None) for size, raw, score in parts]
    )


def _moment(raw: bytes | None) -> float | None:
    try:
        at = float(raw or b"nan")
    except ValueError:
        return None
    return at if 0 < at < 1e12 else None


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
