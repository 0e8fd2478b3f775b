"""One namespace for Ruby, by redis-namespace, and for Python: the whole life of jobs, and nothing outside of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from redisjobs import RedisJobs
from redisjobs.cli import main
from tests.interop.apps import interop_app
from tests.interop.peers import RubyPeer, unavailable
from tests.support.eventually import eventually
from tests.support.fleet import WorkerProcess
from tests.support.real_redis import RealRedis

NAMESPACE = "shop"
LONG_AGO = 1_000_000_000.25

StartWorker = Callable[..., WorkerProcess]


@pytest.fixture
def peer(redis: RealRedis, monkeypatch: pytest.MonkeyPatch) -> Iterator[RubyPeer]:
    """A Sidekiq 6 on redis-namespace; later ones know no namespaces."""
    reason = unavailable(6)
    if reason is not None:
        if os.environ.get("REDISJOBS_REQUIRE_INTEROP") == "1":
            pytest.fail(f"interop is required here: {reason}", pytrace=False)
        pytest.skip(reason)
    monkeypatch.setenv("INTEROP_NAMESPACE", NAMESPACE)
    with RubyPeer(6, redis.url) as made:
        assert made.eval("Sidekiq.redis { |connection| connection.class.name }") == "Redis::Namespace"
        yield made


@pytest.fixture
def app(peer: RubyPeer, redis: RealRedis) -> Iterator[RedisJobs]:
    """Our app in the same namespace; at the end nothing stands outside of it."""
    made = interop_app(redis.url, "sidekiq6", NAMESPACE)
    yield made
    made.close()
    assert [key for key in redis.client.keys("*") if not key.startswith(b"shop:")] == []


def key(name: str) -> str:
    return f"{NAMESPACE}:{name}"


def told(redis: RealRedis, count: int, about: str = "ran") -> list[dict[str, Any]]:
    """Wait until so many jobs told, in either language, and return what."""
    list_key = key(f"interop:{about}")
    eventually(lambda: redis.client.llen(list_key) >= count, 30, f"{count} in {list_key}")
    return [json.loads(each) for each in redis.client.lrange(list_key, 0, -1)]


def wait_size(redis: RealRedis, name: str, size: int) -> None:
    eventually(lambda: redis.client.zcard(key(name)) == size, 30, f"{size} in {name}")


def make_due(redis: RealRedis, name: str) -> None:
    for raw in redis.client.zrange(key(name), 0, -1):
        redis.client.zadd(key(name), {raw: LONG_AGO}, xx=True)


def drain(app: RedisJobs) -> None:
    with app.worker(concurrency=2) as worker:
        assert worker.drain()


def test_python_enqueues_and_ruby_runs(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    jids = [app.push("Interop::Record", [1]), app.push("Interop::Record", [2], delay_s=3600)]
    assert peer.eval("[Sidekiq::Queue.all.map(&:name), Sidekiq::ScheduledSet.new.size]") == [["default"], 1]
    make_due(redis, "schedule")
    peer.promote()

    peer.start_worker()

    assert {one["jid"]: one["args"] for one in told(redis, 2)} == {jids[0]: [1], jids[1]: [2]}
    eventually(lambda: app.stats.processed == 2, 30)


def test_ruby_enqueues_and_python_runs(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, start_worker: StartWorker
) -> None:
    """By the installed worker; a scheduled one too, promoted by it."""
    jids = peer.eval("[Interop::Record.perform_async(1), Interop::Record.perform_in(3600, 2)]")
    assert (app.queue().size, app.scheduled.size) == (1, 1)
    make_due(redis, "schedule")

    start_worker()

    assert {one["jid"]: one["args"] for one in told(redis, 2)} == {jids[0]: [1], jids[1]: [2]}
    eventually(lambda: peer.eval("Sidekiq::Stats.new.processed") == 2, 30)


def test_a_failure_in_python_is_retried_in_ruby(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    jid = app.push("Interop::FailOnce", ["a"])
    drain(app)
    assert peer.eval("Sidekiq::RetrySet.new.map { |job| [job.jid, job['error_class']] }") == [[jid, "ValueError"]]
    make_due(redis, "retry")
    peer.promote()

    peer.start_worker()

    assert [one["jid"] for one in told(redis, 1)] == [jid]


def test_a_failure_in_ruby_is_retried_in_python(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    jid = peer.eval("Interop::FailOnce.perform_async('a')")
    worker = peer.start_worker()
    wait_size(redis, "retry", 1)
    worker.kill()
    assert [(one.jid, one.error_class) for one in app.retries] == [(jid, "Interop::Boom")]
    make_due(redis, "retry")

    with app.worker(concurrency=1):
        assert [one["jid"] for one in told(redis, 1)] == [jid]


def test_the_dead_of_each_are_revived_by_the_other(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    ours = app.push("Interop::Fail", ["ours"], retry=0)
    drain(app)
    theirs = peer.eval("Interop::Fail.set('queue' => 'ruby', 'retry' => 0).perform_async('theirs')")
    worker = peer.start_worker(queues=["ruby"])
    wait_size(redis, "dead", 2)
    worker.kill()
    assert {one.jid for one in app.dead} == set(peer.eval("Sidekiq::DeadSet.new.map(&:jid)")) == {ours, theirs}

    peer.eval("Sidekiq::DeadSet.new.find_job(input['jid']).retry", jid=ours)
    assert app.dead.enqueue(theirs)

    assert (app.queue("default").find(ours) is not None, app.queue("ruby").find(theirs) is not None) == (True, True)
    assert app.dead.size == 0


def test_each_sees_stops_and_shows_the_processes_of_the_other(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, start_worker: StartWorker
) -> None:
    theirs = peer.start_worker(queues=["ruby"])
    ours = start_worker("-q", "default", "--tag", "python")
    app.push("Interop::Hold", [1])
    told(redis, 1, "holding")
    eventually(lambda: len(app.running) == 1, 30)

    processes = peer.eval("Sidekiq::ProcessSet.new.map(&:identity)")
    assert (
        sorted(processes) == sorted([theirs.identity, ours.identity]) == sorted(one.identity for one in app.processes)
    )
    assert peer.eval("Sidekiq::Workers.new.map { |process, _, work| [process, work['queue']] }") == [
        [ours.identity, "default"]
    ]
    [page] = peer.web([("GET", "/busy")])
    assert (page.status, ours.identity in page.body, theirs.identity in page.body) == (200, True, True)

    redis.client.set(key("interop:let-go"), 1)
    found = app.processes.find(theirs.identity)
    assert found is not None
    found.stop()
    peer.eval("Sidekiq::ProcessSet.new.find { |one| one.identity == input['identity'] }.stop!", identity=ours.identity)

    assert (theirs.wait(), ours.wait()) == (0, 0)
    assert app.processes.size == peer.eval("Sidekiq::ProcessSet.new.size") == 0


def test_the_pages_of_ruby_show_what_is_ours(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    app.push("Interop::Fail", ["failed here"])
    app.push("Interop::Fail", ["dead here"], retry=0)
    drain(app)
    app.push("Interop::Record", ["scheduled here"], delay_s=3600)
    app.push("Interop::Record", ["waits here"])

    paths = {"/queues/default": "waits", "/retries": "failed", "/scheduled": "scheduled", "/morgue": "dead"}
    pages = peer.web(("GET", path) for path in paths)

    shown = {
        path: (page.status, f"{word} here" in page.body)
        for (path, word), page in zip(paths.items(), pages, strict=True)
    }
    assert shown == dict.fromkeys(paths, (200, True))


def test_a_worker_that_is_killed_loses_nothing(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, start_worker: StartWorker
) -> None:
    jid = peer.eval("Interop::Hold.perform_async(1)")
    killed = start_worker("-q", "default")
    told(redis, 1, "holding")
    killed.kill9()
    redis.client.set(key("interop:let-go"), 1)

    start_worker("-q", "default")

    assert [one["jid"] for one in told(redis, 1)] == [jid]


def test_the_command_line_looks_into_the_namespace(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.eval("Interop::Record.perform_async('from Ruby')")
    peer.eval("Interop::Record.perform_in(3600, 'later')")

    for words in (["queue", "default"], ["scheduled"], ["queues"], ["stats"]):
        assert main.run(["--url", redis.url, "--namespace", NAMESPACE, "--json", *words]) == 0
    out = capsys.readouterr().out
    assert ("from Ruby" in out, "later" in out) == (True, True)

    assert main.run(["--url", redis.url, "move", "--from", NAMESPACE, "--to", f"{redis.url}#shop:new", "--all"]) == 0
    assert peer.eval("[Sidekiq::Queue.new.size, Sidekiq::ScheduledSet.new.size]") == [0, 0]
    assert redis.client.llen("shop:new:queue:default") == 1
