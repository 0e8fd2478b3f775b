"""client.py with a chain: what client middleware sees, changes, stops and hears of; the same for threads and loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from redisjobs import Job, Push, RedisJobs, Steps, WrongTypeError
from redisjobs.jobs.job import NOW, When
from redisjobs.store.op import Together, command
from tests.client.stored import arguments, jids, queued, scheduled
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

Call = Callable[..., Any]
Notes = list[Any]

FAR = 4_000_000_000.25


@pytest.fixture
def notes() -> Notes:
    """What the middleware of a test wrote down."""
    return []


def noting(name: str, notes: Notes) -> Callable[[Push], Steps[None]]:
    """Return a middleware that notes when it is entered and left."""

    def middleware(push: Push) -> Steps[None]:
        notes.append(f"{name} before")
        yield
        notes.append(f"{name} after")

    return middleware


# -- order ----------------------------------------------------------------------------------------------------------


def test_middleware_runs_around_each_push_in_the_order_of_the_chain(
    redis: RealRedis, app: RedisJobs, call: Call, notes: Notes
) -> None:
    a, b, c, d, e = (noting(name, notes) for name in "abcde")
    chain = app.client_middleware
    chain.add(c)
    chain.add(e)
    chain.prepend(a)
    chain.insert_before(c, b)
    chain.insert_after(c, d)

    call(app.push, "Work")

    assert notes == [f"{name} before" for name in "abcde"] + [f"{name} after" for name in "edcba"]
    assert len(queued(redis)) == 1


def test_middleware_that_was_removed_is_asked_no_more(app: RedisJobs, call: Call, notes: Notes) -> None:
    a, b = noting("a", notes), noting("b", notes)
    app.client_middleware.add(a)
    app.client_middleware.add(b)
    call(app.push, "Work")
    notes.clear()

    app.client_middleware.remove(a)
    call(app.push, "Work")
    assert notes == ["b before", "b after"]

    app.client_middleware.clear()
    call(app.push, "Work")
    assert notes == ["b before", "b after"]


def test_jobs_declared_before_the_middleware_go_through_it_too(
    app: RedisJobs, work: Job[..., None], call: Call, notes: Notes
) -> None:
    changed = work.options(queue="low")
    call(work.enqueue)
    app.client_middleware.add(noting("a", notes))

    for method, args in ((work.enqueue, ()), (changed.enqueue, ()), (work.enqueue_in, (9,)), (work.enqueue_at, (FAR,))):
        call(method, *args)
    call(work.enqueue_many, [(), ()])

    assert notes.count("a before") == notes.count("a after") == 6


def test_it_stands_between_the_call_and_redis(redis: RealRedis, app: RedisJobs, call: Call, notes: Notes) -> None:
    @app.client_middleware.add
    def looking(push: Push) -> Steps[None]:
        notes.append(len(queued(redis)))
        yield
        notes.append(len(queued(redis)))

    call(app.push, "Work")

    assert notes == [0, 1]


# -- seeing and changing --------------------------------------------------------------------------------------------


def test_it_sees_the_job_whole_and_hears_its_jid(app: RedisJobs, call: Call, notes: Notes) -> None:
    @app.client_middleware.add
    def looking(push: Push) -> Steps[None]:
        seen = (push.name, push.args, push.queue, push.jid, push.when, push.fields["retry"])
        jid = yield
        notes.append((*seen, jid))

    now = call(app.push, "Work", [1, "a"], queue="low", retry=3)
    later = call(app.push, "Later", at=FAR)

    assert notes == [
        ("Work", [1, "a"], "low", now, NOW, 3, now),
        ("Later", [], "default", later, When(at=FAR), True, later),
    ]


def test_what_it_changes_is_what_is_stored(redis: RealRedis, app: RedisJobs, call: Call) -> None:
    @app.client_middleware.add
    def changing(push: Push) -> Steps[None]:
        push.fields["queue"] = "low"
        push.fields["args"] = [*push.args, "added"]
        push.fields["tags"] = ["eu"]
        push.fields["tenant"] = {"id": 7}
        push.fields["retry"] = 1
        yield

    call(app.push, "Work", ["a"])
    call(app.push, "Work", ["b"], at=FAR)

    (now,), ((later, _),) = queued(redis, "low"), scheduled(redis)
    for job, name in ((now, "a"), (later, "b")):
        assert job["args"] == [name, "added"]
        assert (job["queue"], job["tags"], job["tenant"], job["retry"]) == ("low", ["eu"], {"id": 7}, 1)
    assert redis.value("queues") == {"low"}
    assert redis.value("queue:default") is None


def test_an_inner_one_sees_what_an_outer_one_changed(app: RedisJobs, call: Call, notes: Notes) -> None:
    @app.client_middleware.add
    def inner(push: Push) -> Steps[None]:
        notes.append(push.fields["tenant"])
        yield

    @app.client_middleware.prepend
    def outer(push: Push) -> Steps[None]:
        push.fields["tenant"] = 7
        yield

    call(app.push, "Work")

    assert notes == [7]


def test_a_jid_that_it_gives_is_stored_and_returned(redis: RealRedis, app: RedisJobs, call: Call) -> None:
    @app.client_middleware.add
    def naming(push: Push) -> Steps[None]:
        push.fields["jid"] = f"order-{push.args[0]}"
        yield

    assert call(app.push, "Work", [1]) == "order-1"
    assert call(app.push_many, "Work", [[2], [3]]) == ["order-2", "order-3"]
    assert jids(queued(redis)) == ["order-1", "order-2", "order-3"]


def test_what_it_changes_in_one_push_is_not_in_the_next(
    redis: RealRedis, app: RedisJobs, work: Job[..., None], call: Call
) -> None:
    @app.client_middleware.add
    def changing(push: Push) -> Steps[None]:
        if push.args == ["first"]:
            push.fields["note"] = "x"
            push.fields["queue"] = "low"
        yield

    call(work.enqueue, "first")
    call(work.enqueue, "second")
    call(work.enqueue_many, [("first",), ("third",)])

    assert arguments(queued(redis, "low")) == ["first", "first"]
    assert arguments(queued(redis)) == ["second", "third"]
    assert not any("note" in job for job in queued(redis))


# -- stopping -------------------------------------------------------------------------------------------------------


def test_a_push_that_it_stops_is_none_and_nothing_is_sent(
    redis: RealRedis, app: RedisJobs, work: Job[..., None], call: Call, notes: Notes
) -> None:
    app.client_middleware.add(noting("outer", notes))

    @app.client_middleware.add
    def stop(push: Push) -> Steps[None]:
        return
        yield

    app.client_middleware.add(noting("inner", notes))

    assert call(work.enqueue, 1) is None
    assert call(work.enqueue_at, FAR, 1) is None
    assert call(app.push, "Work") is None
    assert redis.dump() == {}
    assert notes == ["outer before", "outer after"] * 3


def test_of_many_those_that_it_stops_are_none_in_their_places(
    redis: RealRedis, app: RedisJobs, work: Job[..., None], call: Call
) -> None:
    @app.client_middleware.add
    def only_even(push: Push) -> Steps[None]:
        if push.args[0] % 2 == 0:
            yield

    made = call(work.enqueue_many, [(number,) for number in range(5)])

    assert [jid is None for jid in made] == [False, True, False, True, False]
    assert arguments(queued(redis)) == [0, 2, 4]
    assert jids(queued(redis)) == [made[0], made[2], made[4]]


# -- asking Redis ---------------------------------------------------------------------------------------------------


def test_it_may_ask_redis_before_and_after(redis: RealRedis, app: RedisJobs, call: Call, notes: Notes) -> None:
    @app.client_middleware.add
    def once(push: Push) -> Steps[None]:
        """Store a job only if its first argument is new."""
        if not (yield from command("SADD", "seen", push.args[0])):
            return
        yield
        size, _ = yield from Together([command("LLEN", "queue:default"), command("INCR", "count")])
        notes.append(size)

    made = call(app.push_many, "Work", [["a"], ["b"], ["a"]])
    again = call(app.push, "Work", ["b"])

    assert [jid is None for jid in [*made, again]] == [False, False, True, True]
    assert arguments(queued(redis)) == ["a", "b"]
    assert (redis.value("seen"), redis.value("count"), notes) == ({"a", "b"}, "2", [2, 2])


def test_what_redis_refuses_it_is_raised_where_it_asked(
    redis: RealRedis, app: RedisJobs, call: Call, notes: Notes
) -> None:
    redis.seed({"text": "x"})

    @app.client_middleware.add
    def asking(push: Push) -> Steps[None]:
        try:
            yield from command("LPUSH", "text", "y")
        except WrongTypeError:
            notes.append("before")
        yield
        try:
            yield from command("LPUSH", "text", "y")
        except WrongTypeError:
            notes.append("after")

    assert call(app.push, "Work") == queued(redis)[0]["jid"]
    assert notes == ["before", "after"]
