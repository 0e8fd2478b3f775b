"""One private redis-server per session on a Unix socket; an empty database per test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from redisjobs import RedisJobs
from tests.support.real_redis import RealRedis, find_binary


@pytest.fixture(scope="session")
def session_redis() -> Iterator[RealRedis]:
    """The server of this session; tests ask for `redis`, which is this one with an empty database."""
    if find_binary() is None:
        pytest.exit(
            "no redis-server or valkey-server on PATH, or REDISJOBS_TEST_SERVER is none: the tests need a real one. "
            "Install it (`apt-get install redis-server`), or let `scripts/redis-server` do so.",
            returncode=3,
        )
    with RealRedis() as redis:
        yield redis


@pytest.fixture
def redis(session_redis: RealRedis) -> RealRedis:
    """A real Redis with an empty database. Scripts that it has loaded stay loaded."""
    session_redis.client.flushall()
    return session_redis


@pytest.fixture
def server() -> Iterator[Callable[..., RealRedis]]:
    """A function that starts a server of the test's own; what it is given are options of redis.conf."""
    started: list[RealRedis] = []

    def start(**options: str | int) -> RealRedis:
        started.append(RealRedis(**options))
        return started[-1]

    yield start
    for one in reversed(started):
        one.close()


@pytest.fixture
def app(redis: RealRedis) -> Iterator[RedisJobs]:
    """An app on the session's server."""
    made = RedisJobs(redis.url)
    yield made
    made.close()
