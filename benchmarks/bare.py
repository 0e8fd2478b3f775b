"""The bare loop: the least that a Python worker with threads and leases can do, as a limit to measure ours against.

One thread talks to Redis: each turn it acks what finished and leases a batch, in one round trip, while the job threads
work on the batch before. A job is decoded, looked up, called and acked. There is no middleware, no retry, no heartbeat,
no signal but TERM, and no way back from an error: this is a yardstick, not a worker to use.

Always holds: a job is in the queue or in the lease list until its call has returned.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import hiredis
import msgspec

BATCH = 100
IDLE_S = 0.01
LEASE = """
local taken = redis.call("RPOP", KEYS[1], ARGV[1]) or {}
if #taken > 0 then redis.call("LPUSH", KEYS[2], unpack(taken)) end
return taken
"""


class Payload(msgspec.Struct, rename={"name": "class"}):
    """What of a job is needed to call it."""

    name: str
    args: list[Any]


def noop(index: int) -> None:
    """Do nothing."""


JOBS: dict[str, Callable[..., object]] = {"Noop": noop}


class Connection:
    """A connection to Redis that sends many commands at once and returns their replies."""

    def __init__(self, url: str) -> None:
        at = urlsplit(url)
        self.socket = socket.create_connection((at.hostname or "127.0.0.1", at.port or 6379))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = hiredis.Reader()

    def call(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        self.socket.sendall(b"".join(map(hiredis.pack_command, commands)))
        replies: list[Any] = []
        while len(replies) < len(commands):
            reply = self.reader.gets()
            if reply is False:
                self.reader.feed(self.socket.recv(65536))
            elif isinstance(reply, Exception):
                raise reply
            else:
                replies.append(reply)
        return replies


def work(waiting: SimpleQueue[bytes], finished: SimpleQueue[bytes]) -> None:
    """Run jobs for ever."""
    decode = msgspec.json.Decoder(Payload).decode
    while True:
        raw = waiting.get()
        payload = decode(raw)
        JOBS[payload.name](*payload.args)
        finished.put(raw)


def take_all(finished: SimpleQueue[bytes], *, wait: bool) -> list[bytes]:
    """Take what finished; with `wait`, at least one."""
    taken = [finished.get()] if wait else []
    try:
        while True:
            taken.append(finished.get_nowait())
    except Empty:
        return taken


def run(url: str, queue: str, threads: int, stopping: threading.Event) -> None:
    """Drain a queue until told to stop; what was leased is finished and acked."""
    source, lease = f"queue:{queue}", f"lease:{{queue:{queue}}}:bare"
    connection = Connection(url)
    (script,) = connection.call([("SCRIPT", "LOAD", LEASE)])
    waiting: SimpleQueue[bytes] = SimpleQueue()
    finished: SimpleQueue[bytes] = SimpleQueue()
    for _ in range(threads):
        threading.Thread(target=work, args=(waiting, finished), daemon=True).start()

    held = 0
    while held or not stopping.is_set():
        room = 0 if stopping.is_set() else min(BATCH, 2 * BATCH - held)
        acks = take_all(finished, wait=room == 0)
        commands: list[tuple[Any, ...]] = [("LREM", lease, -1, raw) for raw in acks]
        commands.append(("INCRBY", "stat:processed", len(acks)))
        commands.append(("EVALSHA", script, 2, source, lease, room))
        *removed, _, taken = connection.call(commands)
        if sum(removed) != len(acks):
            raise RuntimeError(f"{len(acks) - sum(removed)} jobs were not in the lease list")
        held += len(taken) - len(acks)
        for raw in taken:
            waiting.put(raw)
        if not taken and not held:
            time.sleep(IDLE_S)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-c", "--threads", type=int, default=10)
    parser.add_argument("-q", "--queue", default="bench")
    args = parser.parse_args()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    run(os.environ["REDIS_URL"], args.queue, args.threads, stopping)


if __name__ == "__main__":
    main()
