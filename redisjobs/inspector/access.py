"""What every part of the inspector needs: a store, the names of keys, and how dead jobs and times are written.

It sends requests, and where Redis only says that a key has the wrong type, it finds out which one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from redisjobs import clock
from redisjobs.config import DeadSetConfig
from redisjobs.errors import WrongTypeError
from redisjobs.inspector.entries import JobEntry, ResqueEntry
from redisjobs.store.keys import Keys
from redisjobs.store.op import Op, Together
from redisjobs.store.ops import server
from redisjobs.store.resque_keys import ResqueKeys
from redisjobs.store.stores import BlockingStore
from redisjobs.wire import deadletter, elixir, payload
from redisjobs.wire.times import Wire

T = TypeVar("T")


@dataclass(frozen=True)
class Access:
    """One Redis, as the inspector uses it."""

    store: BlockingStore
    keys: Keys
    dead: DeadSetConfig
    wire: Wire

    @overload
    def run(self, wanted: Op[T]) -> T: ...
    @overload
    def run(self, wanted: Together) -> list[Any]: ...
    def run(self, wanted: Op[Any] | Together) -> Any:
        """Send and return the reply, or the replies.

        Raises:
            StoreUnavailableError: Redis did not answer in time.
            WrongTypeError: a key has another type than ours; the text names it.
        """
        try:
            return self.store.run(wanted)
        except WrongTypeError as error:
            raise self._named(wanted) or error from None

    def entry(self, raw: bytes, queue: str, *, index: int | None = None) -> JobEntry:
        """Return what stands in a queue, to be read in the dialect of the keys."""
        kind = ResqueEntry if isinstance(self.keys, ResqueKeys) else JobEntry
        return kind(raw, queue, index=index)

    def buried(self, entry: JobEntry) -> bytes:
        """Return the bytes of an entry as they go to the dead set: unchanged, or in an envelope if it is no job."""
        queue = entry.queue or "default"
        if entry.problem is None:
            is_lost = (
                not (entry.payload or {}).get("queue") and self.wire in elixir.ELIXIR
            )  # by a retry from their pages
            return payload.change(entry.raw, {"queue": queue}) if is_lost else entry.raw
        return deadletter.wrap(entry.raw, entry.problem, queue=queue, at=clock.now(), wire=self.wire)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self.store.close()

    def gather(self, ops: Sequence[Op[Any]]) -> list[Any]:
        """Send requests that only read, in one trip; a wrong key's error stands in the place of its reply."""
        try:
            return self.store.run(Together(ops))
        except WrongTypeError:
            return [self._one(op) for op in ops]

    def _one(self, op: Op[Any]) -> Any:
        try:
            return self.run(op)
        except WrongTypeError as error:
            return error

    def _named(self, wanted: Op[Any] | Together) -> WrongTypeError | None:
        """Return the error that names the key of a request that is not what it should be, if it still is not."""
        ops = wanted.ops if isinstance(wanted, Together) else (wanted,)
        names = dict.fromkeys(name for op in ops for name in op.key_names)
        kinds = self.store.run(server.kinds(names))
        for key, found in zip(names, kinds, strict=True):
            if found not in ("none", self.keys.kind(key)):
                problem = f"the key {key!r} is a {found}, not a {self.keys.kind(key)}"
                return WrongTypeError(f"{problem}: something else wrote there; rename or delete it")
        return None
