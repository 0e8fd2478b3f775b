"""Quarantine: queues whose keys hold something else than ours. They are left alone for a while; all others are worked.

Used by the fetcher's thread only.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from redisjobs.store.connect import Line
from redisjobs.store.keys import Keys
from redisjobs.store.ops import server

log = logging.getLogger("redisjobs")

_LENGTH_S = 10.0


class Quarantine:
    """The bad queues of one fetcher."""

    def __init__(self, line: Line, keys: Keys, identity: str) -> None:
        self._line = line
        self._keys = keys
        self._identity = identity
        self._until: dict[str, float] = {}

    def leave_out(self, queues: list[str], now: float) -> list[str]:
        """Return the queues that are not in here; let go of those whose time is over."""
        if not self._until:
            return queues
        self._until = {queue: until for queue, until in self._until.items() if until > now}
        return [queue for queue in queues if queue not in self._until]

    def examine(self, queues: Sequence[str], now: float) -> None:
        """Find which of some queues have a key of another type, take those in, and say so."""
        needed = [
            (queue, key, kind)
            for queue in queues
            for key, kind in (
                (self._keys.queue(queue), "list"),
                (self._keys.lease(queue, self._identity), "list"),
                (self._keys.lease_owners(queue), "hash"),
                (self._keys.paused, "set"),
            )
        ]
        kinds = self._line.request(server.kinds(key for _, key, _ in needed).ops)
        for (queue, key, wanted), kind in zip(needed, kinds, strict=True):
            if kind not in (wanted, "none"):
                self._until[queue] = now + _LENGTH_S
                log.error(
                    "a key of another type keeps a queue from being worked; rename or delete that key",
                    extra={"queue": queue, "key": key, "type": kind, "wanted": wanted},
                )
