"""Workers in this process."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from redisjobs import RedisJobs
from redisjobs.jobs.retry import RetryPolicy
from redisjobs.store.stores import BlockingStore
from redisjobs.worker.poller import Poller
from redisjobs.worker.wiring import Wiring
from tests.support.real_redis import RealRedis
from tests.worker.runs import FAR_S


@pytest.fixture(autouse=True)
def _every_line(caplog: pytest.LogCaptureFixture) -> None:
    """Have `caplog` hear start and done lines too."""
    caplog.set_level(logging.INFO, "redisjobs")


@pytest.fixture
def store(redis: RealRedis) -> Iterator[BlockingStore]:
    """What the single turns of services are driven with."""
    made = BlockingStore(redis.config)
    yield made
    made.close()


@pytest.fixture
def wiring(app: RedisJobs) -> Wiring:
    """What the parts of a worker get of `app`."""
    return Wiring(
        redis=app.redis,
        keys=app.keys,
        dead=app.config.dead,
        registry=app.registry,
        chain=app.server_middleware,
        events=app.events,
        policy=RetryPolicy(),
    )


@pytest.fixture
def poller(wiring: Wiring) -> Poller:
    """A poller whose pauses are those it finds."""
    return Poller(wiring, FAR_S)
