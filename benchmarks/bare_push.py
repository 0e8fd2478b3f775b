"""The least that threads of one CPython can push with: plain sockets, ready bytes, and nothing decided about a job.

What a push of ours does in Python beside that is stood for by a loop that takes as long. So the figure is what the GIL
leaves of two cores, whatever is done about the rest.
"""

from __future__ import annotations

import socket
import threading
import time

from benchmarks.jobs import QUEUE
from benchmarks.runs import Run
from benchmarks.support import PrivateRedis, private_redis

PYTHON_S = 20e-6
"""About what checking arguments, writing a payload and choosing a connection takes."""
_PAYLOAD = b'{"retry":true,"queue":"bench","args":[123456],"class":"Noop","jid":"%b","created_at":1790000000000}' % (
    b"0" * 24
)
_TURNS = 10_000


def bare(threads: int, jobs: int) -> Run:
    """Push jobs from threads, each with a connection of its own, and tell how many a second went."""
    with private_redis() as server:
        turns = _turns(PYTHON_S)
        running = [threading.Thread(target=_push, args=(server, jobs // threads, turns)) for _ in range(threads)]
        began, cpu_s = time.perf_counter(), time.process_time()
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    return {"jobs_per_s": jobs / took_s, "producer_us": cpu_s / jobs * 1e6, "redis_us": 0.0}


def _push(server: PrivateRedis, jobs: int, turns: int) -> None:
    command = b"*3\r\n$5\r\nLPUSH\r\n$%d\r\nqueue:%b\r\n$%d\r\n%b\r\n" % (
        len(QUEUE) + 6,
        QUEUE.encode(),
        len(_PAYLOAD),
        _PAYLOAD,
    )
    with _connected(server) as line:
        send, receive = line.sendall, line.recv
        for _ in range(jobs):
            _work(turns)
            send(command)
            receive(4096)


def _connected(server: PrivateRedis) -> socket.socket:
    host, _, port = server.url.partition("://")[2].partition("/")[0].rpartition(":")
    line = socket.create_connection((host, int(port)))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def _turns(seconds: float) -> int:
    """Return how many turns of a loop take so long here."""
    began = time.perf_counter()
    _work(_TURNS)
    return max(1, int(_TURNS * seconds / (time.perf_counter() - began)))


def _work(turns: int) -> None:
    for _ in range(turns):
        pass
