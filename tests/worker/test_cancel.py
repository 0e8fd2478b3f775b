"""Jobs that somebody cancels while they run: they end in the dead set, and nothing else is touched."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from redisjobs import JobContext, RedisJobs, Steps, current_job
from redisjobs.worker.executors.threads import Threads
from redisjobs.worker.worker import Worker
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.worker import process_jobs as jobs
from tests.worker.runs import members

LONG_S = 60
QUICK = {"heartbeat_ttl_s": 3, "timeout_s": 5}
CANCELLED = "redisjobs.errors.JobCancelled"


def spin() -> None:
    """Run Python, step by step, for a minute."""
    until = time.monotonic() + LONG_S
    while time.monotonic() < until:
        pass


def cancel(app: RedisJobs, jid: str | None) -> None:
    """Cancel a job as a person does: find it among what runs."""
    work = eventually(lambda: app.running.find(jid or ""), LONG_S, "the job does not run")
    assert work.cancellable
    work.cancel()


def wait_buried(redis: RealRedis, count: int = 1) -> list[dict[str, Any]]:
    """Wait until so many jobs are dead; return their payloads."""
    eventually(lambda: redis.client.zcard("dead") == count, LONG_S, "no job was buried")
    return members(redis, "dead")


# -- threads --------------------------------------------------------------------------------------------------------


def test_a_thread_hears_it_and_its_job_is_buried_with_a_backtrace(app: RedisJobs, redis: RealRedis) -> None:
    heard: list[str] = []

    @app.server_middleware.add
    def middleware(job: JobContext) -> Steps[Any]:
        try:
            yield
        except BaseException as error:
            heard.append(type(error).__name__)
            raise

    @app.job(name="Spin", backtrace=True)
    def job() -> None:
        try:
            spin()
        except Exception:
            pytest.fail("`except Exception` must let it pass")

    jid = job.enqueue()
    with app.worker(concurrency=1, **QUICK) as worker:
        cancel(app, jid)
        [payload] = wait_buried(redis)
        assert worker.drain()

    assert heard == ["JobCancelled"]
    assert (payload["jid"], payload["error_class"]) == (jid, CANCELLED)
    assert payload["error_message"] == "the job was cancelled while it ran; it runs again if it is retried from here"
    assert "`job'" in app.dead.page()[0].backtrace[-1]
    assert (redis.value("stat:processed"), redis.value("stat:failed")) == ("1", "1")
    assert redis.client.exists("retry", "queue:default") == 0


def test_its_thread_goes_on_with_the_next_job_and_a_retry_runs_to_its_end(app: RedisJobs, redis: RealRedis) -> None:
    threads: list[str] = []
    slow = [True]

    @app.job(name="Spin")
    def job() -> None:
        threads.append(threading.current_thread().name)
        if slow:
            spin()

    jid = job.enqueue()
    with app.worker(concurrency=1, **QUICK) as worker:
        cancel(app, jid)
        wait_buried(redis)
        slow.clear()

        assert app.dead.enqueue_all() == 1
        assert job.enqueue()
        assert worker.drain()

    assert len(threads) == 3
    assert len(set(threads)) == 1
    assert redis.client.exists("dead", "retry") == 0


def test_a_job_with_a_timeout_can_be_cancelled_before(app: RedisJobs, redis: RealRedis) -> None:
    @app.job(name="Spin", timeout=LONG_S)
    def job() -> None:
        spin()

    jid = job.enqueue()
    with app.worker(concurrency=1, **QUICK):
        cancel(app, jid)
        [payload] = wait_buried(redis)

    assert payload["error_class"] == CANCELLED


def test_whatever_its_code_makes_of_it_a_failure_counts_as_cancelled(app: RedisJobs, redis: RealRedis) -> None:
    @app.job(name="Spin")
    def job() -> None:
        try:
            spin()
        except BaseException:
            raise ValueError("cleaning up failed") from None

    jid = job.enqueue()
    with app.worker(concurrency=1, **QUICK):
        cancel(app, jid)
        [payload] = wait_buried(redis)

    assert payload["error_class"] == CANCELLED


def test_a_job_that_ends_well_all_the_same_is_done(app: RedisJobs, redis: RealRedis) -> None:
    heard = threading.Event()

    @app.job(name="Spin")
    def job() -> None:
        try:
            spin()
        except BaseException:
            heard.set()

    jid = job.enqueue()
    with app.worker(concurrency=1, **QUICK) as worker:
        cancel(app, jid)
        assert heard.wait(LONG_S)
        assert worker.drain()

    assert redis.value("stat:processed") == "1"
    assert redis.client.exists("dead", "retry", "stat:failed") == 0


def test_death_handlers_are_called_and_error_handlers_are_not(app: RedisJobs, redis: RealRedis) -> None:
    died: list[str] = []
    errors: list[BaseException] = []
    app.on("death")(lambda payload, error: died.append(payload["jid"]))
    app.on("error")(lambda error, about: errors.append(error))

    @app.job(name="Spin")
    def job() -> None:
        spin()

    jid = job.enqueue()
    with app.worker(concurrency=1, **QUICK):
        cancel(app, jid)
        wait_buried(redis)

    assert (died, errors) == ([jid], [])


# -- coroutines -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [None, LONG_S])
def test_a_coroutine_is_cancelled_and_the_others_go_on(app: RedisJobs, redis: RealRedis, limit: float | None) -> None:
    heard: list[str] = []
    gate = threading.Event()

    @app.job(name="Wait", timeout=limit)
    async def job(number: int) -> None:
        try:
            await asyncio.to_thread(gate.wait, LONG_S)
        except BaseException as error:
            heard.append(f"{number} {type(error).__name__}")
            raise

    jids = job.enqueue_many([(number,) for number in range(3)])
    with app.worker(concurrency=3, **QUICK) as worker:
        cancel(app, jids[1])
        [payload] = wait_buried(redis)
        gate.set()
        assert worker.drain()

    assert heard == ["1 CancelledError"]
    assert (payload["jid"], payload["error_class"]) == (jids[1], CANCELLED)
    assert (redis.value("stat:processed"), redis.value("stat:failed")) == ("3", "1")


# -- processes ------------------------------------------------------------------------------------------------------


@pytest.fixture
def in_children(redis: RealRedis, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisJobs]:
    """The app of `process_jobs` on the session's server."""
    monkeypatch.setenv("REDISJOBS_URL", redis.url)
    yield jobs.app
    jobs.app.close()


