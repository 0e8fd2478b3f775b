"""The fixtures that pytest finds by itself. Loads no worker, Redis client or fake before one is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from redisjobs import RedisJobs, RedisJobsError, testing


@pytest.fixture
def redisjobs_app() -> RedisJobs | Iterable[RedisJobs]:
    """The app under test, or some; by default all of this process. To be overridden where that is not right."""
    return ()


@pytest.fixture
def redisjobs_fake(redisjobs_app: RedisJobs | Iterable[RedisJobs]) -> Iterator[testing.Jobs]:
    """Keep what is enqueued, without a Redis; see `redisjobs.testing.fake`."""
    with testing.fake(*_apps(redisjobs_app)) as jobs:
        yield jobs


@pytest.fixture
def redisjobs_inline(redisjobs_app: RedisJobs | Iterable[RedisJobs]) -> Iterator[testing.Jobs]:
    """Run what is enqueued at once; see `redisjobs.testing.inline`."""
    with testing.inline(*_apps(redisjobs_app)) as jobs:
        yield jobs


@pytest.fixture
def redisjobs_worker(redisjobs_app: RedisJobs | Iterable[RedisJobs]) -> Iterator[Any]:
    """Run a worker on a private Redis; see `redisjobs.testing.worker`."""
    apps = _apps(redisjobs_app) or tuple(RedisJobs.living)
    if len(apps) != 1:
        raise RedisJobsError(f"redisjobs_worker is for one app, and there are {len(apps)}: override redisjobs_app")
    with testing.worker(*apps) as running:
        yield running


def _apps(given: RedisJobs | Iterable[RedisJobs]) -> tuple[RedisJobs, ...]:
    return (given,) if isinstance(given, RedisJobs) else tuple(given)
