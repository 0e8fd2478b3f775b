"""Each button of the pages of queues and processes, clicked on a real Redis."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from redisjobs import RedisJobs
from tests.browser.steps import SOON_MS, sure, told
from tests.support.browser import Visitor
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis
from tests.support.site import Site

pytestmark = pytest.mark.browser

JOBS = ("c", "b", "a")
"""The newest first."""
PROCESS = "host-1:7:x"


@pytest.fixture
def page(app: RedisJobs, redis: RealRedis, serve: Callable[[Any], Site], visitor: Visitor) -> Iterator[Page]:
    """The list of queues, of which `low` has three jobs; a process listens to it and runs a fourth."""
    redis.seed({"queue:low": [a_payload(jid=jid * 24, queue="low", args=[jid]) for jid in JOBS], "queues": {"low"}})
    now = time.time()
    info = {"hostname": "host-1", "pid": 7, "queues": ["low"], "version": "redisjobs 0.1", "started_at": now - 60}
    running = a_payload(jid="r" * 24, queue="low")
    work = {"queue": "low", "run_at": int(now), "payload": running.decode()}
    redis.client.sadd("processes", PROCESS)
    redis.client.hset(PROCESS, mapping={"info": json.dumps(info), "concurrency": 5, "busy": 1, "beat": now})
    redis.client.hset(f"{PROCESS}:work", "t0", json.dumps(work))
    redis.client.lpush(f"lease:{{queue:low}}:{PROCESS}", running)
    opened = visitor.page(f"{serve(app.web()).url}/queues")
    opened.set_default_timeout(SOON_MS)
    yield opened


def jids(redis: RealRedis, queue: str) -> list[str]:
    return [json.loads(raw)["jid"][0] for raw in reversed(redis.client.lrange(f"queue:{queue}", 0, -1))]


def test_a_queue_is_paused_resumed_and_cleared_in_the_list(page: Page, redis: RealRedis) -> None:
    page.get_by_role("button", name="Pause").click()
    told(page, "low is paused")
    page.get_by_role("button", name="Resume").click()
    told(page, "low goes on")

    page.get_by_role("button", name="Clear").click()
    sure(page, "Clear")

    told(page, "3 jobs deleted")
    assert redis.client.llen("queue:low") == 0


def test_what_is_asked_can_be_taken_back(page: Page, redis: RealRedis) -> None:
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("link", name="Cancel").click()

    expect(page.get_by_role("heading", name="Queues")).to_be_visible(timeout=SOON_MS)
    assert redis.client.llen("queue:low") == 3


def test_a_queue_is_filtered_and_a_job_deleted(page: Page, redis: RealRedis) -> None:
    page.get_by_role("link", name="low", exact=True).click()
    page.get_by_label("Arguments").fill("b")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr")).to_have_count(1, timeout=SOON_MS)

    page.locator('input[name="job"]').check()
    page.get_by_role("button", name="Delete").click()
    sure(page, "Delete")

    told(page, "1 deleted")
    assert jids(redis, "low") == ["a", "c"]


def test_all_jobs_of_a_page_are_chosen_and_moved(page: Page, redis: RealRedis) -> None:
    page.get_by_role("link", name="low", exact=True).click()

    page.get_by_label("Choose all on this page").check()
    page.get_by_label("To the queue").fill("high")
    page.get_by_role("button", name="Move").click()
    sure(page, "Move")

    told(page, "3 moved")
    assert (jids(redis, "low"), jids(redis, "high")) == ([], ["a", "b", "c"])


def test_all_jobs_of_a_queue_are_killed(page: Page, redis: RealRedis) -> None:
    page.get_by_role("link", name="low", exact=True).click()

    page.get_by_label("Which jobs").select_option("all")
    page.get_by_role("button", name="Kill").click()
    sure(page, "Kill")

    told(page, "3 killed")
    assert redis.client.zcard("dead") == 3


SIGNALS = {"Quiet": "TSTP", "Threads": "TTIN", "Stop": "TERM"}
ALL = {"Quiet all": "TSTP", "Threads of all": "TTIN", "Stop all": "TERM"}


@pytest.mark.parametrize(("button", "signal"), [*SIGNALS.items(), *ALL.items()])
def test_a_process_hears_what_it_was_told(page: Page, redis: RealRedis, button: str, signal: str) -> None:
    page.get_by_role("link", name="Busy").click()

    page.get_by_role("button", name=button, exact=True).click()
    if signal != "TTIN":
        sure(page, button.partition(" ")[0])

    told(page, "will")
    assert redis.client.lrange(f"{PROCESS}-signals", 0, -1) == [signal.encode()]


def test_a_running_job_is_cancelled(page: Page) -> None:
    page.get_by_role("link", name="Busy").click()

    page.get_by_role("button", name="Cancel job").click()
    sure(page, "Cancel job")

    told(page, "asked to end")


def test_the_links_between_queues_processes_and_jobs_lead_there(page: Page) -> None:
    page.get_by_role("link", name="host-1:7").click()
    expect(page.get_by_role("heading", name="Busy")).to_be_visible(timeout=SOON_MS)

    page.get_by_role("link", name="r" * 24).click()
    expect(page.get_by_text("running").first).to_be_visible(timeout=SOON_MS)

    page.get_by_role("link", name="low", exact=True).click()
    expect(page.get_by_role("heading", name="Queue low")).to_be_visible(timeout=SOON_MS)
