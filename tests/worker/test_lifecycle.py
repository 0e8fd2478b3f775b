"""The life of a worker: functions that are called at its moments, and how it starts and ends."""

from __future__ import annotations

import gc
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from redisjobs import RedisJobs, current_job
from redisjobs.errors import RedisJobsError, StoreUnavailableError
from redisjobs.worker.worker import Worker
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.worker.runs import left, work_off

pytestmark = pytest.mark.quick


@pytest.fixture
def told(app: RedisJobs) -> list[tuple[str, str]]:
    """What the error handlers of the app were told: the error's text, and in which context."""
    found: list[tuple[str, str]] = []
    app.on("error")(lambda error, about: found.append((str(error), about["context"])))
    return found


@pytest.fixture
def seen(app: RedisJobs) -> list[Any]:
    """The state that jobs called `Look` saw."""
    found: list[Any] = []

    @app.job(name="Look")
    def look() -> None:
        found.append(current_job().state)

    @app.job(name="Alook")
    async def alook() -> None:
        look.function()

    return found


# -- startup --------------------------------------------------------------------------------------------------------


def plain(events: list[str]) -> Callable[[Worker], Iterator[str]]:
    def startup(worker: Worker) -> Iterator[str]:
        events.append(f"open {worker.identity.count(':')}")
        yield "pool"
        events.append("close")

    return startup


def coroutine(events: list[str]) -> Callable[[Worker], AsyncIterator[str]]:
    async def startup(worker: Worker) -> AsyncIterator[str]:
        events.append(f"open {worker.identity.count(':')}")
        yield "pool"
        events.append("close")

    return startup


@pytest.mark.parametrize("kind", [plain, coroutine])
def test_a_startup_function_yields_the_state_that_all_jobs_see(
    app: RedisJobs, redis: RealRedis, seen: list[Any], kind: Callable[[list[str]], Any]
) -> None:
    events: list[str] = []
    app.on("startup")(kind(events))
    app.push("Look")
    app.push("Alook")

    with app.worker(concurrency=2, timeout_s=5) as worker:
        assert worker.drain()
        assert worker.state == "pool"
        assert events == ["open 2"]

    assert seen == ["pool", "pool"]
    assert events == ["open 2", "close"]


def test_a_startup_function_need_not_yield(app: RedisJobs, redis: RealRedis, seen: list[Any]) -> None:
    events: list[str] = []
    app.on("startup")(lambda worker: events.append("plain"))

    @app.on("startup")
    async def startup(worker: Worker) -> None:
        events.append(threading.current_thread().name)

    app.push("Look")
    work_off(app)

    assert events == ["plain", "redisjobs-loop"]
    assert seen == [None]


def test_what_was_opened_is_closed_in_reverse_after_the_last_job(app: RedisJobs, redis: RealRedis) -> None:
    events: list[str] = []

    def opening(name: str) -> Callable[[Worker], Iterator[None]]:
        def startup(_: Worker) -> Iterator[None]:
            events.append(f"open {name}")
            yield
            events.append(f"close {name}")

        return startup

    async def third(_: Worker) -> AsyncIterator[None]:
        events.append("open third")
        yield
        events.append("close third")

    app.job(name="Job")(lambda: events.append("job"))
    for function in (opening("first"), opening("second"), third):
        app.on("startup")(function)
    app.push("Job")

    work_off(app)

    opened, closed = [f"open {name}" for name in ("first", "second", "third")], ["close third", "close second"]
    assert events == [*opened, "job", *closed, "close first"]


def test_one_that_cannot_be_closed_does_not_keep_the_others_open(app: RedisJobs, redis: RealRedis) -> None:
    events: list[str] = []
    app.on("startup")(plain(events))

    @app.on("startup")
    def startup(_: Worker) -> Iterator[None]:
        yield
        raise ValueError("boom")

    work_off(app)

    assert events == ["open 2", "close"]
    assert left(redis) == {}


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_startup_function_that_raises_keeps_the_worker_from_starting(
    app: RedisJobs, redis: RealRedis, seen: list[Any], kind: str
) -> None:
    """It says why to whoever starts it, and no other process ever heard of this one."""

    def startup(worker: Worker) -> None:
        raise ValueError("no database")

    async def astartup(worker: Worker) -> None:
        raise ValueError("no database")

    app.on("startup")(astartup if kind == "async def" else startup)
    app.push("Look")
    before = redis.dump()
    worker = app.worker()

    with pytest.raises(ValueError, match="no database"):
        worker.start()
    worker.stop()

    assert redis.dump() == before
    assert seen == []
    assert worker.running() == []


def test_without_redis_nothing_is_started(seen: list[Any]) -> None:
    events: list[str] = []
    nowhere = RedisJobs("redis://127.0.0.1:1")
    nowhere.on("startup")(plain(events))

    with pytest.raises(StoreUnavailableError):
        nowhere.worker().start()

    assert events == []


# -- other moments --------------------------------------------------------------------------------------------------


def test_functions_are_called_with_the_worker_at_its_moments(app: RedisJobs, redis: RealRedis) -> None:
    events: list[tuple[str, bool]] = []
    workers: set[Worker] = set()

    def note(event: Any) -> None:
        @app.on(event)
        def noting(worker: Worker) -> None:
            workers.add(worker)
            events.append((event, worker.identity in (redis.value("processes") or ())))

    for event in ("startup", "heartbeat", "quiet", "shutdown"):
        note(event)

    with app.worker() as worker:
        assert events[:2] == [("startup", False), ("heartbeat", True)]
        worker.quiet()
        assert events[-1] == ("quiet", True)
        worker.quiet()

    assert [event for event in events if event[0] != "heartbeat"] == [
        ("startup", False),
        ("quiet", True),
        ("shutdown", True),
    ]
    assert workers == {worker}


