"""Channel: what a worker process tells the supervisor whose child it is, a JSON line about every second.

Its other use is its end: each side hears at once when the other one dies, however it dies, on every system.
"""

from __future__ import annotations

import socket

import msgspec

from redisjobs.worker.vitals import Vitals

_LINE_BYTES = 65536


class Channel:
    """The child's end."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.setblocking(False)

    @classmethod
    def of_number(cls, number: int) -> Channel:
        """Take over the end whose descriptor the parent handed to this program."""
        return cls(socket.socket(fileno=number))

    def fileno(self) -> int:
        """Return what a selector waits on: readable is `broken`."""
        return self._end.fileno()

    def tell(self, vitals: Vitals) -> None:
        """Send a line; one that finds no room is of no use any more."""
        try:
            self._end.send(msgspec.json.encode(vitals) + b"\n")
        except OSError:
            pass

    @property
    def broken(self) -> bool:
        """Whether the parent is gone: it never sends anything, so all there is to read is the end."""
        try:
            return self._end.recv(1) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Close this end."""
        self._end.close()


class Listening:
    """The parent's end."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._rest = b""
        end.setblocking(False)

    def fileno(self) -> int:
        """Return what a selector waits on."""
        return self._end.fileno()

    def latest(self) -> Vitals | None:
        """Return the last whole line that has come since the last look, None if none has.

        Raises:
            EOFError: the child is gone, or will say nothing more.
        """
        try:
            read = self._end.recv(_LINE_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            read = b""
        if not read:
            raise EOFError
        *lines, self._rest = (self._rest + read).split(b"\n")
        try:
            return msgspec.json.decode(lines[-1], type=Vitals) if lines else None
        except msgspec.DecodeError:  # cut short: we did not read for so long that the channel was full
            return None

    def close(self) -> None:
        """Close this end."""
        self._end.close()
