"""A thing that is done again and again: one turn of it, and the loop around turns.

A service is a generator of one turn (`once`); `ServiceThread` repeats it, survives what goes wrong in it, and stops
at once when told to.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from redisjobs.errors import StoreUnavailableError
from redisjobs.store.drive import drive
from redisjobs.store.op import Steps
from redisjobs.store.stores import BlockingStore

log = logging.getLogger("redisjobs")

_PAUSE_S = 1.0  # after a failed turn


class Service(Protocol):
    """One turn of something that repeats."""

    name: str

    def once(self) -> Steps[float]:
        """Do one turn; return the seconds until the next, 0 for at once."""
        ...


class Watcher(Protocol):
    """Who wants to know whether Redis answers."""

    def failed(self, who: str, error: Exception) -> None:
        """Redis did not answer `who`."""
        ...

    def answered(self, who: str) -> None:
        """Redis answered `who`."""
        ...


class ServiceThread:
    """Repeats a service in a thread of its own until it is stopped."""

    def __init__(
        self, service: Service, store: BlockingStore, watcher: Watcher, on_error: Callable[[Exception, str], None]
    ) -> None:
        self._service = service
        self._store = store
        self._watcher = watcher
        self._on_error = on_error
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=f"redisjobs-{service.name}", daemon=True)

    def start(self) -> None:
        """Begin with the first turn at once."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End after the turn that is under way; wait for that so long at most."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _loop(self) -> None:
        while not self._stopped.is_set():
            pause_s = _PAUSE_S
            try:
                pause_s = drive(self._service.once(), self._store)
                self._watcher.answered(self._service.name)
            except StoreUnavailableError as error:
                self._watcher.failed(self._service.name, error)
            except Exception as error:  # a service outlives its bugs
                self._on_error(error, self._service.name)
            self._stopped.wait(pause_s)
