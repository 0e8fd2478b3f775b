"""store/ops/processes.py, store/ops/stats.py: the registry of processes and the counters."""

from __future__ import annotations

from typing import Any

import pytest

from redisjobs.store.keys import Keys
from redisjobs.store.ops import processes as ops
from redisjobs.store.ops import stats
from tests.support.builders import KEYS
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

FIELDS: dict[str, Any] = {
    "info": "{}",
    "concurrency": 5,
    "busy": 1,
    "beat": 1732406400.5,
    "quiet": "false",
    "rss": 100,
    "rtt_us": 70,
    "redisjobs": "{}",
}


def beat(redis: RealRedis, *, work: dict[str, bytes] | None = None, ttl_s: float = 60, **fields: Any) -> Any:
    op = ops.beat(KEYS, "p1", fields={**FIELDS, **fields}, work=work or {}, queues=["q", "r"], ttl_s=ttl_s)
    return redis.run(op)


def test_a_beat_writes_all_that_rubys_pages_read(redis: RealRedis) -> None:
    beat(redis, work={"t1": b'{"queue":"q"}'})

    assert redis.dump() == {
        "processes": {"p1"},
        "lease-queues": {"q", "r"},
        "p1": {name: str(value) for name, value in FIELDS.items()},
        "p1:work": {"t1": '{"queue":"q"}'},
        "p1:workers": {"t1": '{"queue":"q"}'},
    }
    for key in ("p1", "p1:work", "p1:workers"):
        assert 50_000 < redis.client.pttl(key) <= 60_000
    assert redis.client.ttl("processes") == -1


def test_the_next_beat_takes_away_what_runs_no_more(redis: RealRedis) -> None:
    beat(redis, work={"t1": b"a", "t2": b"b"})

    beat(redis, work={"t2": b"b"}, busy=0)
    assert redis.value("p1:work") == {"t2": "b"}
    beat(redis)

    assert "p1:work" not in redis.dump()
    assert "p1:workers" not in redis.dump()


def test_a_beat_renews_its_time_and_leaves_fields_of_others(redis: RealRedis) -> None:
    beat(redis, ttl_s=0.5)
    redis.client.hset("p1", "other", "x")

    beat(redis, ttl_s=60)

    assert redis.client.pttl("p1") > 50_000
    assert redis.value("p1")["other"] == "x"


def test_without_queues_a_beat_names_none(redis: RealRedis) -> None:
    redis.run(ops.beat(KEYS, "p1", fields=FIELDS, work={}, queues=[], ttl_s=60))

    assert sorted(redis.dump()) == ["p1", "processes"]


def test_a_process_hears_its_signals_in_their_order(redis: RealRedis) -> None:
    """Ruby's pages push at the head, a heartbeat takes from the tail."""
    redis.run(ops.signal(KEYS, "p1", "TSTP"))
    redis.run(ops.signal(KEYS, "p1", "TERM"))
    redis.run(ops.signal(KEYS, "p2", "TTIN"))
    assert redis.value("p1-signals") == ["TERM", "TSTP"]
    assert 0 < redis.client.ttl("p1-signals") <= 60

    heard = [redis.run(ops.signal_for(KEYS, "p1")) for _ in range(3)]
    assert heard == ["TSTP", "TERM", None]
    assert redis.value("p2-signals") == ["TTIN"]


def test_who_leaves_leaves_nothing_and_may_leave_twice(redis: RealRedis) -> None:
    beat(redis, work={"t1": b"a"})
    redis.run(ops.signal(KEYS, "p1", "TERM"))
    redis.seed({"processes": {"p2"}})

    redis.run(ops.leave(KEYS, "p1"))
    redis.run(ops.leave(KEYS, "p1"))

    assert redis.dump() == {"processes": {"p2"}, "lease-queues": {"q", "r"}}


def test_how_long_ago_a_process_beat_is_told_by_what_is_left_of_its_heartbeat(redis: RealRedis) -> None:
    beat(redis)
    redis.seed({"processes": {"p2"}, "p4": {"beat": "by hand, and it never ends"}})
    redis.client.pexpire("p1", 45_000)

    gone, beaten_s, never, endless_s = redis.run(ops.silences(KEYS, ["p2", "p1", "p3", "p4"], ttl_s=60))

    assert (gone, never, endless_s) == (None, None, 0.0)
    assert 15 <= beaten_s < 20


def test_who_left_no_heartbeat_is_taken_off_the_registry(redis: RealRedis) -> None:
    beat(redis)
    redis.seed({"processes": {"p2"}})

    assert redis.run(ops.identities(KEYS)) == ["p1", "p2"]
    redis.run(ops.forget(KEYS, ["p2"]))
    assert redis.run(ops.identities(KEYS)) == ["p1"]


def test_what_a_process_says_is_read(redis: RealRedis) -> None:
    beat(redis, work={"t1": b"a"})

    assert redis.run(ops.info(KEYS, "p1")) == [b"{}", b"5", b"1", b"1732406400.5", b"false", b"100", b"70"]
    assert redis.run(ops.info(KEYS, "nobody")) == [None] * 7
    assert redis.run(ops.info(KEYS, "p1", [ops.ABILITIES, "busy"])) == [b"{}", b"1"]
    assert redis.run(ops.work(KEYS, "p1")) == redis.run(ops.workers(KEYS, "p1")) == {b"t1": b"a"}
    assert redis.run(ops.work(KEYS, "nobody")) == {}


def test_counters_are_read_and_set_to_nothing(redis: RealRedis) -> None:
    redis.seed({"stat:processed": "7", "stat:failed": "odd", "stat:processed:2024-11-24": "3"})

    assert redis.run(stats.totals(KEYS)) == [7, 0]
    assert redis.run(stats.days(KEYS, ["2024-11-24", "2024-11-25"])) == [3, 0, 0, 0]
    redis.run(stats.reset(KEYS, ["failed"]))
    assert redis.run(stats.totals(KEYS)) == [7, 0]
    assert redis.value("stat:failed") == "0"


def test_a_namespace_stands_before_each_key(redis: RealRedis) -> None:
    """As redis-namespace does it for Sidekiq 6: before the whole key, the braces stay."""
    keys = Keys("shop")
    redis.run(ops.beat(keys, "p1", fields=FIELDS, work={"t": b"a"}, queues=["q"], ttl_s=60))
    redis.run(ops.signal(keys, "p2", "TERM"))

    assert sorted(redis.dump()) == [
        "shop:lease-queues",
        "shop:p1",
        "shop:p1:work",
        "shop:p1:workers",
        "shop:p2-signals",
        "shop:processes",
    ]
    named = {name: getattr(keys, name) for name in dir(Keys) if isinstance(getattr(Keys, name), property)}
    assert named == {name: f"shop:{getattr(KEYS, name)}" for name in named}
