"""How fast a full queue is drained: ours, real Sidekiq and the bare loop, in one run on one machine.

    .venv/bin/python benchmarks/drain.py [--jobs 100000] [--rounds 3] [--threads 10] [--peers ours,sidekiq8,bare]

It asserts nothing about speed; the exit code is 1 only if something broke. The method is in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass
from statistics import median
from subprocess import Popen
from typing import Any, cast

from peers import QUEUE, Peer, at_least, find, in_turns, options
from support import (
    BenchmarkError,
    PrivateRedis,
    cpu_s,
    machine,
    private_redis,
    redis_version,
    running,
    tail,
    wait_until,
    worker_log,
)

WARM_UP = 1_000
DRAIN_S = 900.0
CHUNK = 1_000
# Leased jobs are not finished: a peer without leases has none of these lists. The server is ours, so KEYS is cheap.
UNFINISHED = """
local left = redis.call("LLEN", KEYS[1])
for _, lease in ipairs(redis.call("KEYS", "lease:*")) do left = left + redis.call("LLEN", lease) end
return left
"""


@dataclass(frozen=True)
class Drained:
    """One run of one peer. CPU is in microseconds per job, over all threads."""

    jobs_per_s: float
    worker_us: float
    redis_us: float

    def __str__(self) -> str:
        return f"{self.jobs_per_s:>9,.0f} jobs/s  worker {self.worker_us:.1f} us  Redis {self.redis_us:.1f} us"


Runs = dict[str, list[Drained]]


@dataclass(frozen=True)
class Mark:
    """What was true at one moment: time, jobs not finished, CPU seconds used so far."""

    at: float
    left: int
    worker_s: float
    redis_s: float


def drain(peer: Peer, jobs: int, threads: int) -> Drained:
    """Fill a fresh Redis, start a worker, and measure from its first thousand jobs to the last one."""
    with private_redis() as server:
        fill(server, peer.job, jobs)
        with running(peer.worker(threads), server) as worker:
            start = mark_when(server, worker, lambda left: left <= jobs - WARM_UP)
            mark_when(server, worker, lambda left: left <= jobs // 10, every_s=0.05)  # a look costs Redis 60 us
            end = mark_when(server, worker, lambda left: left == 0)
        check(peer, server, jobs)
    done = start.left - end.left
    if done < jobs // 2:
        raise BenchmarkError(f"{peer.name} was faster than can be seen; give it more --jobs than {jobs}")
    return Drained(
        jobs_per_s=done / (end.at - start.at),
        worker_us=(end.worker_s - start.worker_s) / done * 1e6,
        redis_us=(end.redis_s - start.redis_s) / done * 1e6,
    )


def fill(server: PrivateRedis, job: str, jobs: int) -> None:
    """Push jobs as a Sidekiq 8 client would write them, whoever is to run them."""
    now_ms = int(time.time() * 1000)
    rest = {"retry": True, "queue": QUEUE, "created_at": now_ms, "enqueued_at": now_ms}
    pipeline = server.client.pipeline(transaction=False)
    pipeline.sadd("queues", QUEUE)
    for start in range(0, jobs, CHUNK):
        chunk = (
            rest | {"args": [index], "class": job, "jid": secrets.token_hex(12)}
            for index in range(start, min(start + CHUNK, jobs))
        )
        pipeline.lpush(f"queue:{QUEUE}", *(json.dumps(payload, separators=(",", ":")) for payload in chunk))
        pipeline.execute()


def mark_when(
    server: PrivateRedis, worker: Popen[bytes], reached: Callable[[int], bool], every_s: float = 0.005
) -> Mark:
    """Poll until the number of unfinished jobs is right, then read the clocks at once."""
    unfinished = server.client.register_script(UNFINISHED)
    left = 0

    def look() -> bool:
        nonlocal left
        left = unfinished(keys=[f"queue:{QUEUE}"])
        return reached(left)

    wait_until(look, "the queue to be drained", worker, worker_log(server), every_s=every_s, timeout_s=DRAIN_S)
    return Mark(time.perf_counter(), left, cpu_s(worker.pid), cpu_s(server.process.pid))


def check(peer: Peer, server: PrivateRedis, jobs: int) -> None:
    """Raise unless each job ran exactly once and well; the worker has stopped, so all its counters are written."""
    client = server.client
    processed, failed = (int(cast(bytes, client.get(f"stat:{kind}")) or 0) for kind in ("processed", "failed"))
    left = client.llen(f"queue:{QUEUE}") + client.zcard("retry") + client.zcard("dead")
    if (processed, failed, left) != (jobs, 0, 0):
        raise BenchmarkError(
            f"{peer.name}: of {jobs} jobs {processed} were processed, {failed} failed, {left} are left or to retry"
            + tail(worker_log(server))
        )


def medians(runs: list[Drained]) -> Drained:
    """Return the median of each figure over a peer's rounds."""
    return Drained(*(median(figures) for figures in zip(*map(astuple, runs), strict=True)))


def ratios(runs: Runs) -> dict[str, Drained]:
    """Return ours divided by each other: the median of the rounds' ratios, as neighbours share the machine's noise."""
    ours = runs.get("ours", [])
    return {f"ours / {name}": medians(list(map(divide, ours, runs[name]))) for name in runs if ours and name != "ours"}


def divide(ours: Drained, other: Drained) -> Drained:
    return Drained(*(a / b for a, b in zip(astuple(ours), astuple(other), strict=True)))


def show(runs: Runs) -> None:
    """Print a line for each peer, then one for each ratio."""
    columns = f"{'jobs/s':>9} {'lowest..highest':>18} {'worker us/job':>14} {'Redis us/job':>13}"
    print(f"\n{'median of rounds':<22} {columns}")
    for name, each in runs.items():
        middle, speeds = medians(each), [run.jobs_per_s for run in each]
        spread = f"{min(speeds):,.0f}..{max(speeds):,.0f}"
        figures = f"{middle.jobs_per_s:>9,.0f} {spread:>18} {middle.worker_us:>14.1f} {middle.redis_us:>13.1f}"
        print(f"{name:<22} {figures}")
    for name, against in ratios(runs).items():
        print(f"{name:<22} {against.jobs_per_s:>8.2f}x {against.worker_us:>32.2f}x {against.redis_us:>12.2f}x")


def report(args: argparse.Namespace, peers: list[Peer], runs: Runs) -> dict[str, Any]:
    """Return all that was measured, for `--json`."""
    return {
        "jobs": args.jobs,
        "threads": args.threads,
        "machine": machine(),
        "redis": redis_version(),
        "peers": {
            peer.name: {
                "about": peer.about,
                "median": asdict(medians(runs[peer.name])),
                "rounds": [asdict(run) for run in runs[peer.name]],
            }
            for peer in peers
        },
        "ratios": {name: asdict(against) for name, against in ratios(runs).items()},
    }


def main() -> int:
    parser = options(__doc__.partition("\n")[0], "ours,sidekiq8,bare")
    parser.add_argument("--jobs", type=at_least(5 * WARM_UP), default=100_000, help="how many (default: 100000)")
    args = parser.parse_args()
    out = sys.stderr if args.json else sys.stdout
    try:
        peers = find(args.peers.split(","))
        print(f"{args.jobs:,} no-op jobs, {args.threads} threads; {redis_version()}, loopback TCP, no AOF", file=out)
        runs = in_turns(peers, args.rounds, lambda peer: drain(peer, args.jobs, args.threads), out)
    except BenchmarkError as error:
        print(f"drain: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(report(args, peers, runs), indent=2))
    else:
        show(runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
