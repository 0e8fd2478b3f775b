"""The ground that the other tests stand on: what is seeded is what is dumped, and servers come and go."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from redisjobs.config import RedisConfig
from redisjobs.errors import StoreUnavailableError
from redisjobs.store.op import command
from redisjobs.store.ops.server import ping
from redisjobs.store.stores import BlockingStore
from tests.support.eventually import eventually
from tests.support.faulty import FaultyStore
from tests.support.real_redis import RealRedis, Value

pytestmark = pytest.mark.quick

DATABASE: dict[str, Value] = {
    "queue:high": ["third", "second"],
    "retry": {"payload": 12.5},
    "a:hash": {"field": "1"},
    "a:set": {"x", "y"},
    "a:string": "3",
}


def test_a_dump_is_what_was_seeded(redis: RealRedis) -> None:
    redis.seed(DATABASE)

    assert redis.dump() == DATABASE
    assert redis.dump(ignore=["a:*"]) == {key: DATABASE[key] for key in ("queue:high", "retry")}


def test_each_test_starts_empty(redis: RealRedis) -> None:
    assert redis.dump() == {}


def test_the_session_server_answers_on_its_socket_and_on_its_port(redis: RealRedis) -> None:
    assert redis.run(ping()) == b"PONG"
    assert redis.cli("PING") == "PONG\n"
    assert redis.tcp_url == f"redis://127.0.0.1:{redis.port}/0"


def test_a_server_of_its_own_keeps_its_data_over_a_crash(server: Callable[..., RealRedis]) -> None:
    own = server(appendonly="yes", appendfsync="always")
    own.seed(DATABASE)

    own.kill9()
    own.start()

    assert own.dump() == DATABASE


def test_a_stopped_server_answers_nobody_until_it_goes_on(server: Callable[..., RealRedis]) -> None:
    own = server()
    store = BlockingStore(RedisConfig(own.url, timeout_s=0.1))
    own.sigstop()
    with pytest.raises(StoreUnavailableError):
        store.run(ping())

    own.sigcont()

    assert store.run(ping()) == b"PONG"
    store.close()


def test_eventually_says_what_did_not_happen() -> None:
    with pytest.raises(AssertionError, match="the sky falls"):
        eventually(lambda: False, timeout_s=0.05, message="the sky falls")


@pytest.mark.parametrize(("after_sending", "stored"), [(False, None), (True, "1")])
def test_a_faulty_store_fails_one_request(redis: RealRedis, after_sending: bool, stored: str | None) -> None:
    real = BlockingStore(redis.config)
    store = FaultyStore(real, fail=2, after_sending=after_sending)
    store.run(ping())

    with pytest.raises(StoreUnavailableError):
        store.run(command("SET", "a", 1))

    assert redis.value("a") == stored
    assert store.run(ping()) == b"PONG"
    store.close()
