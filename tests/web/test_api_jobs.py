"""The API's jobs: found, shown, acted upon, enqueued."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias

import pytest

from redisjobs import RedisJobs
from redisjobs.wire import backtrace
from tests.support.builders import JID, a_payload
from tests.support.real_redis import RealRedis
from tests.web.api import Api
from tests.web.client import Client

Serve: TypeAlias = Callable[..., Client]

RAW = a_payload(
    args=[1, {"subject": "hi", "password": "hunter22"}],
    queue="low",
    error_class="Boom",
    error_message="it broke",
    retry_count=2,
    failed_at=1_732_406_500_123,
    error_backtrace=backtrace.pack(["mail.py:12 in perform"], "sidekiq8"),
)


@pytest.mark.parametrize("key", ["retry", "dead", "schedule", "queue"])
def test_a_job_is_shown_whole_wherever_it_is(api: Api, redis: RealRedis, key: str) -> None:
    redis.seed({"queues": {"low"}, "queue:low": [RAW]} if key == "queue" else {key: {RAW: 5e9}})

    found = api.get(f"/jobs/{JID}")

    assert found["place"] == key and found["queue"] == "low" and found["class"] == "Mail"
    assert found["args"] == [1, {"subject": "hi", "password": "[hidden]"}] == found["payload"]["args"]
    assert found["at"] == (None if key == "queue" else 5e9)
    assert found["backtrace"] == ["mail.py:12 in perform"] and "delete" in found["actions"]
    assert "hunter22" not in json.dumps(found)


def test_a_job_of_rubys_that_iterates_tells_how_far_it_is(api: Api, redis: RealRedis) -> None:
    redis.seed({"retry": {RAW: 5e9}})
    assert api.get(f"/jobs/{JID}")["iteration"] is None
    redis.client.hset(f"it-{JID}", mapping={"c": "[7]", "ex": 3, "rt": 12.5})

    assert api.get(f"/jobs/{JID}")["iteration"] == {"cursor": "[7]", "executions": 3, "runtime_s": 12.5}


def test_a_job_that_is_nowhere_is_a_problem(api: Api) -> None:
    api.refused(404, "GET", "/jobs/nothing")
    api.refused(404, "POST", "/jobs/nothing/retry")
    api.refused(404, "DELETE", "/jobs/nothing")
    api.refused(404, "POST", "/jobs/nothing/cancel")


def test_a_job_is_retried_killed_and_deleted(api: Api, redis: RealRedis) -> None:
    redis.seed({"retry": {RAW: 5e9}})

    assert api.post(f"/jobs/{JID}/kill")["done"] == 1
    assert list(redis.dump()) == ["dead"]
    problem = api.refused(409, "POST", f"/jobs/{JID}/kill")
    assert "retry, delete" in problem["detail"]
    assert api.post(f"/jobs/{JID}/retry")["done"] == 1
    assert redis.client.llen("queue:low") == 1 and not redis.client.exists("dead")
    assert api.delete(f"/jobs/{JID}", at="queue:low")["done"] == 1
    assert not redis.client.exists("queue:low", "dead", "retry")


def test_a_job_gets_another_moment(api: Api, redis: RealRedis) -> None:
    redis.seed({"schedule": {RAW: 5e9}})

    api.post(f"/jobs/{JID}/reschedule", {"delay_s": 100})
    assert redis.client.zscore("schedule", RAW) == 5e9 + 100
    api.post(f"/jobs/{JID}/reschedule", {"at": 6e9})
    assert redis.client.zscore("schedule", RAW) == pytest.approx(6e9)
    problem = api.refused(400, "POST", f"/jobs/{JID}/reschedule", {})
    assert "give one of them" in problem["detail"]


def test_only_one_of_many_is_deleted_from_a_queue_by_its_jid(api: Api, redis: RealRedis) -> None:
    raws = [a_payload(jid=f"{number:024}") for number in range(3_000)]
    redis.seed({"queues": {"default"}, "queue:default": raws})

    assert api.delete(f"/jobs/{1_500:024}")["done"] == 1

    left = redis.client.lrange("queue:default", 0, -1)
    assert len(left) == 2_999 and raws[1_500] not in left


def test_a_job_is_enqueued(api: Api, redis: RealRedis, app: RedisJobs) -> None:
    made = api.post("/jobs", {"class": "Mail", "args": [1, 2**70, "ü"], "queue": "mails", "tags": ["a"], "retry": 3})

    (entry,) = app.queue("mails").page()
    assert entry.jid == made["jid"] and entry.args == [1, 2**70, "ü"] and entry.tags == ["a"]
    assert entry.payload is not None and entry.payload["retry"] == 3 and entry.problem is None
    assert redis.client.smembers("queues") == {b"mails"}


def test_a_job_is_scheduled(api: Api, app: RedisJobs) -> None:
    api.post("/jobs", {"class": "Mail", "at": 5e9})
    api.post("/jobs", {"class": "Mail", "delay_s": 1e6})

    soon, late = app.scheduled.page()
    assert late.score == 5e9 and soon.score < 5e9


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "class"),
        ({"class": ""}, "class"),
        ({"class": "Mail", "queue": ""}, "queue"),
        ({"class": "Mail", "args": {}}, "$.args"),
        ({"class": "Mail", "arg": []}, "arg"),
        ({"class": "Mail", "retry": -1}, "retry"),
        ({"class": "Mail", "at": 5, "delay_s": 5}, "excludes"),
        ({"class": "Mail", "at": -5}, "at"),
    ],
)
def test_what_makes_no_job_is_refused_by_the_field(api: Api, redis: RealRedis, body: object, said: str) -> None:
    problem = api.refused(400, "POST", "/jobs", body)

    assert said in problem["detail"]
    assert redis.dump() == {}


def test_another_one_like_it_is_enqueued_with_other_arguments(api: Api, redis: RealRedis, app: RedisJobs) -> None:
    redis.seed({"dead": {RAW: 5e8}})

    same = api.post(f"/jobs/{JID}/again", {})["jid"]
    other = api.post(f"/jobs/{JID}/again", {"args": ["new"], "queue": "high", "class": "Letter", "delete": True})["jid"]

    (first,), (second,) = app.queue("low").page(), app.queue("high").page()
    assert first.jid == same and first.args[1]["password"] == "hunter22" and first.error_class == ""
    assert second.jid == other and second.args == ["new"] and second.name == "Letter"
    assert not redis.client.exists("dead")


def test_jobs_are_found_everywhere_page_by_page(api: Api, redis: RealRedis) -> None:
    one, two = a_payload(jid="1" * 24, args=["needle"]), a_payload(jid="2" * 24, args=["Needle"])
    redis.seed({"retry": {one: 1.0, RAW: 2.0}, "queues": {"default"}, "queue:default": [two]})

    first = api.get("/find", args="needle", limit=1)
    second = api.get("/find", args="needle", limit=1, cursor=first["cursor"])

    assert [(job["place"], job["id"]) for job in first["jobs"] + second["jobs"]] == [
        ("retry", "1" * 24),
        ("queue", "2" * 24),
    ]
    assert first["partial"]
    for job in first["jobs"] + second["jobs"]:
        assert api.get(f"/jobs/{job['id']}", at=job["hint"], budget_s=0.001)["place"] == job["place"]


def test_who_may_only_look_sees_jobs_and_does_nothing(app: RedisJobs, redis: RealRedis, serve: Serve) -> None:
    redis.seed({"retry": {RAW: 5e9}})
    api = Api(serve(app.web(read_only=True)))

    assert api.get(f"/jobs/{JID}")["place"] == "retry"
    for method, path in (("POST", f"/jobs/{JID}/retry"), ("DELETE", f"/jobs/{JID}"), ("GET", "/retries/export")):
        api.refused(403, method, path)
    assert redis.dump() == {"retry": {RAW.decode(): 5e9}}


def test_what_the_app_hides_is_hidden(app: RedisJobs, redis: RealRedis, serve: Serve) -> None:
    redis.seed({"retry": {a_payload(args=["4111-1111"], error_class="E", error_message="bad 4111-1111"): 1.0}})
    api = Api(serve(app.web(redact=[r"\d{4}-\d{4}"])))

    for path in ("/retries", f"/jobs/{JID}", "/find", "/errors", "/retries/errors"):
        assert "4111" not in json.dumps(api.get(path)), path
    for path in ("/find?args=4111", "/find?q=4111", "/retries?error=4111"):
        assert not api.get(path).get("jobs"), path
    body = {"action": "delete", "where": "args~4111", "dry_run": True}
    assert api.post("/retries/bulk", body)["matched"] == 0
