"""How fast a full queue is drained: ours, real Sidekiq, the bare loop and Python's own peers, in one run.

    python -m benchmarks.drain [--rounds 3] [--threads 10] [--peers ours,sidekiq8] [--quick]

It asserts nothing about speed; the exit code is 1 only if something broke. The method is in benchmarks/README.md.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from subprocess import Popen

from benchmarks import peers, python_peers
from benchmarks.peers import Peer
from benchmarks.python_peers import PythonPeer
from benchmarks.report import alone
from benchmarks.runs import Case, Figure, Group, Run, Settings, in_turns
from benchmarks.support import BenchmarkError, PrivateRedis, cpu_s, private_redis, running, tail, wait_until, worker_log

FIGURES = (
    Figure("jobs_per_s", "jobs/s"),
    Figure("worker_us", "worker us/job", ".1f"),
    Figure("redis_us", "Redis us/job", ".1f"),
)
WARM_UP = 1_000
DRAIN_S = 900.0


@dataclass(frozen=True)
class Mark:
    """What was true at one moment: time, jobs not finished, CPU seconds used so far."""

    at: float
    left: int
    worker_s: float
    redis_s: float


def drain(peer: Peer | PythonPeer, count: int, commands: Sequence[str], server: PrivateRedis, url: str = "") -> Run:
    """Fill an empty Redis, start a worker, and measure from its first thousand jobs (or tenth) to the last one."""
    peer.fill(server, count)
    warm = min(WARM_UP, count // 10)
    more = peer.environment(10) if isinstance(peer, PythonPeer) else None
    with running(commands, server, url=url, more=more) as worker:
        left = peer.counter(server)
        start = mark_when(server, worker, left, lambda unfinished: unfinished <= count - warm)
        mark_when(server, worker, left, lambda unfinished: unfinished <= count // 10, every_s=0.05)  # 60 us of Redis
        end = mark_when(server, worker, left, lambda unfinished: unfinished == 0)
    wrong = peer.check(server, count)
    if wrong:
        raise BenchmarkError(f"{peer.name} {wrong}{tail(worker_log(server))}")
    done = start.left - end.left
    if done < count // 2:
        raise BenchmarkError(f"{peer.name} was faster than can be seen; give it more jobs than {count}")
    return {
        "jobs_per_s": done / (end.at - start.at),
        "worker_us": (end.worker_s - start.worker_s) / done * 1e6,
        "redis_us": (end.redis_s - start.redis_s) / done * 1e6,
        "jobs": count,
    }


def mark_when(
    server: PrivateRedis,
    worker: Popen[bytes],
    unfinished: Callable[[], int],
    reached: Callable[[int], bool],
    every_s: float = 0.005,
) -> Mark:
    """Poll until the number of unfinished jobs is right, then read the clocks at once."""
    left = 0

    def look() -> bool:
        nonlocal left
        left = unfinished()
        return reached(left)

    wait_until(look, "the queue to be drained", worker, worker_log(server), every_s=every_s, timeout_s=DRAIN_S)
    return Mark(time.perf_counter(), left, cpu_s(worker.pid), cpu_s(server.process.pid))


def ours_or_ruby(peer: Peer, count: int, threads: int) -> Run:
    """Drain with a worker that takes Sidekiq's payloads."""
    with private_redis() as server:
        return drain(peer, count, peer.worker(threads), server)


def pythons(peer: PythonPeer, count: int, threads: int) -> Run:
    """Drain with one of Python's own, filled by its own client."""
    with private_redis() as server:
        return drain(peer, count, peer.worker(threads, server.url), server)


def measure(settings: Settings) -> list[Group]:
    """Drain a queue of 100,000 (50,000 if quick) with each peer; the slow ones get fewer."""
    count, threads = 50_000 if settings.quick else 100_000, settings.threads
    cases = [
        Case("drain", peer.name, partial(ours_or_ruby, peer, count, threads))
        for peer in peers.find(settings, "ours", "ours-async", "ours-log", "bare", "sidekiq8")
    ]
    for other in python_peers.find(settings):
        fewer = int(count * other.share)
        settings.note(f"drain: {count:,} no-op jobs, {fewer:,} for {other.name}")
        cases.append(Case("drain", other.name, partial(pythons, other, fewer, threads)))
    settings.note("exq: not measured, as no registry that installs here has Elixir's packages")
    return in_turns(cases, FIGURES, settings)


def main() -> int:
    return alone(__doc__.partition("\n")[0], measure)


if __name__ == "__main__":
    sys.exit(main())
