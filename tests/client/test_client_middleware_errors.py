"""client.py with a chain: errors of client middleware, and how it hears that a push failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from redisjobs import PayloadTooLargeError, Push, RedisJobs, Steps, StoreUnavailableError, WrongTypeError
from redisjobs.store.op import command
from tests.client.stored import GUARDS, arguments, queued
from tests.support.real_redis import RealRedis, free_port

pytestmark = pytest.mark.quick

Call = Callable[..., Any]
Notes = list[Any]


def hearing(notes: Notes, name: str = "heard") -> Callable[[Push], Steps[None]]:
    """Return a middleware that notes what was raised at its yield, or that nothing was."""

    def middleware(push: Push) -> Steps[None]:
        try:
            yield
        except Exception as error:
            notes.append((name, type(error)))
            raise
        notes.append((name, None))

    return middleware


# -- its own errors -------------------------------------------------------------------------------------------------


def test_what_it_raises_before_is_raised_to_the_caller_and_nothing_is_sent(
    redis: RealRedis, app: RedisJobs, call: Call
) -> None:
    notes: Notes = []
    app.client_middleware.add(hearing(notes))

    @app.client_middleware.add
    def refusing(push: Push) -> Steps[None]:
        if push.args == [3]:
            raise KeyError("no tenant")
        yield

    for method, args in ((app.push, [3]), (app.push_many, [[1], [2], [3], [4]])):
        with pytest.raises(KeyError, match="no tenant"):
            call(method, "Work", args)

    assert redis.dump() == {}
    assert notes[0] == ("heard", KeyError)
    assert ("heard", None) not in notes


def test_what_it_raises_after_is_raised_to_the_caller_and_the_outer_ones_and_the_job_stays_stored(
    redis: RealRedis, app: RedisJobs, call: Call
) -> None:
    notes: Notes = []
    app.client_middleware.add(hearing(notes))

    @app.client_middleware.add
    def failing(push: Push) -> Steps[None]:
        yield
        raise KeyError("too late")

    with pytest.raises(KeyError, match="too late"):
        call(app.push, "Work", ["a"])

    assert arguments(queued(redis)) == ["a"]
    assert notes == [("heard", KeyError)]


def test_an_error_of_one_push_does_not_reach_into_the_next(redis: RealRedis, app: RedisJobs, call: Call) -> None:
    @app.client_middleware.add
    def refusing(push: Push) -> Steps[None]:
        if push.args == ["bad"]:
            raise KeyError("bad")
        yield

    for name in ("a", "bad", "b"):
        try:
            call(app.push, "Work", [name])
        except KeyError:
            pass

    assert arguments(queued(redis)) == ["a", "b"]


def test_handing_over_twice_is_an_error_that_names_it_and_the_job_is_stored_once(
    redis: RealRedis, app: RedisJobs, call: Call
) -> None:
    @app.client_middleware.add
    def twice(push: Push) -> Steps[None]:
        yield
        yield

    with pytest.raises(Exception, match=r"twice.* yielded twice"):
        call(app.push, "Work", ["a"])

    assert arguments(queued(redis)) == ["a"]


# -- a push that fails ----------------------------------------------------------------------------------------------


def test_a_push_that_redis_refuses_is_raised_at_each_yield_from_within(
    redis: RealRedis, app: RedisJobs, call: Call
) -> None:
    redis.seed({"queue:default": "somebody's"})
    notes: Notes = []
    app.client_middleware.add(hearing(notes, "outer"))
    app.client_middleware.add(hearing(notes, "inner"))

    with pytest.raises(WrongTypeError):
        call(app.push, "Work")

    assert notes == [("inner", WrongTypeError), ("outer", WrongTypeError)]


def test_of_many_that_fail_together_each_hears_of_it(redis: RealRedis, app: RedisJobs, call: Call) -> None:
    redis.seed({"queue:default": "somebody's"})
    notes: Notes = []
    app.client_middleware.add(hearing(notes))

    with pytest.raises(WrongTypeError):
        call(app.push_many, "Work", [[1], [2], [3]])

    assert notes == [("heard", WrongTypeError)] * 3


def test_a_redis_that_is_away_is_heard_too(apps: Callable[..., RedisJobs], call: Call) -> None:
    app = apps(f"redis://127.0.0.1:{free_port()}/0", patience_s=0)
    notes: Notes = []
    app.client_middleware.add(hearing(notes))

    with pytest.raises(StoreUnavailableError):
        call(app.push, "Work")

    assert notes == [("heard", StoreUnavailableError)]


def test_a_job_that_it_makes_too_large_is_heard_too_and_nothing_is_sent(
    redis: RealRedis, app: RedisJobs, call: Call
) -> None:
    notes: Notes = []
    app.client_middleware.add(hearing(notes))

    @app.client_middleware.add
    def stuffing(push: Push) -> Steps[None]:
        if push.args == [2]:
            push.fields["extra"] = "x" * 2_000_000
        yield

    with pytest.raises(PayloadTooLargeError):
        call(app.push_many, "Work", [[1], [2]])

    assert redis.dump() == {}
    assert notes == [("heard", PayloadTooLargeError)] * 2


def test_it_may_undo_in_redis_what_it_did_for_a_push_that_failed(redis: RealRedis, app: RedisJobs, call: Call) -> None:
    """A lock that was taken for a job that is nowhere must not stay."""

    @app.client_middleware.add
    def locking(push: Push) -> Steps[None]:
        yield from command("SET", f"lock:{push.args[0]}", push.jid)
        try:
            yield
        except WrongTypeError:
            yield from command("DEL", f"lock:{push.args[0]}")
            raise

    redis.seed({"queue:broken": "somebody's"})
    with pytest.raises(WrongTypeError):
        call(app.push_many, "Work", [["a"], ["b"]], queue="broken")
    call(app.push, "Work", ["c"])

    assert [key for key in redis.dump(GUARDS) if key.startswith("lock:")] == ["lock:c"]


def test_it_may_raise_another_error_in_its_place(redis: RealRedis, app: RedisJobs, call: Call) -> None:
    redis.seed({"queue:default": "somebody's"})

    @app.client_middleware.add
    def translating(push: Push) -> Steps[None]:
        try:
            yield
        except WrongTypeError as error:
            raise LookupError("translated") from error

    with pytest.raises(LookupError, match="translated") as caught:
        call(app.push, "Work")

    assert isinstance(caught.value.__cause__, WrongTypeError)


# -- many at once ---------------------------------------------------------------------------------------------------


def test_an_error_before_the_push_of_one_is_heard_by_those_that_had_handed_over(
    redis: RealRedis, app: RedisJobs, call: Call
) -> None:
    """So each can undo what it did; here in Redis."""

    @app.client_middleware.add
    def locking(push: Push) -> Steps[None]:
        if push.args == [3]:
            raise KeyError("no tenant")
        yield from command("SET", f"lock:{push.args[0]}", 1)
        try:
            yield
        except KeyError:
            yield from command("DEL", f"lock:{push.args[0]}")
            raise

    with pytest.raises(KeyError, match="no tenant"):
        call(app.push_many, "Work", [[1], [2], [3], [4]])

    assert redis.dump() == {}


def test_an_error_after_the_push_of_one_keeps_no_other_from_hearing_its_jid(
    redis: RealRedis, app: RedisJobs, call: Call
) -> None:
    heard: Notes = []

    @app.client_middleware.add
    def noting(push: Push) -> Steps[None]:
        jid = yield
        heard.append(jid)
        if push.args == [1]:
            raise KeyError("after the fact")

    with pytest.raises(KeyError, match="after the fact"):
        call(app.push_many, "Work", [[1], [2], [3]])

    assert heard == [job["jid"] for job in queued(redis)]
    assert len(heard) == 3


def test_of_several_queues_each_push_hears_what_became_of_itself(redis: RealRedis, app: RedisJobs, call: Call) -> None:
    """Whoever was stored must not undo: that job will run."""
    notes: Notes = []
    app.client_middleware.add(hearing(notes))
    redis.seed({"queue:bad": "somebody's"})

    @app.client_middleware.add
    def spreading(push: Push) -> Steps[None]:
        push.fields["queue"] = push.args[0]
        yield

    with pytest.raises(WrongTypeError, match="queue:bad"):
        call(app.push_many, "Work", [["good"], ["bad"], ["good"]])

    assert arguments(queued(redis, "good")) == ["good", "good"]
    assert notes == [("heard", None), ("heard", WrongTypeError), ("heard", None)]
