"""The processor: how a run ends, and what becomes of the job then."""

from __future__ import annotations

from typing import Any

import pytest

from redisjobs import RedisJobs, Retry, Snooze
from tests.support.builders import a_payload
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis

_BAD: Any = "soon"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("outcome", [Snooze, Retry])
def test_a_delay_that_is_no_number_is_a_failure_of_that_job_alone(
    app: RedisJobs, redis: RealRedis, outcome: type[Snooze | Retry]
) -> None:
    ran: list[int] = []

    @app.job(name="Bad")
    def bad() -> None:
        raise outcome(_BAD)

    @app.job(name="Next")
    def following() -> None:
        ran.append(1)

    bad.enqueue()
    following.enqueue()
    with app.worker(concurrency=1, timeout_s=1):
        eventually(lambda: ran, 3)
        eventually(lambda: len(redis.value("retry")) == 1, 3)


def test_an_async_job_with_a_delay_that_is_no_number_keeps_no_slot(app: RedisJobs, redis: RealRedis) -> None:
    ran: list[int] = []

    @app.job(name="Bad")
    async def bad() -> None:
        raise Snooze(_BAD)

    @app.job(name="Next")
    def following() -> None:
        ran.append(1)

    bad.enqueue()
    following.enqueue()
    with app.worker(concurrency=1, timeout_s=1):
        eventually(lambda: ran, 3)


def test_a_negative_retry_count_does_not_stop_the_worker(app: RedisJobs, redis: RealRedis) -> None:
    """It came by raw JSON, for a class that nobody knows here."""
    ran: list[int] = []

    @app.job(name="Next")
    def following() -> None:
        ran.append(1)

    redis.client.lpush("queue:default", a_payload(class_="Unknown", retry_count=-7))
    following.enqueue()
    with app.worker(concurrency=2, timeout_s=1):
        eventually(lambda: ran, 3)
        eventually(lambda: redis.client.zcard("retry") + redis.client.zcard("dead") == 1, 3)


def test_a_delay_beyond_all_numbers_does_not_stop_the_worker(app: RedisJobs, redis: RealRedis) -> None:
    ran: list[int] = []

    @app.job(name="Next")
    def following() -> None:
        ran.append(1)

    redis.client.lpush("queue:default", a_payload(class_="Unknown", retry=10**100, retry_count=10**90))
    following.enqueue()
    with app.worker(concurrency=2, timeout_s=1):
        eventually(lambda: redis.value("stat:processed") == "2", 3)
