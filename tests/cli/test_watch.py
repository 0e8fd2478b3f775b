"""`redisjobs watch`: the lines of starts and ends, and what is said beside them."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Callable
from typing import IO

import pytest

from redisjobs import RedisJobs
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

Installed = Callable[..., "subprocess.Popen[str]"]
PATIENCE_S = 60


class Watched:
    """A `redisjobs watch` of its own, and what it has printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.lines: list[str] = []
        self.notes: list[str] = []
        self._process = process
        streams = ((process.stdout, self.lines), (process.stderr, self.notes))
        self._readers = [threading.Thread(target=self._read, args=args, daemon=True) for args in streams]
        for reader in self._readers:
            reader.start()

    def end(self) -> int:
        """Press Ctrl-C; return the exit status."""
        self._process.send_signal(signal.SIGINT)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        return self._process.wait(PATIENCE_S)

    def _read(self, stream: IO[str], found: list[str]) -> None:
        with stream:
            found.extend(line.rstrip("\n") for line in stream)


def watch(installed: Installed, redis: RealRedis, *args: str) -> Watched:
    """Start it; return it when workers can hear of it."""
    made = Watched(installed("watch", *args))
    eventually(lambda: redis.client.exists("watched"), PATIENCE_S)
    return made


def run_some(app: RedisJobs) -> list[str | None]:
    """Run a job that ends well, and one that fails with what could drive a terminal."""

    @app.job(name="Good", queue="mail")
    def good() -> None:
        """Ends well."""

    @app.job(name="Bad", retry=3)
    def bad() -> None:
        raise ValueError("\x1b[2J")

    with app.worker(queues=["mail", "default"], heartbeat_ttl_s=2.0) as worker:
        eventually(lambda: any(one.name == "redisjobs-watched" for one in threading.enumerate()), PATIENCE_S)
        jids = [good.enqueue(), bad.enqueue()]
        assert worker.drain(PATIENCE_S)
    return jids


def test_each_start_and_end_is_a_line(app: RedisJobs, redis: RealRedis, installed: Installed) -> None:
    watched = watch(installed, redis)

    good, bad = run_some(app)
    eventually(lambda: len(watched.lines) == 4, PATIENCE_S)

    assert watched.end() == 130
    started, done = (line.split() for line in watched.lines if str(good) in line)
    assert started[1:5] == ["started", "mail", "Good", good]
    assert done[1] == "done"
    assert done[3:6] == ["ms", "mail", "Good"] or done[3:6] == ["s", "mail", "Good"]
    [failed] = [line for line in watched.lines if str(bad) in line and "retried" in line]
    assert failed.endswith("ValueError: \\x1b[2J")
    [note] = filter(None, watched.notes)
    assert "next heartbeat" in note


def test_json_is_an_object_a_line(app: RedisJobs, redis: RealRedis, installed: Installed) -> None:
    watched = watch(installed, redis, "--class", "Good", "--json")

    good, _ = run_some(app)
    eventually(lambda: len(watched.lines) == 2, PATIENCE_S)

    watched.end()
    found = [json.loads(line) for line in watched.lines]
    assert [(event["event"], event["jid"], event["queue"]) for event in found] == [
        ("started", good, "mail"),
        ("done", good, "mail"),
    ]
    assert found[0].keys() == found[1].keys()


def test_an_outage_is_told_once_and_survived(
    app: RedisJobs, server: Callable[..., RealRedis], installed: Installed
) -> None:
    redis = server()
    watched = Watched(installed("--url", redis.url, "watch"))
    eventually(lambda: redis.client.exists("watched"), PATIENCE_S)

    redis.stop()
    eventually(lambda: any("trying again" in note for note in watched.notes), PATIENCE_S)
    redis.start()
    eventually(lambda: any("answers again" in note for note in watched.notes), PATIENCE_S)

    assert watched.end() == 130
    assert sum("trying again" in note for note in watched.notes) == 1
