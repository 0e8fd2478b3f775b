"""`peer`: a real Ruby Sidekiq of each generation in turn; `app`: ours, which writes as it does. Both on `redis`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from redisjobs import RedisJobs
from redisjobs.wire.times import Wire
from tests.interop.apps import interop_app
from tests.interop.peers import GENERATIONS, RubyPeer, unavailable
from tests.support.fleet import WorkerProcess, command
from tests.support.real_redis import RealRedis


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a Ruby; the golden payloads need none."""
    for item in items:
        if "peer" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.interop)


@pytest.fixture(scope="session", params=GENERATIONS, ids="sidekiq{}".format)
def session_peer(request: pytest.FixtureRequest, session_redis: RealRedis) -> Iterator[RubyPeer]:
    """One Ruby of each generation for the whole session; tests ask for `peer`."""
    reason = unavailable(request.param)
    if reason is not None:
        if os.environ.get("REDISJOBS_REQUIRE_INTEROP") == "1":
            pytest.fail(f"interop is required here: {reason}", pytrace=False)
        pytest.skip(reason)
    with RubyPeer(request.param, session_redis.url) as peer:
        yield peer


@pytest.fixture
def peer(session_peer: RubyPeer, redis: RealRedis) -> Iterator[RubyPeer]:
    """A real Sidekiq on an empty database; servers that a test leaves running are killed."""
    yield session_peer
    session_peer.kill_workers()


@pytest.fixture
def app(peer: RubyPeer, redis: RealRedis) -> Iterator[RedisJobs]:
    """Our app with the jobs of both languages, writing times as the peer does."""
    made = interop_app(redis.url, cast(Wire, f"sidekiq{peer.generation}"))
    yield made
    made.close()


@pytest.fixture
def start_worker(redis: RealRedis, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """A function that starts the installed worker on `tests.interop.apps`, with a heartbeat four times a second."""
    started: list[WorkerProcess] = []

    def start(*words: str) -> WorkerProcess:
        environment = {"REDISJOBS_URL": redis.url, "REDISJOBS_HEARTBEAT_TTL_S": "3"}
        log = tmp_path / f"worker-{len(started)}.log"
        started.append(WorkerProcess(log, [command(), "worker", "tests.interop.apps:app", *words], environment))
        return started[-1].ready()

    yield start
    for worker in started:
        worker.end()
