"""Both ways to push, and a network that loses the answer to a push."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from redisjobs import Job, RedisJobs
from tests.support.proxy import LossyProxy
from tests.support.real_redis import RealRedis


class Deafening(LossyProxy):
    """Loses answers to pushes: they carry no job, so any answer to a request with the word is swallowed.

    `meanwhile` is called when an answer was lost, before the producer can know.
    """

    meanwhile: Callable[[], Any] = staticmethod(lambda: None)

    def _swallows(self, request: bytes, reply: bytes) -> bool:
        lost = super()._swallows(request, b'"jid"')
        if lost:
            self.meanwhile()
        return lost


@pytest.fixture
def proxy(redis: RealRedis, tmp_path: Path) -> Iterator[Deafening]:
    """A proxy in front of the session's server."""
    made = Deafening(redis.socket, tmp_path)
    yield made
    made.close()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """An event loop for the coroutines of a test."""
    with asyncio.Runner() as made:
        yield made


@pytest.fixture
def apps(runner: asyncio.Runner) -> Iterator[Callable[..., RedisJobs]]:
    """A function that makes an app with settings of the test's own."""
    made: list[RedisJobs] = []

    def make(url: str, **settings: Any) -> RedisJobs:
        made.append(RedisJobs(url, **settings))
        return made[-1]

    yield make
    for one in made:
        runner.run(one.aclose())
        one.close()


@pytest.fixture
def app(redis: RealRedis, apps: Callable[..., RedisJobs]) -> RedisJobs:
    """An app on the session's server."""
    return apps(redis.url)


@pytest.fixture
def work(app: RedisJobs) -> Job[..., None]:
    """A job that takes what it is given."""

    @app.job(name="Work")
    def work(*args: Any) -> None: ...

    return work


@pytest.fixture(params=["thread", "loop"])
def call(request: pytest.FixtureRequest, runner: asyncio.Runner) -> Callable[..., Any]:
    """Call a method, or its twin for coroutines (`a...`); every test that uses it holds for both."""

    def directly(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    def on_the_loop(method: Any, *args: Any, **kwargs: Any) -> Any:
        twin = getattr(method.__self__, f"a{method.__name__}")
        return runner.run(twin(*args, **kwargs))

    return directly if request.param == "thread" else on_the_loop
