"""What a process tells that it can do: in its heartbeat, every time, so no more than is worth it."""

from __future__ import annotations

import json

import pytest

from redisjobs import RedisJobs
from redisjobs.worker.abilities import abilities_of
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


def test_the_names_of_all_jobs_are_told_also_of_those_registered_later(app: RedisJobs, redis: RealRedis) -> None:
    app.job(name="B")(lambda: None)
    with app.worker(concurrency=1, heartbeat_ttl_s=1) as worker:
        app.job(name="A")(lambda: None)
        eventually(lambda: json.loads(redis.value(worker.identity)["redisjobs"])["jobs"] == ["A", "B"], 30)

        told = json.loads(redis.value(worker.identity)["redisjobs"])

    assert told == {"jobs": ["A", "B"], "wire": "sidekiq8", "heartbeat_ttl_s": 1.0}


def test_more_names_than_are_worth_a_beat_are_not_told() -> None:
    app = RedisJobs("redis://nowhere")
    for number in range(3000):
        app.job(name=f"A::Job::With::A::Long::Name::{number}")(lambda: None)

    assert json.loads(abilities_of(app.registry, "sidekiq7", 60.0)) == {"wire": "sidekiq7", "heartbeat_ttl_s": 60.0}
