"""How soon a job is started: by an idle worker, by one that listens to more queues, and by one that is half busy.

    python -m benchmarks.latency [--rounds 3] [--threads 10] [--peers ours,sidekiq8] [--quick]

It asserts nothing about speed; the exit code is 1 only if something broke. The method is in benchmarks/README.md.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import ceil
from multiprocessing import get_context
from subprocess import Popen

import redis

from benchmarks import peers, python_peers
from benchmarks.jobs import QUEUE, payload, push
from benchmarks.peers import Peer
from benchmarks.python_peers import PythonPeer
from benchmarks.report import alone
from benchmarks.runs import Case, Figure, Group, Run, Settings, in_turns
from benchmarks.support import PrivateRedis, private_redis, running, wait_until, worker_log

FIGURES = (Figure("p50_ms", "ms p50", ".2f"), Figure("p99_ms", "ms p99", ".2f"), Figure("max_ms", "ms max", ".1f"))
WARM_UP = 100
EVERY_S = 0.01
MORE_QUEUES = 7
NAPS_S = (0.01, 0.001)
TICK_S = 0.001


def pick_up(peer: Peer, jobs: int, threads: int, more_queues: int = 0, nap_s: float = 0.0) -> Run:
    """Push one job every 10 ms and ask the worker how long each was on its way; naps keep half of it busy."""
    queues = [*(f"idle{number}" for number in range(more_queues)), QUEUE]
    with private_redis() as server, running(peer.worker(threads, queues, server.folder), server) as worker:
        push(server, "Latency", [-1, time.time()])  # also waits for the start
        wait_until(lambda: server.client.llen(f"queue:{QUEUE}") == 0, "the first job", worker, worker_log(server))
        with napping(server, nap_s, threads / 2):
            send(server, jobs)
        return figures(collect(server, worker, jobs))


def pythons(peer: PythonPeer, jobs: int, threads: int) -> Run:
    """Have a Python peer's own client enqueue one job every 10 ms; its jobs write what they see to a file."""
    with private_redis() as server:
        stamps = server.folder / "stamps"
        stamps.touch()
        more = peer.environment(threads, stamps)
        with running(peer.worker(threads, server.url), server, more=more) as worker:
            peer.send(server, "fill", 1)
            left = peer.counter(server)
            wait_until(lambda: left() == 0, "the first job", worker, worker_log(server))
            peer.send(server, "pace", WARM_UP + jobs)
            lines: list[str] = []

            def complete() -> bool:
                lines[:] = stamps.read_text().splitlines()
                return len(lines) == WARM_UP + jobs

            wait_until(complete, f"{jobs} jobs to be done", worker, worker_log(server))
    pairs = (line.split() for line in lines)
    return figures(sorted(float(taken) for index, taken in pairs if int(index) >= WARM_UP))


def send(server: PrivateRedis, jobs: int) -> None:
    """Push a job each 10 ms by the clock: a late one does not delay the next."""
    begin = time.perf_counter()
    for index in range(WARM_UP + jobs):
        time.sleep(max(0.0, begin + index * EVERY_S - time.perf_counter()))
        push(server, "Latency", [index, time.time()])


@contextmanager
def napping(server: PrivateRedis, nap_s: float, busy: float) -> Iterator[None]:
    """Have another process push naps, enough for `busy` threads, until the block ends; none of 0 s."""
    if not nap_s:
        yield
        return
    process = get_context("spawn").Process(target=push_naps, args=(server.url, nap_s, busy / nap_s), daemon=True)
    process.start()
    wait_until(lambda: server.client.get("napping") is not None, "naps", server.process, server.folder / "redis.log")
    try:
        yield
    finally:
        process.terminate()
        process.join()


def push_naps(url: str, nap_s: float, per_s: float) -> None:
    """Push what is due by the clock, each millisecond, until this process is ended."""
    client = redis.Redis.from_url(url)
    client.set("napping", 1)
    begin, pushed = time.perf_counter(), 0
    while True:
        due = int((time.perf_counter() - begin) * per_s)
        if due > pushed:
            client.lpush(f"queue:{QUEUE}", *(payload("Nap", [nap_s]) for _ in range(due - pushed)))
            pushed = due
        time.sleep(TICK_S)


def collect(server: PrivateRedis, worker: Popen[bytes], jobs: int) -> list[float]:
    """Have the worker write down what it saw, and return it in seconds, sorted, without the warm-up."""
    path = server.folder / "latency.json"
    samples: list[float] = []

    def complete() -> bool:
        nonlocal samples
        if not path.exists():
            return False
        samples = sorted(taken for index, taken in json.loads(path.read_text()) if index >= WARM_UP)
        if len(samples) < jobs:  # some still ran while it was written
            path.unlink()
            push(server, "LatencyReport", [str(path)])
        return len(samples) == jobs

    push(server, "LatencyReport", [str(path)])
    wait_until(complete, f"{jobs} jobs to be reported", worker, worker_log(server))
    return samples


def figures(ordered: Sequence[float]) -> Run:
    """Return what is reported of samples in seconds."""
    return {
        "p50_ms": percentile(ordered, 50) * 1e3,
        "p99_ms": percentile(ordered, 99) * 1e3,
        "max_ms": ordered[-1] * 1e3,
    }


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least this part of all does not exceed."""
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def measure(settings: Settings) -> list[Group]:
    """Measure each peer idle, with seven empty queues before the one that gets jobs, and with half its threads busy."""
    jobs, threads = 300 if settings.quick else 1_000, settings.threads
    rates = " or ".join(f"{threads / 2 / nap_s:,.0f} of {nap_s * 1e3:.0f} ms" for nap_s in NAPS_S)
    settings.note(f"pick-up: {jobs:,} jobs, one in 10 ms; half busy: beside {rates} a second in the same queue")
    compared = peers.find(settings, "ours", "sidekiq8")
    once = partial(pick_up, jobs=jobs, threads=threads)
    idle = [Case("pick-up, idle", peer.name, partial(once, peer)) for peer in compared]
    others = python_peers.find(settings)
    idle += [Case("pick-up, idle", other.name, partial(pythons, other, jobs, threads)) for other in others]
    title = f"pick-up, {1 + MORE_QUEUES} queues"
    queues = [Case(title, peer.name, partial(once, peer, more_queues=MORE_QUEUES)) for peer in compared]
    busy = [
        Case(f"pick-up, half busy with jobs of {nap_s * 1e3:.0f} ms", peer.name, partial(once, peer, nap_s=nap_s))
        for nap_s in NAPS_S
        for peer in compared
    ]
    return in_turns([*idle, *queues, *busy], FIGURES, settings)


def main() -> int:
    return alone(__doc__.partition("\n")[0], measure)


if __name__ == "__main__":
    sys.exit(main())
