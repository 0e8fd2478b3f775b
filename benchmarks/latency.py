"""How soon an idle worker starts a job: ours and real Sidekiq, in one run on one machine.

    .venv/bin/python benchmarks/latency.py [--jobs 1000] [--rounds 3] [--threads 10] [--queues 0]

It asserts nothing about speed; the exit code is 1 only if something broke. The method is in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from statistics import median
from subprocess import Popen
from typing import Any

from peers import QUEUE, Peer, at_least, find, in_turns, options
from support import (
    BenchmarkError,
    PrivateRedis,
    machine,
    private_redis,
    redis_version,
    running,
    wait_until,
    worker_log,
)

WARM_UP = 100
EVERY_S = 0.01


@dataclass(frozen=True)
class Picked:
    """One run of one peer: from just before the push to the first line of the job, in milliseconds."""

    p50_ms: float
    p99_ms: float
    max_ms: float

    def __str__(self) -> str:
        return f"p50 {self.p50_ms:.2f} ms  p99 {self.p99_ms:.2f} ms  max {self.max_ms:.2f} ms"


Runs = dict[str, list[Picked]]


def pick_up(peer: Peer, jobs: int, threads: int, more_queues: int) -> Picked:
    """Start a worker on an empty Redis, push one job every 10 ms, and ask it how long each was on its way."""
    queues = [*(f"idle{number}" for number in range(more_queues)), QUEUE]
    with private_redis() as server, running(peer.worker(threads, queues, server.folder), server) as worker:
        push(server, "Latency", [-1, time.time()])  # also waits for the start
        wait_until(lambda: server.client.llen(f"queue:{QUEUE}") == 0, "the first job", worker, worker_log(server))
        send(server, jobs)
        samples = collect(server, worker, jobs)
    return Picked(percentile(samples, 50) * 1e3, percentile(samples, 99) * 1e3, samples[-1] * 1e3)


def send(server: PrivateRedis, jobs: int) -> None:
    """Push a job each 10 ms by the clock: a late one does not delay the next."""
    begin = time.perf_counter()
    for index in range(WARM_UP + jobs):
        time.sleep(max(0.0, begin + index * EVERY_S - time.perf_counter()))
        push(server, "Latency", [index, time.time()])


def push(server: PrivateRedis, job: str, args: list[Any]) -> None:
    """Push one job with one LPUSH, as the worker's clients would, less the SADD."""
    now_ms = int(time.time() * 1000)
    payload = {"retry": False, "queue": QUEUE, "class": job, "args": args, "jid": secrets.token_hex(12)}
    payload |= {"created_at": now_ms, "enqueued_at": now_ms}
    server.client.lpush(f"queue:{QUEUE}", json.dumps(payload))


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
            ask_for(path)
        return len(samples) == jobs

    def ask_for(path: Path) -> None:
        path.unlink(missing_ok=True)
        push(server, "LatencyReport", [str(path)])

    ask_for(path)
    wait_until(complete, f"{jobs} jobs to be reported", worker, worker_log(server))
    return samples


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least this part of all does not exceed."""
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def total(runs: list[Picked]) -> Picked:
    """Return the median of the rounds' percentiles, and the worst of all."""
    return Picked(
        median(run.p50_ms for run in runs), median(run.p99_ms for run in runs), max(run.max_ms for run in runs)
    )


def ratios(runs: Runs) -> dict[str, dict[str, float]]:
    """Return ours divided by each other: the median of the rounds' ratios, as neighbours share the machine's noise."""
    ours = runs.get("ours", [])
    return {
        f"ours / {name}": {
            "p50": median(a.p50_ms / b.p50_ms for a, b in zip(ours, other, strict=True)),
            "p99": median(a.p99_ms / b.p99_ms for a, b in zip(ours, other, strict=True)),
        }
        for name, other in runs.items()
        if ours and name != "ours"
    }


def show(runs: Runs) -> None:
    """Print a line for each peer, then one for each ratio."""
    print(f"\n{'over all rounds':<22} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}")
    for name, each in runs.items():
        middle = total(each)
        print(f"{name:<22} {middle.p50_ms:>8.2f} {middle.p99_ms:>8.2f} {middle.max_ms:>8.2f}")
    for name, against in ratios(runs).items():
        print(f"{name:<22} {against['p50']:>7.2f}x {against['p99']:>7.2f}x")


def report(args: argparse.Namespace, peers: list[Peer], runs: Runs) -> dict[str, Any]:
    """Return all that was measured, for `--json`."""
    return {
        "jobs": args.jobs,
        "threads": args.threads,
        "more_queues": args.queues,
        "machine": machine(),
        "redis": redis_version(),
        "peers": {
            peer.name: {
                "about": peer.about,
                "over_all_rounds": asdict(total(runs[peer.name])),
                "rounds": [asdict(run) for run in runs[peer.name]],
            }
            for peer in peers
        },
        "ratios": ratios(runs),
    }


def main() -> int:
    parser = options(__doc__.partition("\n")[0], "ours,sidekiq8")
    parser.add_argument("--jobs", type=at_least(1), default=1_000, help="how many (default: 1000)")
    parser.add_argument("--queues", type=at_least(0), default=0, help="empty queues to look at first (default: 0)")
    args = parser.parse_args()
    names = args.peers.split(",")
    if not set(names).isdisjoint({"bare", "ours-async"}):
        parser.error("the jobs that tell their latency are plain functions, and the bare loop has none")
    out = sys.stderr if args.json else sys.stdout
    try:
        peers = find(names)
        print(f"{args.jobs:,} jobs, one in 10 ms; {1 + args.queues} queues, {args.threads} threads", file=out)
        print(f"{redis_version()}, loopback TCP, no AOF", file=out)
        runs = in_turns(peers, args.rounds, lambda peer: pick_up(peer, args.jobs, args.threads, args.queues), out)
    except BenchmarkError as error:
        print(f"latency: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(report(args, peers, runs), indent=2))
    else:
        show(runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
