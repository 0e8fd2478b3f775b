"""Busy: the processes and what they run, and what they are told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from redisjobs import RedisJobs
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis
from tests.web.browser import Browser, notice
from tests.web.client import words

HOSTILE = "<script>alert(1)</script>\u202e\x00</td></table>"


def a_process(redis: RealRedis, identity: str, *running: bytes, **told: Any) -> None:
    """Register a process that beats now and runs some jobs."""
    now = time.time()
    info = {"hostname": identity, "pid": 7, "tag": "shop", "queues": ["low"], "concurrency": 10, "labels": ["reliable"]}
    info |= {"version": "redisjobs 0.1", "started_at": now - 3600, **told}
    beat = {"info": json.dumps(info), "concurrency": 10, "busy": len(running), "beat": now, "quiet": "false"}
    redis.client.sadd("processes", identity)
    redis.client.hset(identity, mapping={**beat, "rss": 51_200, "rtt_us": 1_500})
    for number, raw in enumerate(running):
        work = {"queue": "low", "payload": raw.decode(), "run_at": int(now) - 60 * (number + 1)}
        redis.client.hset(f"{identity}:work", f"t{number}", json.dumps(work))


def signals(redis: RealRedis, identity: str) -> list[bytes]:
    found: list[bytes] = redis.client.lrange(f"{identity}-signals", 0, -1)
    return found


def test_a_process_is_shown_with_all_that_it_tells(web: Browser, redis: RealRedis) -> None:
    a_process(redis, "host-1", a_payload(jid="a" * 24))

    said = words(web.get("/busy").text)

    for fact in ("host-1:7", "shop", "reliable", "Python", "redisjobs 0.1", "1 of 10", "50 MiB", "1.5 ms", "low"):
        assert fact in said, fact


def test_a_ruby_process_is_shown_as_one(web: Browser, redis: RealRedis) -> None:
    a_process(redis, "host-1", version="8.1.7")

    assert "Ruby 8.1.7" in words(web.get("/busy").text)


def test_running_jobs_are_shown_the_longest_first_with_links(web: Browser, redis: RealRedis) -> None:
    a_process(redis, "host-1", a_payload(jid="a" * 24), a_payload(jid="b" * 24))

    page = web.get("/busy").text

    assert 0 < page.index(f"/jobs/{'b' * 24}") < page.index(f"/jobs/{'a' * 24}")
    assert "2 min" in page


def test_no_process_says_how_to_start_one(web: Browser) -> None:
    assert "redisjobs worker" in web.get("/busy").text


def test_running_jobs_come_in_pages(web: Browser, redis: RealRedis) -> None:
    a_process(redis, "host-1", *(a_payload(jid=f"{number:024}") for number in range(60)))

    assert "1 to 50 of 60" in words(web.get("/busy").text)
    assert web.get("/busy", start="50").text.count("/jobs/") == 10


@pytest.mark.parametrize("only", [{"process": "host-1"}, {"queue": "other"}])
def test_one_process_or_those_of_a_queue_are_shown_alone(web: Browser, redis: RealRedis, only: dict[str, str]) -> None:
    a_process(redis, "host-1", queues=["other"])
    a_process(redis, "host-2")

    said = words(web.get("/busy", **only).text)

    assert "host-1:7" in said and "host-2:7" not in said and "Show all" in said


@pytest.mark.parametrize(("action", "signal"), [("quiet", b"TSTP"), ("stop", b"TERM")])
def test_a_process_is_told_to_quiet_or_stop_once_somebody_is_sure(
    web: Browser, redis: RealRedis, action: str, signal: bytes
) -> None:
    a_process(redis, "host-1")
    a_process(redis, "host-2")

    done = web.sure("/busy/tell", {"action": action, "process": "host-1"})

    assert notice(done).startswith("1 told to")
    assert (signals(redis, "host-1"), signals(redis, "host-2")) == ([signal], [])


def test_all_processes_dump_their_threads_but_embedded_ones(web: Browser, redis: RealRedis) -> None:
    a_process(redis, "host-1")
    a_process(redis, "host-2")
    a_process(redis, "host-3", embedded=True)

    done = web.post("/busy/tell", {"action": "dump", "process": ""})

    assert notice(done).startswith("2 told to")
    assert [signals(redis, f"host-{number}") for number in (1, 2, 3)] == [[b"TTIN"], [b"TTIN"], []]


def test_an_embedded_process_says_why_it_cannot_be_stopped(web: Browser, redis: RealRedis) -> None:
    a_process(redis, "host-1", embedded=True)

    refused = web.sure("/busy/tell", {"action": "stop", "process": "host-1"})

    assert refused.status_code == 409 and "embedded in another program" in refused.text


def test_a_process_that_has_gone_is_told_nothing(web: Browser) -> None:
    assert "nothing was done" in notice(web.post("/busy/tell", {"action": "stop", "process": "host-1"}))


def test_an_unknown_act_on_processes_is_refused(web: Browser) -> None:
    assert web.post("/busy/tell", {"action": "explode"}).status_code == 400


def test_a_running_job_is_cancelled_once_somebody_is_sure(web: Browser, redis: RealRedis) -> None:
    a_process(redis, "host-1", a_payload(jid="a" * 24))
    before = set(redis.client.keys())

    done = web.sure("/busy/cancel", {"jid": "a" * 24, "process": "host-1", "thread": "t0"})

    assert notice(done).startswith("aaaa") and "was told to end" in notice(done)
    assert set(redis.client.keys()) > before


def test_a_job_of_ruby_says_why_it_cannot_be_cancelled(web: Browser, redis: RealRedis) -> None:
    a_process(redis, "host-1", a_payload(jid="a" * 24), version="7.2.0")

    assert "cannot be cancelled" in web.get("/busy").text
    refused = web.sure("/busy/cancel", {"jid": "a" * 24, "process": "host-1", "thread": "t0"})
    assert refused.status_code == 409 and "iterate" in refused.text


def test_a_job_that_has_ended_is_not_cancelled(web: Browser, redis: RealRedis) -> None:
    a_process(redis, "host-1")

    done = web.post("/busy/cancel", {"jid": "a" * 24, "process": "host-1", "thread": "t0"})

    assert "nothing was done" in notice(done)


def test_who_may_only_look_sees_no_button_and_cannot_act(browse: Callable[..., Browser], redis: RealRedis) -> None:
    a_process(redis, "host-1", a_payload(jid="a" * 24))
    web = browse(read_only=True)

    assert "/busy/tell" not in web.get("/busy").text and "/busy/cancel" not in web.get("/busy").text
    assert web.post("/busy/tell", {"action": "dump"}).status_code == 403
    assert signals(redis, "host-1") == []


def test_what_a_job_declares_sensitive_is_hidden(browse: Callable[..., Browser], redis: RealRedis) -> None:
    a_process(redis, "host-1", a_payload(jid="a" * 24, args=["card-4111"]))

    page = browse(redact=[r"card-\d+"]).get("/busy").text

    assert "a" * 24 in page and "card-4111" not in page


def test_hostile_texts_are_only_texts(web: Browser, redis: RealRedis) -> None:
    job = a_payload(jid=HOSTILE, args=[HOSTILE], **{"class": HOSTILE, "tags": [HOSTILE]})
    told = {"hostname": HOSTILE, "tag": HOSTILE, "labels": [HOSTILE], "queues": [HOSTILE], "version": HOSTILE}
    a_process(redis, HOSTILE, job, **told)

    page = web.get("/busy")

    assert page.status_code == 200
    assert "<script>alert" not in page.text and "\u202e" not in page.text and "\x00" not in page.text


def test_an_act_is_noted_with_who_did_it(
    web: Browser, app: RedisJobs, redis: RealRedis, caplog: pytest.LogCaptureFixture
) -> None:
    a_process(redis, "host-1")

    with caplog.at_level("INFO", "redisjobs.web"):
        web.post("/busy/tell", {"action": "dump", "process": "host-1"})

    noted = [vars(record) for record in caplog.records if record.message == "action"]
    assert [(one["action"], one["worker"], one["count"]) for one in noted] == [("dump processes", "host-1", 1)]
    assert noted[0]["who"]
