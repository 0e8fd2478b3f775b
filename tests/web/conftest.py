"""The web UI over the session's server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from redisjobs import RedisJobs
from tests.web.client import Browser


@pytest.fixture
def browse(app: RedisJobs) -> Callable[..., Browser]:
    """A function that opens the pages with some settings."""

    def opened(**settings: Any) -> Browser:
        return Browser(app, **settings)

    return opened


@pytest.fixture
def web(browse: Callable[..., Browser]) -> Browser:
    """The pages as they are without settings."""
    return browse()
