"""Every page, on a shop at work and on what means ill: no complaint, accessible, no wider than its window."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from benchmarks.seed import PAGES
from redisjobs import RedisJobs
from tests.support import hostile, lively
from tests.support.browser import NARROW, WIDE, Visitor, axe, overflow_px
from tests.support.real_redis import RealRedis
from tests.support.site import Site

pytestmark = pytest.mark.browser

LOOKS = {"wide": (WIDE, False), "dark": (WIDE, True), "narrow": (NARROW, False)}
SHORT = {name: text for name, text in hostile.TEXTS.items() if 0 < len(text) < 2_000}
STARTS = range(0, 220, 50)
HOSTILE = {
    **{name: path for name, path in PAGES.items() if "?" not in path and name != "job"},
    **{f"queue from {start}": f"/queue?name=hostile&start={start}" for start in STARTS},
    **{f"{name} from {start}": f"/{name}?start={start}" for name in ("retries", "dead") for start in STARTS},
    "queue of no UTF-8": "/queue?name=%ff%fe",
    "job with 10 MB": f"/jobs/{hostile.LARGE}",
    "job with a packed bomb": f"/jobs/{hostile.INFLATES}",
}


@pytest.fixture(scope="module")
def seeded() -> Iterator[dict[str, Site]]:
    """The web UIs of two servers, which all tests here only look at."""
    with RealRedis() as shop, RealRedis() as ill:
        lively.seed(shop)
        hostile.seed(ill)
        apps = [RedisJobs(shop.url), RedisJobs(ill.url)]
        sites = dict(zip(("shop", "hostile"), (Site(app.web()) for app in apps), strict=True))
        yield sites
        for site, app in zip(sites.values(), apps, strict=True):
            site.close()
            app.close()


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_without_fault(visitor: Visitor, seeded: dict[str, Site], name: str, look: str) -> None:
    width, dark = LOOKS[look]

    page = visitor.page(seeded["shop"].url + PAGES[name], width=width, dark=dark)

    assert overflow_px(page) == 0
    assert look == "narrow" or axe(page) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_a_page_of_hostile_texts_runs_nothing_and_stays_in_shape(
    visitor: Visitor, seeded: dict[str, Site], name: str
) -> None:
    page = visitor.page(seeded["hostile"].url + HOSTILE[name], width=NARROW)

    assert axe(page) == []
    assert overflow_px(page) == 0
    assert page.locator("h1").count() == 1


TELLING = ("attribute", "closing", "link", "right to left", "control", "zalgo")
"""Those of the hostile texts that are unlike each other: each costs a page."""


@pytest.mark.parametrize(
    "path",
    [
        *("/queue?name={}", "/jobs/{}", "/retries?q={}", "/dead?class={}", "/?range={}"),
        *("/metrics?q={0}&window={0}&by={0}", "/metrics/class?name={}"),
    ],
)
def test_a_hostile_text_in_an_address_runs_nothing(visitor: Visitor, seeded: dict[str, Site], path: str) -> None:
    site = seeded["hostile"]
    page = visitor.page(site.url, width=NARROW)

    for text in (SHORT[kind] for kind in TELLING):
        page.goto(site.url + path.format(quote(text, safe="")))

        assert page.locator("h1").count() == 1, text
        assert overflow_px(page) == 0, text
    complaints = visitor.complaints.copy()
    visitor.complaints.clear()
    assert complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_without_javascript(visitor: Visitor, seeded: dict[str, Site], name: str) -> None:
    page = visitor.page(seeded["shop"].url + PAGES[name], javascript=False)

    assert page.locator("h1").count() == 1
    assert overflow_px(page) == 0
