"""What workers tell of starts and ends of jobs to who watches: one JSON array per message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

What: TypeAlias = Literal["started", "done", "failed", "retried", "snoozed", "released", "ended"]
"""`retried`: it failed and will be tried again; `failed`: it will not. `ended`: how is not known."""


class Event(msgspec.Struct, omit_defaults=True, gc=False):
    """One start or end: when (Unix seconds), of which job, where, and how long it ran, in seconds, if that is known.

    `lost`: so many events before this one were not told, because there were too many at once.
    """

    at: float
    event: What
    queue: str = ""
    name: str = ""
    jid: str = ""
    process: str = ""
    thread: str = ""
    took_s: float | None = None
    error: str = ""
    lost: int = 0


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(list[Event])


def pack(events: Sequence[Event]) -> bytes:
    """Write some events."""
    return _encode(events)


def unpack(raw: bytes) -> list[Event]:
    """Read some events; nothing of what is none."""
    try:
        return _decoder.decode(raw)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        return []
