"""Retries, scheduled, dead: what is listed, what a filter leaves, and what acts on many do."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from redisjobs import RedisJobs
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis
from tests.web.browser import Browser, notice
from tests.web.client import Client

HOSTILE = "<script>alert(1)</script>\u202e\x00\x1b[31m</td></table>"


def a_failed(jid: str, **fields: object) -> bytes:
    return a_payload(
        **{"jid": jid, "error_class": "Boom", "error_message": f"no {jid}", "retry_count": 1, "queue": "low", **fields}
    )


def marks(page: str) -> list[str]:
    return re.findall(r'name="job" value="([^"]+)"', page)


@pytest.mark.parametrize(("path", "key"), [("/retries", "retry"), ("/scheduled", "schedule"), ("/dead", "dead")])
def test_each_set_lists_its_jobs_with_links_to_them(web: Browser, redis: RealRedis, path: str, key: str) -> None:
    redis.seed({key: {a_failed("a" * 24, args=[5, "x"]): time.time() + 60}})

    page = web.get(path)

    assert page.status_code == 200
    assert "Mail" in page.text and "[5, &#34;x&#34;]" in page.text
    assert f"/jobs/{'a' * 24}?at={key}%3A" in page.text and "/queue?name=low" in page.text


@pytest.mark.parametrize("path", ["/retries", "/scheduled", "/dead", "/retries/errors", "/dead/errors", "/tasks"])
def test_an_empty_page_says_what_there_would_be(web: Browser, path: str) -> None:
    page = web.get(path)

    assert page.status_code == 200 and 'class="empty"' in page.text


@pytest.mark.parametrize(
    ("terms", "found"),
    [
        ({"class": "Report"}, ["b"]),
        ({"jid": "c"}, ["c"]),
        ({"queue": "high"}, ["c"]),
        ({"error": "TIMED"}, ["b"]),
        ({"args": "needle"}, ["a"]),
        ({"tag": "eu"}, ["a", "c"]),
        ({"tag": "eu", "queue": "high"}, ["c"]),
        ({"since": "1000"}, ["b", "c"]),
        ({"until": "999"}, ["a"]),
        ({"where": "class!=Mail"}, ["b"]),
    ],
)
def test_a_filter_in_the_url_leaves_what_matches(
    web: Browser, redis: RealRedis, terms: dict[str, str], found: list[str]
) -> None:
    redis.seed(
        {
            "retry": {
                a_failed("a", args=["a needle"], tags=["eu"]): 500,
                a_failed("b", class_="Report", error_message="timed out"): 1000,
                a_failed("c", queue="high", tags=["eu"]): 1500,
            }
        }
    )

    page = web.get("/retries", **terms).text

    assert re.findall(r'href="/jobs/(\w)\?', page) == found


def test_more_matches_than_a_page_holds_are_on_the_next(web: Browser, redis: RealRedis) -> None:
    redis.seed({"retry": {a_failed(f"j{number:03}", tags=["eu"]): number for number in range(70)}})

    first = web.get("/retries", tag="eu").text
    after = re.search(r'href="(/retries\?[^"]*after=[^"]*)" rel="next"', first)

    assert after
    second = web.get(after[1].replace("&amp;", "&")).text
    listed = [re.findall(r'href="/jobs/(j\d+)\?', page) for page in (first, second)]
    assert [len(page) for page in listed] == [50, 20] and len({*listed[0], *listed[1]}) == 70


def test_a_page_without_a_filter_leads_to_the_next(web: Browser, redis: RealRedis) -> None:
    redis.seed({"dead": {a_failed(f"j{number:03}"): number for number in range(70)}})

    assert re.findall(r'href="/jobs/(j\d+)\?', web.get("/dead?start=50").text)[0] == "j019"


def test_a_filter_that_cannot_be_read_is_told_beside_its_form(web: Browser) -> None:
    page = web.get("/retries", since="yesterday-ish")

    assert page.status_code == 200 and "yesterday-ish" in page.text and 'role="alert"' in page.text


def test_chosen_jobs_are_retried_after_it_was_asked(web: Browser, redis: RealRedis) -> None:
    redis.seed({"retry": {a_failed("a"): 500, a_failed("b"): 500, a_failed("c"): 700}})
    chosen = marks(web.get("/retries").text)

    asked = web.post("/retries/act", {"action": "retry", "job": chosen[1:]})
    assert "2 jobs" in asked.text and redis.client.zcard("retry") == 3
    done = web.sure("/retries/act", {"action": "retry", "job": chosen[1:]})

    assert notice(done) == "2 enqueued"
    assert redis.client.zcard("retry") == 1 and redis.client.llen("queue:low") == 2


def test_all_that_match_are_deleted_and_the_rest_stays(web: Browser, redis: RealRedis) -> None:
    redis.seed({"dead": {a_failed("a"): 500, a_failed("b", class_="Report"): 600}})

    done = web.sure("/dead/act?class=Report", {"action": "delete", "scope": "all"})

    assert notice(done) == "1 deleted" and "class=Report" in str(done.url)
    assert redis.dump() == {"dead": {a_failed("a").decode(): 500.0}}


def test_killed_jobs_go_to_the_dead_set(web: Browser, redis: RealRedis) -> None:
    redis.seed({"schedule": {a_failed("a"): 500}})

    assert notice(web.sure("/scheduled/act", action="kill", scope="all")) == "1 killed"
    assert redis.client.zcard("schedule") == 0 and redis.client.zcard("dead") == 1


@pytest.mark.parametrize(("how", "when", "at"), [("at", "5000", 5000), ("by", "1h", 4100), ("by", "-100s", 400)])
def test_rescheduled_jobs_get_another_moment(web: Browser, redis: RealRedis, how: str, when: str, at: float) -> None:
    redis.seed({"retry": {a_failed("a"): 500}})

    assert notice(web.sure("/retries/act", action="reschedule", scope="all", how=how, when=when)) == "1 rescheduled"
    assert redis.client.zscore("retry", a_failed("a")) == pytest.approx(at, abs=1)


def test_a_moment_that_is_none_is_refused_before_anything_is_asked(web: Browser, redis: RealRedis) -> None:
    redis.seed({"retry": {a_failed("a"): 500}})

    answer = web.post("/retries/act", action="reschedule", scope="all", how="at", when="soon")

    assert answer.status_code == 400 and "2026-01-31" in answer.text


def test_nothing_chosen_does_nothing(web: Browser, redis: RealRedis) -> None:
    redis.seed({"retry": {a_failed("a"): 500}})

    answer = web.post("/retries/act", action="delete", scope="chosen")

    assert "nothing was done" in notice(answer) and redis.client.zcard("retry") == 1


def test_a_chosen_job_that_went_meanwhile_is_passed_over(web: Browser, redis: RealRedis) -> None:
    redis.seed({"retry": {a_failed("a"): 500}})
    chosen = marks(web.get("/retries").text)
    redis.client.delete("retry")

    assert "nothing was done" in notice(web.post("/retries/act", {"action": "delete", "job": chosen}))


def test_errors_are_grouped_and_a_group_can_be_shown_and_retried(web: Browser, redis: RealRedis) -> None:
    redis.seed(
        {
            "retry": {
                a_failed("a", error_message="timeout after 3 s"): 500,
                a_failed("b", error_message="timeout after 31 s"): 600,
                a_failed("c", error_class="Other", error_message="else"): 700,
            }
        }
    )

    page = web.get("/retries/errors").text
    show = re.search(r'href="(/retries\?[^"]*error_class=Boom[^"]*)"', page)

    assert "timeout after &lt;n&gt; s" in page and show
    assert re.findall(r'href="/jobs/(\w)\?', web.get(show[1].replace("&amp;", "&")).text) == ["a", "b"]
    done = web.sure("/retries/act?error_class=Boom&message=timeout+after", action="retry", scope="all")
    assert notice(done) == "2 enqueued" and redis.client.zcard("retry") == 1


def test_an_export_imported_again_is_byte_for_byte_what_was_there(web: Browser, redis: RealRedis) -> None:
    redis.seed({"dead": {a_failed("a"): 500.25, b"\xff no job": 600, b'{"a" : 1}': 700}})
    before = redis.client.zrange("dead", 0, -1, withscores=True)

    lines = web.get("/dead/export")
    redis.client.delete("dead")
    done = web.sure("/import", lines=lines.text)

    assert lines.headers["content-disposition"] == 'attachment; filename="dead.jsonl"'
    assert notice(done) == "3 imported"
    assert redis.client.zrange("dead", 0, -1, withscores=True) == before


def test_a_file_is_imported_after_it_was_asked(web: Browser, redis: RealRedis) -> None:
    redis.seed({"dead": {a_failed("a"): 500}})
    exported = web.get("/dead/export?class=Mail").content
    redis.client.delete("dead")

    asked = web.post("/import", files={"file": ("dead.jsonl", exported)})

    assert "Import 1 job?" in asked.text and redis.client.zcard("dead") == 0


def test_a_line_that_is_none_is_named(web: Browser) -> None:
    answer = web.post("/import", lines='{"place":"dead"}')

    assert answer.status_code == 409 and "line 1" in answer.text


def test_who_may_only_look_sees_no_buttons_and_gets_no_export(browse: Callable[..., Browser], redis: RealRedis) -> None:
    redis.seed({"retry": {a_failed("a"): 500}})
    web = browse(read_only=True)

    assert 'name="action"' not in web.get("/retries").text
    assert web.get("/retries/export").status_code == 403
    assert web.post("/retries/act", action="delete", scope="all").status_code == 403
    assert redis.client.zcard("retry") == 1


def test_hidden_arguments_are_in_no_page(browse: Callable[..., Browser], redis: RealRedis) -> None:
    raw = a_failed("a", args=[{"password": "swordfish"}, "4711-4711"], error_message="bad swordfish, 4711-4711")
    redis.seed({"retry": {raw: 500}})
    web = browse(redact=[r"\d{4}-\d{4}"])

    for path in ("/retries", "/retries/errors", "/jobs/a", "/retries?args=swordfish"):
        page = web.get(path).text
        assert "4711-4711" not in page, path
        assert "swordfish" not in page.replace('value="swordfish"', "").replace("args=swordfish", ""), path


@pytest.mark.parametrize(
    ("asked", "is_found"),
    [
        ("args=visible", True),
        ("args=fish", False),
        ("q=fish", False),
        ("message=fish", False),
        ("error=4711", False),
        ("where=args!~fish", True),
        ("where=args!~visible", False),
    ],
)
def test_what_is_hidden_is_not_found_either_or_it_could_be_guessed(
    browse: Callable[..., Browser], redis: RealRedis, asked: str, is_found: bool
) -> None:
    """Letter by letter, by whether there is an answer."""
    args = ["visible", {"password": "swordfish"}, "4711-4711"]
    redis.seed({"retry": {a_failed("a", args=args, error_message="bad swordfish, 4711-4711"): 500}})
    web = browse(redact=[r"\d{4}-\d{4}"])

    assert ("/jobs/a" in web.get(f"/retries?{asked}").text) == is_found
    assert ("/jobs/a" in web.get(f"/retries/errors?{asked}").text) == is_found


@pytest.mark.parametrize("path", ["/retries", "/retries/errors", "/dead", "/scheduled", "/retries?q=alert"])
def test_no_field_of_a_job_breaks_a_page(web: Browser, redis: RealRedis, path: str) -> None:
    names = ("jid", "class", "queue", "error_class", "error_message", "display_class", "wrapped", "bid")
    hostile = a_payload(
        **dict.fromkeys(names, HOSTILE), args=[HOSTILE, {HOSTILE: HOSTILE}], tags=[HOSTILE], error_backtrace=[HOSTILE]
    )
    large = a_payload(args=["A" * 10_000_000], error_class="B" * 100_000, error_message="C" * 1_000_000, jid="D" * 9999)
    raws = {hostile: 1, large: 2, b"\xff\x00" + HOSTILE.encode(): 3, b"[" * 5000: 4, b'{"class": 5, "args": {}}': 5}
    redis.seed({"retry": raws, "dead": raws, "schedule": raws})

    page = web.get(path)

    assert page.status_code == 200 and len(page.content) < 200_000
    assert "<script>alert" not in page.text and "</table></td>" not in page.text
    assert not {"\u202e", "\x00", "\x1b"} & set(page.text)


def test_each_act_is_a_line_in_the_log_with_who_filter_and_count(
    web: Browser, redis: RealRedis, caplog: pytest.LogCaptureFixture
) -> None:
    redis.seed({"retry": {a_failed("a"): 500, a_failed("b", class_="Report"): 500}})
    caplog.set_level("INFO", "redisjobs.web")

    web.sure("/retries/act?class=Report", action="kill", scope="all")

    line = next(vars(record) for record in caplog.records if record.message == "action")
    assert (line["action"], line["who"], line["count"]) == ("kill in retries", "local", 1)
    assert "class Report" in line["filter"]


def test_the_pages_of_a_resque_app_say_what_there_is(redis: RealRedis, serve: Callable[..., Client]) -> None:
    app = RedisJobs(redis.url, dialect="resque")
    browser = Browser(serve(app.web()))

    pages = {path: browser.get(path).status_code for path in ("/retries", "/scheduled", "/dead", "/retries/errors")}
    app.close()

    assert set(pages.values()) == {200}, pages


def test_what_cannot_be_retried_stays_and_says_why(web: Browser, redis: RealRedis) -> None:
    redis.seed({"retry": {a_failed("a"): 500, b"no job": 600}})

    said = notice(web.sure("/retries/act", action="retry", scope="all"))

    assert said.startswith("1 enqueued; 1 left where they are: payload: not JSON")
    assert redis.client.zrange("retry", 0, -1) == [b"no job"]
