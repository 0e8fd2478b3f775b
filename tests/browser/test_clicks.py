"""Each button of retries, scheduled, dead, jobs, tasks and files, on a real Redis; by keys and without scripts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from redisjobs import RedisJobs
from redisjobs.inspector import bulk
from tests.browser.steps import SOON_MS, sure, told
from tests.support.browser import Visitor
from tests.support.builders import a_payload
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.support.site import Site

pytestmark = pytest.mark.browser

KEYS = {"Retries": "retry", "Scheduled": "schedule", "Dead": "dead"}
MANY = 1_200
FILTERS = {
    "Class": "Report",
    "JID": "b" * 24,
    "Queue": "high",
    "Error": "TIMED OUT",
    "Arguments": "needle",
    "Tag": "eu",
    "Since": "30m",
}
"""What finds `b` alone."""

Open = Callable[..., Page]


@pytest.fixture
def open_page(app: RedisJobs, serve: Callable[[Any], Site], visitor: Visitor) -> Open:
    """A function that opens a path."""
    site = serve(app.web())

    def opened(path: str = "/", **more: Any) -> Page:
        page = visitor.page(site.url + path, **more)
        page.set_default_timeout(SOON_MS)
        return page

    return opened


def a_failed(jid: str, **fields: Any) -> bytes:
    error = {"error_class": "Boom", "error_message": f"order {ord(jid)} is gone", "retry_count": 1}
    return a_payload(**{"jid": jid * 24, "queue": "low", "args": [jid], **error, **fields})


def seed(redis: RealRedis, key: str, jids: str = "abcd") -> None:
    """Add failed jobs to a set, an hour apart, the first one an hour ahead."""
    now = time.time()
    redis.seed({key: {a_failed(jid): now + 3600 * at for at, jid in enumerate(jids, 1)}})


def jids(redis: RealRedis, key: str) -> str:
    """Return the first letters of the jids of a queue, next first, or of a set."""
    is_queue = key.startswith("queue:")
    raws = reversed(redis.client.lrange(key, 0, -1)) if is_queue else redis.client.zrange(key, 0, -1)
    return "".join(json.loads(raw)["jid"][0] for raw in raws)


def listed(page: Page) -> list[str]:
    """Return the first letters of the jids that a page lists."""
    return [jid[0] for jid in page.locator("td[data-label=JID]").all_inner_texts()]


def choose(page: Page, jid: str) -> None:
    """Check the box of a job."""
    page.get_by_role("row").filter(has=page.get_by_role("link", name=jid * 24)).get_by_role("checkbox").check()


# -- retries, scheduled, dead -----------------------------------------------------------------------------------------


def test_each_field_of_the_filter_finds_the_job_and_stands_in_the_address(open_page: Open, redis: RealRedis) -> None:
    other = a_failed("b", class_="Report", queue="high", error_message="timed out", args=["needle"], tags=["eu"])
    now = time.time()
    redis.seed({"dead": {a_failed("a"): now - 7200, other: now - 60, a_failed("c"): now - 7000}})
    page = open_page("/dead")
    assert listed(page) == ["b", "c", "a"]

    for label, text in FILTERS.items():
        page.get_by_label(label, exact=True).fill(text)
        page.get_by_role("button", name="Filter").click()
        expect(page.locator("td[data-label=JID]")).to_have_count(1)
        assert listed(page) == ["b"], label
        assert (page.get_by_label(label, exact=True).input_value(), page.url.count("=")) == (text, len(FILTERS) + 1)
        page.get_by_label(label, exact=True).fill("")
    page.goto(page.url)
    assert listed(page) == ["b"]
    page.get_by_role("link", name="All", exact=True).click()
    expect(page.locator("td[data-label=JID]")).to_have_count(3)
    page.get_by_label("Until", exact=True).fill("30m")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("td[data-label=JID]")).to_have_count(2)


@pytest.mark.parametrize("name", KEYS)
def test_chosen_jobs_are_acted_on(open_page: Open, redis: RealRedis, name: str) -> None:
    seed(redis, KEYS[name])
    kept = dict(redis.client.zrange(KEYS[name], 0, -1, withscores=True))
    page = open_page()
    page.get_by_role("link", name=name).first.click()

    def act(jid: str, button: str, said: str) -> None:
        choose(page, jid)
        page.get_by_role("button", name=button, exact=True).click()
        sure(page, button)
        told(page, said)

    act("a", "Enqueue now" if name == "Scheduled" else "Retry now", "1 enqueued")
    act("b", "Delete", "1 deleted")
    assert (jids(redis, "queue:low"), jids(redis, KEYS[name])) == ("a", "cd")
    if name == "Dead":
        return
    act("c", "Kill", "1 killed")
    assert (jids(redis, "dead"), jids(redis, KEYS[name])) == ("c", "d")
    page.get_by_label("How the moment is meant").select_option("later by")
    page.get_by_label("The new moment").fill("30m")
    act("d", "Reschedule", "1 rescheduled")
    [(raw, score)] = redis.client.zrange(KEYS[name], 0, -1, withscores=True)
    assert score == pytest.approx(kept[raw] + 1800)


def test_all_on_a_page_are_chosen_by_one_box_and_what_was_asked_can_be_taken_back(
    open_page: Open, redis: RealRedis
) -> None:
    seed(redis, "retry")
    page = open_page("/retries")

    page.get_by_label("Choose all on this page").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("link", name="Cancel").click()
    assert jids(redis, "retry") == "abcd"
    expect(page.get_by_role("heading", name="Retries")).to_be_visible()

    page.get_by_label("Choose all on this page").check()
    page.get_by_role("button", name="Retry now").click()
    expect(page.get_by_text("Enqueue 4 jobs of Retries now?")).to_be_visible()
    sure(page, "Retry now")
    told(page, "4 enqueued")
    assert jids(redis, "queue:low") == "abcd"


def test_errors_are_grouped_and_a_group_retried(open_page: Open, redis: RealRedis) -> None:
    now = time.time()
    others = {a_failed(jid, error_class="Late", error_message="no answer"): now + 90 for jid in "xyz"}
    redis.seed({"dead": {**{a_failed(jid): now for jid in "ab"}, **others}})
    page = open_page("/dead")

    page.get_by_role("link", name="Group by error").click()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("Late no answer")
    expect(rows.nth(1)).to_contain_text("Boom order <n> is gone")
    rows.nth(1).get_by_role("link", name="Show these").click()
    expect(page.locator("td[data-label=JID]")).to_have_count(2)
    page.go_back()
    rows.nth(1).get_by_role("link", name="A sample").click()
    expect(page.get_by_role("heading", name="Error: Boom")).to_be_visible()
    page.go_back()

    rows.nth(1).get_by_role("button", name="Retry these").click()
    expect(page.get_by_text("Enqueue 2 jobs of Dead now?")).to_be_visible()
    sure(page, "Retry now")

    told(page, "2 enqueued")
    assert (sorted(jids(redis, "queue:low")), sorted(jids(redis, "dead"))) == (["a", "b"], ["x", "y", "z"])


# -- many -------------------------------------------------------------------------------------------------------------


def seed_many(redis: RealRedis) -> None:
    redis.seed({"dead": {a_payload(jid=f"{number:024}"): number for number in range(MANY)}})


def test_a_bulk_of_many_shows_how_far_it_is_to_its_end(open_page: Open, redis: RealRedis) -> None:
    seed_many(redis)
    page = open_page("/dead")

    page.get_by_label("Which jobs").select_option("all")
    page.get_by_role("button", name="Retry now").click()
    expect(page.get_by_text("Enqueue 1,200 jobs of Dead now?")).to_be_visible()
    sure(page, "Retry now")

    expect(page.locator("dd[role=status]")).to_have_text("done", timeout=SOON_MS)
    expect(page.get_by_text("1,200 of 1,200")).to_be_visible()
    assert page.locator("progress").evaluate("bar => bar.value === bar.max")
    assert (redis.client.llen("queue:default"), redis.client.zcard("dead")) == (MANY, 0)
    page.get_by_role("link", name="Back").click()
    page.get_by_role("link", name="Tasks").click()
    expect(page.get_by_role("row").filter(has_text="Enqueue 1,200 jobs of Dead now")).to_contain_text("done")


def test_a_bulk_is_stopped_and_leaves_the_rest(
    open_page: Open, redis: RealRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Held(bulk.Bulk):
        """Waits behind its first step until the page's stop was heard."""

        def __iter__(self):
            for number, progress in enumerate(super().__iter__()):
                if number == 1:
                    eventually(lambda: redis.client.hlen("web-tasks") > 1, timeout_s=30)
                yield progress

    monkeypatch.setattr(bulk, "Bulk", Held)
    seed_many(redis)
    page = open_page("/dead")
    page.get_by_label("Which jobs").select_option("all")
    page.get_by_role("button", name="Delete", exact=True).click()
    sure(page, "Delete")
    expect(page.get_by_text("100 of 1,200")).to_be_visible(timeout=SOON_MS)
    expect(page.locator("dd[role=status]")).to_have_text("goes on")

    page.get_by_role("button", name="Stop").click()

    told(page, "It stops after the step that it is in.")
    expect(page.locator("dd[role=status]")).to_have_text("stopped", timeout=SOON_MS)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    assert 0 < redis.client.zcard("dead") < MANY


