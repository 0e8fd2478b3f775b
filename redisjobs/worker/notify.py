"""What a service manager such as systemd is told, by the protocol of sd_notify(3): a datagram of `NAME=value` lines."""

from __future__ import annotations

import socket

from redisjobs import clock
from redisjobs.worker.vitals import Vitals


class Notifier:
    """Tells the manager whose socket `address` is, None if there is none, every so many seconds.

    Never raises, never waits.
    """

    def __init__(self, address: str | None, every_s: float) -> None:
        self._address = address
        self._every_s = every_s
        self._next_at = 0.0
        self._ready = False

    def beat(self, vitals: Vitals, status: str) -> None:
        """Say that we live, if we do and it is time to; and once, that we have started."""
        now = clock.monotonic()
        starts = vitals.ready and not self._ready
        if now < self._next_at and not starts:
            return
        self._next_at = now + self._every_s * 0.9  # of turns that come about as often, none is left out
        self._ready = self._ready or starts
        self._send([f"STATUS={status}", *["READY=1"] * starts, *["WATCHDOG=1"] * vitals.live])

    def stopping(self) -> None:
        """Say that we are about to end."""
        self._send(["STOPPING=1"])

    def _send(self, lines: list[str]) -> None:
        if self._address is None:
            return
        path = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.setblocking(False)
                out.sendto("\n".join(lines).encode(), path)
        except OSError:
            pass
