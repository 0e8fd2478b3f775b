"""How a run can end on purpose, raised or returned, in plain and async jobs, with and without middleware."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from redisjobs import Discard, Job, JobContext, Kill, Outcome, RedisJobs, Release, Retry, Snooze, Steps, current_job
from redisjobs.wire import backtrace
from tests.support.builders import a_payload
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.worker.runs import left, only, work_off

pytestmark = pytest.mark.quick

EndingJob = Callable[..., Job[[], Any]]


@pytest.fixture(params=["def", "async def"])
def kind(request: pytest.FixtureRequest) -> str:
    """Whether jobs are plain functions or coroutine functions."""
    return str(request.param)


@pytest.fixture(params=["raised", "returned"])
def way(request: pytest.FixtureRequest) -> str:
    """How a job gives its outcome."""
    return str(request.param)


@pytest.fixture(params=["bare", "middleware"])
def ending(request: pytest.FixtureRequest, app: RedisJobs, kind: str, way: str) -> EndingJob:
    """Makes a job that ends with an outcome; every test that asks for it holds for all eight ways to do so."""

    def passing(_: JobContext) -> Steps[Any]:
        yield

    if request.param == "middleware":
        app.server_middleware.add(passing)

    def make(outcome: Outcome, **options: Any) -> Job[[], Any]:
        def end() -> Any:
            if way == "raised":
                raise outcome
            return outcome

        async def aend() -> Any:
            return end()

        return app.job(name="End", **options)(aend if kind == "async def" else end)

    return make


def queued(redis: RealRedis) -> tuple[str, dict[str, Any]]:
    """Return the one job that waits: as it stands there, and decoded."""
    [raw] = redis.value("queue:default")
    return raw, msgspec.json.decode(raw)


def test_a_discarded_job_is_gone_and_was_processed(app: RedisJobs, redis: RealRedis, ending: EndingJob) -> None:
    ending(Discard("not needed any more"), retry=5).enqueue()

    work_off(app)

    assert left(redis) == {"stat:processed": "1"}


def test_a_killed_job_is_dead_whatever_attempts_are_left(app: RedisJobs, redis: RealRedis, ending: EndingJob) -> None:
    deaths: list[tuple[str, str]] = []

    @app.on("death")
    def died(payload: dict[str, Any], error: BaseException) -> None:
        deaths.append((payload["jid"], type(error).__name__))

    ending(Kill("no such customer"), retry=5).enqueue()
    _, payload = queued(redis)
    before = redis.now()

    work_off(app)

    dead, buried_at = only(redis, "dead")
    assert dead == payload | {
        "error_class": "redisjobs.jobs.outcome.Kill",
        "error_message": "no such customer",
        "retry_count": 0,
        "failed_at": dead["failed_at"],
    }
    assert before <= buried_at <= redis.now() + 1e-3
    assert deaths == [(payload["jid"], "Kill")]
    assert left(redis) == {"dead": redis.value("dead"), "stat:processed": "1", "stat:failed": "1"}


def test_a_job_that_asks_for_a_retry_gets_it_when_it_asked(app: RedisJobs, redis: RealRedis, ending: EndingJob) -> None:
    """Without the jitter that delays of the policy get."""
    ending(Retry(60), retry=5).enqueue()
    _, payload = queued(redis)
    before = redis.now()

    work_off(app)

    waiting, due_at = only(redis, "retry")
    assert waiting == payload | {
        "error_class": "redisjobs.jobs.outcome.Retry",
        "error_message": "the job asked to run again in 60 s",
        "retry_count": 0,
        "failed_at": waiting["failed_at"],
    }
    assert before + 60 <= due_at <= redis.now() + 60 + 1e-3
    assert left(redis) == {"retry": redis.value("retry"), "stat:processed": "1", "stat:failed": "1"}


def test_a_snoozed_job_is_scheduled_as_it_came_and_not_counted(
    app: RedisJobs, redis: RealRedis, ending: EndingJob
) -> None:
    ending(Snooze(60), retry=5).enqueue()
    raw, _ = queued(redis)
    before = redis.now()

    work_off(app)

    assert left(redis) == {"schedule": {raw: pytest.approx(before + 60, abs=5)}}
    assert before + 60 <= redis.value("schedule")[raw] <= redis.now() + 60 + 1e-3


def test_a_snoozed_job_is_mended_where_rubys_poller_would_lose_it(app: RedisJobs, redis: RealRedis) -> None:
    """It takes a member out of the schedule, and then refuses to push what is not as it wants it."""

    @app.job(name="End")
    def end() -> None:
        raise Snooze(60)

    redis.seed({"queue:default": [a_payload(class_="End", queue=..., tags="mail", at=None, error_backtrace="@@@")]})

    work_off(app)

    waiting, _ = only(redis, "schedule")
    assert (waiting["queue"], waiting["tags"]) == ("default", ["mail"])
    assert "at" not in waiting
    assert backtrace.unpack(waiting["error_backtrace"]) == ["@@@"]


def test_a_job_that_asks_for_one_retry_too_many_is_exhausted(
    app: RedisJobs, redis: RealRedis, ending: EndingJob
) -> None:
    ending(Retry(60), retry=0).enqueue()

    work_off(app)

    dead, _ = only(redis, "dead")
    assert dead["error_class"] == "redisjobs.jobs.outcome.Retry"
    assert left(redis) == {"dead": redis.value("dead"), "stat:processed": "1", "stat:failed": "1"}


def test_a_retry_shows_the_error_it_was_raised_from(app: RedisJobs, redis: RealRedis, kind: str) -> None:
    def ask_again() -> None:
        try:
            raise ConnectionError("shop is closed")
        except ConnectionError as error:
            raise Retry(60) from error

    async def aask_again() -> None:
        ask_again()

    app.job(name="Ask")(aask_again if kind == "async def" else ask_again).enqueue()

    work_off(app)

    waiting, _ = only(redis, "retry")
    assert (waiting["error_class"], waiting["error_message"]) == ("ConnectionError", "shop is closed")


def test_a_snooze_costs_no_attempt_and_a_retry_costs_one(app: RedisJobs, redis: RealRedis, kind: str) -> None:
    attempts: list[int] = []
    ends: list[Outcome | None] = [Snooze(0), Retry(0), Snooze(0), Snooze(0), Retry(0), None]

    def step() -> Any:
        attempts.append(current_job().attempt)
        return ends[len(attempts) - 1]

    async def astep() -> Any:
        return step()

    app.job(name="Step", retry=2)(astep if kind == "async def" else step).enqueue()

    with app.worker(concurrency=1, timeout_s=5, max_poll_s=0.01):
        eventually(lambda: redis.value("stat:processed") == "3")

    assert attempts == [1, 1, 2, 2, 2, 3]
    assert left(redis) == {"stat:processed": "3", "stat:failed": "2"}


def test_a_job_that_gives_itself_back_runs_next_and_is_not_counted(app: RedisJobs, redis: RealRedis, kind: str) -> None:
    runs: list[tuple[int, int]] = []

    def give_back(number: int) -> None:
        runs.append((number, current_job().attempt))
        if len(runs) == 1:
            raise Release

    async def agive_back(number: int) -> None:
        give_back(number)

    app.job(name="Back")(agive_back if kind == "async def" else give_back).enqueue_many([(1,), (2,), (3,)])

    work_off(app, concurrency=1)

    assert runs == [(1, 1), (1, 1), (2, 1), (3, 1)]
    assert left(redis) == {"stat:processed": "3"}


def test_only_an_outcome_that_is_returned_is_one(app: RedisJobs, redis: RealRedis, kind: str) -> None:
    """Anything else that a job returns is nobody's business: not a number, not a class, not an error."""
    results: list[Any] = [7, None, Discard, Snooze, ValueError("only returned"), "retry"]

    def give(at: int) -> Any:
        return results[at]

    async def agive(at: int) -> Any:
        return results[at]

    app.job(name="Give")(agive if kind == "async def" else give).enqueue_many([(at,) for at in range(len(results))])

    work_off(app)

    assert left(redis) == {"stat:processed": str(len(results))}


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_an_exit_inside_a_job_is_a_failure_of_that_job(
    app: RedisJobs, redis: RealRedis, kind: str, error: BaseException
) -> None:
    """Code that calls sys.exit() must not end the worker, nor a thread of it."""

    def leave() -> None:
        raise error

    async def aleave() -> None:
        raise error

    app.job(name="Leave")(aleave if kind == "async def" else leave).enqueue_many([(), (), ()])

    work_off(app, concurrency=1)

    assert redis.client.zcard("retry") == 3
    assert (redis.value("stat:processed"), redis.value("stat:failed")) == ("3", "3")
