"""The page of one job: found wherever it is, shown whole, and acted upon."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import msgspec
import pytest

from redisjobs import RedisJobs
from redisjobs.wire import backtrace
from tests.support.builders import JID, a_payload
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.web.browser import Browser, notice
from tests.web.client import Client

Serve: TypeAlias = Callable[..., Client]

RAW = a_payload(
    args=[1, {"subject": "hi"}],
    queue="low",
    error_class="Boom",
    error_message="it broke",
    retry_count=2,
    failed_at=1_732_406_500_123,
    error_backtrace=backtrace.pack(["mail.py:12 in perform"], "sidekiq8"),
)
HOSTILE = "<script>alert(1)</script>\u202e\x00\x1b[31m"


def test_a_job_of_rubys_that_iterates_tells_how_far_it_is(web: Browser, redis: RealRedis) -> None:
    redis.seed({"retry": {RAW: 5e9}})
    redis.client.hset(f"it-{JID}", mapping={"c": '["<b>",7]', "ex": 3, "rt": 12.5})

    page = web.get(f"/jobs/{JID}").text

    assert "at [&#34;&lt;b&gt;&#34;,7], begun 3 times, ran 12 s in all" in page
    for field, nonsense in (("rt", "inf"), ("ex", "x")):
        redis.client.hset(f"it-{JID}", field, nonsense)
        assert "begun" not in web.get(f"/jobs/{JID}").text


@pytest.mark.parametrize(
    ("key", "said"), [("retry", "waits for a retry"), ("dead", "dead"), ("schedule", "scheduled"), ("", "in its queue")]
)
def test_a_job_is_found_wherever_it_is(web: Browser, redis: RealRedis, key: str, said: str) -> None:
    redis.seed({key: {RAW: 5e9}} if key else {"queues": {"low"}, "queue:low": [RAW]})

    page = web.get(f"/jobs/{JID}")

    assert page.status_code == 200
    for text in (said, "&#34;subject&#34;: &#34;hi&#34;", "it broke", "mail.py:12 in perform", "/queue?name=low"):
        assert text in page.text, text


def test_a_job_that_is_nowhere_says_where_it_was_looked_for(web: Browser) -> None:
    page = web.get("/jobs/nothing")

    assert page.status_code == 404 and "not among retries" in page.text


def test_retry_puts_it_into_its_queue_at_once(web: Browser, redis: RealRedis) -> None:
    redis.seed({"retry": {RAW: 5e9}})

    done = web.post(f"/jobs/{JID}", action="retry")

    assert notice(done) == "1 enqueued" and "in its queue" in done.text
    assert redis.client.llen("queue:low") == 1 and redis.client.zcard("retry") == 0


def test_kill_and_then_delete_which_asks(web: Browser, redis: RealRedis) -> None:
    redis.seed({"retry": {RAW: 5e9}})

    assert notice(web.post(f"/jobs/{JID}", action="kill")) == "1 killed"
    assert redis.client.zrange("dead", 0, -1) == [RAW]
    assert notice(web.sure(f"/jobs/{JID}", action="delete")) == "1 deleted"
    assert redis.dump() == {}


def test_a_job_in_a_queue_can_be_deleted(web: Browser, redis: RealRedis) -> None:
    redis.seed({"queues": {"low"}, "queue:low": [RAW, a_payload(jid="other")]})

    web.sure(f"/jobs/{JID}", action="delete")

    assert redis.client.lrange("queue:low", 0, -1) == [a_payload(jid="other")]


def test_reschedule_gives_it_another_moment(web: Browser, redis: RealRedis) -> None:
    redis.seed({"schedule": {RAW: 5e9}})

    web.post(f"/jobs/{JID}", action="reschedule", when="2030-01-31")

    assert redis.client.zscore("schedule", RAW) == pytest.approx(1_896_048_000, abs=1)


def test_who_retried_a_job_is_told_so_though_a_worker_took_it_at_once(web: Browser, redis: RealRedis) -> None:
    """One of Ruby's, which tells what it runs at its next heartbeat only."""
    redis.seed({"retry": {RAW: 5}})
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(redis.client.brpop, ["queue:low"], 30)
        eventually(lambda: redis.client.info("clients")["blocked_clients"] == 1)

        page = web.post(f"/jobs/{JID}", action="retry")

        assert taken.result(30)
    assert (page.status_code, notice(page)) == (200, "1 enqueued")
    assert "at its next heartbeat" in page.text
    assert web.get(f"/jobs/{JID}").status_code == 404


def test_an_act_that_does_not_fit_its_place_is_refused(web: Browser, redis: RealRedis) -> None:
    redis.seed({"dead": {RAW: 5}})

    assert web.post(f"/jobs/{JID}", action="kill").status_code == 409
    assert redis.client.zcard("dead") == 1


def test_an_edited_job_is_a_new_one_and_the_old_one_stays(web: Browser, redis: RealRedis) -> None:
    redis.seed({"dead": {RAW: 5}})
    assert "&#34;subject&#34;: &#34;hi&#34;" in web.get(f"/edit/{JID}").text

    done = web.post(f"/edit/{JID}", {"class": "Mail", "queue": "high", "args": '[2, {"subject": "ho"}]'})

    made = msgspec.json.decode(redis.client.lrange("queue:high", 0, -1)[0])
    assert made["args"] == [2, {"subject": "ho"}] and made["jid"] != JID and made["queue"] == "high"
    assert not made.keys() & {"error_class", "error_message", "error_backtrace", "retry_count", "failed_at"}
    assert "stays where it is" in notice(done) and str(made["jid"]) in str(done.url)
    assert redis.client.zrange("dead", 0, -1) == [RAW]


