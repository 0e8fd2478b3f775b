"""Pages of the web UI over a crowd: how long each takes, and how long the slowest command of each holds Redis.

    python -m benchmarks.web [--rounds 3] [--quick]

It asserts nothing about speed; the exit code is 1 only if something broke. The method is in benchmarks/README.md.
"""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import seed
from benchmarks.report import alone
from benchmarks.runs import Case, Figure, Group, Run, Settings, in_turns
from benchmarks.support import BenchmarkError, PrivateRedis, free_port, private_redis, running, wait_until, worker_log

FIGURES = (
    Figure("median_ms", "ms median", ".1f"),
    Figure("max_ms", "ms max", ".1f"),
    Figure("kb", "kB", ",.0f"),
    Figure("commands", "commands to Redis"),
    Figure("command_ms", "ms the slowest of them (median)", ".2f"),
    Figure("command_max_ms", "ms the slowest of all", ".2f"),
)
REQUESTS = 20
WATCHED = 5
"""Requests whose commands are looked at: apart from those that are timed, as Redis notes each of its commands then."""


def ask(connection: http.client.HTTPConnection, path: str) -> tuple[float, int]:
    """Ask for a page; return the milliseconds to its last byte, and its bytes."""
    began = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    took_ms = (time.perf_counter() - began) * 1e3
    if answer.status != 200:
        raise BenchmarkError(f"{path} answered {answer.status}: {body[:200]!r}")
    return took_ms, len(body)


def look(server: PrivateRedis, port: int, path: str) -> Run:
    """Ask for a page some times, then again with Redis noting each command; return the figures."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        ask(connection, path)  # what is loaded and compiled by the first
        took = [ask(connection, path) for _ in range(REQUESTS)]
        seen = [commands(server, connection, path) for _ in range(WATCHED)]
    slowest = [max((ms for ms, _ in one), default=0.0) for one in seen]
    return {
        "median_ms": median(ms for ms, _ in took),
        "max_ms": max(ms for ms, _ in took),
        "kb": took[0][1] / 1e3,
        "commands": median(len(one) for one in seen),
        "command_ms": median(slowest),
        "command_max_ms": max(slowest),
    }


def commands(server: PrivateRedis, connection: http.client.HTTPConnection, path: str) -> list[tuple[float, str]]:
    """Ask for a page; return each command that it took with its milliseconds, and how it begins."""
    client: Any = server.client
    client.slowlog_reset()
    client.config_set("slowlog-log-slower-than", 0)
    ask(connection, path)
    client.config_set("slowlog-log-slower-than", -1)
    ours = ("CONFIG", "SLOWLOG")
    noted = ((entry["duration"] / 1e3, entry["command"].decode("utf-8", "replace")) for entry in client.slowlog_get(-1))
    return [(ms, text[:60]) for ms, text in noted if not text.startswith(ours)]


@contextmanager
def site(settings: Settings) -> Iterator[tuple[PrivateRedis, int]]:
    """Run a crowded Redis and the web UI beside it."""
    with private_redis() as server:
        server.client.config_set("slowlog-max-len", 100_000)
        seed.crowd(server.client, seed.QUICK if settings.quick else seed.FULL)
        port = free_port()
        command = [str(Path(sys.executable).with_name("redisjobs")), "web", "--bind", f"127.0.0.1:{port}"]
        with running(command, server) as process:
            wait_until(lambda: _answers(port), "the web UI to answer", process, worker_log(server))
            yield server, port


def measure(settings: Settings) -> list[Group]:
    """Ask for each page 20 times a round, over the whole crowd or, if quick, a small one."""
    if not settings.some(("ours",)):
        return []
    sizes = seed.QUICK if settings.quick else seed.FULL
    settings.note(
        f"web: {sizes.queue:,} jobs in a queue, {sizes.retry:,} in retry, {sizes.dead:,} dead, {sizes.scheduled:,} "
        f"scheduled, {sizes.processes} processes; {REQUESTS} requests a round, one after the other, from this machine"
    )
    with site(settings) as (server, port):
        cases = [Case(name, "ours", partial(look, server, port, path)) for name, path in seed.PAGES.items()]
        groups = in_turns(cases, FIGURES, settings)
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            for name, path in seed.PAGES.items():
                ms, text = max(commands(server, connection, path), default=(0.0, "none"))
                settings.note(f"{name} (`{path}`): its slowest command, seen once more, was `{text}`, {ms:.2f} ms")
    return groups


def _answers(port: int) -> bool:
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            ask(connection, "/")
    except ConnectionError:
        return False
    return True


def main() -> int:
    return alone(__doc__.partition("\n")[0], measure)


if __name__ == "__main__":
    sys.exit(main())