def test_an_export_is_downloaded_and_imported_byte_by_byte(open_page: Open, redis: RealRedis, tmp_path: Path) -> None:
    redis.seed({"retry": {a_failed("a"): 1000.25, a_failed("b", class_="Report"): 2000.5, b"no \xff job": 3000.75}})
    before = redis.dump()
    page = open_page("/retries")

    with page.expect_download() as download:
        page.get_by_role("link", name="Export", exact=True).click()
    download.value.save_as(tmp_path / "retries.jsonl")
    assert download.value.suggested_filename == "retries.jsonl"
    redis.client.delete("retry")
    page.get_by_role("link", name="Import", exact=True).click()
    page.get_by_label("A file").set_input_files(tmp_path / "retries.jsonl")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("Import 3 jobs?")).to_be_visible()
    sure(page, "Import")
    told(page, "3 imported")

    assert redis.dump() == before
    page.goto("/retries?class=Report")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export these").click()
    download.value.save_as(tmp_path / "one.jsonl")
    lines = (tmp_path / "one.jsonl").read_text("utf-8")
    redis.client.delete("retry")
    page.goto("/import")
    page.get_by_label("Or lines").fill(lines)
    page.get_by_role("button", name="Import").click()
    sure(page, "Import")
    told(page, "1 imported")
    assert jids(redis, "retry") == "b"


