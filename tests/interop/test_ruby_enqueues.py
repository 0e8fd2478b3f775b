"""Ruby enqueues, Python runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from redisjobs import RedisJobs
from tests.interop.crossing import ARGUMENTS, exactly, told, wait_told
from tests.interop.peers import RubyPeer
from tests.support.real_redis import RealRedis

OPTIONS: dict[str, dict[str, Any]] = {
    "retry true": {"retry": True},
    "retry false": {"retry": False},
    "retry 0": {"retry": 0},
    "retry 5": {"retry": 5},
    "retry_queue": {"retry_queue": "low"},
    "retry_for": {"retry_for": 7200},
    "dead": {"dead": False},
    "backtrace true": {"backtrace": True},
    "backtrace 3": {"backtrace": 3},
    "tags": {"tags": ["alpha", "β"]},
    "log_level": {"log_level": "debug"},
    "unknown": {"tenant": {"id": 42, "name": "Zoë"}, "bid": "b-1"},
}


def test_each_kind_of_argument_arrives_equal(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    calls = list(ARGUMENTS.values())
    jids = peer.eval("input['calls'].map { |args| Interop::Record.perform_async(*args) }", calls=calls)

    with app.worker(concurrency=1):
        ran = wait_told(redis, len(ARGUMENTS))

    assert [each["jid"] for each in ran] == jids
    assert exactly([each["args"] for each in ran]) == exactly(calls)


def test_each_way_to_enqueue_arrives_once(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    jids = peer.eval(
        """
        [
          Interop::Record.perform_async("async"),
          Interop::Record.perform_in(0, "in, now"),
          Interop::Record.perform_in(0.3, "in"),
          Interop::Record.perform_at(Time.now + 0.3, "at"),
          Interop::Record.perform_at(Time.now - 5, "at, past"),
          Sidekiq::Client.push("class" => "Interop::Record", "args" => ["push"], "jid" => "my-own-jid"),
          Sidekiq::Client.push("class" => "Interop::Record", "args" => ["push, past"], "at" => Time.now.to_f - 5),
          *Interop::Record.perform_bulk([["bulk", 1], ["bulk", 2]]),
          *Sidekiq::Client.push_bulk("class" => "Interop::Record", "args" => [["bulk at"]], "at" => Time.now.to_f + 0.3)
        ]
        """
    )

    with app.worker(concurrency=5) as worker:
        ran = wait_told(redis, len(jids))
        assert worker.drain()

    assert sorted(each["jid"] for each in ran) == sorted(jids)
    assert len({json.dumps(each["args"]) for each in ran}) == len(jids)
    assert redis.client.get("stat:processed") == str(len(jids)).encode()
    assert not redis.client.keys("lease:*")
    assert redis.client.zcard("schedule") == redis.client.llen("queue:default") == 0


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_each_option_is_seen_by_the_job(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, options: dict[str, Any]
) -> None:
    peer.eval("Interop::Record.set(input['options']).perform_async(1)", options=options)

    with app.worker(concurrency=1):
        wait_told(redis, 1)

    [payload] = [json.loads(raw) for raw in redis.client.lrange("interop:payloads", 0, -1)]
    assert {name: payload.get(name) for name in options} == options


def test_the_options_of_a_class_arrive(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    """Its retries go to another queue, with five lines of backtrace and all the fields that we do not know."""
    app.job(name="Interop::Configured")(_fails)
    peer.eval("Interop::Configured.perform_async(1)")

    with app.worker(queues=["low"], concurrency=1) as worker:
        assert worker.drain()

    [entry] = list(app.retries)
    assert entry.payload is not None
    assert (entry.queue, entry.tags, entry.payload["tenant"]) == ("lower", ["shop", "été"], {"id": 42})
    assert 1 <= len(entry.backtrace) <= 5


def test_jobs_of_one_queue_run_in_the_order_of_their_pushes(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    peer.eval("10.times { |i| Interop::Record.perform_async(i) }")
    peer.eval("Interop::Record.perform_bulk((10...20).map { |i| [i] })")

    with app.worker(concurrency=1):
        wait_told(redis, 20)

    assert [each["args"] for each in told(redis)] == [[number] for number in range(20)]


def test_one_queue_serves_both_languages(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    """Each job runs once, whoever takes it."""
    jids = peer.eval("Interop::Record.perform_bulk((0...2000).map { |i| [i] })")
    peer.start_worker(concurrency=3)

    with app.worker(concurrency=3) as worker:
        wait_told(redis, len(jids))
        assert worker.drain()

    assert sorted(each["jid"] for each in told(redis)) == sorted(jids)


def _fails(*_: Any) -> None:
    raise RuntimeError("as it should")
