"""Workers that die, or that are silent for so long that they count as dead."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter

import pytest

from redisjobs import RedisJobs
from tests.support.builders import KEYS
from tests.support.eventually import eventually
from tests.support.fleet import Fleet
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.e2e

_JOBS = 20_000
_KILLS = 22
_EVERY_S = 1.0


def test_a_storm_of_kill_9_loses_nothing_and_doubles_at_most_what_was_held(
    redis: RealRedis, app: RedisJobs, fleet: Fleet
) -> None:
    settings = {"heartbeat_ttl_s": 5, "reap_s": 1, "job_log": 0}
    living = [fleet.worker(redis, **settings) for _ in range(3)]
    chance = random.Random(3)
    numbers = range(_JOBS)
    calls = [[number, chance.uniform(0.01, 0.055)] for number in numbers if number % 3]
    app.push_many("noop", [[number] for number in numbers if number % 3 == 0])
    app.push_many("work", calls)
    began = time.monotonic()
    held_at_kills: list[int] = []
    waiting_at_kills: list[int] = []

    for kill in range(1, _KILLS + 1):
        threading.Event().wait(max(0.0, began + kill * _EVERY_S - time.monotonic()))  # the cadence is the load
        ready = [worker for worker in living if worker.identity]
        victim = chance.choice(ready)
        victim.kill9()
        held_at_kills.append(redis.client.llen(KEYS.lease("default", victim.identity)))
        waiting_at_kills.append(redis.client.llen("queue:default"))
        living.remove(victim)
        living.append(fleet.worker(redis, ready=False, **settings))
    eventually(lambda: len(fleet.runs.started()) == _JOBS, 40, "jobs are lost")
    eventually(lambda: redis.value("stat:processed") == str(_JOBS), 20)
    took_s = time.monotonic() - began

    runs = fleet.runs.started()
    doubles = runs.total() - _JOBS
    print(
        f"storm: {_JOBS:,} jobs, {_KILLS} kills, {doubles} doubles, {sum(held_at_kills)} leases held at kills "
        f"{held_at_kills}, waiting at the last kill {waiting_at_kills[-1]:,}, {took_s:.1f} s"
    )
    assert set(runs) == set(numbers)
    assert doubles <= sum(held_at_kills)
    assert waiting_at_kills[-1] > 0, "the load did not last as long as the storm"
    assert redis.client.exists("dead", "retry", "schedule", "queue:default") == 0
    assert redis.value("stat:failed") is None
    assert [worker.stop() for worker in living] == [0, 0, 0]
    assert redis.client.keys("lease:*") == []
    assert redis.client.smembers("processes") == set()


def test_a_zombie_settles_nothing_that_was_recovered_from_it(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    """Neither its acks nor its retries count, and afterwards it works as before."""
    settings = {"heartbeat_ttl_s": 3, "reap_s": 0.5}
    zombie = fleet.worker(redis, concurrency=4, **settings)
    app.push_many("work", [(0, 1.5), (1, 1.5)])
    app.push_many("slow_failure", [(2, 1.5), (3, 1.5)], retry=5)
    eventually(lambda: len(fleet.runs.started()) == 4)

    zombie.sigstop()
    other = fleet.worker(redis, concurrency=4, **settings)
    eventually(lambda: redis.value("stat:processed") == "4", 20)
    assert len(redis.value("retry")) == 2
    retries = redis.value("retry")
    zombie.sigcont()
    eventually(lambda: len(zombie.lines("not ours any more")) == 4, 10)

    assert redis.value("retry") == retries
    assert (redis.value("stat:processed"), redis.value("stat:failed")) == ("4", "2")
    assert fleet.runs.started() == Counter(dict.fromkeys(range(4), 2))
    assert [fleet.runs.pids(number) for number in range(4)] == [[zombie.pid, other.pid]] * 4
    assert redis.client.keys("lease:*") == []
    assert other.stop() == 0
    app.push("noop", [9])
    eventually(lambda: fleet.runs.pids(9) == [zombie.pid], 10)
    eventually(lambda: redis.value("stat:processed") == "5")
    assert zombie.stop() == 0
    assert redis.dump(["stat:*", "queues", "lease-*", "pushed:*"]) == {"retry": retries}


def test_a_zombie_does_not_start_what_it_had_only_leased(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    """It may have been recovered from it meanwhile: it goes back instead."""
    zombie = fleet.worker(redis, concurrency=1, heartbeat_ttl_s=3, reap_s=0.5)
    app.push_many("noop", [(number,) for number in range(3000)])
    eventually(lambda: len(fleet.runs.started()) > 500)

    zombie.sigstop()
    assert redis.client.llen(KEYS.lease("default", zombie.identity)) > 2, "it leases ahead"
    fleet.worker(redis, concurrency=1, heartbeat_ttl_s=3, reap_s=0.5)
    eventually(lambda: redis.client.llen("queue:default") == 0, 20)
    eventually(lambda: redis.client.keys("lease:*") == [], 20)
    before = fleet.runs.count()
    zombie.sigcont()
    app.push("noop", [3000])
    eventually(lambda: len(fleet.runs.started()) == 3001)
    eventually(lambda: redis.value("stat:processed") == "3001")

    assert fleet.runs.count() <= before + 2, "the new job, and one that may have been about to tell that it starts"


def test_a_job_that_kills_its_processes_is_buried_and_others_are_not(
    redis: RealRedis, app: RedisJobs, fleet: Fleet
) -> None:
    settings = {"heartbeat_ttl_s": 1, "reap_s": 0.5, "concurrency": 1}
    app.push("work", [1, 30.0], retry=7)
    for attempt in range(1, 4):
        victim = fleet.worker(redis, **settings)
        eventually(lambda attempt=attempt: fleet.runs.count() == attempt, 15)
        victim.kill9()
    survivor = fleet.worker(redis, **settings)
    app.push("noop", [2])

    eventually(lambda: redis.client.zcard("dead") == 1, 15)
    (entry,) = app.dead
    assert (entry.error_class, entry.args) == ("redisjobs.PoisonPill", [1, 30.0])
    assert entry.retry_count is None, "a crash costs no attempt"
    eventually(lambda: fleet.runs.started()[2] == 1, 10)
    assert survivor.lines("poison pill")
    assert redis.client.keys("lease:*") == []


def test_a_worker_that_was_told_to_stop_while_stopped_obeys_when_it_goes_on(
    redis: RealRedis, app: RedisJobs, fleet: Fleet
) -> None:
    worker = fleet.worker(redis, heartbeat_ttl_s=2)
    worker.sigstop()
    worker.term()
    worker.signal(signal.SIGCONT)

    assert worker.wait() == 0
