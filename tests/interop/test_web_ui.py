"""Each page of the real Web UI on data that is wholly ours: it answers, and shows the job."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from redisjobs import RedisJobs
from tests.interop.crossing import LONG_AGO, entries, make_due, wait_told
from tests.interop.peers import Page, RubyPeer
from tests.support.eventually import eventually
from tests.support.fleet import WorkerProcess
from tests.support.real_redis import RealRedis

MALFORMED: dict[str, bytes] = {
    "null": b"null",
    "array": b"[]",
    "object": b"{}",
    "string": b'"x"',
    "number": b"2",
    "truncated": b'{"class":"Interop::Record","args":[1',
    "not UTF-8": b'{"class":"Interop::Record","args":["\xff\xfe"],"jid":"j1","queue":"default","retry":true}',
    "bytes": bytes(range(256)),
    "empty": b"",
    "args an object": b'{"class":"Interop::Record","args":{"a":1},"jid":"j2","queue":"default","retry":true}',
    "no jid": b'{"class":"Interop::Record","args":[1],"queue":"default","retry":true}',
    "no class": b'{"args":[1],"jid":"j3","queue":"default","retry":true}',
    "too deep": b'{"class":"Interop::Record","jid":"j4","args":' + b"[" * 200 + b"]" * 200 + b"}",
    "lone surrogate": b'{"class":"Interop::Record","jid":"j5","args":["\\ud800"],"retry":true}',
    "NaN": b'{"class":"Interop::Record","jid":"j6","args":[NaN],"retry":true}',
}
ODD: dict[str, bytes] = {
    "retry a string": b'{"class":"Interop::Fail","jid":"k1","args":[],"retry":"yes","queue":"default"}',
    "retry missing": b'{"class":"Interop::Fail","jid":"k2","args":[],"queue":"default"}',
    "retry null": b'{"class":"Interop::Fail","jid":"k3","args":[],"queue":"default","retry":null}',
    "no queue": b'{"class":"Interop::Fail","jid":"k4","args":[],"retry":true}',
    "queue null": b'{"class":"Interop::Fail","jid":"k5","args":[],"retry":true,"queue":null}',
    "queue empty": b'{"class":"Interop::Fail","jid":"k6","args":[],"retry":true,"queue":""}',
    "queue a number": b'{"class":"Interop::Fail","jid":"k7","args":[],"retry":true,"queue":7}',
    "retry_count a string": b'{"class":"Interop::Fail","jid":"k8","args":[],"retry":true,"retry_count":"x"}',
    "retry_count a float": b'{"class":"Interop::Fail","jid":"k9","args":[],"retry":true,"retry_count":1.5}',
    "retry_count null": b'{"class":"Interop::Fail","jid":"l1","args":[],"retry":true,"retry_count":null}',
    "retry_count, no times": b'{"class":"Interop::Fail","jid":"l2","args":[],"retry":true,"retry_count":3}',
    "failed_at a string": b'{"class":"Interop::Fail","jid":"l3","args":[],"retry":true,"failed_at":"x"}',
    "retry_for, no failed_at": b'{"class":"Interop::Fail","jid":"l4","args":[],"retry_for":9,"retry_count":1}',
    "tags a string": b'{"class":"Interop::Fail","jid":"l5","args":[],"retry":true,"tags":"x"}',
    "tags of numbers": b'{"class":"Interop::Fail","jid":"l6","args":[],"retry":true,"tags":[1,null]}',
    "times as strings": b'{"class":"Interop::Fail","jid":"l7","args":[],"created_at":"x","enqueued_at":"y"}',
    "at null": b'{"class":"Interop::Fail","jid":"l8","args":[],"retry":true,"at":null}',
    "backtrace an array": b'{"class":"Interop::Fail","jid":"m1","args":[],"retry":true,"error_backtrace":["a"]}',
    "backtrace of nonsense": b'{"class":"Interop::Fail","jid":"l9","args":[],"retry":true,"error_backtrace":"@@@"}',
}


def pages_of(peer: RubyPeer) -> list[str]:
    """Return the paths that need no entry, of this generation."""
    later = {7: ["/metrics", "/metrics/Interop::Record"], 8: ["/metrics", "/metrics/Interop::Record", "/profiles"]}
    paths = ["/", "/busy", "/queues", "/queues/default", "/retries", "/scheduled", "/morgue", "/stats", "/stats/queues"]
    return [*paths, *later.get(peer.generation, [])]


def visit(peer: RubyPeer, paths: list[str]) -> dict[str, Page]:
    """Open pages; those that do not answer with 200 fail the test, with their error."""
    pages = dict(zip(paths, peer.web(("GET", path) for path in paths), strict=True))
    assert {path: page.body[:400] for path, page in pages.items() if page.status != 200} == {}
    return pages


def job_pages(peer: RubyPeer) -> list[str]:
    """Return the path of each entry's own page in the three sets; without a jid there is none."""
    return list(
        peer.eval(
            """
            {"retries" => Sidekiq::RetrySet, "scheduled" => Sidekiq::ScheduledSet, "morgue" => Sidekiq::DeadSet}
              .flat_map { |path, set| set.new.select(&:jid).map { |entry| "/#{path}/#{entry.score}-#{entry.jid}" } }
            """
        )
    )


