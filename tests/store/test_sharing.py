"""store/stores.py: the coroutines of a loop share connections, and none of them hears what another asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from redisjobs.config import RedisConfig
from redisjobs.errors import StoreUnavailableError, WrongTypeError
from redisjobs.store.op import Together, command
from redisjobs.store.ops import queues
from redisjobs.store.ops.queues import Producer
from redisjobs.store.stores import AsyncStore
from tests.support.builders import KEYS
from tests.support.eventually import aeventually
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


def on_a_loop(config: RedisConfig, use: Callable[[AsyncStore], Awaitable[None]]) -> None:
    async def main() -> None:
        store = AsyncStore(config)
        await use(store)
        await store.close()

    asyncio.run(main())


def test_what_is_asked_for_in_one_turn_of_the_loop_goes_through_one_connection(redis: RealRedis) -> None:
    async def use(store: AsyncStore) -> None:
        numbers = await asyncio.gather(*(store.run(command("CLIENT", "ID")) for _ in range(100)))
        assert len(set(numbers)) == 1

    on_a_loop(redis.config, use)


def test_each_gets_its_own_reply_or_its_own_error(redis: RealRedis) -> None:
    redis.seed({"text": "x"})

    async def use(store: AsyncStore) -> None:
        wanted: list[Any] = []
        for number in range(100):
            wanted += [
                command("ECHO", str(number) * number),
                command("LPUSH", "text", number),
                command("ECHO", "x", decode=lambda _: 1 / 0),
                Together([command("INCR", "n"), command("INCR", "n")], atomic=True),
                Together([command("ECHO", "a"), command("ECHO", str(number))]),
            ]
        replies = await asyncio.gather(*map(store.run, wanted), return_exceptions=True)

        for number in range(100):
            echo, refused, undecoded, transaction, both = replies[5 * number : 5 * number + 5]
            assert echo == (str(number) * number).encode()
            assert type(refused) is WrongTypeError
            assert type(undecoded) is ZeroDivisionError
            assert transaction[1] == transaction[0] + 1
            assert both == [b"a", str(number).encode()]

    on_a_loop(redis.config, use)
    assert redis.value("n") == "200"


def test_scripts_that_redis_forgot_are_called_again_for_each_that_shares_the_trip(redis: RealRedis) -> None:
    redis.client.script_flush()

    async def use(store: AsyncStore) -> None:
        ops = [queues.push(KEYS, "q", [b"%d" % number], producer=Producer(str(number))) for number in range(50)]
        assert await asyncio.gather(*map(store.run, ops)) == [True] * 50

    on_a_loop(redis.config, use)
    assert sorted(redis.value("queue:q"), key=int) == [str(number) for number in range(50)]


def test_one_that_is_cancelled_leaves_the_others_their_replies_and_the_connection(
    server: Callable[..., RealRedis],
) -> None:
    own = server()

    async def use(store: AsyncStore) -> None:
        number: int = await store.run(command("CLIENT", "ID"))
        own.sigstop()
        asking: list[asyncio.Task[Any]] = [
            asyncio.create_task(store.run(command("ECHO", str(index)))) for index in range(20)
        ]
        for _ in range(10):  # until it is on its way
            await asyncio.sleep(0)
        cancelled = asking[3:9]
        for task in cancelled:
            task.cancel()
        await asyncio.wait(cancelled)
        own.sigcont()

        others = await asyncio.gather(*asking[:3], *asking[9:])

        assert all(task.cancelled() for task in cancelled)
        assert others == [str(index).encode() for index in (*range(3), *range(9, 20))]
        assert await store.run(command("CLIENT", "ID")) == number

    on_a_loop(own.config, use)


def test_one_that_is_cancelled_before_it_was_sent_asks_for_nothing(redis: RealRedis) -> None:
    async def use(store: AsyncStore) -> None:
        asking: list[asyncio.Task[Any]] = [asyncio.create_task(store.run(command("INCR", "n"))) for _ in range(3)]
        asyncio.get_running_loop().call_soon(asking[1].cancel)
        await asyncio.wait(asking)
        assert await store.run(command("GET", "n")) == b"2"

    on_a_loop(redis.config, use)


def test_one_that_blocks_does_not_hold_up_those_that_ask_later(redis: RealRedis) -> None:
    async def use(store: AsyncStore) -> None:
        blocked: asyncio.Task[Any] = asyncio.create_task(store.run(command("BLPOP", "list", 30)))
        await aeventually(lambda: redis.client.info("clients")["blocked_clients"] == 1)

        assert await store.run(command("RPUSH", "list", "x")) == 1

        assert await blocked == [b"list", b"x"]

    on_a_loop(redis.config, use)


def test_a_lost_connection_fails_all_that_were_on_it_and_each_has_an_error_of_its_own(
    server: Callable[..., RealRedis],
) -> None:
    own = server()

    async def use(store: AsyncStore) -> None:
        await store.run(command("PING"))
        own.sigstop()
        asking = [asyncio.create_task(store.run(command("ECHO", str(index)))) for index in range(20)]
        for _ in range(10):
            await asyncio.sleep(0)
        own.kill9()

        errors = await asyncio.gather(*asking, return_exceptions=True)

        assert {type(error) for error in errors} == {StoreUnavailableError}
        assert len({id(error) for error in errors}) == 20
        own.start()
        assert await store.run(command("ECHO", "again")) == b"again"

    on_a_loop(own.config, use)


def test_more_than_fits_into_one_trip_is_answered_too(redis: RealRedis) -> None:
    async def use(store: AsyncStore) -> None:
        replies = await asyncio.gather(*(store.run(command("ECHO", str(n))) for n in range(5_000)))
        assert replies == [str(n).encode() for n in range(5_000)]

    on_a_loop(redis.config, use)


def test_a_loop_can_be_closed_right_after_its_last_request_was_given_up(redis: RealRedis) -> None:
    """No task of ours is left behind: asyncio would complain of one that was destroyed while pending."""
    store = AsyncStore(redis.config)
    loop = asyncio.new_event_loop()

    with pytest.raises(TimeoutError):
        loop.run_until_complete(asyncio.wait_for(store.run(command("BLPOP", "nothing", 30)), 0.05))
    loop.run_until_complete(store.close())

    assert asyncio.all_tasks(loop) == set()
    loop.close()


def test_large_requests_of_many_coroutines_are_answered_too(redis: RealRedis) -> None:
    async def use(store: AsyncStore) -> None:
        large = [bytes([65 + number]) * 700_000 for number in range(20)]
        assert await asyncio.gather(*(store.run(command("ECHO", one)) for one in large)) == large

    on_a_loop(redis.config, use)
