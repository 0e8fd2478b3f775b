"""What `push_active_job` stores, from threads and coroutines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from redisjobs import OptionError, PayloadError, Push, RedisJobs, Steps
from redisjobs.wire.times import WIRES
from tests.client.stored import queued, scheduled
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

OLD = "ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper"
CLASSES = {"sidekiq6": OLD, "sidekiq7": OLD, "sidekiq8": "Sidekiq::ActiveJob::Wrapper"}


@pytest.mark.parametrize("wire", WIRES)
def test_a_job_for_rails_is_wrapped_as_its_generation_wraps(
    redis: RealRedis, apps: Callable[..., RedisJobs], call: Callable[..., Any], wire: str
) -> None:
    app = apps(redis.url, wire=wire)

    jid = call(app.push_active_job, "ReportJob", [1], {"since": date(2024, 11, 1)}, queue="low", retry=5, priority=2)

    [job] = queued(redis, "low")
    assert (job["class"], job["wrapped"], job["jid"], job["retry"]) == (CLASSES[wire], "ReportJob", jid, 5)
    [data] = job["args"]
    assert (data["job_class"], data["queue_name"], data["priority"]) == ("ReportJob", "low", 2)
    assert (data["locale"], data["timezone"], data["scheduled_at"], data["executions"]) == ("en", None, None, 0)
    date_there = {"_aj_serialized": "ActiveJob::Serializers::DateSerializer", "value": "2024-11-01"}
    assert data["arguments"] == [1, {"since": date_there, "_aj_ruby2_keywords": ["since"]}]
    assert "priority" not in job


@pytest.mark.parametrize("absolute", [False, True])
def test_wait_is_a_delay_or_a_moment(
    redis: RealRedis, app: RedisJobs, call: Callable[..., Any], absolute: bool
) -> None:
    hour = timedelta(hours=1)

    call(app.push_active_job, "ReportJob", wait=datetime.now(UTC) + hour if absolute else hour)

    [(job, due)] = scheduled(redis)
    assert due == pytest.approx(redis.now() + 3600, abs=30)
    assert datetime.fromisoformat(job["args"][0]["scheduled_at"]).timestamp() == pytest.approx(due, abs=5)


def test_each_job_has_ids_of_its_own(redis: RealRedis, app: RedisJobs) -> None:
    job = app.active_job("ReportJob")(lambda number: None)

    jids = job.enqueue_many([(1,), (2,)])

    stored = queued(redis)
    assert [each["jid"] for each in stored] == jids
    assert len({each["args"][0]["job_id"] for each in stored}) == 2
    assert [each["args"][0]["arguments"] for each in stored] == [[1], [2]]


def test_client_middleware_sees_the_wrapped_job(redis: RealRedis, app: RedisJobs, call: Callable[..., Any]) -> None:
    seen: list[Any] = []

    @app.client_middleware.add
    def noting(push: Push) -> Steps[Any]:
        seen.append((push.name, push.fields["wrapped"]))
        yield

    call(app.push_active_job, "ReportJob", [1.0, 2**70])

    assert seen == [("Sidekiq::ActiveJob::Wrapper", "ReportJob")]
    assert queued(redis)[0]["args"][0]["arguments"] == [1.0, 2**70]


def test_what_is_wrong_is_refused_and_nothing_is_sent(
    redis: RealRedis, app: RedisJobs, call: Callable[..., Any]
) -> None:
    with pytest.raises(PayloadError, match=r"arguments\[0\]: a datetime without a time zone"):
        call(app.push_active_job, "ReportJob", [datetime(2024, 1, 1)])
    with pytest.raises(OptionError, match="did you mean 'queue'"):
        call(app.push_active_job, "ReportJob", queu="low")
    with pytest.raises(PayloadError, match="name of a class"):
        call(app.push_active_job, "")

    assert redis.dump() == {}
