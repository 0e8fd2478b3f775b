"""client.py with a chain: what middleware made of a job is checked before anything is sent."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from redisjobs import ConfigError, PayloadError, Push, RedisJobs, Steps
from tests.client.stored import queued
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

Call = Callable[..., Any]


def setting(field: str, value: Any) -> Callable[[Push], Steps[None]]:
    """Return a middleware that sets a field of the payload; `...` removes it."""

    def middleware(push: Push) -> Steps[None]:
        if value is ...:
            del push.fields[field]
        else:
            push.fields[field] = value
        yield

    return middleware


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("args", [datetime.date(2026, 1, 2)], "args[0]"),
        ("args", [float("nan")], "args[0]"),
        ("args", [[(1, 2)]], "args[0][0]"),
        ("args", [{1: 2}], "args[0]"),
        ("args", {"a": 1}, "args"),
        ("tenant", datetime.date(2026, 1, 2), "tenant"),
        ("tenant", {"rate": float("inf")}, 'tenant["rate"]'),
        ("queue", "", "queue"),
        ("queue", 7, "queue"),
        ("class", None, "class"),
        ("jid", ..., "jid"),
        ("retry", ..., "retry"),
        ("tags", "urgent", "tags"),
        ("tags", [1], "tags"),
    ],
)
def test_a_field_that_it_spoils_is_named_and_nothing_is_sent(
    redis: RealRedis, app: RedisJobs, call: Call, field: str, value: Any, named: str
) -> None:
    """Ruby's server or poller would lose such a job, or the value would come back as another."""
    app.client_middleware.add(setting(field, value))

    with pytest.raises(PayloadError) as caught:
        call(app.push_many, "Work", [[1], [2]], tags=["a"])

    assert caught.value.field == named
    assert redis.dump() == {}


def test_it_sees_arguments_as_they_were_given_and_they_are_written_as_ruby_writes_them(
    redis: RealRedis, app: RedisJobs, call: Call
) -> None:
    seen: list[Any] = []

    @app.client_middleware.add
    def adding(push: Push) -> Steps[None]:
        seen.append(list(push.args))
        push.args.append(1e20)
        push.fields["trace"] = {"id": 10**30}
        yield
        seen.append(list(push.args))

    call(app.push, "Work", [10**30, 1e-7])

    assert seen == [[10**30, 1e-7], [10**30, 1e-7, 1e20]]
    [raw] = redis.value("queue:default")
    assert f'"args":[{10**30},1.0e-07,1.0e+20]' in raw
    assert f'"trace":{{"id":{10**30}}}' in raw


def test_tags_that_it_adds_in_place_are_of_this_push_only(redis: RealRedis, app: RedisJobs, call: Call) -> None:
    @app.job(name="Work", tags=["a"])
    def work() -> None: ...

    @app.client_middleware.add
    def tagging(push: Push) -> Steps[None]:
        push.fields["tags"].append("x")
        yield

    call(work.enqueue)
    call(work.enqueue)

    assert [job["tags"] for job in queued(redis)] == [["a", "x"], ["a", "x"]]


def test_a_function_that_is_no_generator_is_named(redis: RealRedis, app: RedisJobs, call: Call) -> None:
    @app.client_middleware.add
    def forgot_to_yield(push: Push) -> None: ...

    with pytest.raises(ConfigError, match=r"forgot_to_yield.* is no middleware: it must be a generator function"):
        call(app.push, "Work")

    assert redis.dump() == {}
