"""Jobs of ActiveJob in a worker: found by the class inside, and what follows from their errors."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from redisjobs import DeserializationError, JobContext, OptionError, Outcome, RedisJobs, Retry, Steps, current_job
from redisjobs.active_job import GlobalID, RetryOn
from redisjobs.errors import PayloadError
from redisjobs.wire import jobdata
from tests.support.builders import JID, a_payload
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.worker.runs import left, members, only, work_off

pytestmark = pytest.mark.quick

RESQUE = "ActiveJob::QueueAdapters::ResqueAdapter::JobWrapper"
DATE = {"_aj_serialized": "ActiveJob::Serializers::DateSerializer", "value": "2024-11-01"}
ABOUT = {"job_class": "ReportJob", "job_id": "id-1", "queue_name": "default", "executions": 0}


def a_job(*arguments: Any, class_: str = "Sidekiq::ActiveJob::Wrapper", **fields: Any) -> bytes:
    """Return a payload of a job of Rails; `data` are further fields of the job inside."""
    data = {**ABOUT, "exception_executions": {}, **fields.pop("data", {}), "arguments": list(arguments)}
    return a_payload(**{"class_": class_, "wrapped": "ReportJob", "args": [data], **fields})


@pytest.fixture(params=["def", "async def"])
def declare(request: pytest.FixtureRequest, app: RedisJobs) -> Callable[..., Any]:
    """Declares a function as `ReportJob`, plain or async; every test that asks for it holds for both."""

    def declare(function: Callable[..., Any], **options: Any) -> Any:
        async def afunction(*args: Any, **keywords: Any) -> Any:
            return function(*args, **keywords)

        return app.active_job("ReportJob", **options)(afunction if request.param == "async def" else function)

    return declare


def fails(*_: Any) -> None:
    raise ConnectionError("no network")


@pytest.mark.parametrize("class_", sorted(jobdata.WRAPPERS))
def test_a_job_in_any_wrapper_runs_with_its_arguments(
    app: RedisJobs, redis: RealRedis, declare: Callable[..., Any], class_: str
) -> None:
    seen: list[Any] = []
    declare(lambda *args, **keywords: seen.append((args, keywords, current_job().name)))
    keywords = {"since": DATE, "_aj_ruby2_keywords": ["since"]}
    redis.seed({"queue:default": [a_job(1, {"_aj_globalid": "gid://shop/Order/7"}, keywords, class_=class_)]})

    work_off(app)

    assert seen == [((1, GlobalID("shop", "Order", "7")), {"since": date(2024, 11, 1)}, "ReportJob")]
    assert left(redis) == {"stat:processed": "1"}


def test_a_job_hands_its_locale_and_time_zone_on(app: RedisJobs, redis: RealRedis, declare: Callable[..., Any]) -> None:
    """As Rails does; what is said at the push is stronger, and an argument of a plain job says nothing."""

    def push(*_: Any) -> None:
        app.push_active_job("Child", queue="children")
        app.push_active_job("Child", queue="children", locale="fr")

    declare(push)
    app.job(name="Plain")(push)
    data = {"locale": "de", "timezone": "Europe/Berlin"}
    redis.seed({"queue:default": [a_payload(class_="Plain", args=[data], jid="j-2"), a_job(data=data)]})

    work_off(app, concurrency=1)

    children = [job["args"][0] for job in reversed(members(redis, "queue:children"))]
    assert [(child["locale"], child["timezone"]) for child in children] == [
        *(("de", "Europe/Berlin"), ("fr", "Europe/Berlin")),
        *(("en", None), ("fr", None)),
    ]


def test_a_class_that_nobody_registered_fails_by_its_own_name(app: RedisJobs, redis: RealRedis) -> None:
    """A plain job of the same name is another one; and the other way round."""
    app.job(name="ReportJob")(lambda *_: None)
    app.active_job("Plain")(lambda *_: None)
    raw, plain = a_job(1), a_payload(class_="Plain", jid="j-2")
    redis.seed({"queue:default": [raw, plain]})

    work_off(app)

    failed = {job["jid"]: job for job in members(redis, "retry")}
    assert "'ReportJob'" in failed[JID]["error_message"]
    assert "'Plain'" in failed["j-2"]["error_message"]
    assert failed[JID]["error_class"] == "redisjobs.errors.UnknownJobError"
    kept = msgspec.json.decode(raw)
    assert {name: failed[JID][name] for name in kept} == kept


@pytest.mark.parametrize("args", [[], [None], ["x"], [{}], [{"job_class": None}], [[]]])
def test_a_wrapper_around_nothing_fails_as_an_unknown_job(app: RedisJobs, redis: RealRedis, args: list[Any]) -> None:
    app.active_job("ReportJob")(lambda *_: None)
    redis.seed({"queue:default": [a_payload(class_=RESQUE, args=args)]})

    work_off(app)

    job, _ = only(redis, "retry")
    assert (job["args"], job["error_class"]) == (args, "redisjobs.errors.UnknownJobError")


@pytest.mark.parametrize("arguments", [None, 7, [{"_aj_globalid": "gid:nonsense"}]])
def test_arguments_that_cannot_be_read_fail_the_job(
    app: RedisJobs, redis: RealRedis, declare: Callable[..., Any], arguments: Any
) -> None:
    ran: list[Any] = []
    declare(lambda *args: ran.append(args))
    redis.seed({"queue:default": [a_payload(class_=RESQUE, args=[{**ABOUT, "arguments": arguments}])]})

    work_off(app)

    job, _ = only(redis, "retry")
    assert (job["error_class"], ran) == ("redisjobs.errors.DeserializationError", [])
    assert job["args"][0]["arguments"] == arguments


def test_an_error_without_a_rule_is_retried_by_the_same_payload(
    app: RedisJobs, redis: RealRedis, declare: Callable[..., Any]
) -> None:
    declare(fails, retry_on=ValueError, discard_on=[KeyError], backtrace=True)
    raw = a_job(1, cattr={"user_id": 7}, backtrace=True)
    redis.seed({"queue:default": [raw]})

    work_off(app)

    job, _ = only(redis, "retry")
    kept = msgspec.json.decode(raw)
    assert {name: job[name] for name in kept} == kept
    assert (job["retry_count"], job["error_class"]) == (0, "ConnectionError")


def test_retry_on_enqueues_a_new_job_and_settles_this_one(
    app: RedisJobs, redis: RealRedis, declare: Callable[..., Any]
) -> None:
    declare(fails, retry_on=RetryOn(OSError, wait=timedelta(minutes=1)))
    data = {"executions": 2, "exception_executions": {"[OSError]": 1, "[Other]": 1}, "of_rails_9": 1}
    fields = {"retry_count": 1, "error_class": "E", "error_message": "m", "failed_at": 1.5, "cattr": {"user_id": 7}}
    before = redis.now()
    redis.seed({"queue:default": [a_job(DATE, 1.0, data=data, **fields)]})

    work_off(app)

    assert int(redis.value("stat:processed")) == 1
    assert "retry" not in redis.dump()
    job, due = only(redis, "schedule")
    assert before + 60 <= due <= redis.now() + 60
    inner = job["args"][0]
    assert {name: inner[name] for name in ("job_id", "executions", "provider_job_id", "arguments", "of_rails_9")} == {
        "job_id": "id-1",
        "executions": 3,
        "provider_job_id": JID,
        "arguments": [DATE, 1.0],
        "of_rails_9": 1,
    }
    assert inner["exception_executions"] == {"[OSError]": 2, "[Other]": 1}
    assert inner["scheduled_at"] > inner["enqueued_at"]
    assert job["jid"] != JID
    assert job["cattr"] == {"user_id": 7}
    assert not job.keys() & {"retry_count", "error_class", "error_message", "failed_at", "enqueued_at"}


def test_retry_on_without_a_wait_runs_at_once_until_its_attempts_are_used(
    app: RedisJobs, redis: RealRedis, declare: Callable[..., Any]
) -> None:
    """Then the error goes the way of Sidekiq, with the payload of the last run."""
    seen: list[tuple[str, int]] = []

    def report() -> None:
        seen.append((current_job().jid, current_job().active_job.executions))
        raise ConnectionError("no network")

    declare(report, retry_on=[RetryOn(ConnectionError, ValueError, wait=0, attempts=3)])
    redis.seed({"queue:default": [a_job()]})

    with app.worker(concurrency=2):
        eventually(lambda: redis.value("retry"), 30)

    assert [executions for _, executions in seen] == [1, 2, 3]
    assert len({jid for jid, _ in seen}) == 3
    job, _ = only(redis, "retry")
    assert (job["jid"], job["args"][0]["executions"]) == (seen[-1][0], 2)
    assert job["args"][0]["exception_executions"] == {"[ConnectionError, ValueError]": 2}
    assert (redis.value("stat:processed"), redis.value("stat:failed")) == ("3", "1")


@pytest.mark.parametrize(
    ("wait", "wanted_s"),
    [
        (3, 3),
        (0.5, 0.5),
        (timedelta(seconds=7), 7),
        ("polynomially_longer", 18),
        (lambda executions: executions * 10, 20),
    ],
)
def test_the_wait_is_what_the_rule_says(wait: Any, wanted_s: float) -> None:
    assert RetryOn(ValueError, wait=wait).wait_s(2) == wanted_s


def test_discard_on_forgets_the_job_also_when_it_cannot_be_read(
    app: RedisJobs, redis: RealRedis, declare: Callable[..., Any]
) -> None:
    declare(fails, discard_on=(DeserializationError, OSError))
    redis.seed({"queue:default": [a_job(), a_job({"_aj_globalid": "gid:nonsense"}, jid="j-2")]})

    work_off(app)

    assert left(redis) == {"stat:processed": "2"}


def test_the_rule_of_the_nearest_class_counts(app: RedisJobs, redis: RealRedis, declare: Callable[..., Any]) -> None:
    declare(fails, retry_on=RetryOn(ConnectionError, wait=60), discard_on=[OSError])
    redis.seed({"queue:default": [a_job()]})

    work_off(app)

    assert len(members(redis, "schedule")) == 1


def test_an_outcome_is_no_error_for_a_rule(app: RedisJobs, redis: RealRedis, declare: Callable[..., Any]) -> None:
    def report() -> None:
        raise Retry(60)

    declare(report, retry_on=Exception)
    redis.seed({"queue:default": [a_job()]})

    work_off(app)

    assert [job["jid"] for job in members(redis, "retry")] == [JID]


def test_a_rule_holds_inside_middleware_too(app: RedisJobs, redis: RealRedis, declare: Callable[..., Any]) -> None:
    ends: list[Any] = []

    @app.server_middleware.add
    def noting(job: JobContext) -> Steps[Any]:
        ends.append((job.name, (yield)))

    declare(fails, retry_on=RetryOn(OSError, wait=60))
    redis.seed({"queue:default": [a_job()]})

    work_off(app)

    [(name, end)] = ends
    assert (name, isinstance(end, Outcome)) == ("ReportJob", True)
    assert len(members(redis, "schedule")) == 1


@pytest.mark.parametrize("option", ["retry_on", "discard_on"])
@pytest.mark.parametrize("value", ["OSError", OSError("x"), [OSError, None], int, KeyboardInterrupt])
def test_rules_are_checked_where_the_job_is_declared(app: RedisJobs, option: str, value: Any) -> None:
    with pytest.raises(OptionError, match=f"{option}: .* is no class of errors"):
        app.active_job("ReportJob", **{option: value})


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"wait": "soon"}, "wait='soon'"),
        ({"wait": None}, "wait=None"),
        ({"attempts": 0}, "attempts=0"),
        ({"attempts": "5"}, "attempts='5'"),
    ],
)
def test_a_rule_is_checked_where_it_is_made(wrong: dict[str, Any], problem: str) -> None:
    with pytest.raises(OptionError, match=problem):
        RetryOn(ValueError, **wrong)
    with pytest.raises(OptionError, match="no class of errors"):
        RetryOn("ValueError")  # type: ignore[arg-type]


def test_a_wait_that_is_none_is_an_error_of_the_job(
    app: RedisJobs, redis: RealRedis, declare: Callable[..., Any]
) -> None:
    def nonsense(executions: int) -> float:
        raise ZeroDivisionError(executions)

    declare(fails, retry_on=RetryOn(OSError, wait=nonsense))
    redis.seed({"queue:default": [a_job()]})

    work_off(app)

    assert [job["error_class"] for job in members(redis, "retry")] == ["ZeroDivisionError"]


def test_a_function_can_still_be_called_and_enqueues_what_it_runs(
    app: RedisJobs, redis: RealRedis, declare: Callable[..., Any]
) -> None:
    seen: list[Any] = []

    def report(order: int, /, *, since: date) -> None:
        seen.append((order, since, threading.get_ident()))

    made = app.active_job("ReportJob", queue="low", tags=["a"])(report)
    made(1, since=date(2024, 11, 1))
    jid = made.options(queue="default").enqueue(2, since=date(2024, 11, 2))
    with pytest.raises(TypeError):
        made.enqueue(2)
    with pytest.raises(PayloadError, match=r"arguments\[0\]|args\[0\]"):
        made.enqueue(b"2", since=date(2024, 11, 2))  # type: ignore[arg-type]

    [job] = members(redis, "queue:default")
    assert (job["jid"], job["wrapped"], job["tags"]) == (jid, "ReportJob", ["a"])
    assert job["args"][0]["queue_name"] == "default"
    work_off(app)
    assert [each[:2] for each in seen] == [(1, date(2024, 11, 1)), (2, date(2024, 11, 2))]


def test_the_class_must_be_named(app: RedisJobs) -> None:
    with pytest.raises(OptionError, match="needs the name of the Rails class"):
        app.active_job(fails)  # type: ignore[arg-type]


def test_two_functions_cannot_run_one_class(app: RedisJobs) -> None:
    app.active_job("ReportJob")(fails)
    app.active_job("ReportJob")(fails)
    with pytest.raises(OptionError, match="two jobs are called 'ReportJob'"):
        app.active_job("ReportJob")(lambda: None)


def test_an_async_function_has_no_executor(app: RedisJobs) -> None:
    async def report() -> None: ...

    with pytest.raises(OptionError, match="runs on the event loop"):
        app.active_job("ReportJob", executor="process")(report)