def test_a_child_that_is_deaf_to_python_is_killed_and_no_other(
    in_children: RedisJobs, redis: RealRedis, tmp_path: Path
) -> None:
    with in_children.worker(concurrency=2, **QUICK) as worker:
        jobs.gated.enqueue(1, str(tmp_path / "gate"))
        jid = jobs.sleep.enqueue(LONG_S)
        cancel(in_children, jid)

        [payload] = wait_buried(redis)
        (tmp_path / "gate").touch()
        assert worker.drain(LONG_S)

    assert (payload["jid"], payload["error_class"]) == (jid, CANCELLED)
    assert "crashes" not in payload, "that was no crash"
    assert redis.value("slept") is None
    assert (redis.value("stat:processed"), redis.value("stat:failed")) == ("2", "1")


# -- requests that are late -----------------------------------------------------------------------------------------


def test_a_run_that_has_ended_takes_nothing_with_it(app: RedisJobs, redis: RealRedis) -> None:
    """The same thread runs another job by then, and the same job may run in another thread."""
    gate = threading.Event()

    @app.job(name="Wait")
    def job() -> None:
        gate.wait(LONG_S)

    jid = job.enqueue()
    with app.worker(concurrency=1, **QUICK) as worker:
        work = eventually(lambda: app.running.find(jid or ""), LONG_S)
        gate.set()
        assert worker.drain()
        gate.clear()
        other = job.enqueue()
        eventually(lambda: app.running.find(other or ""), LONG_S)
        work.cancel()
        eventually(lambda: redis.client.exists(f"{worker.identity}-cancels") == 0, LONG_S)
        gate.set()
        assert worker.drain()

    assert redis.value("stat:processed") == "2"
    assert redis.client.exists("dead", "retry") == 0


def test_a_failed_one_of_resques_goes_to_its_failed_list(redis: RealRedis) -> None:
    app = RedisJobs(redis.url, dialect="resque")

    @app.job(name="Spin", queue="default")
    def job() -> None:
        spin()

    jid = job.enqueue()
    with app.worker(queues=["default"], concurrency=1, **QUICK):
        cancel(app, jid)
        eventually(lambda: app.resque.failed.size == 1, LONG_S)

    [failure] = app.resque.failed.page()
    assert failure.error_class == CANCELLED
    app.close()


# -- the race -------------------------------------------------------------------------------------------------------


@pytest.fixture
def often() -> Iterator[None]:
    """Have threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("often")
def test_a_cancelled_thread_loses_no_job_and_ends_no_other(
    app: RedisJobs, redis: RealRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short jobs that are cancelled all the time: just those that were meant, or none, however close their ends are."""
    executors: list[Threads] = []
    made = Threads.__init__

    def keep(self: Threads, *args: Any, **kwargs: Any) -> None:
        executors.append(self)
        made(self, *args, **kwargs)

    monkeypatch.setattr(Threads, "__init__", keep)
    ran: list[str] = []
    begun: SimpleQueue[str] = SimpleQueue()

    @app.job(name="Short", retry=0)
    def short(turns: int) -> None:
        jid = current_job().jid
        if turns % 2:
            begun.put(jid)
        for _ in range(turns):
            pass
        ran.append(jid)

    def cancel_some(worker: Worker) -> None:
        while jid := begun.get():
            for tid in [one.tid for executor in executors for one in executor.running()]:
                worker.cancel(tid, jid)

    calls = [(number % 200 * 37 % 2_000,) for number in range(2_000)]
    jids = app.push_many("Short", calls, retry=0)
    may = {jid for jid, (turns,) in zip(jids, calls, strict=True) if turns % 2}
    with app.worker(concurrency=4, job_log=False, **QUICK) as worker:
        canceller = threading.Thread(target=cancel_some, args=(worker,))
        canceller.start()
        assert worker.drain(LONG_S)
        begun.put("")
        canceller.join(LONG_S)
        threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("redisjobs-t")]
        assert len(threads) >= 4, "a thread was lost"

    buried = members(redis, "dead")
    cancelled = {payload["jid"] for payload in buried}
    print(f"race: {len(cancelled)} of {len(may)} cancelled, {len(set(ran) & cancelled)} of them at their very end")
    assert {payload["error_class"] for payload in buried} == {CANCELLED}
    assert cancelled <= may
    assert set(ran) | cancelled == set(jids)
    assert len(ran) == len(set(ran))
    assert 0 < len(cancelled) < len(may), "the race was not met"
    assert redis.value("stat:processed") == str(len(jids))
