"""Redis dies, hangs, loads or forgets; the workers go on as soon as it does."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest

from redisjobs import RedisJobs
from redisjobs.errors import StoreError
from tests.support.eventually import eventually
from tests.support.fleet import Fleet, WorkerProcess
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.e2e

Server = Callable[..., RealRedis]


def test_kill_9_of_redis_loses_no_job_that_was_confirmed(server: Server, fleet: Fleet) -> None:
    """With appendfsync always Redis answers nothing that it has not on disk."""
    redis = server(appendonly="yes", appendfsync="always")
    workers = [fleet.worker(redis, job_log=0) for _ in range(2)]
    app = RedisJobs(redis.url, patience_s=0)
    confirmed: list[int] = []
    over = threading.Event()

    def produce() -> None:
        number = 0
        while not over.wait(0.001):
            number += 1
            try:
                app.push("noop" if number % 2 else "mark", [number])
            except StoreError:
                continue
            confirmed.append(number)

    producer = threading.Thread(target=produce)
    producer.start()
    back_s = []
    try:
        for _ in range(3):
            goal = fleet.runs.count() + 300
            eventually(lambda goal=goal: fleet.runs.count() > goal, 10, "no load")
            redis.kill9()
            eventually(lambda: len({*map(_away, workers)}) == 1)
            redis.start()
            up_at, ran = time.monotonic(), [fleet.runs.count_of(worker.pid) for worker in workers]
            for worker, before in zip(workers, ran, strict=True):
                eventually(
                    lambda worker=worker, before=before: fleet.runs.count_of(worker.pid) > before,
                    5,
                    "a worker is not back",
                )
            back_s.append(round(time.monotonic() - up_at, 2))
            eventually(lambda: {*map(_back, workers)} == {_away(workers[0])}, 5)
    finally:
        over.set()
        producer.join()
        app.close()
    eventually(lambda: not set(confirmed) - set(fleet.runs.started()), 10, "confirmed jobs are lost")
    eventually(lambda: redis.client.keys("lease:*") == [] and redis.client.llen("queue:default") == 0, 10)
    eventually(lambda: redis.value("stat:processed") == str(len(fleet.runs.started())), 10)

    print(f"redis kill -9, three times: {len(confirmed):,} confirmed, 0 lost, back after {back_s} s")
    doubled = {number: times for number, times in fleet.runs.started().items() if times > 1}
    assert doubled == {}
    assert [(_away(worker), _back(worker)) for worker in workers] == [(3, 3), (3, 3)]
    assert [worker.lines("fetcher failed") for worker in workers] == [[], []]
    assert [worker.stop() for worker in workers] == [0, 0]
    assert redis.client.exists("dead", "retry") == 0


def test_a_redis_that_hangs_for_30_s_has_nobody_recovered(server: Server, fleet: Fleet) -> None:
    """All heartbeats have run out when it goes on, and yet all live."""
    redis = server()
    app = RedisJobs(redis.url)
    workers = [fleet.worker(redis, concurrency=2, heartbeat_ttl_s=10, reap_s=1) for _ in range(2)]
    app.push_many("work", [(number, 33.0) for number in range(2)])
    eventually(lambda: len(fleet.runs.started()) == 2)
    app.push_many("work", [(number, 0.5) for number in range(2, 6)])

    redis.sigstop()
    time.sleep(30)  # the length of the trouble is what is tested
    redis.sigcont()
    up_at = time.monotonic()
    eventually(lambda: len(fleet.runs.started()) == 6, 10)
    back_s = time.monotonic() - up_at
    eventually(lambda: redis.value("stat:processed") == "6", 15)
    eventually(lambda: time.monotonic() - up_at > 8, 10)  # two looks of both reapers

    app.push_many("noop", [(number,) for number in range(6, 16)])
    eventually(lambda: redis.value("stat:processed") == "16", 5)
    assert fleet.runs.started() == Counter(range(16))
    print(f"redis stopped for 30 s: back after {back_s:.1f} s")
    for worker in workers:
        assert worker.lines("recovered") == worker.lines("not ours") == []
        assert (_away(worker), _back(worker)) == (1, 1)
        assert worker.stop() == 0
    app.close()


def test_scripts_that_redis_forgets_are_loaded_again(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    count = 6000
    worker = fleet.worker(redis, job_log=0)
    over = threading.Event()

    def forget() -> None:
        while not over.wait(0.01):
            redis.client.script_flush()

    forgetter = threading.Thread(target=forget)
    forgetter.start()
    try:
        for first in range(0, count, 500):
            app.push_many("noop", [(number,) for number in range(first, first + 500)])
            app.push_many("fail", [(count + first,)], retry=1)
        eventually(lambda: redis.value("stat:processed") == str(count + count // 500), 20)
    finally:
        over.set()
        forgetter.join()

    assert fleet.runs.count() == count + count // 500
    assert redis.client.zcard("retry") == count // 500
    assert worker.lines("fetcher failed") == []
    assert worker.stop() == 0


def test_a_redis_that_is_loading_is_waited_for(server: Server, fleet: Fleet) -> None:
    redis = server(appendonly="yes", appendfsync="always")
    app = RedisJobs(redis.url, patience_s=10)
    filler = redis.client.pipeline(transaction=False)
    for number in range(20_000):
        filler.set(f"filler:{number}", "x")
    filler.execute()
    app.push_many("mark", [(number,) for number in range(3000)], queue="later")
    worker = fleet.worker(redis, "-q", "default")
    worker_of_later = fleet.worker(redis, "-q", "later", job_log=0)
    eventually(lambda: fleet.runs.count() > 200)

    redis.kill9()
    redis.configure(key_load_delay=50)  # microseconds for each command that it loads
    began = time.monotonic()
    redis.start()
    loading_s = time.monotonic() - began
    up_at = time.monotonic()
    assert app.push("noop", [9000]) is not None
    eventually(lambda: fleet.runs.started()[9000] == 1, 5)
    back_s = time.monotonic() - up_at

    assert redis.client.info("errorstats").get("errorstat_LOADING"), f"it loaded in {loading_s:.2f} s, unseen"
    eventually(lambda: len(fleet.runs.started()) == 3001, 15)
    print(f"loading for {loading_s:.1f} s; back after {back_s:.2f} s")
    for one in (worker, worker_of_later):
        assert (_away(one), _back(one)) == (1, 1)
        assert one.lines("failed") == []
        assert one.stop() == 0
    app.close()


def _away(worker: WorkerProcess) -> int:
    return len(worker.lines("redis away"))


def _back(worker: WorkerProcess) -> int:
    return len(worker.lines("redis back"))