def test_each_page_shows_what_python_wrote(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, start_worker: Callable[..., WorkerProcess]
) -> None:
    app.push("Interop::Fail", ["twice failed"], backtrace=True, tags=["tag-of-it"])
    app.push("Interop::Fail", ["once failed"], backtrace=1)
    app.push("Interop::Fail", ["died"], retry=0)
    with app.worker(concurrency=1) as worker:
        assert worker.drain()
        redis.client.zadd("retry", {redis.client.zrange("retry", 0, 0)[0]: LONG_AGO})
        wait_told(redis, 4, "failed")
        assert worker.drain()
    app.push("Interop::Record", ["waiting in a queue", "héllo 日本"], tags=["tag-of-it"])
    app.push("Interop::Record", ["scheduled"], delay_s=3600)
    process = start_worker("-q", "busy", "--tag", "tag-of-process")
    app.push("Interop::Hold", ["at work"], queue="busy")
    wait_told(redis, 1, "holding")
    eventually(lambda: list(app.running), message="work in a heartbeat")

    paths = job_pages(peer)
    assert len(paths) == 4
    pages = visit(peer, [*pages_of(peer), *paths])

    shown = {
        "/queues/default": ["Interop::Record", "waiting in a queue", "héllo 日本", "tag-of-it"],
        "/queues": ["default", "busy"],
        "/retries": ["Interop::Fail", "twice failed", "once failed", "tag-of-it"],
        "/scheduled": ["Interop::Record", "scheduled"],
        "/morgue": ["Interop::Fail", "died"],
        "/busy": ["Interop::Hold", "at work", "tag-of-process", str(process.pid), process.identity],
    }
    for path, texts in shown.items():
        assert [text for text in texts if text not in pages[path].body] == [], path
    details = " ".join(pages[path].body for path in paths)
    assert [text for text in ("twice failed", "once failed", "died", "apps.py") if text not in details] == []


@pytest.mark.parametrize("name", MALFORMED)
def test_bytes_that_are_no_job_harm_no_page(peer: RubyPeer, app: RedisJobs, redis: RealRedis, name: str) -> None:
    """They would from the queue's pop end; our worker takes them away from there, and keeps them exactly."""
    raw = MALFORMED[name]
    redis.client.sadd("queues", "default")
    redis.client.lpush("queue:default", raw)
    app.push("Interop::Record", ["behind it"])

    with app.worker(concurrency=1) as worker:
        wait_told(redis, 1)
        assert worker.drain()

    assert redis.client.zcard("dead") == 1
    visit(peer, [*pages_of(peer), *job_pages(peer)])
    [entry] = list(app.dead)
    assert (entry.original if entry.original is not None else entry.raw) == raw
    assert app.dead.enqueue(entry, queue="default")
    assert redis.client.lrange("queue:default", 0, -1) == [raw]


@pytest.mark.parametrize("name", ODD)
def test_a_job_with_an_odd_field_harms_no_page_and_is_not_lost(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, name: str
) -> None:
    """It is run and fails; where it goes then, Ruby's pages show it, and Ruby can move it on."""
    redis.client.sadd("queues", "default")
    redis.client.lpush("queue:default", ODD[name])

    with app.worker(concurrency=1) as worker:
        eventually(lambda: redis.client.zcard("retry") + redis.client.zcard("dead"))
        assert worker.drain()

    visit(peer, [*pages_of(peer), *job_pages(peer)])
    if redis.client.zcard("retry"):
        make_due(redis, "retry")
        peer.promote()
        assert len(entries(redis, "queue:default")) == 1


@pytest.mark.parametrize("language", ["python", "ruby"])
def test_a_retry_of_malformed_bytes_from_a_page_comes_back_whole(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, language: str
) -> None:
    """It cannot run anywhere; its bytes must not be dropped for that."""
    redis.seed({"queue:default": [b"[]"]})
    with app.worker(concurrency=1) as worker:
        assert worker.drain()
    peer.eval("Sidekiq::DeadSet.new.first.retry")
    assert (redis.client.zcard("dead"), redis.client.llen("queue:default")) == (0, 1)

    if language == "ruby":
        peer.start_worker()
        eventually(lambda: redis.client.zcard("dead") == 1, 30)
    else:
        with app.worker(concurrency=1) as worker:
            assert worker.drain()

    [entry] = app.dead
    assert entry.original == b"[]"
