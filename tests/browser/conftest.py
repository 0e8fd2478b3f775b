"""One Chromium for these tests, and for each test a visitor with a fresh profile and a site on a real Redis."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.interop.conftest import peer, session_peer  # noqa: F401  fixtures here too
from tests.support.browser import MissingError, Visitor, chromium
from tests.support.site import Site


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The Chromium; no longer than for this package, as other tests have event loops in the same thread."""
    try:
        with chromium() as running:
            yield running
    except MissingError as missing:
        if os.environ.get("REDISJOBS_REQUIRE_INTEROP"):
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    """Who opens pages; what they complained of by the end of the test, and it did not excuse, fails it."""
    made = Visitor(browser)
    yield made
    made.leave()
    assert made.complaints == []


@pytest.fixture
def serve() -> Iterator[Callable[[Any], Site]]:
    """A function that serves an ASGI app until the test ends."""
    sites: list[Site] = []

    def start(asgi: Any) -> Site:
        sites.append(Site(asgi))
        return sites[-1]

    yield start
    for site in sites:
        site.close()
