"""shards=: jobs and queues that go to other servers, and workers that work there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from redisjobs import ConfigError, OptionError, Push, RedisJobs, StoreUnavailableError, current_job
from redisjobs.store.op import Steps
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


@pytest.fixture(scope="module")
def second() -> Iterator[RealRedis]:
    with RealRedis() as made:
        yield made


@pytest.fixture
def other(second: RealRedis) -> RealRedis:
    """A second server with nothing in it."""
    second.client.flushall()
    return second


@pytest.fixture
def sharded(redis: RealRedis, other: RealRedis) -> Iterator[RedisJobs]:
    """An app on two servers: what is for `mail` or `reports...` goes to the second."""
    made = RedisJobs(
        redis.url, shards={"reports": other.url}, routes={"reports*": "reports", "mail": "reports"}, patience_s=0
    )
    yield made
    made.close()


def queues(server: RealRedis) -> dict[str, int]:
    return {key: len(value) for key, value in server.dump().items() if key.startswith("queue:")}


async def apush_many(app: RedisJobs, calls: list[Any], **options: Any) -> list[str | None]:
    try:
        return await app.apush_many("noop", calls, **options)
    finally:
        await app.aclose()


def test_the_queue_decides_where_a_job_goes(redis: RealRedis, other: RealRedis, sharded: RedisJobs) -> None:
    for queue in ("default", "mail", "mailers", "reports", "reports-slow"):
        sharded.push("noop", [1], queue=queue)
        asyncio.run(apush_many(sharded, [[2], [3]], queue=queue))

    assert queues(redis) == {"queue:default": 3, "queue:mailers": 3}
    assert queues(other) == {"queue:mail": 3, "queue:reports": 3, "queue:reports-slow": 3}


def test_a_job_that_names_a_shard_goes_there_whatever_its_queue(
    redis: RealRedis, other: RealRedis, sharded: RedisJobs
) -> None:
    @sharded.job(shard="reports", queue="a")
    def job() -> None: ...

    job.enqueue()
    job.options(queue="b").enqueue_in(60)
    job.options(shard=None, queue="c").enqueue()
    sharded.push("noop", shard="reports")

    assert queues(redis) == {"queue:c": 1}
    assert queues(other) == {"queue:a": 1, "queue:default": 1}
    assert len(other.value("schedule")) == 1
    assert '"shard"' not in str(other.dump())


def test_middleware_may_send_jobs_elsewhere_by_their_queue(
    redis: RealRedis, other: RealRedis, sharded: RedisJobs
) -> None:
    @sharded.client_middleware.add
    def spread(push: Push) -> Steps[Any]:
        push.fields["queue"] = "mail" if push.args[0] % 2 else "default"
        yield

    assert None not in sharded.push_many("noop", [[number] for number in range(10)])
    assert None not in sharded.push_many("noop", [[number] for number in range(10)], delay_s=60)

    assert queues(redis) == {"queue:default": 5}
    assert queues(other) == {"queue:mail": 5}
    assert len(redis.value("schedule")) == len(other.value("schedule")) == 5


def test_an_app_of_a_shard_looks_there_and_pushes_there(redis: RealRedis, other: RealRedis, sharded: RedisJobs) -> None:
    there = sharded.shard("reports")
    there.push("noop", queue="default")
    sharded.push("noop", queue="mail")

    assert [queue.name for queue in there.queues] == ["default", "mail"]
    assert there.stats.enqueued == 2
    assert sharded.stats.enqueued == 0
    assert sharded.shard("") is sharded


def test_one_worker_takes_from_all_servers_and_retries_stay_where_they_came_from(
    redis: RealRedis, other: RealRedis, sharded: RedisJobs
) -> None:
    ran: list[str] = []

    @sharded.job(shard="reports")
    def there(retried: bool) -> None:
        ran.append("there")
        if retried:
            raise ValueError("as told")
        here.enqueue()

    @sharded.job
    def here() -> None:
        ran.append("here")

    with sharded.worker():
        there.enqueue(False)
        there.enqueue(True)
        there.enqueue_in(0.05, False)
        eventually(lambda: sorted(ran) == ["here"] * 2 + ["there"] * 3 and len(list(sharded.shard("reports").retries)))

    assert list(sharded.retries) == []


def test_a_worker_goes_on_with_one_server_while_another_is_down(
    redis: RealRedis, sharded: RedisJobs, server: Callable[..., RealRedis]
) -> None:
    second = server(appendonly="yes", appendfsync="always")
    app = RedisJobs(redis.url, shards={"far": second.url}, routes={"far": "far"}, patience_s=0)
    ran: list[str] = []
    app.job(name="run")(ran.append)

    with app.worker(queues=["default", "far"]):
        app.push("run", ["far 1"], queue="far")
        eventually(lambda: ran == ["far 1"])
        second.kill9()
        app.push("run", ["near"])
        eventually(lambda: ran == ["far 1", "near"])
        second.start()
        app.push("run", ["far 2"], queue="far")
        eventually(lambda: ran == ["far 1", "near", "far 2"])
    assert redis.value("stat:processed") == "1"
    app.close()


def test_the_functions_of_a_workers_life_are_called_once_and_all_jobs_see_the_state(
    redis: RealRedis, other: RealRedis, sharded: RedisJobs
) -> None:
    told: list[Any] = []

    @sharded.on("startup")
    def open_all(worker: Any) -> Iterator[str]:
        told.append("opened")
        yield "state"
        told.append("closed")

    sharded.on("quiet")(lambda worker: told.append("quiet"))
    sharded.job(name="look")(lambda: told.append(current_job().state))

    with sharded.worker(queues=["default", "mail"]) as worker:
        sharded.push("look")
        sharded.push("look", queue="mail")
        assert worker.drain()

    assert told == ["opened", "state", "state", "quiet", "closed"]
    assert redis.client.exists("processes") == other.client.exists("processes") == 0


def test_a_shard_that_is_down_stops_nobody_else(
    redis: RealRedis, sharded: RedisJobs, server: Callable[..., RealRedis]
) -> None:
    gone = server()
    app = RedisJobs(redis.url, shards={"gone": gone.url}, routes={"mail": "gone"}, patience_s=0)
    gone.kill9()

    app.push("noop", queue="default")
    with pytest.raises(StoreUnavailableError, match="no answer from Redis at unix://"):
        app.push("noop", queue="mail")

    assert queues(redis) == {"queue:default": 1}
    app.close()


def test_a_shard_may_have_a_namespace_of_its_own(redis: RealRedis) -> None:
    app = RedisJobs(
        redis.url, namespace="one", shards={"two": {"url": redis.url, "namespace": "two"}, "too": redis.url}
    )
    app.push("noop")
    app.push("noop", shard="two")
    app.push("noop", shard="too")

    assert queues_of(redis) == {"one:queue:default": 2, "two:queue:default": 1}
    app.close()


def queues_of(server: RealRedis) -> dict[str, int]:
    return {key: len(value) for key, value in server.dump().items() if ":queue:" in key and "pushed" not in key}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"shards": {"a": 1}}, "the shard 'a' must be a URL"),
        ({"shards": {"a": {"namespace": "x"}}}, "the shard 'a' must be a URL"),
        ({"shards": ["redis://x"]}, "must be a dict of URLs"),
        (
            {"shards": {"reports": "redis://x"}, "routes": {"q": "report"}},
            "'q' leads to no shard.*did you mean 'reports'",
        ),
        ({"routes": {"q": "a"}}, "'q' leads to no shard: 'a'; there are: none"),
    ],
)
def test_wrong_shards_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        RedisJobs("redis://localhost", **settings)


def test_an_unknown_shard_is_an_error_where_it_is_named(sharded: RedisJobs) -> None:
    with pytest.raises(OptionError, match="no shard is called 'report'; did you mean 'reports'"):
        sharded.job(lambda: None, shard="report")  # type: ignore[call-overload]
    with pytest.raises(OptionError, match="no shard is called 'nope'"):
        sharded.push("noop", shard="nope")
    with pytest.raises(OptionError, match="no shard is called 'nope'"):
        sharded.shard("nope")
