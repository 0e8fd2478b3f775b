"""The pages of queues: what they show, and what their buttons do."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from redisjobs import RedisJobs
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis
from tests.web.browser import Browser, notice
from tests.web.client import Client, words


@pytest.fixture
def browser(client: Client) -> Browser:
    return Browser(client)


def jobs(count: int, queue: str = "mail", **fields: Any) -> list[bytes]:
    """Return payloads, the newest first."""
    return [
        a_payload(jid=f"{number:024x}", args=[number], queue=queue, **{"class": "Mail", **fields})
        for number in range(count, 0, -1)
    ]


def marks(html: str) -> list[str]:
    """Return what stands for the jobs of a page in its form."""
    return [unescape(value) for value in re.findall(r'name="job" value="([^"]*)"', html)]


def seed_process(redis: RealRedis, identity: str, *queues: str, quiet: str = "false") -> None:
    info = {"hostname": identity, "pid": 42, "queues": queues, "version": "8.1.7", "started_at": time.time()}
    redis.seed({"processes": {identity}, identity: {"info": json.dumps(info), "beat": time.time(), "quiet": quiet}})


def test_a_list_of_all_queues_tells_who_listens(redis: RealRedis, client: Client) -> None:
    redis.seed({"queues": {"mail", "low"}, "queue:mail": jobs(3), "queue:low": jobs(1, "low"), "paused": {"low"}})
    seed_process(redis, "app-1", "mail")
    seed_process(redis, "app-2", "low", quiet="true")

    said = words(client.text("/queues"))

    assert re.search(r"mail 3 [\d.]+ \w+ - - app-1:42 Pause", said)
    assert re.search(r"low paused 1 [\d.]+ \w+ - - nobody Resume", said)


def test_where_nothing_was_pushed_it_is_said_how(client: Client) -> None:
    assert "redisjobs enqueue" in words(client.text("/queues"))


def test_a_queue_is_read_page_by_page(redis: RealRedis, client: Client) -> None:
    redis.seed({"queues": {"mail"}, "queue:mail": jobs(120)})

    first, last = client.text("/queue?name=mail"), client.text("/queue?name=mail&start=100")

    assert "1 to 50 of 120" in words(first)
    assert f"{120:024x}" in first
    assert f"{70:024x}" not in first
    assert "101 to 120 of 120" in words(last)
    assert f"{1:024x}" in last


def test_a_queue_is_filtered_by_class_and_arguments(redis: RealRedis, client: Client) -> None:
    redis.seed({"queues": {"mail"}, "queue:mail": [*jobs(3), *jobs(2, **{"class": "Other"})]})

    assert len(marks(client.text("/queue?name=mail&class=Other"))) == 2
    assert len(marks(client.text("/queue?name=mail&class=Mail&args=3"))) == 1
    assert "?name=mail&amp;class=Nobody" not in client.text("/queue?name=mail&class=Nobody")
    assert marks(client.text("/queue?name=mail&class=Nobody")) == []


def test_a_wrong_filter_is_said_in_the_page(redis: RealRedis, client: Client) -> None:
    redis.seed({"queues": {"mail"}, "queue:mail": jobs(3)})

    assert 'role="alert"' in client.text("/queue?name=mail&since=whenever")


def test_chosen_jobs_are_deleted_though_others_came_meanwhile(
    redis: RealRedis, app: RedisJobs, browser: Browser
) -> None:
    redis.seed({"queues": {"mail"}, "queue:mail": jobs(10)})
    chosen = marks(browser.get("/queue", name="mail").text)[2:4]
    app.push_many("Mail", [[number] for number in range(20)], queue="mail")

    said = notice(browser.sure("/queue/act?name=mail", {"action": "delete", "job": chosen}))

    assert "2 deleted" in said
    left = [entry.jid for entry in app.queue("mail")]
    assert len(left) == 28
    assert not {f"{8:024x}", f"{7:024x}"} & set(left)


def test_jobs_that_match_are_moved_to_another_queue_in_their_order(
    redis: RealRedis, app: RedisJobs, browser: Browser
) -> None:
    redis.seed({"queues": {"mail"}, "queue:mail": [*jobs(3, **{"class": "Other"}), *jobs(2)]})

    said = notice(
        browser.sure("/queue/act?name=mail&class=Other", {"action": "move", "scope": "all", "target": "slow"})
    )

    assert "3 moved" in said
    assert [entry.args for entry in app.queue("slow")] == [[3], [2], [1]]
    assert [entry.queue for entry in app.queue("slow")] == ["slow"] * 3
    assert app.queue("mail").size == 2


def test_a_move_needs_another_queue(redis: RealRedis, client: Client) -> None:
    redis.seed({"queues": {"mail"}, "queue:mail": jobs(1)})

    for target in ("", "mail", "  "):
        refused = client.post("/queue/act?name=mail", action="move", scope="all", target=target)
        assert (refused.status_code, "another queue" in refused.text) == (400, True)


def test_killed_jobs_are_dead(redis: RealRedis, app: RedisJobs, browser: Browser) -> None:
    redis.seed({"queues": {"mail"}, "queue:mail": jobs(3)})
    chosen = marks(browser.get("/queue", name="mail").text)[:1]

    browser.sure("/queue/act?name=mail", {"action": "kill", "job": chosen})

    assert [entry.args for entry in app.dead] == [[3]]
    assert app.queue("mail").size == 2


def test_nothing_chosen_does_nothing(redis: RealRedis, app: RedisJobs, browser: Browser) -> None:
    redis.seed({"queues": {"mail"}, "queue:mail": jobs(3)})

    browser.post("/queue/act?name=mail", {"action": "delete", "scope": "chosen"})

    assert app.queue("mail").size == 3


def test_acts_on_jobs_are_written_down(redis: RealRedis, browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    redis.seed({"queues": {"mail"}, "queue:mail": jobs(3)})

    with caplog.at_level(logging.INFO, "redisjobs.web"):
        browser.sure("/queue/act?name=mail", {"action": "delete", "scope": "all"})

    [line] = [record.__dict__ for record in caplog.records if record.message == "action"]
    assert (line["action"], line["queue"], line["count"], line["who"]) == ("delete in queue", "mail", 3, "local")


@pytest.mark.parametrize("name", ["a/b", "a b", "ä", "<b>", "%2F", "a\u202eb", "a&b=c"])
def test_a_queue_of_any_name_has_its_page_and_its_buttons(app: RedisJobs, client: Client, name: str) -> None:
    app.push("Mail", queue=name)
    links = [unescape(link) for link in re.findall(r'href="([^"]*)"', client.text("/queues")) if "queue?" in link]

    assert marks(client.text(links[0])) != []
    action = next(unescape(one) for one in re.findall(r'action="([^"]*)"', client.text("/queues")) if "pause" in one)
    client.act(action)
    assert app.queue(name).paused


def test_a_queue_whose_name_is_no_text_is_reached_too(redis: RealRedis, client: Client) -> None:
    redis.client.sadd("queues", b"\xff\xfe")
    redis.client.lpush(b"queue:\xff\xfe", a_payload())

    [link] = [unescape(one) for one in re.findall(r'href="([^"]*)"', client.text("/queues")) if "queue?" in one]
    assert len(marks(client.text(link))) == 1


def _jids(redis: RealRedis, queue: str) -> list[str]:
    """Return the jids of a queue, the next one first."""
    return [json.loads(raw)["jid"] for raw in reversed(redis.client.lrange(f"queue:{queue}", 0, -1))]


def test_chosen_jobs_are_moved_in_the_order_they_run(redis: RealRedis, web: Browser) -> None:
    redis.seed({"queue:low": [a_payload(jid=jid, queue="low") for jid in ("c", "b", "a")]})
    marks = re.findall(r'name="job" value="([^"]+)"', web.get("/queue", name="low").text)

    done = web.sure("/queue/act?name=low", {"action": "move", "target": "high", "job": [marks[0], marks[2]]})

    assert notice(done).startswith("2 moved")
    assert (_jids(redis, "low"), _jids(redis, "high")) == (["b"], ["a", "c"])


def test_a_chosen_job_is_found_behind_thousands_that_were_pushed_since(redis: RealRedis, web: Browser) -> None:
    redis.seed({"queue:low": [a_payload(jid=jid, queue="low") for jid in ("c", "b", "a")]})
    marks = re.findall(r'name="job" value="([^"]+)"', web.get("/queue", name="low").text)
    redis.client.lpush("queue:low", *(a_payload(jid=f"new-{number}", queue="low") for number in range(3_000)))
    redis.client.rpop("queue:low")

    done = web.sure("/queue/act?name=low", {"action": "delete", "job": marks[1]})

    assert notice(done) == "1 deleted"
    assert _jids(redis, "low")[:2] == ["c", "new-0"]


@pytest.mark.parametrize(("origin", "path"), [("queue", "/queue"), ("", "/queues")])
def test_a_queue_is_paused_and_resumed_where_the_button_is(
    redis: RealRedis, app: RedisJobs, web: Browser, origin: str, path: str
) -> None:
    redis.seed({"queue:low": [a_payload(queue="low")], "queues": {"low"}})

    paused = web.post("/queue/pause?name=low", {"from": origin})
    assert app.queue("low").paused and paused.url.path == path and "Resume" in paused.text

    resumed = web.post("/queue/resume?name=low", {"from": origin})
    assert not app.queue("low").paused and "Pause" in resumed.text


def test_a_queue_is_cleared_once_somebody_is_sure(redis: RealRedis, web: Browser) -> None:
    redis.seed({"queue:low": [a_payload(queue="low")], "queues": {"low"}})

    assert notice(web.sure("/queue/clear?name=low")) == "1 job deleted"
    assert not redis.client.exists("queue:low")


def test_who_may_only_look_sees_no_button_of_a_queue(redis: RealRedis, browse: Callable[..., Browser]) -> None:
    redis.seed({"queue:low": [a_payload(queue="low")], "queues": {"low"}})
    web = browse(read_only=True)

    assert "/queue/" not in web.get("/queues").text and 'name="action"' not in web.get("/queue", name="low").text
    assert web.post("/queue/act?name=low", {"action": "delete", "scope": "all"}).status_code == 403
    assert redis.client.llen("queue:low") == 1


def test_secrets_of_jobs_in_a_queue_are_hidden(redis: RealRedis, browse: Callable[..., Browser]) -> None:
    redis.seed({"queue:low": [a_payload(queue="low", args=["card-4111"])]})

    assert "card-4111" not in browse(redact=[r"card-\d+"]).get("/queue", name="low").text
