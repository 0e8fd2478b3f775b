"""Jobs for later: a million that are due at once, and how late a thousand a second are put to their queue and started.

    python -m benchmarks.schedule [--rounds 3] [--threads 10] [--peers ours,sidekiq8] [--quick]

It asserts nothing about speed; the exit code is 1 only if something broke. The method is in benchmarks/README.md.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast

from benchmarks import peers
from benchmarks.jobs import payload
from benchmarks.latency import collect, figures
from benchmarks.peers import Peer
from benchmarks.report import alone
from benchmarks.runs import Case, Figure, Group, Run, Settings, in_turns
from benchmarks.support import PrivateRedis, private_redis, running, wait_until, worker_log

PROMOTION = (
    Figure("jobs_per_s", "jobs/s promoted"),
    Figure("script_ms", "ms the longest script", ".2f"),
    Figure("command_ms", "ms the longest other command", ".2f"),
    Figure("p99_ms", "ms p99 of scripts", ".2f"),
    Figure("above_1ms", "of 1 ms or more"),
)
LATENESS = (
    Figure("p50_ms", "ms late p50", ",.0f"),
    Figure("p99_ms", "ms late p99", ",.0f"),
    Figure("max_ms", "ms late max", ",.0f"),
)
ELSEWHERE = "later"  # the queue that the million go to: nobody listens to it
CHUNK = 10_000
SLOW_US = 1_000
LEAD_S = 3.0  # the first is due so much later than it is written
WATCH_S = 60.0
SCHEDULED = "schedule"


def promote(peer: Peer, count: int, threads: int) -> Run:
    """Have `count` jobs be due before a worker starts, and see how fast they go to their queue, watched by Redis.

    A slow peer is watched for a minute.
    """
    with private_redis() as server:
        client = server.client
        put_off(server, ((payload("Noop", [index], ELSEWHERE), 1.0 + index * 1e-3) for index in range(count)), count)
        client.config_set("slowlog-log-slower-than", SLOW_US)
        client.config_set("slowlog-max-len", 100_000)
        client.slowlog_reset()
        client.config_resetstat()
        left = cast("Callable[[str], int]", client.zcard)
        with running(peer.worker(threads), server) as worker:
            wait_until(lambda: left(SCHEDULED) < count, "the first promotion", worker, worker_log(server))
            began, first = time.perf_counter(), left(SCHEDULED)
            while left(SCHEDULED) and time.perf_counter() - began < WATCH_S and worker.poll() is None:
                time.sleep(0.01)
            took, last = time.perf_counter() - began, left(SCHEDULED)
            scripts_ms, commands_ms = slow_ms(client)
            p99_ms = script_p99_ms(client)
    return {
        "jobs_per_s": (first - last) / took,
        "script_ms": max(scripts_ms, default=0.0),
        "command_ms": max(commands_ms, default=0.0),
        "p99_ms": p99_ms,
        "above_1ms": len(scripts_ms) + len(commands_ms),
    }


def put_off(server: PrivateRedis, jobs: Any, count: int) -> None:
    """Write payloads and the times at which they are due into the set of those put off."""
    pipeline = server.client.pipeline(transaction=False)
    for start in range(0, count, CHUNK):
        pipeline.zadd(SCHEDULED, dict(next(jobs) for _ in range(min(CHUNK, count - start))))
        pipeline.execute()


def slow_ms(client: Any) -> tuple[list[float], list[float]]:
    """Return the milliseconds that each slow script took, and each other slow command."""
    took: tuple[list[float], list[float]] = ([], [])
    for entry in client.slowlog_get(100_000):
        name = entry["command"].split()[0].upper()
        if name not in (b"SLOWLOG", b"CONFIG"):
            took[0 if name in (b"EVAL", b"EVALSHA") else 1].append(entry["duration"] / 1e3)
    return took


def script_p99_ms(client: Any) -> float:
    """Return what 99% of script calls did not exceed; Sidekiq's promotion has none, then it is that of all its ZREM."""
    for name in ("evalsha", "zrem"):
        stats = client.info("latencystats").get(f"latency_percentiles_usec_{name}")
        if stats:
            return float(stats["p99"]) / 1e3
    return 0.0


def lateness(peer: Peer, per_s: int, seconds: float, threads: int) -> Run:
    """Have `per_s` jobs be due in each second, evenly; each tells how much later than that it was started."""
    count = int(per_s * seconds)
    with private_redis() as server, running(peer.worker(threads, folder=server.folder), server) as worker:
        registered = cast("Callable[[str], int]", server.client.scard)
        wait_until(lambda: registered("processes") > 0, "the worker", worker, worker_log(server))
        zcard = cast("Callable[[str], int]", server.client.zcard)
        server.client.zadd(SCHEDULED, {payload("Noop", [0]): 1.0})  # Sidekiq first looks 10 s after its start
        wait_until(lambda: zcard(SCHEDULED) == 0, "the first look", worker, worker_log(server))
        first = time.time() + LEAD_S
        due = [first + index / per_s for index in range(count)]
        put_off(server, ((payload("Latency", [1_000 + index, at]), at) for index, at in enumerate(due)), count)
        time.sleep(max(0.0, due[-1] - time.time()))
        left = peer.counter(server)

        def done() -> bool:
            return zcard(SCHEDULED) + left() == 0

        wait_until(done, "the last ones to be started", worker, worker_log(server), every_s=0.1, timeout_s=180)
        return figures(collect(server, worker, count))


def measure(settings: Settings) -> list[Group]:
    """Promote a million (200,000 if quick), and time a thousand a second for 20 s (5 s if quick)."""
    threads = settings.threads
    count = 200_000 if settings.quick else 1_000_000
    per_s, seconds = 1_000, 5.0 if settings.quick else 20.0
    compared = peers.find(settings, "ours", "sidekiq8")
    settings.note(f"schedule: {count:,} jobs due at once, watched for {WATCH_S:.0f} s at most; payloads of 170 bytes")
    settings.note(f"lateness: {per_s:,} due in each second, for {seconds:.0f} s")
    million = [Case("due at once", peer.name, partial(promote, peer, count, threads)) for peer in compared]
    late = [Case("lateness", peer.name, partial(lateness, peer, per_s, seconds, threads)) for peer in compared]
    for peer in compared:
        if peer.generation:
            often = replace(peer, name=f"{peer.name}-poll-1s", wrapped=("env", "BENCH_POLL_S=1"))
            settings.note(f"{often.name}: the same with average_scheduled_poll_interval = 1 (its default is 5)")
            late.append(Case("lateness", often.name, partial(lateness, often, per_s, seconds, threads)))
    return in_turns(million, PROMOTION, settings) + in_turns(late, LATENESS, settings)


def main() -> int:
    return alone(__doc__.partition("\n")[0], measure)


if __name__ == "__main__":
    sys.exit(main())
