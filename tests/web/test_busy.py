"""The page of processes and what they run."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from redisjobs import RedisJobs
from tests.support.builders import a_payload
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.web.browser import Browser, notice
from tests.web.client import Client, words


@pytest.fixture
def browser(client: Client) -> Browser:
    return Browser(client)


def seed(redis: RealRedis, identity: str = "app-1:42:abc", *, works: int = 0, **told: Any) -> None:
    """Write a process as Sidekiq 8 does."""
    info = {
        "hostname": identity.split(":", maxsplit=1)[0],
        "pid": 42,
        "queues": ["mail", "low"],
        "tag": "shop",
        "labels": ["reliable"],
        "concurrency": 10,
        "version": "8.1.7",
        "identity": identity,
        "started_at": time.time() - 3600,
        **told,
    }
    now = int(time.time())
    running = {
        f"t{number}": json.dumps({"queue": "mail", "run_at": now - 60, "payload": _payload(f"{identity}-{number}")})
        for number in range(works)
    }
    fields = {"info": json.dumps(info), "busy": works, "beat": now, "quiet": "false", "rss": 102400, "rtt_us": 340}
    redis.client.sadd("processes", identity)
    redis.client.hset(identity, mapping=fields)
    if running:
        redis.client.hset(f"{identity}:work", mapping=running)


def _payload(jid: str) -> str:
    return a_payload(jid=jid, args=["<b>"]).decode()


def test_a_process_is_shown_with_all_that_it_tells(redis: RealRedis, client: Client) -> None:
    seed(redis, works=2)

    said = words(client.text("/busy"))

    for told in ("app-1:42", "shop", "reliable", "Ruby", "8.1.7", "2/10", "mail, low", "100 MiB", "0.34 ms", "1 h ago"):
        assert told in said, told
    assert "app-1:42:abc-1" in said
    assert "not cancellable" in said


def test_where_no_worker_lives_it_is_said_how_to_start_one(client: Client) -> None:
    assert "redisjobs worker" in words(client.text("/busy"))


def test_many_processes_and_jobs_come_page_by_page(redis: RealRedis, client: Client) -> None:
    for number in range(60):
        seed(redis, f"app-{number:02}:42:x", works=2)

    first, second = client.text("/busy"), client.text("/busy?from=50&start=100")

    assert "1 to 50 of 60" in words(first)
    assert "1 to 50 of 120" in words(first)
    assert "51 to 60 of 60" in words(second)
    assert "101 to 120 of 120" in words(second)


def test_one_process_is_shown_alone(redis: RealRedis, client: Client) -> None:
    seed(redis, "app-1:42:x", works=1)
    seed(redis, "app-2:42:x", works=1)

    said = words(client.text("/busy?process=app-2:42:x"))

    assert "app-2:42:x-0" in said
    assert "app-1:42:x-0" not in said


@pytest.mark.parametrize(("action", "signal"), [("quiet", "TSTP"), ("stop", "TERM"), ("dump", "TTIN")])
def test_processes_are_told_one_or_all(redis: RealRedis, browser: Browser, action: str, signal: str) -> None:
    seed(redis, "app-1:42:x")
    seed(redis, "app-2:42:x")
    seed(redis, "app-3:42:x", embedded=True)
    send = browser.post if action == "dump" else browser.sure

    assert "app-1:42:x will" in notice(send("/busy/tell", {"action": action, "process": "app-1:42:x"}))
    assert "all 2 processes will" in notice(send("/busy/tell", {"action": action}))

    signals = {name: redis.client.lrange(f"app-{name}:42:x-signals", 0, -1) for name in (1, 2, 3)}
    assert signals == {1: [signal.encode()] * 2, 2: [signal.encode()], 3: []}


def test_what_processes_were_told_is_written_down(
    redis: RealRedis, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    """Under names that a log record does not have itself: it refuses those."""
    seed(redis, "app-1:42:x")

    with caplog.at_level("INFO", "redisjobs.web"):
        told = browser.post("/busy/tell", {"action": "dump", "process": "app-1:42:x"})

    assert told.status_code == 200
    noted = [vars(record) for record in caplog.records if record.message == "action"]
    assert [(one["action"], one["worker"], one["count"]) for one in noted] == [("dump processes", "app-1:42:x", 1)]
    assert noted[0]["who"]


def test_a_job_is_cancelled_and_that_is_written_down(
    redis: RealRedis, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    seed(redis, "app-1:42:x", works=1, version="redisjobs 0.1")

    with caplog.at_level("INFO", "redisjobs.web"):
        told = browser.sure("/busy/cancel", {"jid": "app-1:42:x-0", "process": "app-1:42:x", "thread": "t0"})

    assert told.status_code == 200
    assert [vars(record)["worker"] for record in caplog.records if record.message == "action"] == ["app-1:42:x"]


def test_who_may_only_look_sees_no_button_of_processes(redis: RealRedis, browse: Callable[..., Browser]) -> None:
    seed(redis, "app-1:42:x", works=1, version="redisjobs 0.1")
    web = browse(read_only=True)

    page = web.get("/busy").text

    assert "app-1:42:x-0" in page and "/busy/tell" not in page and "/busy/cancel" not in page
    assert web.post("/busy/tell", {"action": "dump"}).status_code == 403
    assert not redis.client.exists("app-1:42:x-signals")


def test_one_that_went_meanwhile_is_said(browser: Browser) -> None:
    assert "not there any more" in notice(browser.post("/busy/tell", {"action": "quiet", "process": "gone"}))
    assert "does not run any more" in notice(browser.post("/busy/cancel", {"jid": "gone"}))


def test_a_job_of_ruby_s_that_does_not_iterate_is_left_and_the_reason_said(redis: RealRedis, browser: Browser) -> None:
    seed(redis, works=1)

    assert "cannot be cancelled" in notice(
        browser.sure("/busy/cancel", {"jid": "app-1:42:abc-0", "process": "app-1:42:abc", "thread": "t0"})
    )


def test_a_running_job_is_cancelled_and_its_secrets_are_not_shown(app: RedisJobs, serve: Callable[..., Client]) -> None:
    begun = threading.Event()

    @app.job(name="Pay", sensitive=("card",))
    def pay(card: str) -> None:
        begun.set()
        while True:
            time.sleep(0.01)

    client = serve(app.web())
    jid = str(pay.enqueue("4111-1111"))
    with app.worker(concurrency=1):
        assert begun.wait(30)
        eventually(lambda: jid in client.text("/busy"), 30)
        assert "4111" not in client.text("/busy")
        found = app.running.find(jid)
        assert found is not None
        fields = {"jid": jid, "process": found.process, "thread": found.thread}
        assert "asked to end" in notice(Browser(client).sure("/busy/cancel", fields))
        eventually(lambda: app.dead.find(jid) is not None, 30)
