"""How fast jobs are enqueued: ours and real Sidekiq, in one run on one machine.

    .venv/bin/python benchmarks/enqueue.py [--jobs 200000] [--rounds 3] [--threads 8] [--peers ours,sidekiq8]

It asserts nothing about speed; the exit code is 1 only if something broke. The method is in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict, astuple, dataclass
from statistics import median
from typing import IO, Any, cast

from peers import QUEUE, Peer, at_least, find, in_turns, options
from support import (
    ROOT,
    BenchmarkError,
    PrivateRedis,
    environment,
    machine,
    private_redis,
    redis_version,
    tail,
    worker_log,
)

WAYS = {"many": "many at once", "one": "one thread", "threads": "threads", "coroutines": "coroutines"}
COROUTINES = 100  # as benchmarks/producer.py has it
SINGLY = 10  # one by one, so many times fewer than at once
PRODUCER_S = 600.0


@dataclass(frozen=True)
class Enqueued:
    """One run of one peer in one way. CPU is in microseconds per job."""

    jobs_per_s: float
    producer_us: float
    redis_us: float

    def __str__(self) -> str:
        return f"{self.jobs_per_s:>9,.0f} jobs/s  producer {self.producer_us:.1f} us  Redis {self.redis_us:.1f} us"


class Ways(dict[str, Enqueued]):
    """One peer's run of each way, in one round."""

    def __str__(self) -> str:
        return "".join(f"\n  {WAYS[way]:<14} {run}" for way, run in self.items()) + "\n "


Runs = dict[str, list[Ways]]


def enqueue(peer: Peer, jobs: int, threads: int) -> Ways:
    """Have a peer enqueue in each way that it has, each into a fresh Redis."""
    each = threads * COROUTINES
    singly = max(1, jobs // SINGLY // each) * each
    ways = [way for way in WAYS if way != "coroutines" or peer.name == "ours"]
    return Ways({way: once(peer, way, jobs if way == "many" else singly, threads) for way in ways})


def once(peer: Peer, way: str, jobs: int, threads: int) -> Enqueued:
    """Start a producer, let it go when it is warm, and read the clocks of both when it is done."""
    with private_redis() as server, worker_log(server).open("w+b") as log:
        command = [*peer.producer(), way, str(jobs), str(threads)]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(server), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
        try:
            words, redis_s = talk(process, server)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BenchmarkError(f"{peer.name}: {error}{tail(worker_log(server))}") from None
        finally:
            process.kill()
            process.communicate()
        stored = server.client.llen(f"queue:{QUEUE}")
        if len(words) != 2 or stored != jobs:
            raise BenchmarkError(f"{peer.name}: {stored} of {jobs} jobs are stored{tail(worker_log(server))}")
    took_s, producer_s = map(float, words)
    return Enqueued(jobs / took_s, producer_s / jobs * 1e6, redis_s / jobs * 1e6)


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


def medians(runs: list[Enqueued]) -> Enqueued:
    """Return the median of each figure over the rounds of one way."""
    return Enqueued(*(median(figures) for figures in zip(*map(astuple, runs), strict=True)))


def by_way(rounds: list[Ways]) -> dict[str, list[Enqueued]]:
    """Return one peer's runs of each way."""
    return {way: [each[way] for each in rounds] for way in rounds[0]}


def ratios(runs: Runs) -> dict[str, dict[str, Enqueued]]:
    """Return ours divided by each other: the median of the rounds' ratios, as neighbours share the machine's noise."""
    if "ours" not in runs:
        return {}
    ours = by_way(runs["ours"])
    return {
        f"ours / {name}": {
            way: medians(list(map(divide, ours[way], theirs))) for way, theirs in by_way(runs[name]).items()
        }
        for name in runs
        if name != "ours"
    }


def divide(ours: Enqueued, other: Enqueued) -> Enqueued:
    return Enqueued(*(a / b for a, b in zip(astuple(ours), astuple(other), strict=True)))


def show(runs: Runs) -> None:
    """Print a line for each peer's ways, then one for each ratio."""
    columns = f"{'jobs/s':>9} {'lowest..highest':>18} {'producer us/job':>16} {'Redis us/job':>13}"
    print(f"\n{'median of rounds':<30} {columns}")
    for name, rounds in runs.items():
        for way, each in by_way(rounds).items():
            middle, speeds = medians(each), [run.jobs_per_s for run in each]
            spread = f"{min(speeds):,.0f}..{max(speeds):,.0f}"
            figures = f"{middle.jobs_per_s:>9,.0f} {spread:>18} {middle.producer_us:>16.1f} {middle.redis_us:>13.1f}"
            print(f"{f'{name}, {WAYS[way]}':<30} {figures}")
    for name, ways in ratios(runs).items():
        for way, against in ways.items():
            figures = f"{against.jobs_per_s:>8.2f}x {against.producer_us:>34.2f}x {against.redis_us:>12.2f}x"
            print(f"{f'{name}, {WAYS[way]}':<30} {figures}")


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
                "ways": {
                    way: {"median": asdict(medians(each)), "rounds": [asdict(run) for run in each]}
                    for way, each in by_way(runs[peer.name]).items()
                },
            }
            for peer in peers
        },
        "ratios": {
            name: {way: asdict(against) for way, against in ways.items()} for name, ways in ratios(runs).items()
        },
    }


def main() -> int:
    parser = options(__doc__.partition("\n")[0], "ours,sidekiq8")
    parser.set_defaults(threads=8)
    parser.add_argument("--jobs", type=at_least(SINGLY), default=200_000, help="how many at once (default: 200000)")
    args = parser.parse_args()
    names = args.peers.split(",")
    if not set(names).isdisjoint({"bare", "ours-async"}):
        parser.error("the bare loop only works, and ours enqueues from coroutines anyhow")
    out = sys.stderr if args.json else sys.stdout
    try:
        peers = find(names)
        print(f"{args.jobs:,} no-op jobs, a {SINGLY}th of them one by one; {args.threads} threads", file=out)
        print(f"{redis_version()}, loopback TCP, no AOF", file=out)
        runs = in_turns(peers, args.rounds, lambda peer: enqueue(peer, args.jobs, args.threads), out)
    except BenchmarkError as error:
        print(f"enqueue: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(report(args, peers, runs), indent=2))
    else:
        show(runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
