"""Who counts as dead, with the settings that everybody gets."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from redisjobs import RedisJobs
from tests.support.eventually import eventually
from tests.support.fleet import Fleet
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.e2e

_GIL_S = 20


def test_a_killed_process_is_found_soon_and_one_that_holds_the_gil_is_left_alone(
    redis: RealRedis, app: RedisJobs, fleet: Fleet
) -> None:
    """The kernel closes the connections of the first at once; those of the others stay, though they are silent."""
    jobs = {1: ("work", 60.0), 2: ("hold_gil", _GIL_S), 3: ("spin", float(_GIL_S))}
    workers = {}
    for number, (name, seconds) in jobs.items():
        workers[number] = fleet.worker(redis, concurrency=1)
        app.push(name, [number, seconds])
        eventually(lambda number=number: fleet.runs.pids(number) == [workers[number].pid])
    witness = fleet.worker(redis, concurrency=1)

    workers[1].kill9()
    killed_at = time.monotonic()
    eventually(lambda: fleet.runs.pids(1) == [workers[1].pid, witness.pid], 30)
    took_s = time.monotonic() - killed_at
    eventually(lambda: fleet.runs.ended() == Counter({2: 1, 3: 1}), _GIL_S + 20)
    eventually(lambda: redis.value("stat:processed") == "2", 20)

    print(f"liveness: run again {took_s:.1f} s after the kill")
    assert fleet.runs.started() == Counter({1: 2, 2: 1, 3: 1})
    assert all(len(worker.lines("dead process")) <= 1 for worker in fleet.workers)