@pytest.mark.parametrize("event", ["heartbeat", "quiet", "shutdown"])
def test_a_function_that_fails_is_reported_and_does_not_stop_the_others(
    app: RedisJobs, redis: RealRedis, told: list[tuple[str, str]], event: Any
) -> None:
    called: list[str] = []

    @app.on(event)
    def failing(worker: Worker) -> None:
        raise ValueError("boom")

    app.on(event)(lambda worker: called.append("next"))
    app.job(name="Job")(lambda: None)
    app.push("Job")

    work_off(app)

    assert called
    assert set(told) == {("boom", event)}
    assert left(redis) == {"stat:processed": "1"}


def test_shutdown_comes_while_running_jobs_go_on(app: RedisJobs, redis: RealRedis) -> None:
    """So that a job can be told to hurry."""
    started, hurry = threading.Event(), threading.Event()

    @app.job(name="Long")
    def long() -> None:
        started.set()
        assert hurry.wait(10)

    app.on("shutdown")(lambda worker: hurry.set())
    app.push("Long")

    with app.worker(timeout_s=10):
        assert started.wait(10)

    assert left(redis) == {"stat:processed": "1"}


def test_heartbeats_go_on_being_told(app: RedisJobs, redis: RealRedis) -> None:
    beats: list[None] = []
    app.on("heartbeat")(lambda worker: beats.append(None))

    with app.worker(heartbeat_ttl_s=0.24):
        eventually(lambda: len(beats) > 3)


# -- start and end --------------------------------------------------------------------------------------------------


def test_a_worker_starts_once(app: RedisJobs, redis: RealRedis) -> None:
    worker = app.worker()
    with worker:
        with pytest.raises(RedisJobsError, match="starts once"):
            worker.start()
        assert redis.value("processes") == {worker.identity}

    with pytest.raises(RedisJobsError, match="starts once"):
        worker.start()
    assert left(redis) == {}


def test_a_worker_that_was_stopped_or_never_started_may_be_stopped(app: RedisJobs, redis: RealRedis) -> None:
    shutdowns: list[None] = []
    app.on("shutdown")(lambda worker: shutdowns.append(None))
    app.worker().stop()
    assert redis.dump() == {}

    with app.worker() as worker:
        worker.stop()
        worker.stop()

    assert len(shutdowns) == 1
    assert left(redis) == {}


def test_an_error_inside_its_block_ends_the_worker_and_comes_out(app: RedisJobs, redis: RealRedis) -> None:
    with pytest.raises(ValueError, match="of the user"), app.worker() as worker:
        raise ValueError("of the user")

    assert worker.running() == []
    assert left(redis) == {}


def test_no_thread_outlives_its_worker(app: RedisJobs, redis: RealRedis, seen: list[Any]) -> None:
    before = set(threading.enumerate())
    app.push_many("Look", [[]] * 5)
    app.push_many("Alook", [[]] * 5)

    work_off(app)

    eventually(lambda: set(threading.enumerate()) <= before)
    assert len(seen) == 10


# -- starts that fail -----------------------------------------------------------------------------------------------


def test_a_start_that_fails_closes_what_was_opened_and_is_the_only_one(app: RedisJobs, redis: RealRedis) -> None:
    events: list[str] = []
    app.on("startup")(plain(events))
    app.on("startup")(coroutine(events))

    @app.on("startup")
    def failing(worker: Worker) -> None:
        raise LookupError("no licence")

    worker = app.worker()
    before = set(threading.enumerate())

    with pytest.raises(LookupError, match="no licence"):
        worker.start()

    assert events == ["open 2", "open 2", "close", "close"]
    assert set(threading.enumerate()) <= before
    with pytest.raises(RedisJobsError, match="starts once"):
        worker.start()
    worker.stop()
    assert redis.dump() == {}


def test_a_startup_function_without_a_state_leaves_that_of_another(
    app: RedisJobs, redis: RealRedis, seen: list[Any]
) -> None:
    app.on("startup")(plain([]))

    @app.on("startup")
    def other(worker: Worker) -> Iterator[None]:
        yield

    app.push("Look")
    work_off(app)

    assert seen == ["pool"]


def test_an_error_on_closing_is_told_to_the_error_handlers(
    app: RedisJobs, redis: RealRedis, told: list[tuple[str, str]]
) -> None:
    @app.on("startup")
    def startup(worker: Worker) -> Iterator[None]:
        yield
        raise LookupError("stuck")

    work_off(app)

    assert told == [("stuck", "shutdown")]


def test_a_worker_that_never_started_holds_no_descriptor(app: RedisJobs, redis: RealRedis) -> None:
    open_before = len(list(Path("/proc/self/fd").iterdir()))

    workers = [app.worker() for _ in range(3)]

    assert len(list(Path("/proc/self/fd").iterdir())) == open_before
    for worker in workers:
        worker.stop()


def test_connections_that_coroutines_pushed_through_end_with_their_loop(app: RedisJobs) -> None:
    """They are the app's, not the worker's; the loop is the worker's, and nobody could close them after it."""

    @app.job
    async def last() -> None: ...

    @app.job
    async def first() -> None:
        await last.aenqueue()

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with app.worker(queues=["default"]) as worker:
            first.enqueue()
            assert worker.drain(30)
        app.close()
        app.__dict__.pop("astore")
        gc.collect()

    assert [str(one.message) for one in warned] == []
