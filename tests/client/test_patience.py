"""client.py with stores.py: lost answers, outages and restarts; a job is stored once or its producer knows why not."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Timer
from typing import Any

import pytest

from redisjobs import RedisJobs, StoreError, StoreUnavailableError, WrongTypeError
from redisjobs.store.scripts import script
from tests.client.conftest import Deafening
from tests.client.stored import GUARDS, arguments, jids, queued, scheduled
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis, free_port

pytestmark = pytest.mark.quick

Call = Callable[..., Any]
Apps = Callable[..., RedisJobs]

FAR = 4_000_000_000.25


# -- lost answers ---------------------------------------------------------------------------------------------------


def test_a_push_whose_answer_is_lost_is_stored_once(redis: RealRedis, apps: Apps, call: Call, proxy: Deafening) -> None:
    app = apps(proxy.url)
    work = app.job(name="Work")(lambda name: None)
    call(work.enqueue, "warm")  # the script may have to be loaded

    for count, name in enumerate("abc", 1):
        proxy.lose(script("push").sha)
        jid = call(work.enqueue, name)
        assert len(proxy.lost) == count
        assert queued(redis)[-1]["jid"] == jid
    call(work.enqueue, "d")

    assert arguments(queued(redis)) == ["warm", "a", "b", "c", "d"]


def test_the_first_push_ever_is_stored_once_too(
    server: Callable[..., RealRedis], tmp_path: Any, apps: Apps, call: Call
) -> None:
    """Redis does not know the script: it is sent as text, and that answer is lost."""
    own = server()
    proxy = Deafening(own.socket, tmp_path)
    proxy.lose("EVAL\r\n")
    try:
        call(apps(proxy.url).push, "Work", ["a"])
    finally:
        proxy.close()

    assert len(proxy.lost) == 1
    assert arguments(queued(own)) == ["a"]


@pytest.mark.parametrize("when", [{"delay_s": 60}, {"at": FAR}], ids=["delay", "moment"])
def test_a_job_for_later_whose_answer_is_lost_is_stored_once_for_one_moment(
    redis: RealRedis, apps: Apps, call: Call, proxy: Deafening, when: dict[str, Any]
) -> None:
    app = apps(proxy.url)
    call(app.push, "Warm", at=FAR)
    proxy.lose(script("schedule").sha)

    made = call(app.push_many, "Work", [["a"], ["b"]], **when)

    assert len(proxy.lost) == 1
    found = [job for job, _ in scheduled(redis) if job["class"] == "Work"]
    assert (arguments(found), jids(found)) == (["a", "b"], made)


@pytest.mark.parametrize("when", [{}, {"delay_s": 60}, {"at": FAR}], ids=["now", "delay", "moment"])
def test_a_job_that_was_taken_before_its_producer_asks_again_does_not_come_back(
    redis: RealRedis, apps: Apps, call: Call, proxy: Deafening, when: dict[str, Any]
) -> None:
    app = apps(proxy.url)
    call(app.push, "Warm", **when)
    proxy.meanwhile = lambda: redis.client.delete("queue:default", "schedule")
    proxy.lose("Work")

    assert call(app.push, "Work", **when) is not None

    assert len(proxy.lost) == 1
    assert queued(redis) == scheduled(redis) == []


@pytest.mark.parametrize("lost", ["number-999", "number-1999", "number-2499"], ids=["first", "second", "last"])
def test_of_many_one_batch_whose_answer_is_lost_is_stored_once(
    redis: RealRedis, apps: Apps, call: Call, proxy: Deafening, lost: str
) -> None:
    app = apps(proxy.url)
    call(app.push, "Work", ["warm"])
    redis.client.delete("queue:default")
    proxy.lose(lost)

    made = call(app.push_many, "Work", [[f"number-{number}"] for number in range(2500)])

    assert len(proxy.lost) == 1
    assert arguments(queued(redis)) == [f"number-{number}" for number in range(2500)]
    assert jids(queued(redis)) == made


def test_a_push_that_redis_sees_twice_after_a_pause_is_stored_once(
    server: Callable[..., RealRedis], apps: Apps, call: Call
) -> None:
    """A stopped server reads, when it goes on, what was sent by producers that gave up waiting for it."""
    own = server()
    app = apps(own.url, timeout_s=0.2, patience_s=20)
    call(app.push, "Work", ["warm"])
    own.client.config_resetstat()
    own.sigstop()
    timer = Timer(0.6, own.sigcont)
    timer.start()

    jid = call(app.push, "Work", ["a"])

    timer.join()
    assert own.client.info("commandstats")["cmdstat_evalsha"]["calls"] > 1
    assert arguments(queued(own)) == ["warm", "a"]
    assert queued(own)[1]["jid"] == jid


# -- Redis is away --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["redis://127.0.0.1:{port}/3", "unix:///nowhere/redis.sock"])
def test_nobody_there_is_told_with_the_name_of_the_server_after_the_patience(
    apps: Apps, call: Call, place: str
) -> None:
    url = place.format(port=free_port())
    app = apps(url, patience_s=0.2)
    work = app.job(name="Work")(lambda: None)

    for method, args in ((work.enqueue, ()), (work.enqueue_in, (9,)), (work.enqueue_many, ([()],))):
        started = time.monotonic()
        with pytest.raises(StoreUnavailableError, match=re.escape(f"no answer from Redis at {url}: ")):
            call(method, *args)
        assert 0.1 < time.monotonic() - started < 2


def test_without_patience_it_is_told_at_once(apps: Apps, call: Call) -> None:
    app = apps(f"redis://127.0.0.1:{free_port()}/0", patience_s=0)
    started = time.monotonic()

    with pytest.raises(StoreUnavailableError):
        call(app.push, "Work")

    assert time.monotonic() - started < 0.5


def test_a_push_that_failed_is_not_stored_later_and_the_next_one_is(
    server: Callable[..., RealRedis], apps: Apps, call: Call
) -> None:
    own = server()
    app = apps(own.url, patience_s=0.2)
    call(app.push, "Work", ["before"])
    own.stop()
    with pytest.raises(StoreUnavailableError):
        call(app.push, "Work", ["lost"])

    own.start()
    call(app.push, "Work", ["after"])

    assert arguments(queued(own)) == ["after"]


def test_a_redis_that_comes_back_within_the_patience_gets_each_job_once(
    server: Callable[..., RealRedis], apps: Apps, call: Call
) -> None:
    own = server()
    app = apps(own.url, patience_s=20)
    call(app.push, "Work", ["before"])
    own.kill9()
    timer = Timer(0.3, own.start)
    timer.start()

    now = call(app.push_many, "Work", [["a"], ["b"]])
    later = call(app.push, "Work", ["c"], delay_s=60)

    timer.join()
    assert jids(queued(own)) == now
    assert scheduled(own)[0][0]["jid"] == later
    assert len(own.dump(GUARDS)) == 3


def test_producers_that_push_while_redis_crashes_and_comes_back_store_each_job_once(
    server: Callable[..., RealRedis], apps: Apps
) -> None:
    own = server(appendonly="yes", appendfsync="always")
    app = apps(own.url, patience_s=30)

    with ThreadPoolExecutor(4) as pool:
        pushing = [pool.submit(app.push, "Work", [number]) for number in range(2000)]
        eventually(lambda: own.client.llen("queue:default") > 100)
        own.kill9()
        assert not pushing[-1].done()
        own.start()
        made = [one.result(30) for one in pushing]

    assert sorted(jids(queued(own))) == sorted(filter(None, made))
    assert sorted(arguments(queued(own))) == list(range(2000))


# -- Redis refuses --------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_told_at_once_and_not_printed(
    server: Callable[..., RealRedis], apps: Apps, call: Call
) -> None:
    own = server(requirepass="secret")
    app = apps(f"redis://:guessed@127.0.0.1:{own.port}/0", patience_s=30)
    started = time.monotonic()

    with pytest.raises(StoreError, match=r"refused the login.*check user and password") as caught:
        call(app.push, "Work")

    assert not isinstance(caught.value, StoreUnavailableError)
    assert "guessed" not in str(caught.value)
    assert time.monotonic() - started < 10
    assert call(apps(own.tcp_url).push, "Work") == queued(own)[0]["jid"]


@pytest.mark.parametrize(
    ("key", "value", "when"),
    [
        ("queue:default", "text", {}),
        ("queue:default", {"a": 1.5}, {}),
        ("queues", ["list"], {}),
        ("schedule", ["list"], {"at": FAR}),
        ("schedule", {"a set"}, {"delay_s": 60}),
    ],
)
def test_a_key_of_another_type_is_told_at_once_and_nothing_is_stored(
    redis: RealRedis, apps: Apps, call: Call, key: str, value: Any, when: dict[str, Any]
) -> None:
    redis.seed({key: value})
    before = redis.dump()
    app = apps(redis.url, patience_s=30)
    started = time.monotonic()

    with pytest.raises(WrongTypeError, match=f"rename or delete it: .*{key}"):
        call(app.push_many, "Work", [["a"], ["b"]], **when)

    assert redis.dump() == before
    assert time.monotonic() - started < 5
    redis.client.delete(key)
    assert call(app.push, "Work", **when) is not None


# -- coroutines that share a connection -----------------------------------------------------------------------------


def test_coroutines_whose_shared_answer_is_lost_each_store_their_job_once(
    redis: RealRedis, apps: Apps, runner: asyncio.Runner, proxy: Deafening
) -> None:
    app = apps(proxy.url)

    async def push() -> list[str | None]:
        await app.apush("Work", ["warm"])
        proxy.lose("number-25")
        return await asyncio.gather(*(app.apush("Work", [f"number-{number}"]) for number in range(50)))

    made = runner.run(push())

    assert len(proxy.lost) == 1
    found = {job["jid"]: job["args"][0] for job in queued(redis)[1:]}
    assert found == {jid: f"number-{number}" for number, jid in enumerate(made)}
    assert len(queued(redis)) == 51


def test_a_producers_number_is_not_used_again_after_an_error(
    redis: RealRedis, apps: Apps, call: Call, proxy: Deafening
) -> None:
    """The push that failed may still be under way: one that took its number would be taken for it, and not stored."""
    app = apps(proxy.url, patience_s=0)
    call(app.push, "Work", ["warm"])
    proxy.lose("unheard")
    with pytest.raises(StoreUnavailableError):
        call(app.push, "Work", ["unheard"])

    for name in "abc":
        call(app.push, "Work", [name])

    assert arguments(queued(redis)) == ["warm", "unheard", "a", "b", "c"]
    guards = [value for key, value in redis.dump().items() if key.startswith("pushed:")]
    assert sorted(guards) == ["2", "3"]
