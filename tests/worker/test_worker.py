"""A whole worker: its capsules, its one limit for threads and coroutines, and waiting for it."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from redisjobs import RedisJobs
from redisjobs.errors import JobInterrupted
from tests.support.eventually import aeventually, eventually
from tests.support.real_redis import RealRedis
from tests.worker.runs import Most, left, members, work_off

pytestmark = pytest.mark.quick


class Gate:
    """Holds jobs back until it is opened, and knows how many stand before it."""

    def __init__(self) -> None:
        self.most = Most()
        self.waiting: list[Any] = []
        self._open = threading.Event()

    def open(self) -> None:
        self._open.set()

    def wait(self, who: Any = None) -> None:
        with self.most:
            self.waiting.append(who)
            while not self._open.wait(0.005):  # an interrupt is heard between two waits
                pass

    async def await_(self, who: Any = None) -> None:
        with self.most:
            self.waiting.append(who)
            await aeventually(self._open.is_set)


@pytest.fixture
def gate() -> Gate:
    return Gate()


# -- concurrency ----------------------------------------------------------------------------------------------------


def test_threads_and_coroutines_share_one_limit(app: RedisJobs, redis: RealRedis, gate: Gate) -> None:
    """Also when they were leased ahead, because the jobs before them were short."""
    app.job(name="Short")(lambda: None)
    app.job(name="Thread")(gate.wait)
    app.job(name="Coroutine")(gate.await_)
    app.push_many("Short", [[]] * 3000)
    for number in range(6):
        app.push("Thread", [number])
        app.push("Coroutine", [number])

    with app.worker(concurrency=4, timeout_s=5, job_log=False) as worker:
        eventually(lambda: redis.client.llen("queue:default") == 8 and len(gate.waiting) == 4, 5)
        assert len(worker.running()) == 4
        gate.open()
        assert worker.drain()

    assert gate.most.most == 4
    assert len(gate.waiting) == 12


@pytest.mark.parametrize("kind", ["Thread", "Coroutine"])
def test_a_worker_of_one_runs_jobs_in_the_order_of_the_queue(app: RedisJobs, redis: RealRedis, kind: str) -> None:
    ran: list[int] = []
    app.job(name="Thread")(ran.append)

    @app.job(name="Coroutine")
    async def one(number: int) -> None:
        ran.append(number)

    app.push_many(kind, [[number] for number in range(200)])

    work_off(app, concurrency=1)

    assert ran == list(range(200))


def test_each_capsule_has_its_own_limit(app: RedisJobs, redis: RealRedis) -> None:
    gates = {"many": Gate(), "single": Gate()}
    for queue, gate in gates.items():
        app.job(name=queue, queue=queue)(gate.wait)
        app.push_many(queue, [[number] for number in range(5)], queue=queue)

    capsules = {"serial": {"queues": ["single"], "concurrency": 1}}
    with app.worker(queues=["many"], concurrency=3, capsules=capsules, timeout_s=5) as worker:
        eventually(lambda: len(gates["many"].waiting) == 3 and len(gates["single"].waiting) == 1)
        assert len(worker.running()) == 4
        for gate in gates.values():
            gate.open()
        assert worker.drain()

    assert {queue: gate.most.most for queue, gate in gates.items()} == {"many": 3, "single": 1}
    assert gates["single"].waiting == [0, 1, 2, 3, 4]


def test_capsules_tell_their_jobs_apart_in_the_registry(app: RedisJobs, redis: RealRedis, gate: Gate) -> None:
    for queue in ("default", "a", "b"):
        app.job(name=queue, queue=queue)(gate.wait)
        app.job(name=f"a{queue}", queue=queue)(gate.await_)
        app.push(queue, queue=queue)
        app.push(f"a{queue}", queue=queue)
    capsules = {name: {"queues": [name], "concurrency": 2} for name in ("a", "b")}

    with app.worker(concurrency=2, capsules=capsules, timeout_s=5, heartbeat_ttl_s=0.6) as worker:
        eventually(lambda: len(redis.value(f"{worker.identity}:work") or ()) == 6)
        assert redis.value(worker.identity)["concurrency"] == "6"
        gate.open()
        assert worker.drain()


# -- waiting for it -------------------------------------------------------------------------------------------------


def test_drain_waits_for_jobs_that_run_and_those_they_push(app: RedisJobs, redis: RealRedis) -> None:
    ran: list[int] = []

    @app.job(name="Next")
    def following(number: int) -> None:
        ran.append(number)
        if number < 20:
            app.push("Next", [number + 1])

    app.push("Next", [1])

    work_off(app)

    assert ran == list(range(1, 21))


def test_drain_gives_up_when_its_time_is_over(app: RedisJobs, redis: RealRedis, gate: Gate) -> None:
    app.job(name="Long")(gate.wait)
    app.push_many("Long", [[1], [2]])

    with app.worker(concurrency=1, timeout_s=5) as worker:
        eventually(lambda: gate.waiting == [1])
        began = time.monotonic()
        assert worker.drain(timeout_s=0.05) is False
        assert 0.05 <= time.monotonic() - began < 2
        gate.open()
        assert worker.drain() is True


def test_drain_does_not_wait_for_what_is_not_due_or_not_its_own(app: RedisJobs, redis: RealRedis) -> None:
    app.push("Other", queue="other")
    app.push("Later", delay_s=60)

    with app.worker(timeout_s=5) as worker:
        assert worker.drain(timeout_s=2)

    assert len(members(redis, "queue:other")) == 1
    assert len(redis.value("schedule")) == 1


# -- ending ---------------------------------------------------------------------------------------------------------


def test_quiet_gives_back_what_was_not_started_in_its_order(app: RedisJobs, redis: RealRedis, gate: Gate) -> None:
    app.job(name="Long")(gate.wait)
    app.push_many("Long", [[number] for number in range(6)])
    before = redis.value("queue:default")

    with app.worker(concurrency=2, timeout_s=5) as worker:
        eventually(lambda: sorted(gate.waiting) == [0, 1])
        worker.quiet()
        eventually(lambda: redis.value("queue:default") == before[:4])
        gate.open()
        eventually(lambda: redis.value("stat:processed") == "2")
        app.push("Long", [6])

    assert sorted(gate.waiting) == [0, 1]
    assert [job["args"] for job in members(redis, "queue:default")] == [[6], [5], [4], [3], [2]]


@pytest.mark.parametrize("kind", ["Thread", "Coroutine"])
def test_a_job_that_outlasts_the_timeout_is_given_back_and_unwinds(
    app: RedisJobs, redis: RealRedis, gate: Gate, kind: str
) -> None:
    ends: list[type[BaseException]] = []
    told: list[BaseException] = []
    app.on("error")(lambda error, about: told.append(error))

    @app.job(name="Thread")
    def long() -> None:
        try:
            gate.wait()
        except JobInterrupted as error:
            ends.append(type(error))
            raise

    @app.job(name="Coroutine")
    async def along() -> None:
        try:
            await gate.await_()
        except asyncio.CancelledError as error:
            ends.append(type(error))
            raise

    app.push(kind)
    before = redis.value("queue:default")

    with app.worker(concurrency=1) as worker:
        eventually(lambda: len(gate.waiting) == 1)
        worker.stop(timeout_s=0.05)

    assert ends == [JobInterrupted if kind == "Thread" else asyncio.CancelledError]
    assert told == []  # it is no failure
    assert left(redis) == {"queue:default": before}


def test_a_worker_lives_in_any_thread(app: RedisJobs, redis: RealRedis) -> None:
    """Only `run` takes signals, and needs the main one."""
    names: list[str] = []
    app.job(name="Job")(lambda: names.append(threading.current_thread().name))
    app.push("Job")
    failed: list[BaseException] = []

    def live() -> None:
        try:
            work_off(app)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=live)
    thread.start()
    thread.join(20)

    assert not thread.is_alive()
    assert failed == []
    assert names == ["redisjobs-t0"]
    assert left(redis) == {"stat:processed": "1"}


def test_two_workers_of_one_app_share_the_queue(app: RedisJobs, redis: RealRedis, gate: Gate) -> None:
    app.job(name="Long")(gate.wait)
    app.push_many("Long", [[number] for number in range(8)])

    with app.worker(concurrency=2, timeout_s=5) as one, app.worker(concurrency=2, timeout_s=5) as other:
        eventually(lambda: len(one.running()) == len(other.running()) == 2)
        assert redis.value("processes") == {one.identity, other.identity}
        gate.open()
        assert one.drain()
        assert other.drain()

    assert sorted(gate.waiting) == list(range(8))
    assert left(redis) == {"stat:processed": "8"}
