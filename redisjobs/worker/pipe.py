"""What a worker and its child processes say to each other: frames of msgpack, each behind its length.

Only data crosses: a lease's bytes one way, where its job goes and the Ops of that the other way. What an Op makes of
its reply stays behind; nobody would read it.
"""

from __future__ import annotations

import socket
from typing import TypeVar

import msgspec
from msgspec import Struct

from redisjobs.config import WorkerConfig
from redisjobs.store.op import OpData
from redisjobs.store.ops.leases import Lease, Settlement, Where
from redisjobs.worker.origin import Origin

F = TypeVar("F", bound=Struct)

_LENGTH_BYTES = 4


class Hello(Struct, frozen=True):
    """What a child is told first: which app to import, from where, and what it is part of."""

    origin: Origin
    path: list[str]
    identity: str
    settings: WorkerConfig
    shard: str = ""


class Ready(Struct, frozen=True):
    """A child's answer to Hello; `problem` says why it cannot run jobs, and then it ends."""

    problem: str = ""


class Order(Struct, frozen=True, array_like=True):
    """A lease to run."""

    queue: str
    raw: bytes
    since: float

    @property
    def lease(self) -> Lease:
        """The lease, as it was on the other side; monotonic clocks of one machine are one clock."""
        return Lease(self.queue, self.raw, self.since)


class End(Struct, frozen=True, array_like=True):
    """Where a job goes that a child ran; `last`: the child now ends."""

    where: Where
    counted: int
    payload: bytes
    delay_s: float
    ops: list[OpData]
    last: bool

    def settlement(self, lease: Lease) -> Settlement:
        """Return it as the Settlement of the lease that it is about."""
        return Settlement(
            lease, self.where, self.counted, self.payload, self.delay_s, tuple(one.op for one in self.ops)
        )


def end_of(settlement: Settlement, *, last: bool) -> End:
    """Return a Settlement as it travels.

    Raises:
        TypeError: a word of one of its Ops is of a kind that Redis does not know.
    """
    ops = [OpData.of(op) for op in settlement.ops]
    return End(settlement.where, settlement.counted, settlement.payload, settlement.delay_s, ops, last)


class Pipe:
    """One end of a connection. For one thread at a time."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._buffer = bytearray()

    def send(self, frame: Struct, timeout_s: float | None = None) -> None:
        """Send a frame.

        Raises:
            OSError: the other end is closed, or does not take it.
        """
        body = msgspec.msgpack.encode(frame)
        self._socket.settimeout(timeout_s)
        self._socket.sendall(len(body).to_bytes(_LENGTH_BYTES) + body)

    def receive(self, kind: type[F], timeout_s: float | None = None) -> F | None:
        """Return the next frame, None when the other end was closed.

        Raises:
            TimeoutError: nothing more has come for so many seconds.
        """
        self._socket.settimeout(timeout_s)
        while (body := self._whole()) is None:
            try:
                chunk = self._socket.recv(1 << 16)
            except ConnectionError:
                return None
            if not chunk:
                return None
            self._buffer += chunk
        return msgspec.msgpack.decode(body, type=kind)

    def end(self) -> None:
        """Tell the other end that no more will come; what it says is still heard."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:  # it is gone already
            pass

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def _whole(self) -> bytes | None:
        """Take the next frame out of what has come so far, if all of it has."""
        until = _LENGTH_BYTES + int.from_bytes(self._buffer[:_LENGTH_BYTES])
        if len(self._buffer) < max(until, _LENGTH_BYTES):
            return None
        body = bytes(self._buffer[_LENGTH_BYTES:until])
        del self._buffer[:until]
        return body
