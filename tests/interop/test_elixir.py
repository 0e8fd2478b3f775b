"""Jobs that Exq and Verk wrote, failed in Python, then taken on by a real Ruby on the same Redis."""

from __future__ import annotations

import json

import pytest

from redisjobs import RedisJobs
from tests.interop.crossing import entries, make_due, wait_told
from tests.interop.peers import RubyPeer
from tests.interop.test_web_ui import job_pages, visit
from tests.support.elixir import EXQ_JOB, VERK_JOB, VERK_RETRY, VerkNode
from tests.support.real_redis import RealRedis

CLASS = {"class": "Interop::FailOnce"}
WRITTEN = {
    "exq": {**EXQ_JOB, **CLASS},
    "verk": {**VERK_JOB, **CLASS, "args": '["a", 1]'},
    "verk, failed": {**VERK_RETRY, **CLASS, "args": '["a", 1]'},
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_failed_in_python_ruby_shows_promotes_and_runs(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, name: str
) -> None:
    """Sidekiq's poller loses an entry whose arguments are a text, its page raises over a backtrace that is one."""
    redis.seed({"queue:default": [json.dumps(WRITTEN[name])]})
    with app.worker(concurrency=1) as worker:
        assert worker.drain()
    visit(peer, ["/retries", *job_pages(peer)])
    make_due(redis, "retry")

    peer.promote()
    peer.start_worker()
    [ran] = wait_told(redis, 1)

    assert (ran["jid"], ran["args"]) == (WRITTEN[name]["jid"], ["a", 1])


def test_a_due_job_of_verk_that_we_move_is_one_that_ruby_runs(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    VerkNode(redis.client).schedule(1, args='["a", 1]', **{"class": "Interop::Record"})
    with app.worker(queues=["none"], concurrency=1):
        peer.start_worker()
        [ran] = wait_told(redis, 1)

    assert ran["args"] == ["a", 1]


@pytest.mark.parametrize("name", ["exq", "verk"])
def test_rubys_pages_show_what_we_write_for_exq(peer: RubyPeer, redis: RealRedis, name: str) -> None:
    """On a Redis without a namespace, which all three share."""
    app = RedisJobs(redis.url, wire="exq", namespace="")

    @app.job(name="Interop.Fail")
    def fail(*args: object) -> None:
        raise ValueError("boom")

    redis.seed({"queue:default": [json.dumps({**WRITTEN[name], "class": "Interop::Fail"}), b"no json"]})
    app.push("Interop::Fail", [1], retry=0, backtrace=True)
    app.push("Interop::Fail", [1], delay_s=60)
    with app.worker(concurrency=1) as worker:
        assert worker.drain()

    assert len(entries(redis, "retry")) == 1
    visit(peer, ["/", "/busy", "/queues", "/queues/default", "/retries", "/scheduled", "/morgue", *job_pages(peer)])
    app.close()
