"""A bell: wakes a thread that sleeps in a selector."""

from __future__ import annotations

import os


class Bell:
    """Wakes a thread that sleeps in a selector."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def fileno(self) -> int:
        """Return what a selector waits on."""
        return self._reader

    @property
    def cord(self) -> int:
        """The descriptor that rings it when any byte is written there."""
        return self._writer

    def ring(self) -> None:
        """Wake the sleeper, from any thread."""
        try:
            os.write(self._writer, b"!")
        except (BlockingIOError, OSError):  # full: it rings already; closed: nobody sleeps any more
            pass

    def silence(self) -> None:
        """Take back what was rung so far."""
        try:
            os.read(self._reader, 4096)
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Close both ends; ringing it from now on does nothing."""
        reader, writer = self._reader, self._writer
        self._reader = self._writer = -1
        os.close(writer)
        os.close(reader)
