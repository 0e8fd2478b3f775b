"""Starts and ends, told while somebody watches: by workers in this process."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from redisjobs import RedisJobs, Snooze
from redisjobs.inspector import Watching
from redisjobs.store.ops import leases, watching
from redisjobs.store.stores import BlockingStore
from redisjobs.wire import payload
from redisjobs.wire.events import Event
from redisjobs.worker import watched
from redisjobs.worker.watched import Notes, Watched
from redisjobs.worker.work import Work
from tests.support.builders import KEYS, a_lease
from tests.support.eventually import eventually
from tests.support.faulty import FaultyStore
from tests.support.real_redis import RealRedis
from tests.worker import process_jobs

pytestmark = pytest.mark.quick

BEATS = {"heartbeat_ttl_s": 2.0}  # a beat each tenth of a second
PATIENCE_S = 30


class Noting:
    """What notes starts and ends while somebody watches, as a processor does."""

    watched: Notes | None = None


def seen_by(watch: Watching, count: int) -> list[Event]:
    """Look until so many starts and ends were seen."""
    seen: list[Event] = []

    def more() -> bool:
        seen.extend(watch.look(0.1))
        return len(seen) >= count

    eventually(more, PATIENCE_S)
    return seen


def wait_until_heard() -> None:
    """Wait until a worker of this process tells."""
    eventually(lambda: any(one.name == "redisjobs-watched" for one in threading.enumerate()), PATIENCE_S)


def a_work(app: RedisJobs) -> Work:
    """Return a job that may run."""
    lease = a_lease()
    return Work(lease, payload.decode(lease.raw), app.job(name="Mail")(lambda: None))


def test_starts_and_ends_are_told_with_how_each_ended(app: RedisJobs) -> None:
    @app.job(name="Good", queue="mail")
    def good() -> None:
        """Ends well."""

    @app.job(name="Async")
    async def coroutine() -> None:
        await asyncio.sleep(0)

    @app.job(name="Bad", retry=3)
    def bad() -> None:
        raise ValueError("boom")

    @app.job(name="Worse", retry=False)
    def worse() -> None:
        raise ValueError("boom")

    @app.job(name="Later")
    def later() -> None:
        raise Snooze(60)

    watch = app.watch()
    watch.look(0.01)
    with app.worker(queues=["default", "mail"], concurrency=1, **BEATS) as worker:
        wait_until_heard()
        jids = {name: app.push(name, queue=queue) for name, queue in (("Good", "mail"), ("Async", "default"))}
        jids |= {job.name: job.enqueue() for job in (bad, worse, later)}
        seen = seen_by(watch, 10)

    assert len(seen) == 10
    assert {(event.name, event.event) for event in seen} == {
        *((name, "started") for name in jids),
        ("Good", "done"),
        ("Async", "done"),
        ("Bad", "retried"),
        ("Worse", "failed"),
        ("Later", "snoozed"),
    }
    assert {event.name: event.jid for event in seen} == jids
    assert {event.process for event in seen} == {worker.identity}
    assert {event.thread for event in seen if event.name != "Async"} == {"t0"}
    assert {event.thread for event in seen if event.name == "Async"} == {"a0"}
    assert {event.queue for event in seen if event.name == "Good"} == {"mail"}
    assert [event.error for event in seen if event.event == "retried"] == ["ValueError: boom"]
    assert all((event.took_s is None) == (event.event == "started") for event in seen)
    assert [event.at for event in seen] == sorted(event.at for event in seen)


def test_only_one_queue_or_class_is_followed_if_that_is_asked_for(app: RedisJobs) -> None:
    for name in ("A", "B"):
        app.job(name=name)(lambda: None)
    of_queue, of_class = app.watch(queue="low"), app.watch(name="A")
    of_queue.look(0.01)
    of_class.look(0.01)

    with app.worker(queues=["default", "low"], **BEATS):
        wait_until_heard()
        for name, queue in (("A", "default"), ("B", "default"), ("A", "low"), ("B", "low")):
            app.push(name, queue=queue)
        seen = seen_by(of_queue, 4), seen_by(of_class, 4)

    assert {(event.queue, event.name) for event in seen[0]} == {("low", "A"), ("low", "B")}
    assert {(event.queue, event.name) for event in seen[1]} == {("default", "A"), ("low", "A")}


def test_a_job_that_ran_before_somebody_watched_has_an_end_only(app: RedisJobs) -> None:
    started, go_on = threading.Event(), threading.Event()

    @app.job(name="Long")
    def long() -> None:
        started.set()
        assert go_on.wait(PATIENCE_S)

    long.enqueue()
    with app.worker(**BEATS):
        assert started.wait(PATIENCE_S)
        watch = app.watch()
        watch.look(0.01)
        wait_until_heard()
        go_on.set()
        [event] = seen_by(watch, 1)

    assert (event.event, event.name, event.took_s) == ("done", "Long", None)


def test_jobs_in_child_processes_are_told_too(redis: RealRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDISJOBS_URL", redis.url)
    watch = process_jobs.app.watch()
    watch.look(0.01)

    with process_jobs.app.worker(**BEATS):
        wait_until_heard()
        process_jobs.tell_all.enqueue(1)
        first, last = seen_by(watch, 2)
    process_jobs.app.close()

    assert (first.event, first.name, first.thread) == ("started", "Tell", "p0")
    assert (last.event, last.name, last.thread) == ("done", "Tell", "p0")
    assert last.took_s is not None


def test_nobody_watches_no_thread_and_no_key(app: RedisJobs, redis: RealRedis) -> None:
    @app.job(name="Good")
    def good() -> None:
        """Ends well."""

    good.enqueue()
    with app.worker(**BEATS) as worker:
        assert worker.drain()
        assert not any(one.name == "redisjobs-watched" for one in threading.enumerate())

    assert redis.client.exists("watched") == 0


def test_workers_stop_telling_when_the_watcher_is_gone(app: RedisJobs, redis: RealRedis) -> None:
    """They never make the stream: that of a watcher who left ends by itself, and stays away."""
    watch = app.watch()
    watch.look(0.01)
    assert 0 < redis.client.pttl("watched") <= watching.TTL_S * 1000
    app.job(name="Good")(lambda: None)

    with app.worker(**BEATS):
        wait_until_heard()
        redis.client.delete("watched")  # as if its time were over
        app.push_many("Good", [()] * 10)
        eventually(lambda: not any(one.name == "redisjobs-watched" for one in threading.enumerate()), PATIENCE_S)

    assert redis.client.exists("watched") == 0


def test_what_is_too_much_at_once_is_counted(app: RedisJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "MOST_WAITING", 3)
    notes, work = Notes(), a_work(app)

    for _ in range(5):
        notes.started(work)

    found = notes.take("me")
    assert len(found) == 3
    assert found[0].lost == 2
    assert notes.take("me") == []


def test_what_could_not_be_sent_is_counted_and_the_rest_is_told(app: RedisJobs, redis: RealRedis) -> None:
    store = BlockingStore(redis.config)
    watch = app.watch()
    watch.look(0.01)
    noting, work = Noting(), a_work(app)
    telling = Watched("me", KEYS, FaultyStore(store, fail=1), noting)

    telling.heard(True)
    notes = noting.watched
    assert notes is not None
    notes.started(work)
    eventually(lambda: notes.lost == 1, PATIENCE_S)
    notes.ended(work, leases.done(work.lease))
    [event] = seen_by(watch, 1)
    telling.stop(PATIENCE_S)
    store.close()

    assert (event.event, event.lost) == ("done", 1)
    assert noting.watched is None


def test_what_redis_refuses_ends_the_telling_with_a_line_in_the_log(
    app: RedisJobs, redis: RealRedis, caplog: pytest.LogCaptureFixture
) -> None:
    store = BlockingStore(redis.config)
    redis.seed({"watched": "something else"})
    noting = Noting()
    telling = Watched("me", KEYS, store, noting)

    telling.heard(True)
    assert noting.watched is not None
    noting.watched.started(a_work(app))
    eventually(lambda: noting.watched is None, PATIENCE_S)
    telling.stop(PATIENCE_S)
    store.close()

    assert [record.levelno for record in caplog.records if "not told" in record.message] == [logging.WARNING]


def test_a_worker_whose_rights_do_not_suffice_lives_and_works(server: Any) -> None:
    """As one that was updated before its ACL line was."""
    redis = server()
    rights = ["on", "nopass", "+@all", "~*", "-type"]
    redis.client.execute_command("ACL", "SETUSER", "limited", "reset", *rights)
    app = RedisJobs(redis.url.replace("unix://", "unix://limited:any@"))
    app.job(name="Good")(lambda: None)

    with app.worker(**BEATS) as worker:
        app.push("Good")
        assert worker.drain(PATIENCE_S)
        assert redis.client.smembers("processes") == {worker.identity.encode()}
    app.close()
