"""Redis in trouble but answering: full, a replica, without its scripts, without our connections."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from redisjobs import RedisJobs
from tests.support.eventually import eventually
from tests.support.fleet import Fleet
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("trouble", ["full", "replica"])
def test_living_workers_are_not_recovered_while_nobody_can_write_heartbeats(
    redis: RealRedis, app: RedisJobs, fleet: Fleet, trouble: str
) -> None:
    """A full server and a replica still answer who asks whether a heartbeat is there."""
    ttl_s = 2.0
    workers = [fleet.worker(redis, concurrency=2, heartbeat_ttl_s=ttl_s, reap_s=0.5) for _ in range(2)]
    app.push_many("work", [(number, 8.0) for number in range(4)])
    eventually(lambda: len(fleet.runs.started()) == 4)

    if trouble == "full":
        redis.client.config_set("maxmemory", 1)
    else:
        redis.client.execute_command("REPLICAOF", "127.0.0.1", "1")
    time.sleep(3 * ttl_s)  # the length of the trouble is what is tested
    if trouble == "full":
        redis.client.config_set("maxmemory", 0)
    else:
        redis.client.execute_command("REPLICAOF", "NO", "ONE")

    eventually(lambda: redis.value("stat:processed") == "4", 20)
    assert fleet.runs.started() == Counter(range(4))
    for worker in workers:
        assert worker.lines("recovered") == []
        assert len(worker.lines("redis away")) == 1
        assert worker.stop() == 0


@pytest.mark.parametrize(
    "job",
    [
        "noop",
        "mark",
    ],
)
def test_killed_connections_lose_nothing_and_double_nothing(
    redis: RealRedis, app: RedisJobs, fleet: Fleet, job: str
) -> None:
    """The workers live on, so they hold their outcomes, and a lease whose reply was lost they find again."""
    count = 8000
    workers = [fleet.worker(redis, job_log=0) for _ in range(2)]
    over = threading.Event()

    def cut() -> None:
        while not over.wait(0.1):
            redis.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        for first in range(0, count, 1000):
            app.push_many(job, [(number,) for number in range(first, first + 1000)])
        eventually(lambda: len(fleet.runs.started()) == count, 30)
    finally:
        over.set()
        cutter.join()
    eventually(lambda: redis.value("stat:processed") == str(count), 15)

    assert fleet.runs.count() == count
    assert [worker.stop() for worker in workers] == [0, 0]
    assert redis.client.keys("lease:*") == []
