"""The installed command with child processes: they go with their worker, however it goes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from redisjobs import RedisJobs
from tests.support.eventually import eventually
from tests.support.fleet import Fleet
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.e2e

LONG_S = 60


def gone(pids: set[int]) -> bool:
    """Tell whether none of these processes runs."""
    return not any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids)


def test_kill_9_takes_the_children_along_and_loses_nothing(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    settings = {"heartbeat_ttl_s": 3, "reap_s": 0.5}
    worker = fleet.worker(redis, concurrency=2, **settings)
    app.push_many("child_work", [(1, 4.0), (2, 4.0)])
    eventually(lambda: len(fleet.runs.started()) == 2, LONG_S)
    children = {pid for number in (1, 2) for pid in fleet.runs.pids(number)}
    assert fleet.runs.told("parent") == [(number, worker.pid) for number, _ in fleet.runs.told("parent")]

    worker.kill9()

    eventually(lambda: gone(children), 10)
    assert fleet.runs.ended() == {}
    other = fleet.worker(redis, concurrency=2, **settings)
    eventually(lambda: redis.value("stat:processed") == "2", LONG_S)
    assert fleet.runs.ended() == {1: 1, 2: 1}
    assert other.stop() == 0
    assert redis.client.keys("lease:*") == []


def test_a_worker_of_processes_stops_in_order(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    """All that `def` it runs in children; TERM, to the worker and to them, waits for what runs."""
    worker = fleet.worker(redis, "--executor", "process", concurrency=2)
    app.push("work", [1, 1.5])
    app.push("child_work", [2, 1.5])
    eventually(lambda: len(fleet.runs.started()) == 2, LONG_S)
    children = {pid for number in (1, 2) for pid in fleet.runs.pids(number)}
    assert len(children) == 2
    assert worker.pid not in children

    for pid in (*children, worker.pid):  # as a service manager does it
        os.kill(pid, signal.SIGTERM)

    assert worker.wait(LONG_S) == 0
    assert fleet.runs.ended() == {1: 1, 2: 1}
    assert redis.value("stat:processed") == "2"
    assert gone(children)
    assert worker.lines("done"), "children write to the worker's log"


def test_what_outlives_the_stop_is_given_back(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    worker = fleet.worker(redis, "-t", "0.5", concurrency=1)
    jid = app.push("child_work", [1, 600.0])
    eventually(lambda: fleet.runs.count() == 1, LONG_S)
    [child] = fleet.runs.pids(1)

    assert worker.stop() == 0

    assert gone({child})
    assert [entry.jid for entry in app.queue("default")] == [jid]
    assert redis.client.keys("lease:*") == []
