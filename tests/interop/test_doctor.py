"""The doctor beside a real Ruby Sidekiq of each generation: who it is, how it writes times, the trap of one queue."""

from __future__ import annotations

import json

import pytest

from redisjobs import RedisJobs
from tests.inspector.doctored import doctor, found, the
from tests.interop.peers import RubyPeer
from tests.support.real_redis import RealRedis


def test_each_generation_is_known_by_its_processes_and_its_times(peer: RubyPeer, redis: RealRedis) -> None:
    peer.eval("Interop::Record.perform_async(1); Interop::Record.perform_in(3600, 2)")
    by_times = doctor(redis, wire="sidekiq8")
    peer.start_worker(queues=["elsewhere"])

    report = doctor(redis, wire="sidekiq8")

    old = peer.generation < 8
    assert report.server["sidekiq"] == [peer.generation]
    assert report.server["units"] == ({"seconds": 2, "milliseconds": 0} if old else {"seconds": 0, "milliseconds": 2})
    assert [finding.level for finding in found(by_times, "generation")] == (["warning"] if old else [])
    assert [finding.level for finding in found(report, "generation")] == (["problem"] if old else [])
    assert found(doctor(redis, wire="sidekiq7"), "generation") == []
    assert found(report, "clocks") == found(report, "silent") == found(report, "classes") == []


def test_a_queue_that_ruby_and_python_both_listen_to_is_told(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    ruby = peer.start_worker(queues=["shared", "ruby"], concurrency=1)
    with app.worker(queues=["shared", "python"], concurrency=1) as python:
        finding = the(app.doctor(), "languages")

    assert (finding.level, finding.facts["queue"]) == ("problem", "shared")
    assert finding.facts["listeners"] == {"Python": [python.identity], "Ruby": [ruby.identity]}


def test_ruby_shows_our_process_though_it_tells_more_than_ruby_asks_for(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis
) -> None:
    with app.worker(queues=["python"], concurrency=1) as worker:
        shown = peer.eval("Sidekiq::ProcessSet.new.map { |process| [process.identity, process['concurrency']] }")
        [page] = peer.web([("GET", "/busy")])
        told = json.loads(redis.value(worker.identity)["redisjobs"])

    assert shown == [[worker.identity, 1]]
    assert page.status == 200
    assert "Interop::Record" in told["jobs"]


@pytest.mark.parametrize("wire", ["sidekiq7", "sidekiq6"])
def test_ruby_alone_with_its_queues_served_is_in_order(peer: RubyPeer, redis: RealRedis, wire: str) -> None:
    peer.start_worker(queues=["default"])

    report = doctor(redis, wire=wire)

    # the session's server keeps nothing, and other tests keep it busy
    assert {finding.check for finding in report.findings} <= {"persistence", "slowlog", "latency"}
