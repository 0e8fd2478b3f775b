"""Jobs in threads and coroutines that run too long: they fail, and nothing else does, however close it is."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from redisjobs import JobContext, RedisJobs, Steps
from redisjobs.errors import JobTimeout
from redisjobs.wire import backtrace
from redisjobs.worker import watchdog as watchdogs
from redisjobs.worker.watchdog import Watchdog
from tests.support.builders import a_payload
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.worker.runs import members, only, work_off

pytestmark = pytest.mark.quick

TIMEOUT = "redisjobs.errors.JobTimeout"


def spin() -> None:
    """Run Python, step by step, for half a minute."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        pass


# -- threads --------------------------------------------------------------------------------------------------------


def test_a_thread_that_runs_too_long_fails_its_job_with_a_backtrace(app: RedisJobs, redis: RealRedis) -> None:
    @app.job(name="Spin", timeout=0.1, backtrace=True)
    def job() -> None:
        try:
            spin()
        except Exception:
            pytest.fail("`except Exception` must let it pass")

    job.enqueue()

    work_off(app)

    payload, _ = only(redis, "retry")
    assert (payload["error_class"], payload["retry_count"]) == (TIMEOUT, 0)
    assert payload["error_message"] == "the job ran longer than its timeout of 0.1 s"
    lines = backtrace.unpack(payload["error_backtrace"])
    assert lines[0].endswith("in `spin'")
    assert lines[-1].endswith("in `job'")


def test_its_middleware_hears_it_and_its_time_counts_too(app: RedisJobs, redis: RealRedis) -> None:
    heard: list[str] = []

    @app.server_middleware.add
    def slow(job: JobContext) -> Steps[Any]:
        if job.args == ["middleware"]:
            spin()
        try:
            yield
        except BaseException as error:
            heard.append(type(error).__name__)
            raise

    @app.job(name="Spin", timeout=0.1)
    def job(where: str) -> None:
        spin()

    job.enqueue("middleware")
    job.enqueue("job")

    work_off(app)

    assert heard == ["JobTimeout"]
    assert [payload["error_class"] for payload in members(redis, "retry")] == [TIMEOUT] * 2


def test_the_payload_says_how_long_before_the_declaration(app: RedisJobs, redis: RealRedis) -> None:
    @app.job(name="Spin", timeout=60)
    def job() -> None:
        spin()

    job.options(timeout=0.1).enqueue()

    work_off(app)

    payload, _ = only(redis, "retry")
    assert (payload["timeout"], payload["error_class"]) == (0.1, TIMEOUT)


@pytest.mark.parametrize("odd", [None, 0, -1, "5", True, [1], {}, 1e300])
def test_what_is_no_number_of_seconds_on_the_wire_is_passed_over(app: RedisJobs, redis: RealRedis, odd: Any) -> None:
    """The declaration counts then, as where the field is missing."""

    @app.job(name="Spin", timeout=0.1)
    def job() -> None:
        spin()

    redis.seed({"queue:default": [a_payload(class_="Spin", timeout=odd)]})

    work_off(app)

    assert only(redis, "retry")[0]["error_message"] == "the job ran longer than its timeout of 0.1 s"


def test_a_timeout_of_a_ruby_producer_counts(app: RedisJobs, redis: RealRedis) -> None:
    app.job(name="Spin")(spin)
    redis.seed({"queue:default": [a_payload(class_="Spin", timeout=0.1)]})

    work_off(app)

    assert only(redis, "retry")[0]["error_class"] == TIMEOUT


def test_a_job_that_is_in_time_is_not_disturbed(app: RedisJobs, redis: RealRedis) -> None:
    seen: list[int] = []
    app.job(name="Note", timeout=30)(seen.append)
    app.push_many("Note", [[number] for number in range(500)])

    work_off(app)

    assert sorted(seen) == list(range(500))
    assert redis.client.exists("retry", "dead") == 0


def test_no_watchdog_runs_before_a_job_has_a_timeout(app: RedisJobs) -> None:
    app.job(name="Plain")(lambda: None)
    app.job(name="Limited", timeout=30)(lambda: None)
    with app.worker(concurrency=1) as worker:
        app.push("Plain")
        assert worker.drain()
        assert "redisjobs-watchdog" not in thread_names()

        app.push("Limited")
        assert worker.drain()
        assert "redisjobs-watchdog" in thread_names()

    eventually(lambda: "redisjobs-watchdog" not in thread_names())


def thread_names() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


# -- coroutines -----------------------------------------------------------------------------------------------------