def test_the_old_one_is_deleted_if_that_was_asked_for(web: Browser, redis: RealRedis) -> None:
    redis.seed({"dead": {RAW: 5}})

    web.post(f"/edit/{JID}", {"class": "Mail", "queue": "low", "args": "[]", "delete": "1"})

    assert redis.client.zcard("dead") == 0 and redis.client.llen("queue:low") == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"args": "[1,"}, "args: no JSON"),
        ({"args": '{"a": 1}'}, "args: must be an array"),
        ({"queue": ""}, "queue: must be"),
        ({"class": ""}, "class: must be"),
    ],
)
def test_what_makes_no_job_is_told_in_the_form_and_nothing_is_pushed(
    web: Browser, redis: RealRedis, given: dict[str, str], told: str
) -> None:
    redis.seed({"dead": {RAW: 5}})

    page = web.post(f"/edit/{JID}", {"class": "Mail", "queue": "low", "args": "[]", "delete": "1", **given})

    assert page.status_code == 422 and told in page.text
    assert redis.dump() == {"dead": {RAW.decode(): 5.0}}


def test_a_job_with_hidden_arguments_cannot_be_edited(browse: Callable[..., Browser], redis: RealRedis) -> None:
    redis.seed({"dead": {a_payload(args=["a", 7], class_="Pay"): 5}})
    web = browse(sensitive={"Pay": [1]})

    page = web.get(f"/edit/{JID}")

    assert page.status_code == 409 and "hidden" in page.text
    assert web.post(f"/edit/{JID}", {"class": "Pay", "queue": "low", "args": "[]"}).status_code == 409


def test_bytes_that_are_no_job_have_a_page_by_their_id(web: Browser, redis: RealRedis) -> None:
    redis.seed({"dead": {b"\xff" + HOSTILE.encode(): 5}})
    link = web.get("/dead").text.split('href="/jobs/')[1].split('"')[0]

    page = web.get(f"/jobs/{link}")

    assert page.status_code == 200 and r"\xff&lt;script&gt;" in page.text
    assert web.get(f"/edit/{link}").status_code == 409
    assert notice(web.sure(f"/jobs/{link}", action="delete")) == "1 deleted"


@pytest.mark.parametrize("jid", ["a/b?c#d", "<script>", "ü\u202e", "a b%2f", "x" * 200])
def test_a_jid_of_any_characters_has_a_page(web: Browser, redis: RealRedis, jid: str) -> None:
    redis.seed({"dead": {a_payload(jid=jid): 5}})
    link = web.get("/dead").text.split('href="/jobs/')[1].split('"')[0]

    page = web.get(f"/jobs/{link}")

    assert page.status_code == 200 and "dead" in page.text
    assert notice(web.sure(f"/jobs/{link}", action="delete")) == "1 deleted"


def test_no_field_of_a_job_breaks_its_page(web: Browser, redis: RealRedis) -> None:
    names = ("class", "queue", "error_class", "error_message", "display_class", "wrapped", "bid")
    raw = a_payload(
        **dict.fromkeys(names, HOSTILE),
        args=[HOSTILE, {HOSTILE: HOSTILE}, "A" * 10_000_000, 1 << 90],
        tags=[HOSTILE] * 1000,
        error_backtrace=[HOSTILE] * 10_000,
    )
    redis.seed({"retry": {raw: float("inf")}})

    page = web.get(f"/jobs/{JID}")

    assert page.status_code == 200 and len(page.content) < 400_000 and "Cut:" in page.text
    assert "<script>alert" not in page.text
    assert not {"\u202e", "\x00", "\x1b"} & set(page.text)
    assert web.get(f"/edit/{JID}").status_code == 409


def test_who_may_only_look_cannot_edit(browse: Callable[..., Browser], redis: RealRedis) -> None:
    redis.seed({"dead": {RAW: 5}})
    web = browse(read_only=True)

    assert web.get(f"/jobs/{JID}").status_code == 200 and web.get(f"/edit/{JID}").status_code == 403
    assert web.post(f"/jobs/{JID}", action="retry").status_code == 403


def test_what_jobs_of_the_app_declare_sensitive_is_hidden(app: RedisJobs, serve: Serve, redis: RealRedis) -> None:
    @app.job(name="Pay", sensitive=["card"])
    def pay(amount: int, card: str) -> None: ...

    redis.seed({"dead": {a_payload(args=[5, "4111-1111"], class_="Pay"): 5}})

    page = Browser(serve(app.web())).get(f"/jobs/{JID}").text

    assert "4111" not in page and "[hidden]" in page


def test_a_running_job_tells_which_process_runs_it(app: RedisJobs, web: Browser) -> None:
    ends = threading.Event()

    @app.job(name="Slow", queue="low")
    def slow() -> None:
        ends.wait(60)

    with app.worker(queues=["low"]):
        jid = slow.enqueue()
        eventually(lambda: ">running<" in web.get(f"/jobs/{jid}").text, timeout_s=60)
        page = web.get(f"/jobs/{jid}").text
        ends.set()

    assert socket.gethostname() in page and "started" in page
