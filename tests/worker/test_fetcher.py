"""The fetcher: what is leased and settled, and what happens to both when Redis or a key is not as it should be."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from redisjobs import RedisJobs, current_job
from redisjobs.store.op import command
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis


def test_outcomes_with_ops_are_kept_when_the_connection_fails_between_two_of_them(
    app: RedisJobs, redis: RealRedis
) -> None:
    """Each is a transaction of its own; here each kills the connection that carried it."""
    runs: Counter[int] = Counter()
    together = threading.Barrier(5)

    @app.job(name="Cut")
    def cut(number: int) -> None:
        runs[number] += 1
        current_job().on_settle(command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"))
        if runs[number] == 1:
            together.wait(5)

    cut.enqueue_many([(number,) for number in range(5)])

    def settled() -> bool:
        try:
            return bool(redis.value("stat:processed") == "5")
        except RedisConnectionError:  # ours is killed too
            return False

    with app.worker(concurrency=5, timeout_s=5):
        eventually(settled, 15)

    assert runs == Counter(range(5))


def test_an_op_that_redis_always_refuses_does_not_hold_up_the_end(app: RedisJobs, redis: RealRedis) -> None:
    """The transaction settled the job; its outcome is not kept because a part of it was refused."""
    redis.seed({"text": "x"})

    @app.job(name="Wrong")
    def wrong() -> None:
        current_job().on_settle(command("LPUSH", "text", "y"))

    wrong.enqueue()
    worker = app.worker(concurrency=1, timeout_s=5)
    with worker:
        eventually(lambda: redis.value("stat:processed") == "1")
        began = time.monotonic()

    assert time.monotonic() - began < 3


def test_a_queue_of_the_wrong_type_does_not_hold_up_the_others(app: RedisJobs, redis: RealRedis) -> None:
    redis.seed({"queue:bad": "x"})
    ran: list[int] = []

    @app.job(name="Good", queue="good")
    def good(number: int) -> None:
        ran.append(number)

    good.enqueue_many([(1,), (2,), (3,)])
    with app.worker(queues=["good", "bad"], concurrency=5, timeout_s=1):
        eventually(lambda: len(ran) == 3, 5)


def test_a_paused_key_of_the_wrong_type_is_said_and_does_not_spin(
    app: RedisJobs, redis: RealRedis, caplog: pytest.LogCaptureFixture
) -> None:
    redis.seed({"paused": "x"})
    app.push("Any")
    with app.worker(concurrency=5, timeout_s=1):
        began = time.process_time()
        eventually(lambda: any(vars(record).get("key") == "paused" for record in caplog.records), 2)

    assert time.process_time() - began < 1


@pytest.mark.parametrize("trouble", ["replica", "full"])
def test_a_replica_and_a_full_server_are_outages_said_once(
    app: RedisJobs, redis: RealRedis, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    ran: list[int] = []

    @app.job(name="Any")
    def any_job(number: int) -> None:
        ran.append(number)

    redis.client.config_resetstat()
    with app.worker(concurrency=2, timeout_s=1, heartbeat_ttl_s=3):
        any_job.enqueue(1)
        eventually(lambda: ran == [1])
        try:
            _begin(redis, trouble)
            eventually(lambda: _errors(redis, trouble) > 8, 10)
        finally:
            _end(redis, trouble)
        eventually(lambda: "redis back" in caplog.text, 5)
        any_job.enqueue(2)
        eventually(lambda: ran == [1, 2], 5)

    assert sum("redis away" in record.message for record in caplog.records) == 1
    assert not [record for record in caplog.records if record.exc_info]


def _begin(redis: RealRedis, trouble: str) -> None:
    if trouble == "replica":
        redis.client.execute_command("REPLICAOF", "127.0.0.1", "1")
    else:
        redis.client.config_set("maxmemory", 1)


def _end(redis: RealRedis, trouble: str) -> None:
    if trouble == "replica":
        redis.client.execute_command("REPLICAOF", "NO", "ONE")
    else:
        redis.client.config_set("maxmemory", 0)


def _errors(redis: RealRedis, trouble: str) -> int:
    """Return how often the server has refused something for this reason."""
    found = redis.client.info("errorstats").get("errorstat_READONLY" if trouble == "replica" else "errorstat_OOM")
    return int(found["count"]) if found else 0
