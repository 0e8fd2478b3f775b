"""Stream: the bytes of one open connection, in and out, each within a time limit.

A local Redis answers sooner than a sleeping thread is woken: reading tries again for a moment before it sleeps, which
makes a trip about twice as fast and costs less CPU than the sleep. Where answers take longer, it sleeps at once.
"""

from __future__ import annotations

import select
import socket
from typing import Any

from redisjobs import clock

_PIECE_BYTES = 1 << 16
_EAGER_S = 100e-6  # what a trip to a local Redis takes at most
_MOST_SLEEPS = 64  # for so many answers nobody looks, where looking was no use again and again


class Stream:
    """Reads and writes a connected socket. Used by one thread at a time."""

    def __init__(self, connected: Any, timeout_s: float) -> None:
        self._socket = connected
        self._timeout_s = timeout_s
        self._poll = select.poll()
        self._poll.register(connected, select.POLLIN)
        self._sleeps = self._in_vain = 0  # answers to be waited for asleep; twice as many after each look in vain
        self._plain = isinstance(connected, socket.socket) and not hasattr(connected, "pending")  # TLS has its own ways
        connected.settimeout(0.0 if self._plain else timeout_s)

    def fileno(self) -> int:
        """Return the socket's number, for a selector."""
        return int(self._socket.fileno())

    @property
    def has_input(self) -> bool:
        """Whether there is something to read: bytes, or the end."""
        return bool(self._poll.poll(0))

    def send(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            OSError: the connection failed, or took nothing for as long as the time limit.
        """
        if not self._plain:
            self._socket.sendall(data)
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:])

    def receive(self) -> bytes:
        """Wait for bytes; none: it was closed at the other end.

        Raises:
            OSError: the connection failed, or nothing came within the time limit.
        """
        if self._plain and not self._arrived():
            self._sleeps -= 1
            if not self._poll.poll(self._timeout_s * 1000):
                raise TimeoutError("timed out")
        data: bytes = self._socket.recv(_PIECE_BYTES)
        return data

    def _arrived(self) -> bool:
        """Look for bytes until they are here, or it is better to sleep."""
        poll = self._poll.poll
        if self._sleeps > 0:
            return False
        until = clock.monotonic() + _EAGER_S
        while not poll(0):
            if clock.monotonic() > until:
                self._in_vain = min(_MOST_SLEEPS, 2 * self._in_vain + 1)
                self._sleeps = self._in_vain
                return False
        self._in_vain = 0
        return True

    def _send_rest(self, data: memoryview) -> None:
        room = select.poll()
        room.register(self._socket, select.POLLOUT)
        while data:
            if not room.poll(self._timeout_s * 1000):
                raise TimeoutError("timed out")
            data = data[self._socket.send(data) :]
