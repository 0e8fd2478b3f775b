"""What becomes of a job that raised, in a whole worker: its options, its payload, who is told.

The rules one by one are in tests/unit/test_retry.py.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from redisjobs import Discard, Kill, RedisJobs, current_job
from redisjobs.wire import backtrace
from tests.support.builders import CREATED_MS, JID, a_payload
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.worker.runs import left, members, only, work_off

pytestmark = pytest.mark.quick

FAILED = {"stat:processed": "1", "stat:failed": "1"}


@pytest.fixture(params=["def", "async def"])
def kind(request: pytest.FixtureRequest) -> str:
    """Whether the failing job is a plain function or a coroutine function."""
    return str(request.param)


def enqueue_failing(app: RedisJobs, kind: str = "def", **options: Any) -> str:
    """Enqueue a job that raises ValueError("boom"); return its jid."""

    def fail() -> None:
        raise ValueError("boom")

    async def afail() -> None:
        raise ValueError("boom")

    jid = app.job(name="Fail", **options)(afail if kind == "async def" else fail).enqueue()
    assert jid is not None
    return jid


# -- where it goes --------------------------------------------------------------------------------------------------


def test_a_failed_job_waits_for_its_retry_with_all_that_ruby_needs(app: RedisJobs, redis: RealRedis, kind: str) -> None:
    enqueue_failing(app, kind, tags=["mail", "eu"])
    [payload] = members(redis, "queue:default")
    before = redis.now()

    work_off(app)

    waiting, due_at = only(redis, "retry")
    failed_at = waiting["failed_at"]
    assert waiting == payload | {
        "error_class": "ValueError",
        "error_message": "boom",
        "retry_count": 0,
        "failed_at": failed_at,
    }
    assert waiting["tags"] == ["mail", "eu"]
    assert before - 1 <= failed_at / 1000 <= redis.now() + 1
    assert before + 15 <= due_at <= redis.now() + 25, "15 seconds and up to 10 at random"
    assert left(redis) == {"retry": redis.value("retry"), **FAILED}


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"retry": False}, None),
        ({"retry": 0}, "dead"),
        ({"retry": 1}, "retry"),
        ({"retry": 0, "dead": False}, None),
        ({"retry": False, "dead": False}, None),
    ],
    ids=str,
)
def test_the_options_say_where_it_goes(
    app: RedisJobs, redis: RealRedis, kind: str, options: dict[str, Any], where: str | None
) -> None:
    jid = enqueue_failing(app, kind, **options)

    work_off(app)

    stands = {} if where is None else {where: redis.value(where)}
    assert left(redis) == {**stands, **FAILED}
    if where is not None:
        assert only(redis, where)[0]["jid"] == jid


def test_the_last_attempt_ends_in_the_dead_set_and_every_run_is_counted(
    app: RedisJobs, redis: RealRedis, kind: str
) -> None:
    attempts: list[int] = []

    def fail() -> None:
        attempts.append(current_job().attempt)
        raise ValueError(f"attempt {len(attempts)}")

    async def afail() -> None:
        fail()

    app.job(name="Fail", retry=2, retry_in=lambda *_: 0.001)(afail if kind == "async def" else fail).enqueue()
    with app.worker(concurrency=1, timeout_s=5, max_poll_s=0.01):
        for runs in (1, 2, 3):
            eventually(lambda runs=runs: int(redis.value("stat:failed") or 0) >= runs)
            for raw in redis.value("retry") or ():
                redis.client.zadd("retry", {raw: 0}, xx=True)  # the jitter would take seconds, unless it was none

    dead, _ = only(redis, "dead")
    assert attempts == [1, 2, 3]
    assert (dead["retry_count"], dead["error_message"]) == (2, "attempt 3")
    assert dead["failed_at"] <= dead["retried_at"]
    assert left(redis) == {"dead": redis.value("dead"), "stat:processed": "3", "stat:failed": "3"}


def test_a_retry_runs_from_its_own_queue(app: RedisJobs, redis: RealRedis) -> None:
    queues: list[str] = []

    @app.job(name="Fail", retry_queue="low")
    def fail() -> None:
        queues.append(current_job().queue)
        if len(queues) == 1:
            raise ValueError("boom")

    fail.enqueue()
    work_off(app, queues=["default"])
    waiting, _ = only(redis, "retry")
    redis.client.zadd("retry", dict.fromkeys(redis.value("retry"), 0))
    with app.worker(queues=["default", "low"], timeout_s=5):
        eventually(lambda: redis.value("stat:processed") == "2")

    assert (waiting["queue"], waiting["retry_queue"]) == ("low", "low")
    assert queues == ["default", "low"]


@pytest.mark.parametrize(("failed_s_ago", "where"), [(50, "retry"), (70, "dead")])
def test_retry_for_counts_from_the_first_failure(
    app: RedisJobs, redis: RealRedis, failed_s_ago: float, where: str
) -> None:
    """Whatever the count: it failed a hundred times already."""

    @app.job(name="Fail")
    def fail() -> None:
        raise ValueError("boom")

    failed_at = int((redis.now() - failed_s_ago) * 1000)
    raw = a_payload(class_="Fail", retry_for=60, retry_count=100, failed_at=failed_at, error_message="old")
    redis.seed({"queue:default": [raw]})

    work_off(app)

    found, _ = only(redis, where)
    assert (found["retry_count"], found["failed_at"], found["error_message"]) == (101, failed_at, "boom")


# -- hooks ----------------------------------------------------------------------------------------------------------


def test_retry_in_says_when(app: RedisJobs, redis: RealRedis, kind: str) -> None:
    asked: list[tuple[int, str, str]] = []

    def in_an_hour(count: int, error: BaseException, payload: dict[str, Any]) -> float:
        asked.append((count, str(error), payload["jid"]))
        return 3600

    jid = enqueue_failing(app, kind, retry_in=in_an_hour)
    before = redis.now()

    work_off(app)

    _, due_at = only(redis, "retry")
    assert asked == [(0, "boom", jid)]
    assert before + 3600 <= due_at <= redis.now() + 3610


@pytest.mark.parametrize(("answer", "where"), [(Kill, "dead"), (Kill("now"), "dead"), (Discard, None)], ids=str)
def test_retry_in_may_end_it(app: RedisJobs, redis: RealRedis, answer: Any, where: str | None) -> None:
    enqueue_failing(app, retry=5, retry_in=lambda *_: answer)

    work_off(app)

    stands = {} if where is None else {where: redis.value(where)}
    assert left(redis) == {**stands, **FAILED}


@pytest.mark.parametrize(("answer", "where"), [(None, "dead"), (Discard, None), (Discard(), None)], ids=str)
def test_on_exhausted_is_called_once_with_the_last_error_and_may_skip_the_dead_set(
    app: RedisJobs, redis: RealRedis, kind: str, answer: Any, where: str | None
) -> None:
    told: list[tuple[str, int, str]] = []

    def exhausted(payload: dict[str, Any], error: BaseException) -> Any:
        told.append((payload["jid"], payload["retry_count"], str(error)))
        return answer

    jid = enqueue_failing(app, kind, retry=0, on_exhausted=exhausted)

    work_off(app)

    assert told == [(jid, 0, "boom")]
    stands = {} if where is None else {where: redis.value(where)}
    assert left(redis) == {**stands, **FAILED}


@pytest.mark.parametrize("options", [{"retry": 0}, {"retry": False}, {"retry": 0, "dead": False}], ids=str)
def test_death_handlers_hear_of_every_job_that_was_given_up(
    app: RedisJobs, redis: RealRedis, kind: str, options: dict[str, Any]
) -> None:
    deaths: list[tuple[str, str, str]] = []

    @app.on("death")
    def died(payload: dict[str, Any], error: BaseException) -> None:
        deaths.append((payload["jid"], payload["error_class"], str(error)))

    jid = enqueue_failing(app, kind, **options)

    work_off(app)

    assert deaths == [(jid, "ValueError", "boom")]


def test_a_job_that_will_be_retried_is_no_death_but_an_error(app: RedisJobs, redis: RealRedis, kind: str) -> None:
    deaths: list[Any] = []
    errors: list[tuple[str, dict[str, Any]]] = []
    app.on("death")(lambda *about: deaths.append(about))

    @app.on("error")
    def failed(error: BaseException, about: dict[str, Any]) -> None:
        errors.append((str(error), about))

    jid = enqueue_failing(app, kind, retry=5)
    [payload] = members(redis, "queue:default")

    work_off(app)

    assert deaths == []
    assert errors == [("boom", {"context": "job failed", "jid": jid, "job": payload, "queue": "default"})]


# -- what is kept ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wanted", "lines"), [(True, 3), (2, 2), (1, 1), (False, 0)])
def test_a_backtrace_starts_where_it_was_raised_and_shows_nothing_of_ours(
    app: RedisJobs, redis: RealRedis, kind: str, wanted: bool | int, lines: int
) -> None:
    def deepest() -> None:
        raise ValueError("boom")

    def middle() -> None:
        deepest()

    def fail() -> None:
        middle()

    async def afail() -> None:
        middle()

    app.job(name="Fail", backtrace=wanted)(afail if kind == "async def" else fail).enqueue()

    work_off(app)

    found = backtrace.unpack(only(redis, "retry")[0].get("error_backtrace"))
    assert [line.rpartition(" ")[2].strip("`'").removeprefix("a") for line in found] == [
        "deepest",
        "middle",
        "fail",
    ][:lines]
    assert all(line.startswith(f"{__file__}:") for line in found)


def test_a_class_nobody_knows_waits_with_every_byte_that_others_put_into_it(app: RedisJobs, redis: RealRedis) -> None:
    """Another deploy may know it, and may understand its fields."""
    odd = (
        '"cattr":{"Current":[1.50,1E+2,-0,123456789012345678901234567890]}',
        '"\\u00fc":"\\u00e4\\n\\/\\ud83d\\ude00"',
        '"empty":{},"nothing":null,"deep":[[[["x"]]]]',
        '"error_message":"of another failure"',
    )
    head = f'"class":"Ruby::Only","args":[1.0,"\\u003cb>"],"jid":"{JID}","queue":"default","retry":7'
    raw = f'{{{head},"created_at":{CREATED_MS},{",".join(odd)}}}'
    redis.seed({"queue:default": [raw]})
    errors: list[tuple[str, dict[str, Any]]] = []
    app.on("error")(lambda error, about: errors.append((type(error).__name__, about)))

    work_off(app)

    [stored] = redis.value("retry")
    assert stored.startswith(f"{{{head}")
    for part in (odd[0], odd[1].replace("\\u00fc", "ü"), odd[2]):  # names are written as Ruby writes them
        assert part in stored
    assert msgspec.json.decode(stored)["error_class"] == "redisjobs.errors.UnknownJobError"
    assert "'Ruby::Only'" in msgspec.json.decode(stored)["error_message"]
    assert [(name, about["jid"], about["queue"]) for name, about in errors] == [("UnknownJobError", JID, "default")]
    assert left(redis) == {"retry": redis.value("retry"), **FAILED}


def test_a_class_nobody_knows_exhausts_as_any_failure(app: RedisJobs, redis: RealRedis) -> None:
    deaths: list[str] = []
    app.on("death")(lambda payload, error: deaths.append(type(error).__name__))
    redis.seed({"queue:default": [a_payload(class_="Ruby::Only", retry=0)]})

    work_off(app)

    assert only(redis, "dead")[0]["class"] == "Ruby::Only"
    assert deaths == ["UnknownJobError"]


def test_a_class_nobody_knows_is_never_dropped(app: RedisJobs, redis: RealRedis) -> None:
    """`retry: false` says what is to become of a job that failed; this one was never run."""
    redis.seed({"queue:default": [a_payload(class_="Ruby::Only", retry=False)]})

    work_off(app)

    assert only(redis, "dead")[0]["class"] == "Ruby::Only"


def test_arguments_that_do_not_fit_are_a_failure_of_the_job(app: RedisJobs, redis: RealRedis, kind: str) -> None:
    """The function is not called: another deploy may take as many."""

    def one(number: int) -> None:
        raise AssertionError(number)

    async def aone(number: int) -> None:
        raise AssertionError(number)

    app.job(name="One")(aone if kind == "async def" else one)
    app.push("One", [1, 2])

    work_off(app)

    waiting, _ = only(redis, "retry")
    assert waiting["error_class"] == "TypeError"
    assert "positional argument" in waiting["error_message"]


def test_an_error_that_cannot_say_what_it_is_is_retried_as_any_other(app: RedisJobs, redis: RealRedis) -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    @app.job(name="Fail")
    def fail() -> None:
        raise MuteError

    fail.enqueue()

    work_off(app)

    assert redis.client.zcard("dead") == 0
    assert only(redis, "retry")[0]["error_message"] == "the error's own message could not be read"
