"""The registry of processes and of running jobs, read and told by the other language."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

import pytest

from redisjobs import RedisJobs
from redisjobs.errors import RedisJobsError
from tests.interop.crossing import make_due, told, wait_told
from tests.interop.peers import RubyPeer
from tests.support.eventually import eventually
from tests.support.fleet import WorkerProcess
from tests.support.real_redis import RealRedis

RUBY_BEAT_S = 15  # Ruby looks for signals and tells its work at each heartbeat: 5 s, from 7 on 10 s

READ_PROCESSES = """
  Sidekiq::ProcessSet.new.map do |process|
    {"identity" => process.identity, "hostname" => process["hostname"], "pid" => process["pid"], "tag" => process.tag,
     "queues" => process["queues"], "labels" => process.labels, "busy" => process["busy"], "quiet" => process.stopping?,
     "concurrency" => process["concurrency"], "started_at" => process["started_at"], "rss" => process["rss"]}
  end
"""
READ_WORK = """
  # A hash up to 7.2, an object since; the payload is text in Redis, and parsed by some.
  (defined?(Sidekiq::WorkSet) ? Sidekiq::WorkSet : Sidekiq::Workers).new.map do |process, _thread, work|
    read = ->(name) { work.is_a?(Hash) ? work[name] : work.public_send(name) }
    payload = read.call("payload")
    payload = JSON.parse(payload) if payload.is_a?(String)
    [process, read.call("queue"), payload["jid"], payload["args"], read.call("run_at").to_f]
  end
