"""What a worker costs, and how late scheduled jobs start."""

from __future__ import annotations

import random

import pytest

from redisjobs import RedisJobs
from tests.support.eventually import eventually
from tests.support.fleet import Fleet
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.e2e


def test_an_idle_worker_is_small_and_does_not_grow_with_the_jobs_it_runs(
    redis: RealRedis, app: RedisJobs, fleet: Fleet
) -> None:
    worker = fleet.worker(redis, concurrency=10, job_log=0)
    eventually(lambda: redis.client.hget(worker.identity, "beat"), 10)
    idle = worker.rss_mib

    def run(count: int) -> float:
        before = int(redis.value("stat:processed") or 0)
        for first in range(0, count, 5000):
            app.push_many("noop", [(number,) for number in range(first, first + 5000)])
        eventually(lambda: redis.value("stat:processed") == str(before + count), 40)
        return worker.rss_mib

    warm = run(5000)
    after = run(50_000)
    told = int(redis.client.hget(worker.identity, "rss")) / 1024

    print(f"rss: idle {idle:.1f} MiB, after 5,000 jobs {warm:.1f}, after 55,000 {after:.1f}; as told {told:.1f}")
    assert idle <= 40
    assert after - warm <= 5
    assert abs(told - after) < 10
    assert worker.stop() == 0


def test_scheduled_jobs_start_within_milliseconds(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    """Loosely asserted: the machine may be busy. The figures are printed."""
    fleet.worker(redis, concurrency=5)
    chance = random.Random(5)
    for number in range(200):
        due_at = redis.now() + chance.uniform(0.3, 1.0)
        app.push("late", [number, due_at], at=due_at)
    eventually(lambda: len(fleet.runs.told("late")) == 200, 10)

    late_ms = sorted(value / 1000 for _, value in fleet.runs.told("late"))
    print(f"late by: p50 {late_ms[100]:.1f} ms, p99 {late_ms[198]:.1f} ms, most {late_ms[-1]:.1f} ms")
    assert late_ms[0] >= 0, "none starts early"
    assert late_ms[-1] < 1000
