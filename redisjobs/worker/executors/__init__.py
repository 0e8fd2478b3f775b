"""Where user code runs. One interface, for threads and for coroutines."""

from __future__ import annotations

from typing import Protocol

from redisjobs.worker.work import Running, Work


class Executor(Protocol):
    """Takes work, runs up to a fixed number at once, and reports each Settlement by a callback."""

    def submit(self, batch: list[Work]) -> None:
        """Take work, the first to run first."""
        ...

    @property
    def waiting(self) -> int:
        """How many were taken and not started."""
        ...

    def take_back(self) -> list[Work]:
        """Return what was not started, oldest first; it will not be."""
        ...

    def running(self) -> list[Running]:
        """What runs at this moment."""
        ...

    def interrupt(self) -> None:
        """Ask running code to unwind."""
        ...

    def cancel(self, tid: str, jid: str) -> None:
        """End the run of a job in a thread or task of this name, if it still goes on."""
        ...

    def stop(self) -> None:
        """End; code that still runs is left to itself."""
        ...