def test_a_coroutine_that_runs_too_long_is_cancelled_and_fails(app: RedisJobs, redis: RealRedis) -> None:
    heard: list[str] = []

    @app.job(name="Wait", timeout=0.1, backtrace=True)
    async def job() -> None:
        try:
            await asyncio.sleep(30)
        except BaseException as error:
            heard.append(type(error).__name__)
            raise

    job.enqueue()

    work_off(app)

    payload, _ = only(redis, "retry")
    assert heard == ["CancelledError"]
    assert payload["error_class"] == TIMEOUT
    assert payload["error_message"] == "the job ran longer than its timeout of 0.1 s"
    assert any(line.endswith("in `job'") for line in backtrace.unpack(payload["error_backtrace"]))


def test_a_coroutines_middleware_hears_of_it(app: RedisJobs, redis: RealRedis) -> None:
    heard: list[str] = []

    @app.server_middleware.add
    def middleware(job: JobContext) -> Steps[Any]:
        try:
            yield
        finally:
            heard.append(job.name)

    @app.job(name="Wait", timeout=0.1)
    async def job() -> None:
        await asyncio.sleep(30)

    job.enqueue()

    work_off(app)

    assert heard == ["Wait"]
    assert only(redis, "retry")[0]["error_class"] == TIMEOUT


def test_a_coroutines_own_timeout_error_stays_its_own(app: RedisJobs, redis: RealRedis) -> None:
    @app.job(name="Wait", timeout=30)
    async def job() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(30)

    job.enqueue()

    work_off(app)

    assert only(redis, "retry")[0]["error_class"] == "TimeoutError"


def test_a_coroutine_with_a_timeout_is_given_back_when_the_worker_stops(app: RedisJobs, redis: RealRedis) -> None:
    started = threading.Event()

    @app.job(name="Wait", timeout=30)
    async def job() -> None:
        started.set()
        await asyncio.sleep(30)

    job.enqueue()

    with app.worker(timeout_s=0.1):
        assert started.wait(10)

    assert len(members(redis, "queue:default")) == 1
    assert redis.client.exists("retry", "stat:failed") == 0


# -- the race -------------------------------------------------------------------------------------------------------

# An error that arises inside a callback of the garbage collector (Hypothesis has one) is swallowed there by Python.
race = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def often() -> Iterator[None]:
    """Have threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    made = Watchdog()
    yield made
    made.stop()


@race
@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("hesitates", [False, True])
def test_a_timeout_never_leaves_the_run_that_it_is_for(
    watchdog: Watchdog, monkeypatch: pytest.MonkeyPatch, hesitates: bool
) -> None:
    """Runs that end just at their deadline, again and again: it is inside that they fail, or not at all."""
    raised = watchdogs.interrupt

    def hesitating(thread_id: int, error: type[BaseException] | None) -> None:
        if error is not None:
            time.sleep(0.0005)  # the run goes on, or ends, between the decision to raise and the raising
        raised(thread_id, error)

    if hesitates:
        monkeypatch.setattr(watchdogs, "interrupt", hesitating)
    leaked: list[BaseException] = []
    ended = {"in time": 0, "too late": 0, "failed": 0}

    def a_run(turns: int, fails: bool) -> None:
        def call() -> None:
            for _ in range(turns):
                pass
            if fails:
                raise ValueError

        try:
            watchdog.limited(timeout_s=turns * 2e-8, call=call)
            how = "in time"
        except JobTimeout:
            how = "too late"
        except ValueError:
            how = "failed"
        for _ in range(50):  # what is still to come would come here
            pass
        ended[how] += 1

    def many() -> None:
        try:
            for number in range(10_000):
                a_run(number % 400, fails=number % 3 == 0)
        except BaseException as error:
            leaked.append(error)

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    print(f"race: {ended}")

    assert leaked == []
    assert sum(ended.values()) == pytest.approx(40_000, rel=0.02), ended  # the counters are not locked
    assert min(ended.values()) > 0, f"the race was not met: {ended}"


@race
@pytest.mark.usefixtures("often")
def test_tiny_timeouts_cost_no_thread_of_the_worker_and_no_other_job(app: RedisJobs, redis: RealRedis) -> None:
    ran: list[int] = []

    @app.job(name="Short", retry=0, dead=False)
    def short(turns: int) -> None:
        for _ in range(turns):
            pass

    app.job(name="Note")(ran.append)
    numbers = range(1_500)
    for number in numbers:
        turns = number % 300 * 20
        app.push("Short", [turns], timeout=max(turns, 1) * 4e-8, retry=0, dead=False)
        app.push("Note", [number])

    with app.worker(concurrency=4, job_log=False, timeout_s=5) as worker:
        assert worker.drain(60)

    assert sorted(ran) == list(numbers)
    assert redis.value("stat:processed") == str(2 * len(numbers))
    failed = int(redis.value("stat:failed") or 0)
    assert 0 < failed <= len(numbers)
    assert redis.client.keys("lease:*") == []
