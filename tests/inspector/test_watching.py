"""Following starts and ends of jobs, and what there is to be seen of processes that tell nothing."""

from __future__ import annotations

import json

import pytest

from redisjobs.errors import StoreUnavailableError
from redisjobs.inspector import Access, Watching, watching
from redisjobs.store.ops import watching as ops
from redisjobs.wire import events
from redisjobs.wire.events import Event
from tests.support.builders import KEYS, a_payload
from tests.support.faulty import FaultyStore
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

RUBY = "app-1:4242:5f3a9c01b7de"


@pytest.fixture(autouse=True)
def _every_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each look poll."""
    monkeypatch.setattr(watching, "_POLL_S", 0.0)


def ruby_runs(redis: RealRedis, *jids: str, version: str = "8.1.7") -> None:
    """Write a process of Ruby's, which runs these jobs."""
    info = {"hostname": "app-1", "concurrency": 5, "queues": ["default"], "version": version}
    redis.client.sadd("processes", RUBY)
    redis.client.hset(RUBY, mapping={"info": json.dumps(info), "busy": len(jids), "beat": "1", "quiet": "false"})
    redis.client.delete(f"{RUBY}:work")
    for jid in jids:
        told = {"queue": "mail", "payload": a_payload(jid=jid, queue="mail").decode(), "run_at": 1732406400}
        redis.client.hset(f"{RUBY}:work", f"tid-{jid}", json.dumps(told))


def test_of_rubys_processes_long_jobs_are_seen_to_begin_and_to_end(redis: RealRedis, access: Access) -> None:
    ruby_runs(redis, "old")
    watch = Watching(access)
    assert watch.look(0.01) == [], "what ran before is no start"
    assert watch.has_others

    ruby_runs(redis, "old", "new")
    [started] = watch.look(0.01)
    ruby_runs(redis, "new")
    [ended] = watch.look(0.01)

    assert started == Event(1732406400.0, "started", "mail", "Mail", "new", RUBY, "tid-new")
    assert (ended.event, ended.jid, ended.took_s) == ("ended", "old", None)


def test_our_own_processes_are_not_polled(redis: RealRedis, access: Access) -> None:
    ruby_runs(redis, "old", version="redisjobs 0.1.0")
    watch = Watching(access)
    watch.look(0.01)

    ruby_runs(redis, "new", version="redisjobs 0.1.0")

    assert watch.look(0.01) == []
    assert not watch.has_others


def test_what_somebody_else_put_there_is_passed_over(redis: RealRedis, access: Access) -> None:
    watch = Watching(access)
    watch.look(0.01)

    for raw in (b"\xff", b"{}", b'[{"at": "x"}]', b"[[[["):
        redis.client.xadd("watched", {"events": raw})
    redis.client.xadd("watched", {"what": "else"})
    redis.run(ops.tell(KEYS, [events.pack([Event(1.0, "done", jid="a")])]))

    assert watch.look(0.1) == [Event(1.0, "done", jid="a")]


def test_nothing_is_missed_while_redis_does_not_answer(redis: RealRedis, access: Access) -> None:
    watch = Watching(access)
    watch.look(0.01)
    redis.run(ops.tell(KEYS, [events.pack([Event(1.0, "done", jid="a")])]))
    store = FaultyStore(access.store, fail=1)  # type: ignore[arg-type]
    watch._access = Access(store, access.keys, access.dead, access.wire)

    with pytest.raises(StoreUnavailableError):
        watch.look(0.1)

    assert [event.jid for event in watch.look(0.1)] == ["a"]


def test_a_stream_that_nobody_keeps_is_not_made_by_workers(redis: RealRedis) -> None:
    assert redis.run(ops.tell(KEYS, [b"[]"])) == [None]
    assert not redis.run(ops.is_watched(KEYS))

    redis.run(ops.keep(KEYS))

    assert redis.run(ops.is_watched(KEYS))
    assert redis.run(ops.tell(KEYS, [b"[]"])) != [None]


def test_the_stream_stays_bounded(redis: RealRedis) -> None:
    redis.run(ops.keep(KEYS))

    redis.run(ops.tell(KEYS, [b"[]"] * (ops.MOST_ENTRIES + 50)))

    assert redis.client.xlen("watched") == ops.MOST_ENTRIES
