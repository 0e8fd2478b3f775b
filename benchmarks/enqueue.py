"""How fast jobs are enqueued: many at once, one by one, from threads and from coroutines.

    python -m benchmarks.enqueue [--rounds 3] [--peers ours,sidekiq8] [--quick]

It asserts nothing about speed; the exit code is 1 only if something broke. The method is in benchmarks/README.md.
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import IO, cast

from benchmarks import peers, python_peers
from benchmarks.jobs import QUEUE
from benchmarks.peers import Peer
from benchmarks.python_peers import PythonPeer
from benchmarks.report import alone
from benchmarks.runs import Case, Figure, Group, Run, Settings, in_turns
from benchmarks.support import ROOT, BenchmarkError, PrivateRedis, environment, private_redis, tail, worker_log

FIGURES = (
    Figure("jobs_per_s", "jobs/s"),
    Figure("producer_us", "producer us/job", ".1f"),
    Figure("redis_us", "Redis us/job", ".1f"),
)
WAYS = {
    "many": "enqueue, many at once",
    "one": "enqueue, one by one",
    "threads": "enqueue, 8 threads",
    "coroutines": "enqueue, 100 coroutines",
}
BEST_WAY = {"rq": "many", "celery": "one", "dramatiq": "one", "huey": "one", "arq": "coroutines", "saq": "coroutines"}
THREADS = 8
COROUTINES = 100  # as benchmarks/producer.py has it
SINGLY = 10  # one by one, so many times fewer than at once
PRODUCER_S = 600.0


def enqueue(peer: Peer, way: str, jobs: int) -> Run:
    """Start a producer, let it go when it is warm, and read the clocks of both when it is done."""
    with private_redis() as server, worker_log(server).open("w+b") as log:
        command, env = [*peer.producer(), way, str(jobs), str(THREADS)], environment(server.url)
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
        try:
            words, spent_s = talk(process, server)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BenchmarkError(f"{peer.name}: {error}{tail(worker_log(server))}") from None
        finally:
            process.kill()
            process.communicate()
        stored = server.client.llen(f"queue:{QUEUE}")
        if len(words) != 2 or stored != jobs:
            raise BenchmarkError(f"{peer.name}: {stored} of {jobs} jobs are stored{tail(worker_log(server))}")
    took_s, producer_s = map(float, words)
    return {"jobs_per_s": jobs / took_s, "producer_us": producer_s / jobs * 1e6, "redis_us": spent_s / jobs * 1e6}


def talk(process: subprocess.Popen[bytes], server: PrivateRedis) -> tuple[list[bytes], float]:
    """Wait for the warm-up, throw its jobs away, and let the rest begin; return the last words and Redis' seconds."""
    cast(IO[bytes], process.stdout).readline()
    server.client.delete(f"queue:{QUEUE}")
    before_s = redis_s(server)
    words, _ = process.communicate(b"go\n", timeout=PRODUCER_S)
    return words.split(), redis_s(server) - before_s


def redis_s(server: PrivateRedis) -> float:
    """Return the CPU seconds that a Redis has used; it knows them better than /proc."""
    cpu = cast(dict[str, float], server.client.info("cpu"))
    return cpu["used_cpu_user"] + cpu["used_cpu_sys"]


def pythons(peer: PythonPeer, jobs: int) -> Run:
    """Have a Python peer's client enqueue in the best way that it has."""
    with private_redis() as server:
        before_s = redis_s(server)
        took_s, producer_s = peer.send(server, "fill", jobs)
        spent_s = redis_s(server) - before_s
    return {"jobs_per_s": jobs / took_s, "producer_us": producer_s / jobs * 1e6, "redis_us": spent_s / jobs * 1e6}


def measure(settings: Settings) -> list[Group]:
    """Enqueue 200,000 at once, 20,000 in each other way (50,000 and 5,000 if quick); Python's peers in their best."""
    many = 50_000 if settings.quick else 200_000
    few = many // SINGLY // (THREADS * COROUTINES) * THREADS * COROUTINES
    settings.note(f"enqueue: {many:,} no-op jobs at once, {few:,} in each other way")
    compared = peers.find(settings, "ours", "sidekiq8")
    others = python_peers.find(settings)
    cases = []
    for way, title in WAYS.items():
        jobs = many if way == "many" else few
        able = [peer for peer in compared if way != "coroutines" or not peer.generation]
        cases += [Case(title, peer.name, partial(enqueue, peer, way, jobs)) for peer in able]
        best = [peer for peer in others if BEST_WAY[peer.name] == way]
        cases += [Case(title, peer.name, partial(pythons, peer, few)) for peer in best]
    return in_turns(cases, FIGURES, settings)


def main() -> int:
    return alone(__doc__.partition("\n")[0], measure)


if __name__ == "__main__":
    sys.exit(main())
