"""Threads and coroutines: the same promises, each asked of both."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from redisjobs.store.ops.leases import done, released
from redisjobs.worker.executors.coroutines import LoopThread
from tests.support.eventually import eventually
from tests.worker.pools import CoroutinePool, Pool, ThreadPool, nothing, number, works

pytestmark = pytest.mark.quick


@pytest.fixture(params=[ThreadPool, CoroutinePool], ids=["threads", "coroutines"])
def a_pool(request: pytest.FixtureRequest) -> Iterator[Callable[[int], Any]]:
    """A function that makes a pool of so many at once."""
    made: list[Pool] = []

    def make(count: int) -> Pool:
        made.append(request.param(count))
        return made[-1]

    yield make
    for pool in made:
        pool.end()


A_Pool = Callable[[int], Pool]


def test_at_most_so_many_run_at_once(a_pool: A_Pool) -> None:
    pool = a_pool(3)

    pool.executor.submit(works(*range(5)))
    pool.executor.submit(works(5, 6))

    eventually(lambda: len(pool.started) == 3)
    assert pool.runs(0, 1, 2)
    assert pool.executor.waiting == 4
    pool.open()
    eventually(lambda: len(pool.ended) == 7)
    assert pool.inside.most == 3
    assert pool.executor.waiting == 0


def test_jobs_start_in_the_order_in_which_they_came(a_pool: A_Pool) -> None:
    pool = a_pool(1)
    pool.open()

    pool.executor.submit(works(*range(20)))
    pool.executor.submit(works(*range(20, 40)))

    eventually(lambda: len(pool.ended) == 40)
    assert pool.started == pool.numbers == list(range(40))


def test_each_end_is_reported_once_with_its_own_lease(a_pool: A_Pool) -> None:
    pool = a_pool(4)
    pool.open()

    pool.executor.submit(batch := works(*range(100)))

    eventually(lambda: len(pool.ended) == 100)
    assert sorted(pool.ended, key=number) == [done(work.lease) for work in batch]


def test_take_back_gives_just_what_was_not_started(a_pool: A_Pool) -> None:
    pool = a_pool(2)
    pool.executor.submit(works(*range(6)))
    eventually(lambda: pool.runs(0, 1))

    back = pool.executor.take_back()

    assert [work.payload.args[0] for work in back] == [2, 3, 4, 5]
    assert pool.executor.waiting == 0
    assert pool.executor.take_back() == []
    pool.executor.submit(works(6))
    pool.open()
    eventually(lambda: len(pool.ended) == 3)
    assert sorted(pool.numbers) == sorted(pool.started) == [0, 1, 6]


def test_nothing_was_taken_nothing_comes_back(a_pool: A_Pool) -> None:
    pool = a_pool(2)

    assert (pool.executor.take_back(), pool.executor.running(), pool.executor.waiting) == ([], [], 0)


def test_what_runs_is_told_with_a_name_of_its_own_and_since_when(a_pool: A_Pool) -> None:
    pool = a_pool(3)
    batch = works(0, 1, 2)
    before = time.time()

    pool.executor.submit(batch)
    eventually(lambda: pool.runs(0, 1, 2))

    running = pool.executor.running()
    assert {id(one.work) for one in running} == {id(work) for work in batch}
    assert len({one.tid for one in running}) == 3
    assert all(one.tid.startswith("pool-") and before <= one.started_at <= time.time() for one in running)
    assert pool.executor.running() == running
    pool.open()
    eventually(lambda: pool.executor.running() == [])


def test_an_interrupt_reaches_what_runs_and_nothing_that_comes_after(a_pool: A_Pool) -> None:
    pool = a_pool(2)
    pool.executor.submit(batch := works(0, 1, 2))
    eventually(lambda: len(pool.started) == 2)

    pool.executor.interrupt()

    eventually(lambda: len(pool.ended) == 2)
    assert pool.caught == [pool.interrupts] * 2
    assert sorted(pool.ended, key=number) == [released(work.lease) for work in batch[:2]]
    pool.open()
    eventually(lambda: len(pool.ended) == 3)
    assert pool.ended[-1] == done(batch[2].lease)
    assert len(pool.caught) == 2


def test_an_interrupt_of_nothing_does_no_harm(a_pool: A_Pool) -> None:
    pool = a_pool(2)
    pool.executor.interrupt()
    pool.executor.submit(works(0))
    pool.open()
    eventually(lambda: pool.numbers == [0] and pool.executor.running() == [])

    pool.executor.interrupt()
    pool.executor.submit(works(1, 2, 3))

    eventually(lambda: len(pool.ended) == 4)
    assert pool.caught == []


# -- threads --------------------------------------------------------------------------------------------------------


def test_threads_are_started_with_the_first_work_and_no_more_than_there_is_work() -> None:
    pool = ThreadPool(4, name="few-")
    assert pool.alive == set()

    pool.executor.submit(works(0))
    assert pool.alive == {0}
    pool.executor.submit(works(1, 2))
    assert pool.alive == {0, 1, 2}
    pool.executor.submit(works(*range(3, 9)))

    assert pool.alive == {0, 1, 2, 3}
    pool.end()


def test_threads_that_are_stopped_end_after_what_they_run() -> None:
    pool = ThreadPool(2, name="stopped-")
    pool.executor.submit(works(0))
    eventually(lambda: pool.started == [0])

    pool.executor.stop()
    assert pool.alive == {0}
    pool.open()

    eventually(lambda: pool.alive == set())
    assert pool.numbers == [0]


# -- the loop -------------------------------------------------------------------------------------------------------


def test_the_loop_is_started_when_first_needed_and_is_one() -> None:
    before = set(threading.enumerate())
    thread = LoopThread()
    assert set(threading.enumerate()) <= before

    async def here() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert thread.run(here()) is thread.run(here()) is thread.loop()
    assert [one.name for one in set(threading.enumerate()) - before] == ["redisjobs-loop"]
    thread.stop(nothing)


def test_what_is_run_on_the_loop_raises_here() -> None:
    async def fail() -> None:
        raise ValueError("boom")

    thread = LoopThread()
    with pytest.raises(ValueError, match="boom"):
        thread.run(fail())
    thread.stop(nothing)


def test_a_loop_that_is_stopped_cleans_up_first() -> None:
    cleaned: list[str] = []

    async def cleanup() -> None:
        await asyncio.sleep(0)
        cleaned.append(threading.current_thread().name)

    before = set(threading.enumerate())
    never_started, thread = LoopThread(), LoopThread()
    loop = thread.loop()

    for one in (never_started, thread):
        one.stop(cleanup)

    assert cleaned == ["redisjobs-loop"]
    assert loop.is_closed()
    assert set(threading.enumerate()) <= before
