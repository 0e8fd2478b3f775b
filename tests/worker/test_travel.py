"""What travels with jobs: context variables, and the fields that a job passes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar, copy_context
from typing import Any

import msgspec
import pytest

from redisjobs import ConfigError, PayloadError, RedisJobs
from tests.support.builders import a_payload
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.worker import travel_jobs as jobs
from tests.worker.runs import members

LONG_S = 60  # children import an app on a machine that others use too
KINDS = ["InThread", "OnLoop", "InProcess"]


@pytest.fixture(autouse=True)
def _same_redis(redis: RealRedis, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the app of these jobs, here and in the children, use the session's server."""
    monkeypatch.setenv("REDISJOBS_URL", redis.url)
    yield
    jobs.app.close()


def enqueue(name: str, *args: Any, tenant: Any = ..., **options: Any) -> None:
    """Enqueue a job from a context in which `tenant` has a value, or none."""

    def push() -> None:
        if tenant is not ...:
            jobs.tenant.set(tenant)
        jobs.app.push(name, args, **options)

    copy_context().run(push)


def work_off() -> None:
    with jobs.app.worker(concurrency=1, timeout_s=5) as worker:
        assert worker.drain(LONG_S)


def told(redis: RealRedis) -> list[Any]:
    return [msgspec.json.decode(each) for each in redis.value("told") or []]


@pytest.mark.parametrize("kind", KINDS)
def test_a_variable_has_the_value_of_where_the_job_was_enqueued(redis: RealRedis, kind: str) -> None:
    """The next job in the same thread or child has its own, or none; one without has the variable's default."""
    enqueue(kind, tenant={"id": 7, "tags": [1.5, None]})
    enqueue(kind, tenant="other")
    enqueue(kind)
    redis.client.lpush("queue:default", a_payload(class_=kind, jid="j-2"), a_payload(class_=kind, carried=7))

    work_off()

    values: list[Any] = [{"id": 7, "tags": [1.5, None]}, "other", "nobody", "nobody", "nobody"]
    assert told(redis) == [[value, None] for value in values]


@pytest.mark.parametrize("through", ["Parent", "AsyncParent"])
@pytest.mark.parametrize("kind", ["InThread", "OnLoop"])
def test_a_value_reaches_the_jobs_of_jobs(redis: RealRedis, through: str, kind: str) -> None:
    enqueue(through, kind, tenant=42)

    work_off()

    assert told(redis) == [[42, None]]


def test_a_value_survives_a_retry(redis: RealRedis) -> None:
    enqueue("FailsOnce", tenant=42)
    work_off()
    [raw] = redis.value("retry")
    redis.seed({"retry": {raw: 1.5}})

    with jobs.app.worker(concurrency=1):
        eventually(lambda: told(redis), LONG_S)

    assert told(redis) == [[42, None]]


def test_a_value_that_is_no_json_is_refused_by_its_name(redis: RealRedis) -> None:
    with pytest.raises(PayloadError, match=r'carried\["tenant"\]: object is not JSON'):
        enqueue("InThread", tenant=object())

    assert redis.dump() == {}


def test_two_variables_of_one_name_cannot_both_be_carried(app: RedisJobs) -> None:
    first: ContextVar[int] = ContextVar("tenant")

    assert app.carry(first) is app.carry(first) is first
    with pytest.raises(ConfigError, match="'tenant'"):
        app.carry(ContextVar[int]("tenant"))
    assert (len(app.client_middleware), len(app.server_middleware)) == (1, 1)


def test_fields_are_forwarded_to_the_jobs_of_a_job_unless_they_have_them(redis: RealRedis) -> None:
    fields = {"locale": "de", "cattr": {"a": 1}, "cattr_1": [], "trace": "t", "tags": ["x"]}
    redis.seed({"queue:default": [a_payload(class_="Parent", args=["Child"], **fields)]})
    jobs.app.push("Child", queue="outside")

    with jobs.app.worker(concurrency=1) as worker:
        assert worker.drain(LONG_S)

    [child], [outside] = members(redis, "retry"), members(redis, "queue:outside")
    assert {name: child.get(name) for name in fields} == {**fields, "trace": None, "tags": None}
    assert not outside.keys() & fields.keys()


def test_retry_on_works_out_of_a_child_process(redis: RealRedis) -> None:
    jobs.app.push_active_job("ReportJob", [2**70, 1.0])

    with jobs.app.worker(concurrency=1):
        eventually(lambda: redis.value("stat:processed") == "3", LONG_S)

    assert told(redis) == [[[2**70, 1.0], 3]]
    assert (redis.value("stat:processed"), redis.value("retry")) == ("3", None)