# -- one job ----------------------------------------------------------------------------------------------------------


def test_a_job_is_followed_through_all_that_its_page_can_do(
    open_page: Open, visitor: Visitor, redis: RealRedis
) -> None:
    raw = a_failed("a", tags=["eu"], custom="kept")
    redis.seed({"retry": {raw: time.time() + 3600}})
    page = open_page("/retries")
    page.get_by_role("link", name="a" * 24).click()
    expect(page.locator("dl.pairs dd").first).to_have_text("waits for a retry")

    page.get_by_label("The new moment").fill("2h")
    page.get_by_role("button", name="Reschedule").click()
    told(page, "1 rescheduled")
    assert redis.client.zscore("retry", raw) == pytest.approx(time.time() + 7200, abs=60)
    page.get_by_role("button", name="Kill").click()
    told(page, "1 killed")
    expect(page.locator("dl.pairs dd").first).to_have_text("dead")
    page.get_by_role("button", name="Retry now").click()
    told(page, "1 enqueued")
    expect(page.locator("dl.pairs dd").first).to_have_text("in its queue")

    page.get_by_role("link", name="Edit and enqueue as new").click()
    page.get_by_label("Arguments, a JSON array").fill("[1, 2")
    page.get_by_role("button", name="Enqueue the new job").click()
    expect(page.get_by_role("alert")).to_contain_text("no JSON")
    visitor.excuse("422")
    page.get_by_label("Arguments, a JSON array").fill('[1, "é"]')
    page.get_by_label("Queue").fill("high")
    page.get_by_label("Delete the old one then").check()
    page.get_by_role("button", name="Enqueue the new job").click()
    told(page, "Enqueued as a new job; aaaaaaaaaaaaaaaaaaaaaaaa was deleted")
    [made] = [json.loads(each) for each in redis.client.lrange("queue:high", 0, -1)]
    assert (made["args"], made["class"], made["custom"], made["jid"] != "a" * 24) == ([1, "é"], "Mail", "kept", True)
    assert redis.client.llen("queue:low") == 0

    page.get_by_role("button", name="Delete").click()
    sure(page, "Delete")
    told(page, "1 deleted")
    assert redis.client.llen("queue:high") == 0


