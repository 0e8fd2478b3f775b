"""Ops on the stream in which workers tell of starts and ends of jobs, as long as somebody watches.

It is there only while a watcher keeps it: workers add to it and never make it, so that nothing is left behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redisjobs.store.keys import Keys
from redisjobs.store.op import Op, Together, command

TTL_S = 30.0
"""How long the stream stays after a watcher last kept it."""
MOST_ENTRIES = 256  # of the stream; each has up to 100 events
_COUNT = 64
_FIELD = "events"


def keep(keys: Keys) -> Together:
    """Make the stream, or have it stay longer; the first reply is where to read on from.

    Safe to send twice: a second mark tells nothing.
    """
    mark = command("XADD", keys.watched, "MAXLEN", MOST_ENTRIES, "*", "watching", 1, decode=_text)
    return Together((mark, command("PEXPIRE", keys.watched, int(TTL_S * 1000))), atomic=True)


def follow(keys: Keys, since: str, *, wait_s: float) -> Op[tuple[str, list[bytes]]]:
    """Wait for what was told since an entry, `wait_s` seconds at most; return the last entry's id, and what was told.

    Safe to send twice: it only reads.
    """

    def read(reply: Any) -> tuple[str, list[bytes]]:
        entries = reply[0][1] if reply else []
        told = [fields[1] for _, fields in entries if fields[0] == _FIELD.encode()]
        return (_text(entries[-1][0]) if entries else since), told

    block_ms = max(1, int(wait_s * 1000))  # 0 would be for ever
    return command("XREAD", "COUNT", _COUNT, "BLOCK", block_ms, "STREAMS", keys.watched, since, decode=read)


def is_watched(keys: Keys) -> Op[bool]:
    """Ask whether somebody watches. Safe to send twice: it only reads."""
    return command("TYPE", keys.watched, decode=lambda kind: kind in (b"stream", "stream"))


def tell(keys: Keys, batches: Sequence[bytes]) -> Together:
    """Add events, if there is a stream; the replies are None where nobody watches any more.

    Sent twice they are shown twice: a watcher sees a start or an end again, and no job is touched.
    """
    head = ("XADD", keys.watched, "NOMKSTREAM", "MAXLEN", MOST_ENTRIES, "*", _FIELD)
    return Together([command(*head, batch) for batch in batches])


def _text(reply: bytes) -> str:
    return reply.decode()