"""

StartWorker = Callable[..., WorkerProcess]


def test_ruby_reads_our_process_while_it_works(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, start_worker: StartWorker
) -> None:
    worker = start_worker("-q", "default,2", "-q", "low,1", "-c", "3", "--tag", "shop", "--label", "eu")
    jid = app.push("Interop::Hold", [1, "é"], queue="low")
    wait_told(redis, 1, "holding")
    eventually(lambda: peer.eval("Sidekiq::ProcessSet.new.first['busy']") == 1)

    [process] = peer.eval(READ_PROCESSES)
    assert process["identity"].startswith(f"{socket.gethostname()}:{worker.pid}:")
    assert (process["hostname"], process["pid"], process["tag"]) == (socket.gethostname(), worker.pid, "shop")
    assert (sorted(process["queues"]), process["concurrency"]) == (["default", "low"], 3)
    assert "eu" in process["labels"]
    assert (process["busy"], process["quiet"]) == (1, False)
    assert process["started_at"] == pytest.approx(time.time(), abs=60)
    assert 10_000 < process["rss"] < 200_000
    [work] = peer.eval(READ_WORK)
    assert work == [process["identity"], "low", jid, [1, "é"], pytest.approx(time.time(), abs=60)]

    redis.client.set("interop:let-go", 1)
    wait_told(redis, 1)
    eventually(lambda: peer.eval("Sidekiq::ProcessSet.new.first['busy']") == 0)
    assert worker.stop() == 0
    assert peer.eval("Sidekiq::ProcessSet.new.size") == 0


def test_ruby_counts_what_we_ran(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    app.push_many("Interop::Record", [[number] for number in range(7)])
    app.push_many("Interop::Fail", [["x"], ["y"]])
    app.push("Interop::Fail", ["z"], retry=0)
    with app.worker(concurrency=2) as worker:
        assert worker.drain()
    app.push_many("Interop::Record", [[1], [2]], queue="waiting")
    app.push("Interop::Record", [1], delay_s=3600)

    stats = peer.eval(
        """
        stats = Sidekiq::Stats.new
        history = Sidekiq::Stats::History.new(1)
        names = %i[processed failed enqueued retry_size scheduled_size dead_size processes_size]
        {**names.to_h { |name| [name, stats.public_send(name)] },
         queues: stats.queues.reject { |_, size| size.zero? }, days: [history.processed.values, history.failed.values]}
        """
    )

    assert stats == {
        "processed": 10,
        "failed": 3,
        "enqueued": 2,
        "retry_size": 2,
        "scheduled_size": 1,
        "dead_size": 1,
        "processes_size": 0,
        "queues": {"waiting": 2},
        "days": [[10], [3]],
    }
    assert (app.stats.processed, app.stats.failed) == (10, 3)


def test_ruby_quiets_and_stops_our_worker(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, start_worker: StartWorker
) -> None:
    worker = start_worker("-q", "default")
    eventually(lambda: peer.eval("Sidekiq::ProcessSet.new.size") == 1)

    peer.eval("Sidekiq::ProcessSet.new.first.quiet!")
    eventually(lambda: peer.eval("Sidekiq::ProcessSet.new.first.stopping?"))
    app.push("Interop::Record", [1])
    assert (worker.running, told(redis), redis.client.llen("queue:default")) == (True, [], 1)

    peer.eval("Sidekiq::ProcessSet.new.first.stop!")
    assert worker.wait() == 0
    assert (told(redis), redis.client.llen("queue:default")) == ([], 1)


def test_the_buttons_quiet_and_stop_our_workers(peer: RubyPeer, start_worker: StartWorker) -> None:
    workers = [start_worker(), start_worker()]
    eventually(lambda: peer.eval("Sidekiq::ProcessSet.new.size") == 2)
    identity = peer.eval("Sidekiq::ProcessSet.new.first.identity")

    [one, page, all_] = peer.web(
        [("POST", "/busy", {"identity": identity, "quiet": "1"}), ("GET", "/busy"), ("POST", "/busy", {"stop": "1"})]
    )

    assert (one.status, page.status, all_.status) == (302, 200, 302)
    assert [worker.wait() for worker in workers] == [0, 0]
    assert sum(bool(worker.lines("quiet: no more jobs")) for worker in workers) == 2


def test_ruby_leaves_an_embedded_worker_alone(peer: RubyPeer, app: RedisJobs) -> None:
    """It shares its process with a program of its own; 6 has no word for that, so its signal must have no effect."""
    with app.worker(queues=["default"], concurrency=1, heartbeat_ttl_s=3):
        eventually(lambda: peer.eval("Sidekiq::ProcessSet.new.size") == 1)
        before = app.processes
        assert [(each.pid, each.embedded) for each in before] == [(os.getpid(), True)]

        stopped = peer.eval("begin; Sidekiq::ProcessSet.new.first.stop!; true; rescue => e; e.message; end")

        assert stopped is True if peer.generation == 6 else "embedded" in stopped
        beat = next(iter(app.processes)).beat_at
        eventually(lambda: next(iter(app.processes)).beat_at > beat + 0.3)
        assert [each.quieted for each in app.processes] == [False]


def test_python_reads_and_quiets_a_ruby_process(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    worker = peer.start_worker(queues=["default,2", "low"], concurrency=3, arguments=["-g", "shop"])
    jid = app.push("Interop::Hold", [1, "é"])

    [process] = list(app.processes)
    assert (process.identity, process.pid, process.tag, process.concurrency) == (worker.identity, worker.pid, "shop", 3)
    assert (set(process.queues), process.embedded, process.quieted) == ({"default", "low"}, False, False)
    assert process.version == ("" if peer.generation == 6 else peer.version)
    assert process.started_at == pytest.approx(time.time(), abs=60)
    process.quiet()

    [work] = eventually(lambda: list(app.running), RUBY_BEAT_S, "the work of a Ruby process")
    assert (work.process, work.queue, work.jid, work.name, work.args) == (
        worker.identity,
        "default",
        jid,
        "Interop::Hold",
        [1, "é"],
    )
    assert work.run_at == pytest.approx(time.time(), abs=60)
    eventually(lambda: "no longer accepting" in worker.log or "Received TSTP" in worker.log, RUBY_BEAT_S)
    redis.client.set("interop:let-go", 1)
    wait_told(redis, 1)


def test_a_ruby_job_is_cancelled_if_it_iterates_and_its_sidekiq_can(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis
) -> None:
    """It can from 7.3.3 on, and is known to iterate once it wrote how far it is: in its sixth second."""
    if peer.generation == 6:
        pytest.skip("Sidekiq 6 has no jobs that iterate")
    can = peer.generation == 8  # 7 is 7.3.2 here
    peer.start_worker(queues=["default"], concurrency=2)
    held, iterating = app.push("Interop::Hold", ["x"]), app.push("Interop::Iterate", [])
    eventually(lambda: redis.client.hget(f"it-{iterating}", "c"), RUBY_BEAT_S + 5, "how far it is")
    works = eventually(lambda: len(found := app.running) == 2 and found, RUBY_BEAT_S, "the work of a Ruby process")

    assert {work.jid: work.cancellable for work in works} == {held: False, iterating: can}
    for jid in [held] if can else [held, iterating]:
        with pytest.raises(RedisJobsError, match=f"{jid} cannot be cancelled where it runs: of Ruby's jobs only those"):
            works.find(jid or "").cancel()
    if can:
        works.find(iterating or "").cancel()
        works.find(iterating or "").cancel()
        ran = wait_told(redis, 1)
        assert [each["jid"] for each in ran] == [iterating]
        eventually(lambda: redis.client.exists(f"it-{iterating}") == 0, message="its state")
        assert redis.client.zcard("retry") == redis.client.zcard("dead") == 0
    redis.client.set("interop:let-go", 1)


def test_ruby_never_trips_over_our_cancelled_job(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, start_worker: StartWorker
) -> None:
    """Neither over what asks for it, nor over what becomes of it: its page shows it, and a retry from there runs it."""
    start_worker("-q", "default", "-c", "1")
    jid = app.push("Interop::Hold", ["cancelled"])
    work = eventually(lambda: app.running.find(jid or ""), RUBY_BEAT_S)

    work.cancel()

    eventually(lambda: redis.client.zcard("dead") == 1, RUBY_BEAT_S)
    [busy, morgue] = peer.web([("GET", "/busy"), ("GET", "/morgue")])
    assert (busy.status, morgue.status) == (200, 200)
    assert "redisjobs.errors.JobCancelled" in morgue.body
    redis.client.set("interop:let-go", 1)
    peer.eval("Sidekiq::DeadSet.new.first.retry")
    assert [each["jid"] for each in wait_told(redis, 1)] == [jid]


def test_a_stopped_ruby_gives_its_job_to_python(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    # one thread: a second one, ended while it is blocked in its fetch, may pop the job that was given back, and lose it
    worker = peer.start_worker(concurrency=1, timeout_s=1)
    jid = app.push("Interop::Hold", ["mine"])
    wait_told(redis, 1, "holding")

    assert worker.stop() == 0
    with app.worker(concurrency=1):
        wait_told(redis, 2, "holding")
        redis.client.set("interop:let-go", 1)
        ran = wait_told(redis, 1)

    assert [each["jid"] for each in ran] == [jid]
    assert redis.client.zcard("retry") == 0


def test_a_stopped_python_gives_its_job_to_ruby(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, start_worker: StartWorker
) -> None:
    worker = start_worker("-t", "1")
    jid = app.push("Interop::Hold", ["yours"])
    wait_told(redis, 1, "holding")

    assert worker.stop() == 0
    redis.client.set("interop:let-go", 1)
    peer.start_worker()

    assert jid in [each["jid"] for each in wait_told(redis, 1)]
    assert redis.client.zcard("retry") == 0


def test_a_scheduled_job_survives_the_death_of_either(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    """Nothing of a poller that died stands in the way of the other's."""
    ruby = peer.start_worker(queues=["elsewhere"])
    app.push("Interop::Record", [1], delay_s=3600)
    ruby.kill()
    make_due(redis, "schedule")

    with app.worker(concurrency=1):
        wait_told(redis, 1)
