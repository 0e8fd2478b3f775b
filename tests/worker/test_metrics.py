"""What a worker notes of the jobs that it took: how many left each queue, whatever way they came and ended."""

from __future__ import annotations

import threading

from redisjobs import Kill, RedisJobs
from redisjobs.inspector.metrics import Metrics
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis


def taken(redis: RealRedis) -> dict[str, int]:
    return {name.decode(): int(count) for name, count in redis.client.hgetall("lease-taken").items()}


def test_each_job_that_left_a_queue_is_counted_once(app: RedisJobs, redis: RealRedis) -> None:
    @app.job(name="Fine")
    def fine() -> None: ...

    @app.job(name="Bad", queue="low")
    def bad() -> None:
        raise Kill("as told")

    fine.enqueue_many([()] * 40)
    redis.client.rpush("queue:low", "no job at all")
    with app.worker(queues=["default", "low"], concurrency=3) as worker:
        assert worker.drain(30)
        fine.enqueue()  # these are waited for
        bad.enqueue()
        assert worker.drain(30)

    assert taken(redis) == {"default": 41, "low": 2}


def test_what_is_given_back_was_not_taken(app: RedisJobs, redis: RealRedis) -> None:
    begun = threading.Semaphore(0)
    let_go = threading.Event()

    @app.job(name="Hold")
    def hold() -> None:
        begun.release()
        let_go.wait(30)

    hold.enqueue_many([()] * 20)
    worker = app.worker(concurrency=2)
    worker.start()
    for _ in range(2):
        assert begun.acquire(timeout=30)
    worker.stop(0.0)
    let_go.set()

    left = redis.client.llen("queue:default")
    assert left == 20
    assert taken(redis).get("default", 0) == 0


def test_it_is_noted_while_the_worker_runs(app: RedisJobs, redis: RealRedis) -> None:
    @app.job(name="Fine")
    def fine() -> None: ...

    with app.worker(concurrency=1):
        fine.enqueue()
        eventually(lambda: taken(redis) == {"default": 1}, 30)


def test_a_worker_that_writes_for_both_generations_is_counted_once(redis: RealRedis) -> None:
    app = RedisJobs(redis.url, wire="sidekiq7")

    @app.job(name="Fine")
    def fine() -> None: ...

    fine.enqueue_many([()] * 5)
    with app.worker(concurrency=1) as worker:
        assert worker.drain(30)

    job = app.metrics.job("Fine")
    app.close()
    assert (job.executions, sum(job.histogram or ())) == (5, 5)
    assert isinstance(app.metrics, Metrics)
