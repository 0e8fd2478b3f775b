"""Ask Redis for facts with whatever rights this user has: what it may not ask is noted, and is no error."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from redisjobs.errors import StoreError, StoreUnavailableError, WrongTypeError
from redisjobs.inspector.access import Access
from redisjobs.store.op import Op
from redisjobs.store.ops import server

T = TypeVar("T")

_TRIP = 100  # requests in one trip
_COMMAND = re.compile("'([^' ]+)' command")


class Look:
    """One look at a Redis. `denied` says, by the part of the facts that needs it, what is missing."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.keys = access.keys
        self.denied: dict[str, str] = {}
        self.partial: list[str] = []

    def connect(self) -> None:
        """Connect.

        Raises:
            StoreError: Redis does not answer, or refuses the login.
        """
        try:
            self.access.run(server.ping())
        except StoreError as error:
            if not _refused(error):
                raise

    def ask(self, part: str, op: Op[T], default: T) -> T:
        """Return the reply; `default` if this user may not ask, or something else stands under the key."""
        return self.ask_all(part, [op], default)[0]

    def ask_all(self, part: str, ops: Sequence[Op[T]], default: T) -> list[T]:
        """Return the replies in as few trips as is polite; see `ask`.

        Raises:
            StoreUnavailableError: Redis did not answer in time.
        """
        found: list[T] = []
        for start in range(0, len(ops), _TRIP):
            trip = ops[start : start + _TRIP]
            try:
                replies = self.access.gather(trip)
            except StoreUnavailableError:
                raise
            except StoreError as error:
                self.denied.setdefault(part, _missing(error, trip[0]))
                replies = [default] * len(trip)
            found += [default if isinstance(reply, WrongTypeError) else reply for reply in replies]
        return found

    def read(self, part: str, reading: Callable[[], T], default: T) -> T:
        """Return what the rest of the inspector reads; see `ask`."""
        try:
            return reading()
        except StoreUnavailableError:
            raise
        except WrongTypeError:
            return default
        except StoreError as error:
            self.denied.setdefault(part, _missing(error))
            return default

    def some(self, items: Sequence[T], most: int, what: str) -> Sequence[T]:
        """Return the first of many, and note that these are not all."""
        if len(items) > most:
            self.partial.append(f"{most:,} of {len(items):,} {what}")
        return items[:most]


def _refused(error: StoreError) -> bool:
    """Tell whether this user has no right to do that."""
    return "NOPERM" in str(error) or "can't run this command" in str(error)


def _missing(error: StoreError, op: Op[Any] | None = None) -> str:
    """Return what a user needs who was refused."""
    if not _refused(error):
        return f"the server refuses it: {error}"
    if op is not None and " key" in str(error):
        return f"needs the right to read keys such as {op.key_names[0]}"
    if op is not None and op.is_script:
        return "needs +eval, +evalsha and the reading commands of docs/redis.md"
    if op is not None and op.name in ("CONFIG", "SLOWLOG"):
        return f"needs +{op.name}|get".lower()  # Redis 6.2 does not name the second word
    named = _COMMAND.search(str(error))
    return f"needs +{named[1].lower()}" if named else str(error)
