"""The web UI on the session's Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from redisjobs import RedisJobs
from tests.interop.conftest import peer, session_peer  # noqa: F401  fixtures here too
from tests.web.api import Api
from tests.web.browser import Browser
from tests.web.client import Client


@pytest.fixture
def serve() -> Iterator[Callable[..., Client]]:
    """A function that serves an ASGI app until the test ends."""
    made: list[Client] = []

    def start(asgi: Any, **more: Any) -> Client:
        made.append(Client(asgi, **more))
        return made[-1]

    yield start
    for client in made:
        client.close()


@pytest.fixture
def client(app: RedisJobs, serve: Callable[..., Client]) -> Client:
    """The web UI of an app, as this machine's user has it."""
    return serve(app.web())


@pytest.fixture
def browse(app: RedisJobs, serve: Callable[..., Client]) -> Callable[..., Browser]:
    """A function that opens the pages with some settings."""

    def opened(**settings: Any) -> Browser:
        return Browser(serve(app.web(**settings)))

    return opened


@pytest.fixture
def web(client: Client) -> Browser:
    """Somebody who looks at the pages of an app."""
    return Browser(client)


@pytest.fixture
def api(client: Client) -> Api:
    """A program that asks the API."""
    return Api(client)
