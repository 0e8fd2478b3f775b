"""Stream: the bytes of one open connection, in and out, each within a time limit.

A local Redis answers sooner than a sleeping thread is woken: reading tries again for a moment before it sleeps, which
makes a trip about twice as fast and costs less CPU than the sleep. Where answers take longer it sleeps at once.

With several threads a trip costs what it takes to get the GIL back, so it is given up once in each: where it waits.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from redisjobs import clock
from redisjobs.lazy import LazyModule

if TYPE_CHECKING:
    import ctypes
else:
    ctypes = LazyModule("ctypes")

_PIECE_BYTES = 1 << 16
_EAGER_S = 100e-6  # what a trip to a local Redis takes at most
_MOST_SLEEPS = 64  # for so many answers nobody looks, where looking was no use again and again
_FRESH_S = 0.002
_MOST_KEPT_BYTES = 16 * 1024  # more takes the kernel too long for other threads to wait


class Stream:
    """Reads and writes a connected socket. Used by one thread at a time."""

    def __init__(self, connected: Any, timeout_s: float) -> None:
        self._socket = connected
        self._poll = select.poll()
        self._poll.register(connected, select.POLLIN)
        self._sleeps = self._in_vain = 0  # answers to be waited for asleep; twice as many after each look in vain
        self._used_at = clock.monotonic()
        self._plain = type(connected).__module__ == "socket"  # those of TLS, and gevent's, wait in ways of their own
        self._send = _send_of_c() if self._plain else None
        connected.settimeout(None if self._plain else timeout_s)
        if self._plain:  # the kernel's own limits: each of Python's costs a call of `poll`
            limit = struct.pack("ll", int(timeout_s), int(timeout_s % 1 * 1e6))
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def fileno(self) -> int:
        """Return the socket's number, for a selector."""
        return int(self._socket.fileno())

    @property
    def stale(self) -> bool:
        """Whether the other end closed it, or said what nobody asked for; not looked at if it was used just now."""
        return clock.monotonic() - self._used_at > _FRESH_S and bool(self._poll.poll(0))

    def send(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            OSError: the connection failed, or took nothing for as long as the time limit.
        """
        if self._send is not None and len(data) <= _MOST_KEPT_BYTES:
            sent = self._send(self._socket.fileno(), data, len(data), socket.MSG_DONTWAIT)
            if sent == len(data):
                return
            data = data[max(sent, 0) :]  # what there is no room for now; an error comes again, and is told
        try:
            self._socket.sendall(data)
        except BlockingIOError:
            raise TimeoutError("timed out") from None

    def receive(self, *, eager: bool = True) -> bytes:
        """Wait for bytes; none: it was closed at the other end. `eager`: nobody else needs this thread's time.

        Raises:
            OSError: the connection failed, or nothing came within the time limit.
        """
        try:
            if eager and self._plain:
                self._look()
            data: bytes = self._socket.recv(_PIECE_BYTES)
            return data
        except BlockingIOError:
            raise TimeoutError("timed out") from None
        finally:
            self._used_at = clock.monotonic()

    def _look(self) -> None:
        """Look for bytes until they are here, or it is better to sleep."""
        if self._sleeps > 0:
            self._sleeps -= 1
            return
        poll, until = self._poll.poll, clock.monotonic() + _EAGER_S
        while not poll(0):
            if clock.monotonic() > until:
                self._sleeps = self._in_vain = min(_MOST_SLEEPS, 2 * self._in_vain + 1)
                return
        self._in_vain = 0


@cache
def _send_of_c() -> Callable[[int, bytes, int, int], int] | None:
    """Return `send` of the C library, for calls that keep the GIL; None if this Python has no way to it."""
    try:
        send = ctypes.PyDLL(None).send
    except (OSError, AttributeError):
        return None
    send.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
    send.restype = ctypes.c_ssize_t
    return send
