"""How fast a full queue is drained when Redis is a round trip away: through a proxy that adds 0, 1, 2 and 5 ms.

    python -m benchmarks.rtt [--rounds 3] [--threads 10] [--peers ours,sidekiq8] [--quick]

It asserts nothing about speed; the exit code is 1 only if something broke. The method is in benchmarks/README.md.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from functools import partial
from statistics import median

import redis

from benchmarks import peers, python_peers
from benchmarks.drain import drain
from benchmarks.peers import Peer
from benchmarks.proxy import proxied
from benchmarks.python_peers import PythonPeer
from benchmarks.report import alone
from benchmarks.runs import Case, Figure, Group, Run, Settings, in_turns
from benchmarks.support import private_redis

FIGURES = (
    Figure("jobs_per_s", "jobs/s"),
    Figure("worker_us", "worker us/job", ".1f"),
    Figure("ping_ms", "ms measured by PING", ".2f"),
)
MANY_THREADS = 30
DELAYS_MS = (0, 1, 2, 5)
PYTHONS = ("dramatiq", "huey", "saq")
AT_MS = 2  # the round trip at which those take part
SECONDS = 5.0


def through(peer: Peer | PythonPeer, count: int, threads: int, rtt_ms: float | None) -> Run:
    """Drain through a proxy, or without one for None; its workers know no other way to Redis, the measurement does."""
    with private_redis() as server:
        if rtt_ms is None:
            url, ping_ms = server.url, ping(server.url)
            return {**drain(peer, count, command(peer, threads, url), server), "ping_ms": ping_ms}
        with proxied(server, rtt_ms) as url:
            ping_ms = ping(url)
            return {**drain(peer, count, command(peer, threads, url), server, url), "ping_ms": ping_ms}


def command(peer: Peer | PythonPeer, threads: int, url: str) -> list[str]:
    return peer.worker(threads) if isinstance(peer, Peer) else peer.worker(threads, url)


def ping(url: str) -> float:
    """Return the median round trip of a connection that is open, in milliseconds."""
    with redis.Redis.from_url(url) as client:
        client.ping()
        took = []
        for _ in range(50):
            began = time.perf_counter()
            client.ping()
            took.append(time.perf_counter() - began)
    return median(took) * 1e3


def measure(settings: Settings) -> list[Group]:
    """Drain through each delay; as many jobs as take a few seconds at the speed that is to be expected."""
    threads = settings.threads
    scale = 0.3 if settings.quick else 1.0
    cases = []
    ours_and_ruby = peers.find(settings, "ours", "sidekiq8")
    pythons = python_peers.find(settings, *PYTHONS)
    for rtt_ms in (None, *DELAYS_MS):
        title = "rtt: no proxy" if rtt_ms is None else f"rtt: +{rtt_ms} ms"
        for peer in ours_and_ruby:
            count = int(scale * _jobs(peer, rtt_ms or 0, threads))
            cases.append(Case(title, peer.name, partial(through, peer, count, threads, rtt_ms)))
            if peer.generation and rtt_ms:
                more = replace(peer, name=f"{peer.name}-{MANY_THREADS}")
                count = int(scale * _jobs(peer, rtt_ms, MANY_THREADS))
                cases.append(Case(title, more.name, partial(through, more, count, MANY_THREADS, rtt_ms)))
        if rtt_ms == AT_MS:
            cases += [Case(title, p.name, partial(through, p, int(scale * 5_000), threads, rtt_ms)) for p in pythons]
    return in_turns(cases, FIGURES, settings)


def _jobs(peer: Peer, rtt_ms: float, threads: int) -> int:
    """Return how many jobs take about five seconds: Sidekiq makes a round trip for each, in each thread."""
    if not peer.generation:
        return 100_000
    return int(SECONDS * min(12_000, threads * 1000 / rtt_ms if rtt_ms else 12_000))


def main() -> int:
    return alone(__doc__.partition("\n")[0], measure)


if __name__ == "__main__":
    sys.exit(main())
