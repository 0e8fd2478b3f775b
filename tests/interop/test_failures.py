"""A job fails in one language; the other sees it, promotes it, runs its retry, buries it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from redisjobs import RedisJobs
from tests.interop.crossing import entries, make_due, told, wait_size, wait_told
from tests.interop.peers import RubyPeer
from tests.support.real_redis import RealRedis

READ_RETRIES = """
  Sidekiq::RetrySet.new.map do |entry|
    {"jid" => entry.jid, "class" => entry.display_class, "args" => entry.args, "queue" => entry.queue,
     "error" => [entry["error_class"], entry["error_message"]], "backtrace" => entry.error_backtrace,
     "count" => entry["retry_count"], "at" => entry.at.to_f, "created" => entry.created_at.to_f}
  end
"""


def run_python(app: RedisJobs, *queues: str) -> None:
    """Run all that is ready, and what becomes ready meanwhile."""
    with app.worker(queues=queues or ["default"], concurrency=2) as worker:
        assert worker.drain()


def test_ruby_reads_a_failure_of_python(peer: RubyPeer, app: RedisJobs) -> None:
    before = time.time()
    jid = app.push("Interop::Fail", ["naïve <b>"], backtrace=True)

    run_python(app)

    [entry] = peer.eval(READ_RETRIES)
    assert (entry["jid"], entry["class"], entry["args"]) == (jid, "Interop::Fail", ["naïve <b>"])
    assert (entry["queue"], entry["count"]) == ("default", 0)
    assert entry["error"] == ["ValueError", "naïve <b>"]
    assert any("apps.py" in line for line in entry["backtrace"])
    assert before + 15 <= entry["at"] <= time.time() + 25
    assert before - 0.01 <= entry["created"] <= time.time()


def test_ruby_promotes_and_python_runs_the_retry(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    jid = app.push("Interop::FailOnce", [{"a": [None, 2**70]}])
    run_python(app)
    make_due(redis, "retry")

    peer.promote()
    assert (redis.client.zcard("retry"), [each["jid"] for each in entries(redis, "queue:default")]) == (0, [jid])
    run_python(app)

    assert [(each["jid"], each["args"]) for each in told(redis)] == [(jid, [{"a": [None, 2**70]}])]
    assert (app.stats.processed, app.stats.failed) == (2, 1)


def test_python_promotes_and_ruby_runs_the_retry(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    jid = app.push("Interop::FailOnce", ["a"], queue="ruby")
    peer.start_worker(queues=["ruby"])
    wait_size(redis, "retry", 1)
    [entry] = list(app.retries)
    assert (entry.jid, entry.error_class, entry.error_message) == (jid, "Interop::Boom", "first time")
    assert entry.failed_at == pytest.approx(time.time(), abs=30)
    make_due(redis, "retry")

    with app.worker(queues=["python"], concurrency=1):
        ran = wait_told(redis, 1)

    assert [(each["jid"], each["args"]) for each in ran] == [(jid, ["a"])]


def test_a_job_that_failed_in_ruby_fails_again_in_python(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    """The counters and the time of the first failure go on; what Python does not know stays."""
    peer.eval("Interop::Fail.set('backtrace' => 2, 'tenant' => {'id' => 42}).perform_async('twice')")
    worker = peer.start_worker()
    wait_size(redis, "retry", 1)
    worker.kill()
    [first] = entries(redis, "retry")
    make_due(redis, "retry")

    with app.worker(concurrency=1):
        wait_told(redis, 2, "failed")
        wait_size(redis, "retry", 1)

    [second] = entries(redis, "retry")
    assert (first["retry_count"], second["retry_count"], second["error_class"]) == (0, 1, "ValueError")
    assert (second["failed_at"], second["tenant"]) == (first["failed_at"], {"id": 42})
    assert type(second["retried_at"]) is type(first["failed_at"])
    [seen] = peer.eval(READ_RETRIES)
    assert any("apps.py" in line for line in seen["backtrace"])


def test_a_job_that_failed_in_python_fails_again_in_ruby(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    app.push("Interop::Fail", ["twice"], backtrace=2)
    run_python(app)
    [first] = entries(redis, "retry")
    make_due(redis, "retry")
    peer.promote()

    peer.start_worker()
    wait_size(redis, "retry", 1)

    [second] = list(app.retries)
    assert (second.retry_count, second.error_class) == (1, "Interop::Boom")
    assert (second.payload or {})["failed_at"] == first["failed_at"]
    assert any("jobs.rb" in line for line in second.backtrace)
    assert second.retried_at == pytest.approx(time.time(), abs=30)


def test_ruby_revives_what_python_buried(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    app.push("Interop::FailOnce", ["again"], retry=0)
    run_python(app)

    dead = peer.eval("Sidekiq::DeadSet.new.map { |e| %w[class error_message retry_count].map { |name| e[name] } }")
    assert dead == [["Interop::FailOnce", "first time", 0]]
    peer.eval("Sidekiq::DeadSet.new.first.retry")
    run_python(app)

    assert [each["args"] for each in told(redis)] == [["again"]]
    assert redis.client.zcard("dead") == 0


def test_python_revives_what_ruby_buried(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    peer.eval("Interop::FailOnce.set('retry' => 0, 'queue' => 'ruby').perform_async('again')")
    peer.start_worker(queues=["ruby"])
    wait_size(redis, "dead", 1)

    [entry] = list(app.dead)
    assert (entry.name, entry.error_class, entry.retry_count) == ("Interop::FailOnce", "Interop::Boom", 0)
    assert app.dead.enqueue(entry.jid)

    assert [each["args"] for each in wait_told(redis, 1)] == [["again"]]


def test_retry_settings_of_ruby_hold_in_python(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    calls: list[tuple[dict[str, Any], str]] = [
        ({"retry": 2, "retry_queue": "low"}, "to retry"),
        ({"retry": 0}, "to dead"),
        ({"retry": False}, "gone"),
        ({"retry": 0, "dead": False}, "gone too"),
    ]
    peer.eval("input['calls'].each { |options, arg| Interop::Fail.set(options).perform_async(arg) }", calls=calls)

    run_python(app)

    [retried], [dead] = entries(redis, "retry"), entries(redis, "dead")
    assert (retried["args"], retried["queue"]) == (["to retry"], "low")
    assert dead["args"] == ["to dead"]
    assert peer.eval("[Sidekiq::RetrySet.new.size, Sidekiq::DeadSet.new.size, Sidekiq::Queue.new.size]") == [1, 1, 0]


def test_two_pollers_neither_lose_nor_double(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    """Ours promotes in batches, Ruby's one by one, from the same sets at the same time."""
    jids = app.push_many("Interop::Record", [[number] for number in range(1000)], delay_s=3600)
    make_due(redis, "schedule")

    with app.worker(concurrency=2) as worker:
        while redis.client.zcard("schedule"):
            peer.promote()
        wait_told(redis, len(jids))
        assert worker.drain()

    assert sorted(each["jid"] for each in told(redis)) == sorted(filter(None, jids))


def test_a_class_that_python_lacks_is_retried_and_named(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    """Another deploy may know it: it waits in the retry set, where Ruby shows it."""
    peer.eval("Sidekiq::Client.push('class' => 'Ruby::Only', 'args' => [1])")

    run_python(app)

    [entry] = peer.eval(READ_RETRIES)
    assert (entry["class"], entry["args"], entry["count"]) == ("Ruby::Only", [1], 0)
    assert "Ruby::Only" in entry["error"][1]
