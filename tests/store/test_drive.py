"""store/drive.py: the same steps, run by a thread and by an event loop, on a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from redisjobs.errors import StoreError, StoreUnavailableError, WrongTypeError
from redisjobs.middleware.chain import Chain
from redisjobs.store.drive import adrive, drive, no_job
from redisjobs.store.op import Steps, Together, command
from redisjobs.store.stores import AsyncStore, BlockingStore
from tests.support.faulty import FaultyStore
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


@pytest.fixture(params=["thread", "loop"])
def run(request: pytest.FixtureRequest, redis: RealRedis) -> Callable[..., Any]:
    """Run steps to the end; every test of this module holds for threads and for coroutines."""

    def in_a_thread(steps: Steps[Any], perform: Callable[[], Any] = no_job) -> Any:
        store = BlockingStore(redis.config)
        try:
            return drive(steps, store, perform)
        finally:
            store.close()

    async def on_this_loop(steps: Steps[Any], perform: Callable[[], Any]) -> Any:
        async def aperform() -> Any:
            await asyncio.sleep(0)
            return perform()

        store = AsyncStore(redis.config)
        try:
            return await adrive(steps, store, aperform)
        finally:
            await store.close()

    def on_a_loop(steps: Steps[Any], perform: Callable[[], Any] = no_job) -> Any:
        return asyncio.run(on_this_loop(steps, perform))

    return in_a_thread if request.param == "thread" else on_a_loop


def test_steps_ask_redis_and_the_job(run: Callable[..., Any]) -> None:
    def steps() -> Steps[Any]:
        first = yield from command("ECHO", "hello", decode=bytes)
        second = yield
        third = yield from Together([command("ECHO", 1), command("ECHO", 2)])
        return first, second, third

    assert run(steps()) == (b"hello", None, [b"1", b"2"])
    assert run(steps(), lambda: 7) == (b"hello", 7, [b"1", b"2"])


def test_middleware_asks_redis_before_and_after(run: Callable[..., Any]) -> None:
    notes: list[Any] = []

    def asking(name: str) -> Callable[[str], Steps[Any]]:
        def middleware(_: str) -> Steps[Any]:
            notes.append((name, (yield from command("ECHO", "before"))))
            result = yield
            notes.append((name, result))
            notes.append((name, (yield from Together([command("ECHO", 1), command("ECHO", 2)], atomic=True))))

        return middleware

    chain: Chain[str] = Chain()
    chain.add(asking("outer"))
    chain.add(asking("inner"))

    assert run(chain.wrap("job"), lambda: "result") == "result"
    assert notes == [
        ("outer", b"before"),
        ("inner", b"before"),
        ("inner", "result"),
        ("inner", [b"1", b"2"]),
        ("outer", "result"),
        ("outer", [b"1", b"2"]),
    ]


def test_an_error_of_redis_is_raised_where_it_was_asked(run: Callable[..., Any], redis: RealRedis) -> None:
    redis.seed({"text": "x"})
    notes: list[str] = []

    def asking(_: str) -> Steps[Any]:
        try:
            yield from command("LPUSH", "text", 1)
        except WrongTypeError:
            notes.append("caught")
        yield

    chain: Chain[str] = Chain()
    chain.add(asking)

    assert run(chain.wrap("job"), lambda: 7) == 7
    assert notes == ["caught"]


def test_what_is_not_caught_is_raised(run: Callable[..., Any]) -> None:
    def steps() -> Steps[int]:
        yield from command("NO-SUCH-COMMAND")
        raise AssertionError

    with pytest.raises(StoreError, match="unknown command"):
        run(steps())


def test_an_error_of_the_steps_themselves_is_raised(run: Callable[..., Any]) -> None:
    def steps() -> Steps[int]:
        yield from command("PING")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run(steps())


@pytest.mark.parametrize("after_sending", [False, True])
def test_steps_may_try_again_after_a_lost_connection(redis: RealRedis, after_sending: bool) -> None:
    def steps() -> Steps[int]:
        for _ in range(2):
            try:
                yield from command("SADD", "done", "x")
            except StoreUnavailableError:
                continue
        return (yield from command("SCARD", "done", decode=int))

    store = FaultyStore(BlockingStore(redis.config), fail=1, after_sending=after_sending)

    assert drive(steps(), store) == 1
    store.close()
