"""A proxy that adds a round trip: each chunk is held back for half of it, in both directions, in order.

    python -m benchmarks.proxy --to PORT --rtt-ms 2

It prints the port it listens on. Bandwidth is not limited: any number of chunks may be on their way. A selector loop
over `select` is used, since epoll's timeouts are rounded up to whole milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import selectors
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.support import ROOT, BenchmarkError, PrivateRedis

PR_SET_TIMERSLACK = 29


class Side(asyncio.Protocol):
    """One end of a connection: what it receives, its peer sends on after the delay."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s
        self.peer: Side
        self.transport: asyncio.Transport
        self._on_the_way: deque[tuple[float, bytes]] = deque()
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if not self.delay_s:
            self.peer.transport.write(data)
            return
        due = self._loop.time() + self.delay_s
        if not self._on_the_way:
            self._loop.call_at(due, self._deliver)
        self._on_the_way.append((due, data))

    def connection_lost(self, exc: Exception | None) -> None:
        self._loop.call_later(self.delay_s + 0.001, self.peer.transport.close)

    def _deliver(self) -> None:
        """Send on what is due, all in one write, and wait for the next."""
        now, due = self._loop.time(), []
        while self._on_the_way and self._on_the_way[0][0] <= now:
            due.append(self._on_the_way.popleft()[1])
        self.peer.transport.write(b"".join(due))
        if self._on_the_way:
            self._loop.call_at(self._on_the_way[0][0], self._deliver)


async def serve(to_port: int, delay_s: float) -> None:
    """Pass connections on until this process is ended."""
    loop = asyncio.get_running_loop()
    opening: set[asyncio.Task[None]] = set()

    async def accept(client: socket.socket) -> None:
        _, far = await loop.create_connection(lambda: Side(delay_s), "127.0.0.1", to_port)
        near = Side(delay_s)
        near.peer, far.peer = far, near
        await loop.connect_accepted_socket(lambda: near, client)

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        listener.setblocking(False)
        print(listener.getsockname()[1], flush=True)
        while True:
            client, _ = await loop.sock_accept(listener)
            task = loop.create_task(accept(client))
            opening.add(task)
            task.add_done_callback(opening.discard)


@contextmanager
def proxied(server: PrivateRedis, rtt_ms: float) -> Iterator[str]:
    """Run a proxy to this server in a process of its own; give the URL that leads through it."""
    command = [sys.executable, "-m", "benchmarks.proxy", "--to", server.url.split(":")[2].split("/")[0]]
    command += ["--rtt-ms", str(rtt_ms)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            port = process.stdout.readline().strip()
            if not port:
                raise BenchmarkError("the proxy did not start")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--to", type=int, required=True, metavar="PORT")
    parser.add_argument("--rtt-ms", type=float, default=0.0)
    args = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)  # timers to the microsecond: Linux gives 50 us by default
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    try:
        loop.run_until_complete(serve(args.to, args.rtt_ms / 2000))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
