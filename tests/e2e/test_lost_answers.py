"""A lease that Redis made and whose answer never came: the worker finds it and runs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from redisjobs import RedisJobs
from redisjobs.store.scripts import script
from tests.support.eventually import eventually
from tests.support.fleet import Fleet
from tests.support.proxy import LossyProxy
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.e2e


@pytest.fixture
def proxy(redis: RealRedis, tmp_path: Path) -> Iterator[LossyProxy]:
    """A proxy in front of the session's server."""
    made = LossyProxy(redis.socket, tmp_path)
    yield made
    made.close()


def test_a_job_that_a_blocked_wait_took_and_did_not_deliver_is_adopted(
    redis: RealRedis, app: RedisJobs, fleet: Fleet, proxy: LossyProxy
) -> None:
    worker = fleet.worker(proxy.url)

    for number in range(1, 4):
        eventually(lambda: redis.client.info("clients")["blocked_clients"] == 1)
        proxy.lose("BLMOVE")
        app.push("noop", [number])
        eventually(lambda number=number: len(proxy.lost) == number, 5)
        eventually(lambda number=number: fleet.runs.started()[number] == 1, 5)

    eventually(lambda: redis.value("stat:processed") == "3")
    assert fleet.runs.started() == Counter(range(1, 4))
    assert len(worker.lines("adopted")) == 3
    assert worker.stop() == 0
    assert redis.client.keys("lease:*") == []


def test_jobs_that_a_lease_took_and_did_not_deliver_are_adopted(
    redis: RealRedis, app: RedisJobs, fleet: Fleet, proxy: LossyProxy
) -> None:
    """The outcomes that went with the same request are not counted twice."""
    count = 3000
    app.push_many("noop", [(number,) for number in range(count // 2)])
    app.push_many("mark", [(number,) for number in range(count // 2, count)])
    worker = fleet.worker(proxy.url, ready=False, job_log=0)

    for lost in range(1, 4):
        proxy.lose(script("lease").sha)
        eventually(lambda lost=lost: len(proxy.lost) == lost, 10)
        before = fleet.runs.count()
        eventually(lambda before=before: fleet.runs.count() > before, 10)
    eventually(lambda: redis.value("stat:processed") == str(count), 20)

    assert fleet.runs.started() == Counter(range(count))
    assert len(worker.lines("adopted")) == 3
    assert worker.lines("not ours") == []
    assert worker.stop() == 0
    assert redis.client.keys("lease:*") == []
