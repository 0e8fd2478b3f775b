"""Workers that are told something: by the system, and through Redis."""

from __future__ import annotations

import signal
import time
from collections import Counter
from itertools import pairwise

import pytest

from redisjobs import RedisJobs
from tests.support.builders import KEYS
from tests.support.eventually import eventually
from tests.support.fleet import Fleet, cli
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.e2e


def test_a_rolling_restart_under_load_loses_and_doubles_nothing(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    count = 9000
    app.push_many("noop", [(number,) for number in range(0, count, 3)])
    app.push_many("work", [(number, 0.004) for number in range(1, count, 3)])
    app.push_many("awork", [(number, 0.02) for number in range(2, count, 3)])
    living = [fleet.worker(redis, job_log=0) for _ in range(3)]

    for _ in range(2):
        for worker in list(living):
            eventually(lambda worker=worker: fleet.runs.count_of(worker.pid) > 0, 10)
            worker.term()
            assert worker.wait(5) == 0
            assert redis.client.llen(KEYS.lease("default", worker.identity)) == 0
            assert worker.identity.encode() not in redis.client.smembers("processes")
            living.remove(worker)
            living.append(fleet.worker(redis, job_log=0))
    eventually(lambda: redis.value("stat:processed") == str(count), 30)

    assert fleet.runs.started() == Counter(range(count))
    assert [worker.stop() for worker in living] == [0, 0, 0]
    assert redis.dump(["stat:*", "queues", "lease-*", "pushed:*"]) == {}


def test_jobs_that_were_not_started_are_back_at_once_and_in_order(
    redis: RealRedis, app: RedisJobs, fleet: Fleet
) -> None:
    worker = fleet.worker(redis, "-t", "20", concurrency=2, job_log=0)
    app.push_many("noop", [(number,) for number in range(2000)])
    app.push_many("work", [(number, 2.0) for number in range(2000, 2030)])
    eventually(lambda: fleet.runs.started()[2001] == 1)

    worker.term()
    eventually(lambda: redis.client.llen("queue:default") == 28, 1)

    numbers = [entry.args[0] for entry in app.queue()]
    assert numbers == list(range(2029, 2001, -1)), "the next to run is the last of the list"
    assert worker.wait(10) == 0
    assert fleet.runs.ended()[2000] == fleet.runs.ended()[2001] == 1
    assert redis.value("stat:processed") == "2002"


@pytest.mark.parametrize("job", ["work", "awork"])
def test_a_job_longer_than_the_timeout_is_given_back_and_runs_elsewhere(
    redis: RealRedis, app: RedisJobs, fleet: Fleet, job: str
) -> None:
    first = fleet.worker(redis, "-t", "0.5")
    app.push(job, [1, 4.0])
    eventually(lambda: fleet.runs.count() == 1)
    second = fleet.worker(redis)

    first.term()
    assert first.wait(5) == 0
    eventually(lambda: fleet.runs.pids(1) == [first.pid, second.pid], 2, "at once, without any recovery")
    eventually(lambda: redis.value("stat:processed") == "1", 10)

    assert fleet.runs.ended() == Counter([1])
    assert redis.client.exists("retry", "dead") == 0
    assert second.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_shortens_the_wait(redis: RealRedis, app: RedisJobs, fleet: Fleet, number: int) -> None:
    worker = fleet.worker(redis, "-t", "60")
    app.push("work", [1, 30.0])
    eventually(lambda: fleet.runs.count() == 1)

    worker.signal(number)
    eventually(lambda: worker.lines("quiet:"), 2)
    assert worker.running, "the job goes on"
    worker.signal(number)

    assert worker.wait(5) == 0
    assert redis.client.llen("queue:default") == 1
    assert redis.client.keys("lease:*") == []
    assert "Traceback" not in worker.log


def test_ctrl_c_lets_running_jobs_end(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    worker = fleet.worker(redis)
    app.push("work", [1, 1.0])
    eventually(lambda: fleet.runs.count() == 1)

    worker.signal(signal.SIGINT)

    assert worker.wait(10) == 0
    assert fleet.runs.ended() == Counter([1])
    assert redis.value("stat:processed") == "1"
    assert "Traceback" not in worker.log


def test_tstp_quiets(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    worker = fleet.worker(redis, heartbeat_ttl_s=3)
    app.push("work", [1, 2.0])
    eventually(lambda: fleet.runs.count() == 1)

    worker.signal(signal.SIGTSTP)
    eventually(lambda: redis.client.hget(worker.identity, "quiet") == b"true", 3)
    app.push("noop", [2])
    eventually(lambda: redis.value("stat:processed") == "1", 5)
    eventually(lambda: redis.client.hget(worker.identity, "busy") == b"0", 5)

    assert fleet.runs.ended() == Counter([1])
    assert redis.client.llen("queue:default") == 1
    assert worker.running
    assert worker.stop() == 0
    assert fleet.runs.started()[2] == 0


def test_ttin_writes_what_the_threads_do_and_changes_nothing(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    worker = fleet.worker(redis)
    app.push("work", [1, 1.0])
    eventually(lambda: fleet.runs.count() == 1)

    worker.signal(signal.SIGTTIN)
    eventually(lambda: worker.lines("thread redisjobs-"), 3)

    assert "tests/e2e/jobs.py" in worker.log, "the line where the job is"
    app.push("noop", [2])
    eventually(lambda: redis.value("stat:processed") == "2", 5)
    assert worker.stop() == 0


def test_quiet_and_stop_by_the_command(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    """They are heard with the next heartbeat."""
    told, other = (fleet.worker(redis, heartbeat_ttl_s=3) for _ in range(2))
    eventually(lambda: redis.client.scard("processes") == 2)

    cli(redis, "quiet", told.identity)
    eventually(lambda: redis.client.hget(told.identity, "quiet") == b"true", 3)
    assert redis.client.hget(other.identity, "quiet") == b"false"
    cli(redis, "stop", "--all")

    assert [told.wait(10), other.wait(10)] == [0, 0]
    assert redis.client.exists("processes", told.identity, other.identity) == 0


def test_a_stop_while_redis_is_away_ends_all_the_same(server, fleet: Fleet) -> None:
    """Its leases stay for others to recover."""
    redis = server(appendonly="yes", appendfsync="always")
    app = RedisJobs(redis.url)
    worker = fleet.worker(redis, "-t", "1", heartbeat_ttl_s=2)
    app.push("work", [1, 0.5])
    eventually(lambda: fleet.runs.count() == 1)
    redis.kill9()
    eventually(lambda: worker.lines("redis away"), 5)
    began = time.monotonic()
    worker.term()
    assert worker.wait(30) == 0
    took_s = time.monotonic() - began
    assert worker.lines("not settled")
    assert took_s < 15

    redis.start()
    other = fleet.worker(redis, heartbeat_ttl_s=2, reap_s=0.5)
    eventually(lambda: fleet.runs.ended()[1] == 2, 15, "it is recovered")
    assert other.stop() == 0
    app.close()


def test_the_order_of_one_thread_is_the_order_of_the_queue(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    """Also over a stop in the middle."""
    app.push_many("noop", [(number,) for number in range(3000)])
    for _ in range(2):
        worker = fleet.worker(redis, concurrency=1, job_log=0)
        before = fleet.runs.count()
        eventually(lambda before=before: fleet.runs.count() > before, 5)
        assert worker.stop() == 0
    worker = fleet.worker(redis, concurrency=1, job_log=0)
    eventually(lambda: fleet.runs.count() == 3000, 10)

    assert all(first < second for first, second in pairwise(fleet.runs.started()))
    assert worker.stop() == 0
