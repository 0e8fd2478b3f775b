"""FaultyStore: a real store whose nth request fails."""

from __future__ import annotations

from typing import Any

from redisjobs.errors import StoreUnavailableError
from redisjobs.store.op import Op, Together
from redisjobs.store.stores import BlockingStore


class FaultyStore(BlockingStore):
    """Fails the nth request (from 1), before it is sent or after it was answered; `sent` lists what reached Redis.

    The failure is what a lost connection looks like from here: nothing says whether Redis did what it was asked.
    """

    def __init__(self, store: BlockingStore, *, fail: int, after_sending: bool = False) -> None:
        super().__init__(store.config)
        self.sent: list[Op[Any] | Together] = []
        self._store = store
        self._fail = fail
        self._after_sending = after_sending
        self._count = 0

    def run(self, wanted: Op[Any] | Together) -> Any:
        """See `BlockingStore.run`."""
        self._count += 1
        if self._count == self._fail and not self._after_sending:
            raise StoreUnavailableError("the test cut the connection before the request")
        reply = self._store.run(wanted)
        self.sent.append(wanted)
        if self._count == self._fail:
            raise StoreUnavailableError("the test cut the connection before the reply")
        return reply

    def close(self) -> None:
        """See `BlockingStore.close`."""
        self._store.close()
