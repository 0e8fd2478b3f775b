"""store/stores.py, store/connect.py: both stores against a Redis that forgets, refuses, breaks off and comes back."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from redisjobs.config import DeadSetConfig, RedisConfig
from redisjobs.errors import ConfigError, StoreError, StoreUnavailableError, WrongTypeError
from redisjobs.store.connect import shown
from redisjobs.store.op import Op, Together, command
from redisjobs.store.ops import leases, queues
from redisjobs.store.ops.queues import Producer
from redisjobs.store.ops.server import ping
from redisjobs.store.scripts import script
from redisjobs.store.stores import AsyncStore, BlockingStore
from tests.support.builders import KEYS
from tests.support.eventually import aeventually, eventually
from tests.support.real_redis import RealRedis, free_port

pytestmark = pytest.mark.quick


class OnALoop:
    """An AsyncStore on one event loop, to be used like a BlockingStore."""

    def __init__(self, config: RedisConfig, *, patience_s: float = 0.0) -> None:
        self.store = AsyncStore(config, patience_s=patience_s)
        self.loop = asyncio.new_event_loop()

    def run(self, wanted: Any) -> Any:
        return self.loop.run_until_complete(self.store.run(wanted))

    def close(self) -> None:
        self.loop.run_until_complete(self.store.close())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


@pytest.fixture(params=[BlockingStore, OnALoop], ids=["thread", "loop"])
def a_store(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """A function that makes a store; every test that uses it holds for threads and for coroutines."""
    made: list[Any] = []

    def make(url: str, *, patience_s: float = 0.0, **settings: float) -> Any:
        made.append(request.param(RedisConfig(url, **settings), patience_s=patience_s))
        return made[-1]

    yield make
    for store in made:
        store.close()


def a_push(*payloads: bytes, queue: str = "q") -> Op[bool]:
    return queues.push(KEYS, queue, payloads or (b"job",), producer=Producer("p"))


# -- what is sent ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["url", "tcp_url"])
def test_one_request_and_its_reply(redis: RealRedis, a_store: Callable[..., Any], url: str) -> None:
    store = a_store(getattr(redis, url))

    assert store.run(ping()) == b"PONG"
    assert store.run(a_push()) is True
    assert redis.value("queue:q") == ["job"]


def test_some_together_give_their_replies_in_order(redis: RealRedis, a_store: Callable[..., Any]) -> None:
    store = a_store(redis.url)

    for atomic in (False, True):
        replies = store.run(
            Together(
                [command("ECHO", "a"), a_push(queue=str(atomic)), command("ECHO", "b", decode=bytes.upper)], atomic
            )
        )
        assert replies == [b"a", True, b"B"]
    assert store.run(Together([])) == []


def test_of_some_together_one_refused_is_raised_and_the_others_happened(
    redis: RealRedis, a_store: Callable[..., Any]
) -> None:
    redis.seed({"text": "x"})
    store = a_store(redis.url)

    for atomic in (False, True):
        with pytest.raises(WrongTypeError, match="rename or delete it: text"):
            store.run(Together([command("INCR", "n"), command("LPUSH", "text", 1), command("INCR", "n")], atomic))
    assert redis.value("n") == "4"
    assert store.run(ping()) == b"PONG"


def test_a_transaction_that_redis_does_not_accept_does_nothing(redis: RealRedis, a_store: Callable[..., Any]) -> None:
    store = a_store(redis.url)

    with pytest.raises(StoreError, match="unknown command"):
        store.run(Together([command("INCR", "n"), command("NO-SUCH-COMMAND")], atomic=True))

    assert redis.dump() == {}
    assert store.run(ping()) == b"PONG"


def test_a_refused_request_leaves_the_connection_in_order(redis: RealRedis, a_store: Callable[..., Any]) -> None:
    redis.seed({"queue:q": "text"})
    store = a_store(redis.url)

    for _ in range(3):
        with pytest.raises(WrongTypeError):
            store.run(a_push())
        assert store.run(command("ECHO", "x")) == b"x"


def test_a_reply_that_cannot_be_decoded_does_not_shift_the_next_ones(
    redis: RealRedis, a_store: Callable[..., Any]
) -> None:
    store = a_store(redis.url)

    with pytest.raises(ZeroDivisionError):
        store.run(Together([command("ECHO", "a", decode=lambda _: 1 / 0), command("ECHO", "b")]))

    assert store.run(command("ECHO", "c")) == b"c"


def test_ten_megabytes_go_both_ways(redis: RealRedis, a_store: Callable[..., Any]) -> None:
    large = os.urandom(10_000_000)

    assert a_store(redis.url).run(command("ECHO", large)) == large


def test_text_that_has_no_bytes_is_refused_before_anything_is_sent(
    redis: RealRedis, a_store: Callable[..., Any]
) -> None:
    store = a_store(redis.url)

    with pytest.raises(UnicodeEncodeError):
        store.run(Together([command("SET", "a", "1"), command("SET", "b", "\ud800")]))

    assert redis.dump() == {}
    assert store.run(ping()) == b"PONG"


# -- scripts --------------------------------------------------------------------------------------------------------


def test_a_script_that_redis_forgot_is_loaded_again(redis: RealRedis, a_store: Callable[..., Any]) -> None:
    store = a_store(redis.url)
    store.run(a_push(b"a"))
    redis.client.script_flush()

    assert store.run(queues.push(KEYS, "q", [b"b"], producer=Producer("p", 1))) is True

    assert redis.value("queue:q") == ["b", "a"]
    assert redis.client.script_exists(script("push").sha) == [True]


def test_forgotten_scripts_among_others_are_called_again_and_the_others_are_not(
    redis: RealRedis, a_store: Callable[..., Any]
) -> None:
    store = a_store(redis.url)
    redis.client.script_flush()
    redis.seed({"queue:r": ["x"]})
    ops: list[Op[Any]] = [
        command("INCR", "n"),
        a_push(),
        leases.lease(KEYS, ["r"], identity="p1", concurrency=1, count=1),
        command("INCR", "n"),
        a_push(b"other", queue="s"),
    ]

    replies = store.run(Together(ops))

    assert (replies[0], replies[1], replies[2][0].payloads, replies[3], replies[4]) == (1, True, [b"x"], 2, True)
    assert redis.value("n") == "2"
    assert (redis.value("queue:q"), redis.value("queue:s")) == (["job"], ["other"])


def test_a_transaction_needs_no_loaded_script(redis: RealRedis, a_store: Callable[..., Any]) -> None:
    """NOSCRIPT in the middle of a transaction would come too late."""
    store = a_store(redis.url)
    redis.client.script_flush()

    assert store.run(Together([command("INCR", "n"), a_push()], atomic=True)) == [1, True]


# -- a Redis that refuses -------------------------------------------------------------------------------------------


def test_a_replica_is_unavailable_and_the_connection_is_looked_for_anew(
    server: Callable[..., RealRedis], redis: RealRedis, a_store: Callable[..., Any]
) -> None:
    """After a failover the old master is a replica: the next try must look again who is master."""
    replica = server(replicaof=f"127.0.0.1 {redis.port}")
    eventually(lambda: replica.client.info("replication")["master_link_status"] == "up")
    store = a_store(replica.url)

    for op in (a_push(), command("SET", "a", 1)):
        with pytest.raises(StoreUnavailableError, match=r"[Rr]ead.?only|READONLY"):
            store.run(op)
    with pytest.raises(StoreUnavailableError):
        store.run(Together([command("INCR", "n"), a_push()], atomic=True))
    assert store.run(command("EXISTS", "queue:q")) == 0

    replica.client.replicaof("NO", "ONE")
    assert store.run(a_push()) is True


def test_patience_outlasts_a_failover(
    server: Callable[..., RealRedis], redis: RealRedis, a_store: Callable[..., Any]
) -> None:
    replica = server(replicaof=f"127.0.0.1 {redis.port}")
    eventually(lambda: replica.client.info("replication")["master_link_status"] == "up")
    timer = threading.Timer(0.3, lambda: replica.client.replicaof("NO", "ONE"))
    timer.start()

    assert a_store(replica.url, patience_s=10).run(a_push()) is True

    timer.join()


def test_a_full_redis_takes_no_push_and_lets_jobs_be_settled(
    server: Callable[..., RealRedis], a_store: Callable[..., Any]
) -> None:
    """`maxmemory` with `noeviction`: what makes room must go on, or it will never have any."""
    full = server()
    full.seed({"queue:q": ["b", "a"], "retry": {"c": 1.5}})
    store = a_store(full.url)
    full.client.config_set("maxmemory", 1)

    with pytest.raises(StoreUnavailableError, match=r"[Oo]ut of memory|OOM|maxmemory"):
        store.run(a_push())
    with pytest.raises(StoreUnavailableError):
        store.run(queues.schedule(KEYS, [("+1.0", b"x")], producer=Producer("p")))
    leased = store.run(leases.lease(KEYS, ["q"], identity="p1", concurrency=1, count=1))
    assert leased[0].payloads == [b"a"]
    held = leases.Lease("q", b"a", 0.0)
    assert store.run(leases.settle(KEYS, [leases.done(held)], identity="p1", dead=DeadSetConfig())) == []

    full.client.config_set("maxmemory", 0)
    assert full.dump() == {
        "queue:q": ["b"],
        "retry": {"c": 1.5},
        "lease-owners:{queue:q}": {"p1": "1"},
        **{key: value for key, value in full.dump().items() if key.startswith("stat:")},
    }
    assert store.run(a_push()) is True


def test_a_wrong_password_is_an_error_that_waiting_does_not_cure(
    server: Callable[..., RealRedis], a_store: Callable[..., Any]
) -> None:
    own = server(requirepass="secret")
    for url in (
        f"unix://{own.socket}",
        f"redis://:wrong@127.0.0.1:{own.port}/0",
        f"redis://u:wrong@127.0.0.1:{own.port}",
    ):
        started = time.monotonic()
        with pytest.raises(StoreError, match=r"refused the login.*check user and password of the URL") as caught:
            a_store(url, patience_s=20).run(ping())
        assert not isinstance(caught.value, StoreUnavailableError)
        assert "wrong@" not in str(caught.value)
        assert time.monotonic() - started < 10

    assert a_store(own.url).run(ping()) == b"PONG"
    assert a_store(own.tcp_url).run(ping()) == b"PONG"


def test_a_user_without_rights_is_told_so(server: Callable[..., RealRedis], a_store: Callable[..., Any]) -> None:
    own = server()
    own.client.execute_command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@read", "+@connection")
    store = a_store(f"redis://reader:pw@127.0.0.1:{own.port}/0", patience_s=20)

    with pytest.raises(StoreError, match="permissions") as caught:
        store.run(command("SET", "a", 1))

    assert not isinstance(caught.value, StoreUnavailableError)


def test_a_database_that_redis_has_not_is_an_error(redis: RealRedis, a_store: Callable[..., Any]) -> None:
    with pytest.raises(StoreError):
        a_store(f"{redis.url}?db=999").run(ping())


@pytest.mark.parametrize(
    "url", ["http://localhost", "localhost:6379", "redis://localhost:port", "redis://h/x?db=y", ""]
)
def test_what_is_no_redis_url_says_how_one_looks(a_store: Callable[..., Any], url: str) -> None:
    with pytest.raises(ConfigError, match=r"is no Redis URL.*write redis://HOST:PORT/DB"):
        a_store(url).run(ping())


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:secret@localhost", "redis://:***@localhost"),
        ("rediss://me:secret@h:1/2", "rediss://me:***@h:1/2"),
        ("redis://me@h", "redis://me@h"),
        ("redis://me:p@ss@h", "redis://me:***@h"),
        ("unix://:secret@/run/redis.sock?db=1", "unix://:***@/run/redis.sock?db=1"),
    ],
)
def test_a_password_is_never_printed(url: str, printed: str) -> None:
    assert shown(url) == printed


def test_a_password_in_the_query_is_not_printed_either() -> None:
    assert "secret" not in shown("unix:///run/redis.sock?db=1&password=secret")


# -- a Redis that is away -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["redis://127.0.0.1:{port}/0", "unix:///nowhere/redis.sock"])
def test_nobody_there_is_unavailable_at_once_and_named(a_store: Callable[..., Any], url: str) -> None:
    url = url.format(port=free_port())
    started = time.monotonic()

    with pytest.raises(StoreUnavailableError, match=f"no answer from Redis at {url}: "):
        a_store(url).run(ping())

    assert time.monotonic() - started < 2


def test_patience_is_asked_again_until_it_is_over(a_store: Callable[..., Any]) -> None:
    started = time.monotonic()

    with pytest.raises(StoreUnavailableError):
        a_store(f"redis://127.0.0.1:{free_port()}/0", patience_s=0.5).run(ping())

    assert 0.3 < time.monotonic() - started < 2


def test_a_server_that_does_not_answer_is_given_up_after_the_timeout(
    server: Callable[..., RealRedis], a_store: Callable[..., Any]
) -> None:
    own = server()
    store = a_store(own.url, timeout_s=0.2)
    store.run(ping())
    own.sigstop()
    started = time.monotonic()

    with pytest.raises(StoreUnavailableError):
        store.run(ping())

    assert 0.15 < time.monotonic() - started < 2
    own.sigcont()
    assert store.run(ping()) == b"PONG"


def test_a_late_answer_is_not_taken_for_the_next_one(
    server: Callable[..., RealRedis], a_store: Callable[..., Any]
) -> None:
    own = server()
    store = a_store(own.url, timeout_s=0.2)
    store.run(ping())
    own.sigstop()
    with pytest.raises(StoreUnavailableError):
        store.run(command("ECHO", "late"))
    own.sigcont()

    assert store.run(command("ECHO", "next")) == b"next"


def test_a_connection_that_was_closed_while_idle_is_replaced(redis: RealRedis, a_store: Callable[..., Any]) -> None:
    """A restart of Redis in the meantime is no outage now."""
    store = a_store(redis.url)
    number = store.run(command("CLIENT", "ID"))
    redis.client.client_kill_filter(_id=number)
    redis.client.blpop(["nothing"], 0.01)  # that long it was idle: one used just now is not looked at
    if not isinstance(store, BlockingStore):
        store.loop.run_until_complete(asyncio.sleep(0.01))  # a loop learns of it when it runs

    assert store.run(command("CLIENT", "ID")) != number


def test_patience_hides_a_killed_connection(redis: RealRedis, a_store: Callable[..., Any]) -> None:
    store = a_store(redis.url, patience_s=5)
    redis.client.client_kill_filter(_id=store.run(command("CLIENT", "ID")))

    assert store.run(a_push()) is True

    assert redis.value("queue:q") == ["job"]


def test_a_connection_killed_while_it_waits_for_the_reply(redis: RealRedis) -> None:
    store = BlockingStore(redis.config)
    number: int = store.run(command("CLIENT", "ID"))
    with ThreadPoolExecutor(1) as pool:
        waiting: Future[Any] = pool.submit(store.run, command("BLPOP", "nothing", 10))
        eventually(lambda: redis.client.info("clients")["blocked_clients"] == 1)
        redis.client.client_kill_filter(_id=number)

        with pytest.raises(StoreUnavailableError):
            waiting.result(5)
    store.close()


def test_a_restarted_server_is_used_again_with_its_scripts_gone(
    server: Callable[..., RealRedis], a_store: Callable[..., Any]
) -> None:
    own = server(appendonly="yes", appendfsync="always")
    store = a_store(own.url, patience_s=10)
    op = a_push()
    store.run(op)

    own.kill9()
    own.start()

    assert store.run(op) is False
    assert own.value("queue:q") == ["job"]


def test_a_server_that_comes_back_within_the_patience_gets_the_push(
    server: Callable[..., RealRedis], a_store: Callable[..., Any]
) -> None:
    own = server()
    own.kill9()
    timer = threading.Timer(0.3, own.start)
    timer.start()

    assert a_store(own.url, patience_s=15).run(a_push()) is True

    timer.join()
    assert own.value("queue:q") == ["job"]


# -- many at once ---------------------------------------------------------------------------------------------------


def test_many_threads_share_a_store(redis: RealRedis) -> None:
    store = BlockingStore(redis.config)

    with ThreadPoolExecutor(16) as pool:
        replies: list[Any] = list(pool.map(lambda n: store.run(command("ECHO", str(n))), range(500)))

    assert replies == [str(n).encode() for n in range(500)]
    store.close()


def test_many_coroutines_share_a_few_connections(redis: RealRedis) -> None:
    async def main() -> None:
        store = AsyncStore(redis.config)
        replies: list[Any] = await asyncio.gather(*(store.run(command("ECHO", str(n))) for n in range(500)))
        clients: bytes = await store.run(command("INFO", "clients"))
        await store.close()
        assert replies == [str(n).encode() for n in range(500)]
        connected = int(clients.partition(b"connected_clients:")[2].partition(b"\r\n")[0])
        assert connected <= 15

    asyncio.run(main())


def test_a_coroutine_that_is_cancelled_leaves_no_reply_for_the_next(redis: RealRedis) -> None:
    async def main() -> None:
        store = AsyncStore(redis.config)
        for _ in range(15):  # more than there are connections
            waiting: asyncio.Task[Any] = asyncio.create_task(store.run(command("BLPOP", "nothing", 1)))
            await aeventually(lambda: redis.client.info("clients")["blocked_clients"] == 1)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert await store.run(command("ECHO", "next")) == b"next"
        await store.close()

    asyncio.run(main())


def test_one_store_serves_one_event_loop_after_another(redis: RealRedis) -> None:
    store = AsyncStore(redis.config)

    async def main() -> Any:
        reply = await store.run(ping())
        await store.close()
        return reply

    assert [asyncio.run(main()) for _ in range(3)] == [b"PONG"] * 3


def test_a_closed_store_opens_again_when_it_is_used(redis: RealRedis, a_store: Callable[..., Any]) -> None:
    store = a_store(redis.url)
    store.run(ping())
    if isinstance(store, BlockingStore):
        store.close()
    else:
        store.loop.run_until_complete(store.store.close())

    assert store.run(ping()) == b"PONG"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own_and_leaves_the_parents_alone(redis: RealRedis) -> None:
    store = BlockingStore(redis.config)
    mine: int = store.run(command("CLIENT", "ID"))
    reader, writer = os.pipe()

    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, str(store.run(command("CLIENT", "ID"))).encode())
            store.close()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    its = int(os.read(reader, 100))
    os.close(reader)
    os.close(writer)

    assert its != mine
    assert store.run(command("CLIENT", "ID")) == mine
    store.close()
