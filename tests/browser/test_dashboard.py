"""The dashboard and the metrics in a browser: what changes there by itself, and what one can do.

The visitor comes last into each test, and so leaves before the site ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from redisjobs import RedisJobs
from tests.support import lively
from tests.support.browser import Visitor
from tests.support.real_redis import RealRedis
from tests.support.site import Site

pytestmark = pytest.mark.browser

LONG_MS = 30_000


def painted(page: Page, colour: str) -> bool:
    """Tell whether a pixel of the first chart has about the colour of a variable of the page."""
    return bool(
        page.evaluate(
            """(name) => {
              const canvas = document.querySelector("[data-chart] canvas");
              const probe = new OffscreenCanvas(1, 1).getContext("2d");
              const shown = document.body.appendChild(document.createElement("span"));
              shown.style.color = `var(--${name})`;
              probe.fillStyle = getComputedStyle(shown).color;
              shown.remove();
              probe.fillRect(0, 0, 1, 1);
              const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
              const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
              for (let at = 0; at < data.length; at += 4) {
                const off = Math.abs(data[at] - r) + Math.abs(data[at + 1] - g) + Math.abs(data[at + 2] - b);
                if (data[at + 3] > 200 && off < 12) return true;
              }
              return false;
            }""",
            colour,
        )
    )


@pytest.mark.parametrize("live", [True, False], ids=["by a stream", "by asking"])
def test_figures_change_by_themselves(
    app: RedisJobs, serve: Callable[[Any], Site], visitor: Visitor, redis: RealRedis, live: bool
) -> None:
    page = visitor.page(serve(app.web(live=live)).url)
    expect(page.locator('[data-live="processed"]')).to_have_text("0", timeout=LONG_MS)
    expect(page.locator(".pulse")).to_have_text("live" if live else "every few seconds", timeout=LONG_MS)

    redis.client.set("stat:processed", 1234)

    expect(page.locator('[data-live="processed"]')).to_have_text("1,234", timeout=LONG_MS)


def test_a_browser_that_gets_no_stream_asks(
    app: RedisJobs, serve: Callable[[Any], Site], visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redisjobs.web.pages.dashboard.MOST_READERS", 0)

    page = visitor.page(serve(app.web()).url)

    expect(page.locator(".pulse")).to_have_text("every few seconds", timeout=LONG_MS)
    visitor.excuse("/live answered 503")
    visitor.complaints = [line for line in visitor.complaints if "503" not in line]  # the console says so too


def test_history_is_chosen_and_its_figures_open_as_a_table(
    app: RedisJobs, serve: Callable[[Any], Site], visitor: Visitor, redis: RealRedis
) -> None:
    lively.seed(redis)
    page = visitor.page(serve(app.web()).url)

    page.get_by_role("link", name="1 year").click()

    history = page.locator("#history")
    expect(history).to_contain_text("runs by week")
    history.get_by_text("As a table").click()
    expect(history.locator("tbody tr").first).to_be_visible()


def test_charts_take_the_colours_of_the_theme(
    app: RedisJobs, serve: Callable[[Any], Site], visitor: Visitor, redis: RealRedis
) -> None:
    lively.seed(redis)
    page = visitor.page(serve(app.web()).url + "/metrics?window=8h")
    assert painted(page, "accent")
    link = page.get_by_role("link", name="Metrics")
    light = link.evaluate("(shown) => getComputedStyle(shown).color")

    page.get_by_role("button", name="Dark or light").click()

    assert link.evaluate("(shown) => getComputedStyle(shown).color") != light
    assert painted(page, "accent")


def test_metrics_are_looked_through_and_a_deploy_marked(
    app: RedisJobs, serve: Callable[[Any], Site], visitor: Visitor, redis: RealRedis
) -> None:
    lively.seed(redis)
    page = visitor.page(serve(app.web()).url + "/metrics")

    page.get_by_role("link", name="8 hours").click()
    page.get_by_label("Name contains").fill("orders")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("table.compact tbody tr")).to_have_count(2)
    page.get_by_role("link", name="p95").click()
    expect(page.locator("th[aria-sort]")).to_have_text("p95")

    page.get_by_label("What was deployed").fill("v43")
    page.get_by_role("button", name="Mark a deploy now").click()
    expect(page.get_by_role("status").first).to_have_text("deploy marked: v43")

    page.locator("table.compact").get_by_role("link", name="Orders::Capture").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Orders::Capture")
    assert re.search(r"window=8h", page.url)
    expect(page.locator("[data-chart] canvas")).to_have_count(3)
    page.get_by_text("As a table").last.click()
    expect(page.get_by_role("rowheader", name="30 ms to 45 ms")).to_be_visible()
