"""Enqueueing for Resque: whole databases, and what Ruby's side does with them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from redisjobs import ConfigError, RedisJobs
from redisjobs.client import Push
from redisjobs.store.op import Steps
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.support.resque import RubyResque

pytestmark = pytest.mark.quick

GUARDS = ("*pushed:*",)


@pytest.fixture
def app(redis: RealRedis) -> Iterator[RedisJobs]:
    made = RedisJobs(redis.url, dialect="resque")
    yield made
    made.close()


@pytest.fixture
def ruby(redis: RealRedis) -> RubyResque:
    return RubyResque(redis)


def test_a_job_is_what_resque_writes_and_nothing_else(redis: RealRedis, app: RedisJobs) -> None:
    app.push("Archive", [35, "tar"], queue="files")

    assert redis.dump(GUARDS) == {
        "resque:queues": {"files"},
        "resque:queue:files": ['{"class":"Archive","args":[35,"tar"]}'],
    }


def test_a_ruby_worker_runs_them_in_order_and_ours_behind_its_own(app: RedisJobs, ruby: RubyResque) -> None:
    ruby.enqueue("files", "Archive", 0)
    app.push_many("Archive", [[1], [2]], queue="files")
    ruby.enqueue("files", "Archive", 3)

    assert [item["args"] for item in ruby.work_off("files")] == [[0], [1], [2], [3]]


def test_ruby_finds_our_jobs_by_their_bytes(app: RedisJobs, ruby: RubyResque) -> None:
    app.push_many("Archive", [[1, "é/<"], [2, None]], queue="files")
    app.push("Archive", [3], queue="files", delay_s=60)

    assert ruby.dequeue("files", "Archive", 1, "é/<") == 1
    assert ruby.remove_delayed("files", "Archive", 3) == 1


def test_a_delayed_job_is_the_golden_one(redis: RealRedis, app: RedisJobs) -> None:
    app.push("Archive", [35, "tar"], queue="files", at=4_102_444_800)

    assert redis.dump(GUARDS) == {
        "resque:delayed_queue_schedule": {"4102444800": 4102444800.0},
        "resque:delayed:4102444800": ['{"class":"Archive","args":[35,"tar"],"queue":"files"}'],
        'resque:timestamps:{"class":"Archive","args":[35,"tar"],"queue":"files"}': {"delayed:4102444800"},
    }


def test_a_delay_ends_in_a_whole_second_and_never_too_early(redis: RealRedis, app: RedisJobs) -> None:
    before = redis.now()

    app.push("Archive", [1], delay_s=30.5)
    app.push("Archive", [2], at=4_102_444_800.25)

    soon, late = sorted(redis.value("resque:delayed_queue_schedule").items(), key=lambda pair: pair[1])
    assert before + 30.5 <= int(soon[0]) <= redis.now() + 31.5
    assert late == ("4102444801", 4102444801.0)


def test_a_scheduler_of_rubys_moves_our_delayed_jobs(redis: RealRedis, app: RedisJobs, ruby: RubyResque) -> None:
    app.push("Archive", [1], queue="files", delay_s=0.5)
    redis.seed({"resque:delayed_queue_schedule": {"5": 5}})  # long due, and empty

    assert eventually(ruby.move_due) == 1

    assert redis.dump(["resque:*lock", *GUARDS]) == {
        "resque:queues": {"files"},
        "resque:queue:files": ['{"class":"Archive","args":[1]}'],
    }


def test_the_jid_is_for_show_equal_jobs_share_one(app: RedisJobs) -> None:
    first, again, other = (app.push("Archive", [number]) for number in (1, 1, 2))

    assert first == again != other


def test_what_resque_has_no_place_for_is_not_written(redis: RealRedis, app: RedisJobs) -> None:
    @app.job(name="Archive", queue="files", retry=5, tags=["t"], backtrace=True, timeout=3)
    def archive(number: int) -> None: ...

    archive.enqueue(1)

    assert redis.value("resque:queue:files") == ['{"class":"Archive","args":[1]}']


def test_client_middleware_may_change_the_job_and_hears_the_jid_that_a_worker_will_see(
    redis: RealRedis, app: RedisJobs
) -> None:
    heard = []

    @app.client_middleware.add
    def louder(push: Push) -> Steps[Any]:
        push.fields["args"] = ["loud"]
        push.fields["queue"] = "other"
        heard.append((yield))

    jid = app.push("Archive", ["quiet"], queue="files")

    app.client_middleware.clear()
    assert redis.value("resque:queue:other") == ['{"class":"Archive","args":["loud"]}']
    assert heard == [jid] == [app.push("Archive", ["loud"])]


def test_coroutines_push_the_same(redis: RealRedis, app: RedisJobs) -> None:
    async def push() -> None:
        await app.apush("Archive", [1], queue="files")
        await app.aclose()

    asyncio.run(push())

    assert redis.value("resque:queue:files") == ['{"class":"Archive","args":[1]}']


def test_a_shard_may_speak_resque_beside_sidekiq_on_one_server(redis: RealRedis) -> None:
    app = RedisJobs(redis.url, shards={"resque": {"url": redis.url, "dialect": "resque"}}, routes={"files": "resque"})

    app.push("Archive", [1], queue="files")
    app.push("Archive", [2], queue="files", delay_s=60)
    app.push("Archive", [3], queue="mail", shard="resque")
    app.push("Mail", [4], queue="mail")
    app.close()

    assert redis.value("resque:queue:files") == ['{"class":"Archive","args":[1]}']
    assert redis.value("resque:queue:mail") == ['{"class":"Archive","args":[3]}']
    assert len(redis.value("resque:delayed_queue_schedule")) == 1
    assert '"jid"' in redis.value("queue:mail")[0]
    assert redis.value("schedule") is None


def test_the_namespace_can_be_another_or_none(redis: RealRedis) -> None:
    for namespace, key in (("shop", "shop:queue:files"), ("", "queue:files")):
        app = RedisJobs(redis.url, dialect="resque", namespace=namespace)
        app.push("Archive", [1], queue="files")
        app.close()

        assert redis.value(key) == ['{"class":"Archive","args":[1]}']


def test_the_wire_may_be_called_resque_too(redis: RealRedis) -> None:
    app = RedisJobs(redis.url, wire="resque")  # type: ignore[arg-type]
    app.push("Archive", [1], queue="files")
    app.close()

    assert redis.value("resque:queue:files") == ['{"class":"Archive","args":[1]}']


def test_a_dialect_that_is_none_is_refused(redis: RealRedis) -> None:
    with pytest.raises(ConfigError, match="sidekiq, resque"):
        RedisJobs(redis.url, dialect="bull")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="sidekiq, resque"):
        RedisJobs(redis.url, shards={"one": {"url": redis.url, "dialect": "bull"}})
