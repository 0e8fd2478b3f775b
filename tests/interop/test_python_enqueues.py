"""Python enqueues, Ruby runs."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from redisjobs import RedisJobs
from tests.interop.crossing import ARGUMENTS, entries, exactly, make_due, wait_size, wait_told
from tests.interop.peers import RubyPeer
from tests.support.fleet import cli
from tests.support.real_redis import RealRedis


def test_each_kind_of_argument_arrives_equal(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    peer.start_worker(concurrency=1)

    jids = [app.push("Interop::Record", args) for args in ARGUMENTS.values()]

    ran = wait_told(redis, len(ARGUMENTS))
    assert [each["jid"] for each in ran] == jids
    assert exactly([each["args"] for each in ran]) == exactly(list(ARGUMENTS.values()))


async def _push_async(app: RedisJobs) -> list[str | None]:
    jids = [await app.apush("Interop::Record", ["apush"])]
    jids += await app.apush_many("Interop::Record", [["apush_many", 1], ["apush_many", 2]])
    await app.astore.close()
    return jids


def test_each_way_to_enqueue_arrives_once(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    """Ours and Ruby's pollers both promote what is scheduled; here nobody of ours runs but for the command line."""
    jids = [
        app.push("Interop::Record", ["push"]),
        app.push("Interop::Record", ["delay"], delay_s=3600),
        app.push("Interop::Record", ["at"], at=time.time() + 3600),
        app.push("Interop::Record", ["at, past"], at=time.time() - 5),
        *app.push_many("Interop::Record", [["many", 1], ["many", 2]]),
        *asyncio.run(_push_async(app)),
    ]
    cli(redis, "enqueue", "Interop::Record", '["command"]')
    assert redis.client.zcard("schedule") == 2
    make_due(redis, "schedule")

    peer.promote()
    peer.start_worker()

    ran = wait_told(redis, len(jids) + 1)
    assert set(jids) <= {each["jid"] for each in ran}
    assert len({exactly(each["args"]) for each in ran}) == len(ran) == len(jids) + 1


def test_a_thousand_and_one_in_one_call_keep_their_order(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    app.push_many("Interop::Record", [[number] for number in range(1001)])
    peer.start_worker(concurrency=1)

    ran = wait_told(redis, 1001)

    assert [each["args"] for each in ran] == [[number] for number in range(1001)]


def test_ruby_reads_options_and_times(peer: RubyPeer, app: RedisJobs) -> None:
    options: dict[str, Any] = {
        "queue": "mailers",
        "retry": 3,
        "retry_queue": "low",
        "retry_for": 7200,
        "dead": False,
        "backtrace": 5,
        "tags": ["a", "β"],
        "log_level": "debug",
    }
    before = time.time()

    jid = app.push("Interop::Record", [1], **options)

    job = peer.eval(
        """
        job = Sidekiq::Queue.new("mailers").first
        {"jid" => job.jid, "item" => job.item, "tags" => job.tags, "latency" => job.latency,
         "class" => job.display_class, "created" => job.created_at.to_f, "enqueued" => job.enqueued_at.to_f,
         "queues" => Sidekiq::Queue.all.map(&:name)}
        """
    )
    assert (job["jid"], job["class"], job["tags"], job["queues"]) == (jid, "Interop::Record", ["a", "β"], ["mailers"])
    assert {name: job["item"][name] for name in options} == options
    assert before - 0.01 <= job["created"] <= job["enqueued"] <= time.time() + 0.01
    assert 0 <= job["latency"] < 30


def test_ruby_reads_what_is_scheduled(peer: RubyPeer, app: RedisJobs) -> None:
    at = time.time() + 3600

    jid = app.push("Interop::Record", [1], at=at, queue="later")

    assert peer.eval("Sidekiq::ScheduledSet.new.map { |e| [e.jid, e.queue, e.at.to_f, e.item.key?('at')] }") == [
        [jid, "later", pytest.approx(at, abs=1e-5), False]
    ]


def test_ruby_follows_our_retry_settings(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    app.push("Interop::Fail", ["to retry"], retry=2, retry_queue="low", backtrace=2)
    app.push("Interop::Fail", ["to dead"], retry=0)
    app.push("Interop::Fail", ["gone"], retry=False)
    app.push("Interop::Fail", ["gone too"], retry=0, dead=False)

    peer.start_worker(concurrency=1)
    wait_told(redis, 4, "failed")
    wait_size(redis, "retry", 1)
    wait_size(redis, "dead", 1)

    [retried], [dead] = entries(redis, "retry"), entries(redis, "dead")
    assert (retried["args"], retried["queue"], retried["retry_count"]) == (["to retry"], "low", 0)
    assert (dead["args"], dead["error_class"]) == (["to dead"], "Interop::Boom")
