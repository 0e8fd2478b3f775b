"""Queues: what is listed, what a filter leaves, what acts on jobs of a queue and on queues do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape

import pytest

from redisjobs import RedisJobs
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis
from tests.web.browser import Browser, notice

HOSTILE = "<script>alert(1)</script>\u202e\x00</td></table>"


def a_job(jid: str, **fields: object) -> bytes:
    return a_payload(**{"jid": jid * 24, "queue": "low", **fields})


def three() -> dict[str, object]:
    """Return a queue whose next job is a, and its name in the set of queues."""
    jobs = [a_job("c"), a_job("b", **{"class": "Report", "args": ["needle"]}), a_job("a")]
    return {"queue:low": jobs, "queues": {"low"}}


def process(redis: RealRedis, identity: str, *queues: str) -> None:
    info = {"hostname": identity, "pid": 7, "queues": queues, "concurrency": 5, "version": "redisjobs 0.1"}
    redis.client.sadd("processes", identity)
    redis.client.hset(identity, mapping={"info": json.dumps(info), "busy": 0, "beat": redis.now(), "quiet": "false"})


def marks(page: str) -> list[str]:
    return re.findall(r'name="job" value="([^"]+)"', page)


def jids(redis: RealRedis, queue: str) -> list[str]:
    """Return the first letters of the jids in a queue, the next one first."""
    return [json.loads(raw)["jid"][0] for raw in reversed(redis.client.lrange(f"queue:{queue}", 0, -1))]


def test_a_queue_is_listed_with_its_size_and_who_listens(web: Browser, redis: RealRedis) -> None:
    redis.seed({**three(), "queue:lonely": [a_job("d")], "queues": {"low", "lonely"}})
    process(redis, "host-1", "low")

    page = web.get("/queues").text

    assert "/queue?name=low" in page and ">3</td>" in page
    assert "/busy?process=host-1" in page
    assert page.count("nobody") == 1


def test_many_listeners_are_a_link_to_them_all(web: Browser, redis: RealRedis) -> None:
    redis.seed(three())
    for number in range(3):
        process(redis, f"host-{number}", "low")

    assert '<a href="/busy?queue=low">3 processes</a>' in web.get("/queues").text


def test_no_queue_says_how_to_push_a_job(web: Browser) -> None:
    assert "redisjobs enqueue" in web.get("/queues").text


def test_a_queue_shows_its_jobs_the_newest_first_with_links(web: Browser, redis: RealRedis) -> None:
    redis.seed(three())

    page = web.get("/queue", name="low").text

    assert [at.partition(":")[0] for at in marks(page)] == ["0", "1", "2"]
    assert f"/jobs/{'a' * 24}?at=queue%3Alow" in page or f"/jobs/{'a' * 24}?at=queue:low" in page


@pytest.mark.parametrize(
    ("terms", "found"),
    [({"class": "Report"}, 1), ({"args": "needle"}, 1), ({"jid": "a" * 24}, 1), ({"where": "class!=Report"}, 2)],
)
def test_a_filter_leaves_the_jobs_that_match(web: Browser, redis: RealRedis, terms: dict[str, str], found: int) -> None:
    redis.seed(three())

    assert len(marks(web.get("/queue", name="low", **terms).text)) == found


def test_the_filter_keeps_the_queue(web: Browser, redis: RealRedis) -> None:
    """A form that asks replaces all that stands behind the question mark."""
    redis.seed(three())

    assert '<input type="hidden" name="name" value="low">' in web.get("/queue", name="low").text


def test_a_filter_that_cannot_be_read_says_why(web: Browser, redis: RealRedis) -> None:
    redis.seed(three())

    page = web.get("/queue", name="low", since="whenever")

    assert page.status_code == 200 and 'role="alert"' in page.text


def test_pages_of_a_queue_lead_on_and_back(web: Browser, redis: RealRedis) -> None:
    redis.seed({"queue:low": [a_payload(jid=f"{number:024}", queue="low") for number in range(120)]})

    page = web.get("/queue", name="low", start="50").text

    assert "51 to 100 of 120" in page
    assert unescape(re.search(r'href="([^"]+)" rel="next"', page)[1]) == "/queue?name=low&start=100"  # type: ignore[index]


def test_a_chosen_job_is_deleted_once_somebody_is_sure(web: Browser, redis: RealRedis) -> None:
    redis.seed(three())
    mark = marks(web.get("/queue", name="low").text)[1]

    done = web.sure("/queue/act?name=low", {"action": "delete", "job": mark, "scope": "chosen"})

    assert notice(done) == "1 deleted"
    assert jids(redis, "low") == ["a", "c"]


def test_a_chosen_job_is_found_where_pushes_and_workers_have_moved_it(web: Browser, redis: RealRedis) -> None:
    redis.seed(three())
    mark = marks(web.get("/queue", name="low").text)[1]
    redis.client.lpush("queue:low", *(a_payload(jid=f"{number:024}", queue="low") for number in range(1_500)))
    redis.client.rpop("queue:low")

    done = web.sure("/queue/act?name=low", {"action": "delete", "job": mark, "scope": "chosen"})

    assert notice(done) == "1 deleted"
    assert jids(redis, "low")[0] == "c" and redis.client.llen("queue:low") == 1_501


def test_a_job_that_has_run_meanwhile_is_not_acted_on(web: Browser, redis: RealRedis) -> None:
    redis.seed(three())
    mark = marks(web.get("/queue", name="low").text)[2]
    redis.client.rpop("queue:low")

    done = web.post("/queue/act?name=low", {"action": "delete", "job": mark, "scope": "chosen"})

    assert "nothing was done" in notice(done)
    assert jids(redis, "low") == ["b", "c"]


def test_chosen_jobs_move_to_another_queue_in_order(web: Browser, redis: RealRedis) -> None:
    redis.seed({**three(), "queue:high": [a_job("h", queue="high")]})
    chosen = marks(web.get("/queue", name="low").text)

    done = web.sure(
        "/queue/act?name=low", {"action": "move", "target": "high", "job": [chosen[0], chosen[2]], "scope": "chosen"}
    )

    assert notice(done) == "2 moved"
    assert (jids(redis, "low"), jids(redis, "high")) == (["b"], ["h", "a", "c"])


def test_all_that_match_move_to_another_queue(web: Browser, redis: RealRedis) -> None:
    redis.seed(three())

    done = web.sure("/queue/act?name=low&class=Mail", {"action": "move", "target": "high", "scope": "all"})

    assert notice(done).startswith("2 moved")
    assert (jids(redis, "low"), jids(redis, "high")) == (["b"], ["a", "c"])


def test_many_that_match_are_deleted_by_a_task(web: Browser, redis: RealRedis) -> None:
    redis.seed({"queue:low": [a_payload(jid=f"{number:024}", queue="low") for number in range(600)]})

    done = web.sure("/queue/act?name=low", {"action": "delete", "scope": "all"})

    assert done.url.path.startswith("/tasks/")


@pytest.mark.parametrize("target", ["", " ", "low"])
def test_a_move_needs_another_queue(web: Browser, redis: RealRedis, target: str) -> None:
    redis.seed(three())

    refused = web.post("/queue/act?name=low", {"action": "move", "target": target, "scope": "all"})

    assert refused.status_code == 422 and jids(redis, "low") == ["a", "b", "c"]


def test_an_unknown_act_on_jobs_is_refused(web: Browser, redis: RealRedis) -> None:
    redis.seed(three())

    assert web.post("/queue/act?name=low", {"action": "explode", "scope": "all"}).status_code == 400


@pytest.mark.parametrize(("origin", "path"), [("queue", "/queue"), ("", "/queues")])
def test_a_queue_is_paused_and_resumed_from_where_the_button_was(
    web: Browser, app: RedisJobs, redis: RealRedis, origin: str, path: str
) -> None:
    redis.seed(three())

    paused = web.post("/queue/pause?name=low", {"from": origin})
    assert app.queue("low").paused and paused.url.path == path and "Resume" in paused.text

    resumed = web.post("/queue/resume?name=low", {"from": origin})
    assert not app.queue("low").paused and "Pause" in resumed.text


def test_clearing_a_queue_asks_first(web: Browser, redis: RealRedis) -> None:
    redis.seed(three())

    done = web.sure("/queue/clear?name=low")

    assert notice(done) == "3 jobs deleted" and not redis.client.exists("queue:low")


def test_who_may_only_look_sees_no_button_and_cannot_act(browse: Callable[..., Browser], redis: RealRedis) -> None:
    redis.seed(three())
    web = browse(read_only=True)

    assert "<button name=" not in web.get("/queue", name="low").text
    assert web.post("/queue/act?name=low", {"action": "delete", "scope": "all"}).status_code == 403
    assert jids(redis, "low") == ["a", "b", "c"]


def test_secrets_in_arguments_are_hidden(browse: Callable[..., Browser], redis: RealRedis) -> None:
    redis.seed({"queue:low": [a_job("a", args=["card-4111"])]})

    assert "card-4111" not in browse(redact=[r"card-\d+"]).get("/queue", name="low").text


def test_hostile_texts_are_only_texts(web: Browser, redis: RealRedis) -> None:
    redis.seed({f"queue:{HOSTILE}": [a_job("a", **{"class": HOSTILE, "args": [HOSTILE], "tags": [HOSTILE]}), b"\xff{"]})
    redis.client.sadd("queues", HOSTILE)

    for page in (web.get("/queues"), web.get("/queue", name=HOSTILE)):
        assert page.status_code == 200
        assert "<script>alert" not in page.text and "\u202e" not in page.text and "\x00" not in page.text
