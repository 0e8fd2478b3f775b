"""Verk and our workers on one Redis, both ways; Verk is a stand-in that sends the real one's commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py

from redisjobs import RedisJobs, current_job
from redisjobs.wire import deadletter
from tests.support.builders import a_payload
from tests.support.elixir import VERK_JOB, VERK_RETRY, VerkNode
from tests.support.real_redis import RealRedis
from tests.worker.runs import failing, members, turn, work_off

pytestmark = pytest.mark.quick

HARMED = [[], {"a": []}, 12345678901234567, 0.1234567890123456]
"""What Verk's mover damages in arguments that are a list."""


@pytest.fixture
def app(redis: RealRedis) -> Iterator[RedisJobs]:
    made = RedisJobs(redis.url, wire="verk")
    yield made
    made.close()


@pytest.fixture
def verk(redis: RealRedis) -> VerkNode:
    return VerkNode(redis.client)


# -- from us to Verk ------------------------------------------------------------------------------------------------


def test_verk_runs_what_we_push(app: RedisJobs, verk: VerkNode, redis: RealRedis) -> None:
    app.push("Example::Worker", HARMED, queue="mail", retry=3)

    [written] = members(redis, "queue:mail")
    job = verk.take("mail")

    assert job is not None
    assert (job["class"], job["args"], job["max_retry_count"], job["retry_count"]) == ("Example.Worker", HARMED, 3, 0)
    assert written.keys() >= VERK_JOB.keys()
    assert type(job["enqueued_at"]) is int
    assert redis.value("queues") == {"mail"}
    verk.succeed(job)


def test_what_we_schedule_survives_verks_mover(app: RedisJobs, verk: VerkNode, redis: RealRedis) -> None:
    """It decodes and encodes in Lua: an empty list becomes an object, a large number loses digits."""
    app.push("ExampleWorker", HARMED, delay_s=100)
    app.push("ExampleWorker", ["at"], at=redis.now() + 200.5)
    pages = verk.page("schedule")

    verk.move_due(int(redis.now()) + 300)

    jobs = [verk.take(), verk.take()]
    assert [job["args"] for job in jobs if job] == [HARMED, ["at"]]
    assert [job["enqueued_at"] is not None for job in jobs if job] == [True, True]
    assert [entry["args"] for entry in pages] == [HARMED, ["at"]]


def test_what_middleware_looked_at_is_written_the_same_way(app: RedisJobs, verk: VerkNode, redis: RealRedis) -> None:
    @app.client_middleware.add
    def look(push: Any) -> Any:
        push.args.append(2)
        yield

    app.push("Example::Worker", [1])
    app.push("Example::Worker", [1], delay_s=3600)

    [written] = members(redis, "queue:default")
    job = verk.take()
    assert job is not None
    assert (job["class"], job["args"], job["max_retry_count"]) == ("Example.Worker", [1, 2], 25)
    assert written["args"] == "[1,2]"
    assert written.keys() >= VERK_JOB.keys()
    assert verk.page("schedule")[0]["enqueued_at"] is None


def test_verk_counts_on_from_our_failures(app: RedisJobs, verk: VerkNode, redis: RealRedis) -> None:
    failing(app, "ExampleWorker", backtrace=True)
    verk.enqueue(args=json.dumps(HARMED), max_retry_count=2)

    work_off(app)
    [ours] = verk.page("retry")
    verk.move_due(int(redis.now()) + 1000)
    again = verk.take()
    assert again is not None
    assert verk.fail(again) == "retry"

    assert (ours["retry_count"], ours["error_message"], again["args"]) == (1, "boom", HARMED)
    assert verk.page("retry")[0]["retry_count"] == 2
    assert verk.page("retry")[0]["failed_at"] == ours["failed_at"]


# -- from Verk to us ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", ["verk", "sidekiq8", "sidekiq6"])
def test_we_run_what_verk_enqueued_and_scheduled_whatever_we_write(redis: RealRedis, verk: VerkNode, wire: Any) -> None:
    app = RedisJobs(redis.url, wire=wire)
    ran = []

    @app.job(name="ExampleWorker")
    def work(*args: Any) -> None:
        ran.append((args, current_job().args, current_job().attempt))

    verk.enqueue(args=json.dumps(HARMED))
    verk.schedule(int(redis.now()) - 1, args="[]")
    turn(app)
    work_off(app)

    assert sorted(ran, key=len) == [(tuple(HARMED), HARMED, 1), ((), [], 1)]
    app.close()


def test_we_count_on_from_the_failures_of_verk(app: RedisJobs, verk: VerkNode) -> None:
    calls = failing(app, "ExampleWorker")
    verk.enqueue(**{**VERK_RETRY, "max_retry_count": 1})

    work_off(app)

    assert len(calls) == 1
    [dead] = verk.page("dead")
    assert (dead["retry_count"], dead["failed_at"], dead["args"]) == (2, VERK_RETRY["failed_at"], [1, 2])


