"""Workers on Resque's queues that die, beside Ruby's producers, pages and starting workers."""

from __future__ import annotations

import random
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from redisjobs import RedisJobs
from redisjobs.store.scripts import script
from tests.e2e.test_tls_and_acl import rights
from tests.support.eventually import eventually
from tests.support.fleet import Fleet
from tests.support.proxy import LossyProxy
from tests.support.real_redis import RealRedis
from tests.support.resque import RubyResque

pytestmark = pytest.mark.e2e

_JOBS = 2000
_KILLS = 6
_LOST = 12


def test_kill_9_loses_nothing_of_what_ruby_enqueued_and_leaves_no_worker_behind(redis: RealRedis, fleet: Fleet) -> None:
    settings: dict[str, Any] = {"test_dialect": "resque", "heartbeat_ttl_s": 5, "reap_s": 1, "job_log": 0}
    app = RedisJobs(redis.url, dialect="resque")
    ruby = RubyResque(redis)
    now = int(redis.now())
    for number in range(_JOBS):
        queue = ("mail_in", "mail_out", "pdf")[number % 3]
        if number % 4 == 0:
            ruby.enqueue(queue, "work", number, 0.03)
        elif number % 4 == 1:
            app.push("work", [number, 0.03], queue=queue)
        else:
            ruby.enqueue_at(now + number % 10, queue, "work", number, 0.03)
    living = [fleet.worker(redis, "-q", "mail_*", "-q", "*", **settings) for _ in range(2)]
    chance = random.Random(5)

    for _ in range(_KILLS):
        threading.Event().wait(1.0)  # the cadence is the load
        victim = chance.choice([worker for worker in living if worker.identity])
        victim.kill9()
        living.remove(victim)
        living.append(fleet.worker(redis, "-q", "*", **settings))
    eventually(lambda: redis.value("resque:stat:processed") == str(_JOBS), 90, "jobs are lost, or counted twice")

    assert set(fleet.runs.started()) == set(range(_JOBS))
    assert redis.client.keys("resque:queue:*") == redis.client.keys("resque:delayed:*") == []
    assert redis.value("resque:failed") is None
    eventually(lambda: len(ruby.workers()) == 10, 60, "workers of dead processes are still listed")
    assert [worker.stop() for worker in living] == [0, 0]
    assert ruby.workers() == []
    assert redis.client.keys("resque:*lease:*") == []
    app.close()


class Losing(LossyProxy):
    """Swallows every so-many-th answer to a request that settles, whatever it delivers."""

    asked = 0

    def _swallows(self, request: bytes, reply: bytes) -> bool:
        if script("resque_settle").sha.encode() not in request:
            return False
        self.asked += 1
        return self.asked % 15 == 5 and len(self.lost) < _LOST


def test_of_equal_jobs_none_is_lost_counted_twice_or_run_twice_when_answers_are_lost(
    redis: RealRedis, tmp_path: Path
) -> None:
    """A settle that is sent again must not take the lease of an equal job that still runs."""
    proxy = Losing(redis.socket, tmp_path)
    app = RedisJobs(proxy.url, dialect="resque")
    ran: Counter[str] = Counter()

    @app.job(name="Tick", queue="files")
    def tick() -> None:
        with lock:
            ran["all"] += 1
            fails = ran["all"] % 3 == 0
        threading.Event().wait(0.003)
        if fails:
            raise ValueError

    lock = threading.Lock()
    for _ in range(_JOBS):
        RubyResque(redis).enqueue("files", "Tick")
    with app.worker(queues=["files"], concurrency=8, heartbeat_ttl_s=20, job_log=False):
        eventually(lambda: redis.value("resque:stat:processed") == str(_JOBS), 90)

    assert len(proxy.lost) > 3
    assert ran["all"] == _JOBS
    assert redis.client.llen("resque:failed") == int(redis.value("resque:stat:failed")) == _JOBS // 3
    assert redis.client.keys("resque:*lease:*") == redis.client.keys("resque:queue:*") == []
    app.close()
    proxy.close()


def test_the_rights_that_the_docs_give_suffice(server: Any) -> None:
    guarded = server()
    for role in ("resque_producer", "resque_worker"):
        guarded.client.execute_command(*rights(role))
    producer = RedisJobs(guarded.url.replace("unix://", "unix://resque_producer:secret@"), dialect="resque")
    app = RedisJobs(guarded.url.replace("unix://", "unix://resque_worker:secret@"), dialect="resque")
    ran = []

    @app.job(name="Good", queue="files", retry=1)
    def good(number: int) -> None:
        ran.append(number)

    @app.job(name="Bad", queue="files")
    def bad() -> None:
        raise ValueError

    @app.job(name="Flaky", queue="files", retry=1)
    def flaky() -> None:
        raise ValueError

    producer.push("Good", [1], queue="files")
    producer.push("Good", [2], queue="files", delay_s=0.1)
    producer.push("Bad", queue="files")
    producer.push("Flaky", queue="files")
    watch = app.watch()
    watch.look(0.01)
    with app.worker(queues=["*"], concurrency=2, max_poll_s=0.1) as worker:
        eventually(lambda: sorted(ran) == [1, 2], 30)
        assert worker.drain()
        assert eventually(lambda: watch.look(0.1), 30)
        assert len(app.resque.workers) == 2
    assert app.resque.failed.requeue_all() == 1
    assert app.stats.scheduled == 1
    app.resque.recurring.save("a", job="Good", queue="files", when={"every": "1h"})
    assert app.resque.recurring.delete("a")
    app.resque.pause()
    app.resque.unpause()
    assert [entry.name for entry in app.queue("files")] == ["Bad"]
    assert app.queue("files").clear() == 1
    assert app.resque.failed.delete(app.resque.failed.page()[0])
    assert app.resque.failed.clear() == 0
    for one in (producer, app):
        one.close()
    assert [(one["username"], one["object"]) for one in guarded.client.acl_log()] == []
