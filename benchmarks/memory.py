"""What a worker's memory does: idle, while a million payloads wait, and over millions of jobs.

    python -m benchmarks.memory [--threads 10] [--peers ours,sidekiq8] [--quick]

It asserts nothing; the exit code is 1 only if something broke. The method is in benchmarks/README.md.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from statistics import fmean
from subprocess import Popen
from typing import cast

import redis

from benchmarks import peers
from benchmarks.jobs import QUEUE, fill, payload
from benchmarks.peers import Peer
from benchmarks.report import alone
from benchmarks.runs import Case, Figure, Group, Run, Settings, in_turns
from benchmarks.support import BenchmarkError, PrivateRedis, private_redis, rss_bytes, running, wait_until, worker_log

MIB = 1024 * 1024
SETTLED = 100_000  # jobs after which no memory is to be gained any more
LOW, HIGH, CHUNK = 50_000, 200_000, 5_000  # how many wait, and how many are pushed at once
REST_S = 3.0
EVERY_S = 1.0
LONG_S = 3600.0
IDLE = (Figure("rss_mib", "MiB", ".1f"),)
WAITING = (Figure("rss_mib", "MiB", ".1f"), Figure("gained_mib", "MiB more than idle", ".1f"))
GROWTH = (
    Figure("end_mib", "MiB at the end", ".1f"),
    Figure("settled_mib", "MiB after 100,000", ".1f"),
    Figure("slope", "bytes/job from there on", "+.3f"),
    Figure("late_slope", "bytes/job in the second half", "+.3f"),
    Figure("most_mib", "MiB at most", ".1f"),
    Figure("jobs", "jobs"),
    Figure("jobs_per_s", "jobs/s"),
)


def idle(peer: Peer, threads: int) -> Run:
    """Weigh a fresh worker."""
    with private_redis() as server, running(peer.worker(threads), server) as worker:
        return {"rss_mib": at_rest(server, worker) / MIB}


def waiting(peer: Peer, jobs: int, threads: int) -> Run:
    """Weigh a worker before and after many payloads come to a queue that is paused."""
    with private_redis() as server:
        server.client.sadd("paused", QUEUE)
        with running(peer.worker(threads), server) as worker:
            before = at_rest(server, worker)
            fill(server, peer.job, jobs)
            after = at_rest(server, worker)
            if server.client.llen(f"queue:{QUEUE}") != jobs:
                raise BenchmarkError(f"{peer.name} took jobs from a paused queue")
    return {"rss_mib": after / MIB, "gained_mib": (after - before) / MIB}


def at_rest(server: PrivateRedis, worker: Popen[bytes]) -> int:
    """Return the resident bytes of a worker that is up and has been left alone for some seconds."""
    registered = cast("Callable[[str], int]", server.client.scard)
    wait_until(lambda: registered("processes") > 0, "the worker", worker, worker_log(server))
    time.sleep(REST_S)
    return rss_bytes(worker.pid)


def growth(peer: Peer, jobs: int, threads: int) -> Run:
    """Run many no-ops, kept coming by another process, and weigh the worker each second."""
    with private_redis() as server, running(peer.worker(threads), server) as worker:
        began = time.perf_counter()
        with refilling(server, peer.job, jobs):
            points = weigh(server, worker, jobs, peer.counter(server))
        took = time.perf_counter() - began
    settled = [point for point in points if point[0] >= SETTLED]
    if len(settled) < 5:
        raise BenchmarkError(f"{peer.name} was done before it could be weighed five times; give it more jobs")
    return {
        "slope": slope(settled),
        "late_slope": slope(settled[len(settled) // 2 :]),
        "settled_mib": settled[0][1] / MIB,
        "end_mib": points[-1][1] / MIB,
        "most_mib": max(size for _, size in points) / MIB,
        "jobs": jobs,
        "jobs_per_s": jobs / took,
    }


@contextmanager
def refilling(server: PrivateRedis, job: str, jobs: int) -> Iterator[None]:
    """Have another process keep the queue between 50,000 and 200,000 jobs until so many were pushed."""
    process = get_context("spawn").Process(target=refill, args=(server.url, job, jobs), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def refill(url: str, job: str, jobs: int) -> None:
    """Push until all are pushed; each has a jid of its own. `pushed` counts them."""
    client = redis.Redis.from_url(url)
    before, _, after = payload(job, [0]).partition('"jid":"')
    after = after[24:]
    filling = True
    for start in range(0, jobs, CHUNK):
        length = client.llen(f"queue:{QUEUE}")
        filling = length < (HIGH if filling else LOW)
        while not filling:
            time.sleep(0.02)
            filling = client.llen(f"queue:{QUEUE}") < LOW
        chunk = [f'{before}"jid":"{index:024x}{after}' for index in range(start, min(start + CHUNK, jobs))]
        both = client.pipeline()
        both.lpush(f"queue:{QUEUE}", *chunk)
        both.incrby("pushed", len(chunk))
        both.execute()


def weigh(
    server: PrivateRedis, worker: Popen[bytes], jobs: int, unfinished: Callable[[], int]
) -> list[tuple[float, float]]:
    """Return how many jobs were done and the resident bytes then, each second until all are done."""
    points: list[tuple[float, float]] = []

    def done() -> bool:
        pushed = int(cast(bytes, server.client.get("pushed")) or 0)
        points.append((pushed - unfinished(), rss_bytes(worker.pid)))
        return points[-1][0] >= jobs

    wait_until(done, "all jobs to be done", worker, worker_log(server), every_s=EVERY_S, timeout_s=LONG_S)
    return points


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the straight line that is nearest to these points by least squares."""
    middle_x, middle_y = (fmean(values) for values in zip(*points, strict=True))
    over = sum((x - middle_x) * (y - middle_y) for x, y in points)
    return float(over / sum((x - middle_x) ** 2 for x, _ in points))


def measure(settings: Settings) -> list[Group]:
    """Weigh idle workers, ours with a million payloads waiting, and both over ten million jobs (quick: a tenth)."""
    threads = settings.threads
    many, some = (1_000_000, 200_000) if settings.quick else (10_000_000, 1_000_000)
    compared = peers.find(settings, "ours", "sidekiq8")
    once = Settings(1, threads, settings.quick, settings.peers, settings.about, settings.broken)
    resting = [Case("memory, idle", peer.name, partial(idle, peer, threads)) for peer in compared]
    paused = [
        Case(f"memory, {some:,} waiting", peer.name, partial(waiting, peer, some, threads))
        for peer in compared
        if not peer.generation  # Sidekiq's free edition cannot pause
    ]
    runs = [
        Case("memory, growth", peer.name, partial(growth, peer, some if peer.generation else many, threads))
        for peer in compared
    ]
    return in_turns(resting, IDLE, settings) + in_turns(paused, WAITING, once) + in_turns(runs, GROWTH, once)


def main() -> int:
    return alone(__doc__.partition("\n")[0], measure)


if __name__ == "__main__":
    sys.exit(main())