# -- without a mouse, without scripts ---------------------------------------------------------------------------------


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has the focus is called so."""
    for _ in range(80):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "(({ariaLabel, labels, textContent}) => ariaLabel || labels?.[0]?.textContent || textContent)"
            "(document.activeElement)"
        )
        if focused.strip() == name:
            seen = "(element => element.checkVisibility() && getComputedStyle(element).outlineStyle)"
            assert page.evaluate(f"{seen}(document.activeElement)") not in (False, "none"), f"no focus ring: {name}"
            return
    raise AssertionError(f"Tab does not lead to {name!r} within 80 steps; {focused!r} has the focus")


def test_the_main_acts_are_reached_and_done_by_keys_alone(open_page: Open, redis: RealRedis) -> None:
    seed(redis, "retry", "ab")
    page = open_page()

    tab_to(page, "Skip to the content")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.goto("/retries")
    tab_to(page, "Choose Mail")
    page.keyboard.press("Space")
    page.locator("body").evaluate("() => document.activeElement.blur()")
    tab_to(page, "Retry now")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Are you sure?")).to_be_visible()
    assert page.evaluate("document.activeElement.textContent") == "Retry now"
    page.keyboard.press("Enter")
    told(page, "1 enqueued")
    assert (jids(redis, "queue:low"), jids(redis, "retry")) == ("a", "b")

    tab_to(page, "b" * 24)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    tab_to(page, "Kill")
    page.keyboard.press("Enter")
    told(page, "1 killed")
    assert jids(redis, "dead") == "b"


def test_the_choice_of_theme_stays(open_page: Open) -> None:
    page = open_page()
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)

    tab_to(page, "Dark or light")
    page.keyboard.press("Enter")
    dark = page.evaluate(background)
    page.goto("/dead")

    assert light != dark == page.evaluate(background)
    page.get_by_role("button", name="Dark or light").click()
    assert page.evaluate(background) == light


def test_without_javascript_jobs_are_read_filtered_and_acted_on(open_page: Open, redis: RealRedis) -> None:
    seed(redis, "retry")
    page = open_page("/retries", javascript=False)
    assert listed(page) == ["a", "b", "c", "d"]
    expect(page.get_by_role("button", name="Dark or light")).to_be_hidden()
    expect(page.get_by_label("Choose all on this page")).to_be_hidden()

    page.get_by_label("Arguments").fill("c")
    page.get_by_role("button", name="Filter").click()
    assert listed(page) == ["c"]
    page.get_by_label("Which jobs").select_option("all")
    page.get_by_role("button", name="Kill").click()
    sure(page, "Kill")
    told(page, "1 killed")
    page.goto("/retries")
    choose(page, "b")
    page.get_by_role("button", name="Retry now").click()
    sure(page, "Retry now")
    told(page, "1 enqueued")
    page.get_by_role("link", name="d" * 24).click()
    page.get_by_text("Payload", exact=True).click()
    expect(page.get_by_text('"error_class": "Boom"')).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    sure(page, "Delete")
    told(page, "1 deleted")

    assert [jids(redis, key) for key in ("retry", "dead", "queue:low")] == ["a", "c", "b"]


def test_without_javascript_a_bulk_of_many_is_followed(open_page: Open, redis: RealRedis) -> None:
    seed_many(redis)
    page = open_page("/dead", javascript=False)

    page.get_by_label("Which jobs").select_option("all")
    page.get_by_role("button", name="Delete", exact=True).click()
    sure(page, "Delete")

    expect(page.locator("dd[role=status]")).to_have_text("done", timeout=SOON_MS)
    assert redis.client.zcard("dead") == 0