def test_where_ruby_works_too_a_failed_job_of_verk_is_one_that_its_poller_takes(
    redis: RealRedis, verk: VerkNode
) -> None:
    """Sidekiq's poller loses an entry whose arguments are a text (spec: verk.md 6)."""
    app = RedisJobs(redis.url, wire="sidekiq7")
    failing(app, "ExampleWorker")
    verk.enqueue()
    verk.schedule(int(redis.now()) + 100)

    work_off(app)

    [entry] = members(redis, "retry")
    assert (entry["args"], entry["max_retry_count"], entry["retry_count"]) == ([1, 2], 25, 1)
    app.close()


def test_a_due_job_of_verk_gets_a_list_where_ruby_works_too(redis: RealRedis, verk: VerkNode) -> None:
    app = RedisJobs(redis.url, wire="sidekiq8")
    verk.schedule(1)

    turn(app)

    [job] = members(redis, "queue:default")
    assert job["args"] == [1, 2]
    app.close()


def test_null_fields_are_an_error_in_the_right_place(app: RedisJobs, verk: VerkNode, redis: RealRedis) -> None:
    ran = failing(app, "ExampleWorker")
    verk.enqueue(queue="default", **{"class": None})
    verk.enqueue(jid=None)
    redis.seed({"queue:default": [json.dumps({**VERK_JOB, "queue": None, "retry_count": None})]})

    work_off(app)

    assert ran == [(1, 2)]
    assert [entry["queue"] for entry in verk.page("retry")] == ["default"]
    assert sorted(entry["error_message"][:5] for entry in verk.page("dead")) == ["class", "jid: "]


@pytest.mark.parametrize("name", ["retry", "schedule"])
@pytest.mark.parametrize("raw", [b"no json", json.dumps({**VERK_JOB, "queue": None})], ids=repr)
def test_a_member_that_stops_verks_scheduler_is_taken_out_of_its_way(
    app: RedisJobs, verk: VerkNode, redis: RealRedis, name: str, raw: bytes
) -> None:
    redis.seed({name: {raw: 1.0, json.dumps({**VERK_JOB, "args": '["behind"]'}): 2.0}})
    with pytest.raises(redis_py.ResponseError):
        verk.move_due(10)

    turn(app)

    assert verk.move_due(10) == 0
    [buried] = verk.page("dead")
    assert deadletter.unwrap(buried) == (raw if isinstance(raw, bytes) else raw.encode())
    behind = verk.take()
    assert behind is not None
    assert behind["args"] == ["behind"]


def test_such_bytes_come_back_whole_when_verk_fails_over_them(app: RedisJobs, verk: VerkNode, redis: RealRedis) -> None:
    redis.seed({"queue:default": [b"[]"]})
    work_off(app)
    [buried] = app.dead
    redis.seed({"queue:default": [buried.raw]})
    app.dead.clear()

    envelope = verk.take()
    assert envelope is not None
    assert verk.fail(envelope) == "dead"

    assert [entry.original for entry in app.dead] == [b"[]"]


# -- pages ----------------------------------------------------------------------------------------------------------


def test_each_page_of_verk_shows_what_we_wrote(app: RedisJobs, verk: VerkNode) -> None:
    """It reads scores as integers, and none that has a fraction."""
    failing(app, "ExampleWorker", backtrace=True)
    app.push_many("ExampleWorker", [[1], [1]], delay_s=60.25)
    app.push("ExampleWorker", [2])
    app.push("ExampleWorker", [3], retry=0)

    work_off(app)

    assert [job["args"] for name in ("schedule", "retry", "dead") for job in verk.page(name)] == [[1], [1], [2], [3]]
    app.retries.kill_all()
    assert sorted(job["args"] for job in verk.page("dead")) == [[2], [3]]


def test_our_listings_show_the_jobs_of_verk(app: RedisJobs, verk: VerkNode, redis: RealRedis) -> None:
    verk.enqueue()
    verk.enqueue()
    taken = verk.take()
    assert taken is not None
    verk.fail(taken)
    app.push("ExampleWorker")  # Verk does not write the names of queues

    [failed] = app.retries
    assert [(queue.name, queue.size) for queue in app.queues] == [("default", 2)]
    assert app.queue().page()[-1].args == [1, 2]
    assert (failed.args, failed.retry_count) == ([1, 2], 0)
    assert failed.backtrace == ["(app) lib/example_worker.ex:5"]


def test_a_retry_by_hand_gives_the_attempt_back(app: RedisJobs, verk: VerkNode, redis: RealRedis) -> None:
    redis.seed({"retry": {json.dumps(VERK_RETRY): 1e10}})

    app.retries.enqueue(VERK_JOB["jid"])

    job = verk.take()
    assert job is not None
    assert (job["retry_count"], job["args"]) == (0, [1, 2])


def test_what_ruby_wrote_is_harmless_to_verk_once_it_failed_here(
    app: RedisJobs, verk: VerkNode, redis: RealRedis
) -> None:
    failing(app, "Mail")
    redis.seed({"queue:default": [a_payload(args=[[], 12345678901234567], retry=3, bid="b1")]})

    work_off(app)
    [entry] = members(redis, "retry")
    verk.move_due(int(redis.now()) + 1000)

    job = verk.take()
    assert job is not None
    assert (job["args"], job["max_retry_count"], entry["bid"]) == ([[], 12345678901234567], 3, "b1")
