"""The dashboard: figures, live and as a page; history, alerts, Redis."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from redisjobs import RedisJobs, clock
from redisjobs.errors import StoreUnavailableError
from redisjobs.inspector import Access, Day
from redisjobs.web import pulse as pulses
from redisjobs.web.pages import dashboard
from redisjobs.web.pages.history import periods
from redisjobs.web.pulse import Alerts, Pulse
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.web.client import Client, words

TODAY = datetime.now(UTC).date()


@pytest.fixture
def access(app: RedisJobs) -> Access:
    return app.web().site.access


def push(redis: RealRedis, queue: str, *, ago_s: float = 0) -> None:
    """Put a job into a queue, as if it had been there for a while."""
    at_ms = int((clock.now() - ago_s) * 1000)
    redis.client.sadd("queues", queue)
    redis.client.lpush(f"queue:{queue}", json.dumps({"class": "Mail", "args": [], "jid": "x", "enqueued_at": at_ms}))


def events(client: Client, enough: Callable[[list[tuple[str, Any]]], bool]) -> list[tuple[str, Any]]:
    """Listen to the stream until there is enough of it; return the names of events and their data."""
    found: list[tuple[str, Any]] = []
    name = "message"
    with client.http.stream("GET", "/live") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                found.append((name, json.loads(value)))
                name = "message"
                if enough(found):
                    break
    return found


def test_all_figures_stand_on_the_page(redis: RealRedis, client: Client) -> None:
    redis.seed({"stat:processed": "1234567", "stat:failed": "89", "queue:mail": ["a", "b"], "queues": {"mail"}})
    redis.client.zadd("retry", {"{}": 1})
    redis.client.zadd("dead", {"{}": 1, "[]": 2})

    page = client.text("/")

    shown = dict(re.findall(r'data-live="(\w+)">([\d,]+)<', page))
    assert shown == {
        "processed": "1,234,567",
        "failed": "89",
        "busy": "0",
        "enqueued": "2",
        "retries": "1",
        "scheduled": "0",
        "dead": "2",
        "processes": "0",
    }


def test_the_longest_waits_come_first(redis: RealRedis, client: Client) -> None:
    for number in range(15):
        push(redis, f"q{number}", ago_s=60 * number)
    redis.client.sadd("paused", "q14")

    for page in (client.text("/"), client.text("/latencies")):
        table = words(page[page.index(">Waits<") :])
        assert re.findall(r"q\d+", table) == [f"q{number}" for number in range(14, 2, -1)]
        assert "q14 paused 14 min 1 - - q13 13 min" in table
        assert "3 more queues" in table


def test_a_shop_without_a_queue_is_told_how_to_begin(client: Client) -> None:
    assert "redisjobs enqueue" in client.text("/")


@pytest.mark.parametrize(
    ("chosen", "unit", "rows"),
    [
        ("1w", "by day", 7),
        ("1m", "by day", 30),
        ("3m", "by day", 91),
        ("5y", "by month", 60),
        ("nonsense", "by day", 30),
    ],
)
def test_history_goes_back_as_far_as_chosen(
    redis: RealRedis, client: Client, chosen: str, unit: str, rows: int
) -> None:
    redis.client.set(f"stat:processed:{TODAY}", 4321)
    redis.client.set(f"stat:failed:{TODAY}", 43)

    page = client.text(f"/?range={chosen}")

    history = page[page.index('id="history"') :]
    table = history[history.index("<tbody>") : history.index("</tbody>")]
    assert f"runs {unit}" in words(history)
    assert abs(table.count("<tr>") - rows) <= 1
    assert "4,321 43 1.0 %" in words(table)


def test_days_are_put_together_to_whole_weeks_and_months() -> None:
    last = datetime(2026, 3, 4, tzinfo=UTC).date()  # a Wednesday

    def days(count: int) -> list[Day]:
        return [Day((last - timedelta(days=back)).isoformat(), 10, 1) for back in range(count)]

    by_day, by_week, by_month = periods(days(91)), periods(days(182)), periods(days(500))

    assert [(one.name, one.processed) for one in by_day][-1] == ("2026-03-04", 10)
    assert len(by_day) == 91
    assert [(one.name, one.processed, one.failed) for one in by_week][-2:] == [
        ("2026-02-23", 70, 7),
        ("2026-03-02", 30, 3),
    ]
    assert by_week[0].processed == 70
    assert [(one.name, one.processed) for one in by_month][-2:] == [("2026-02", 280), ("2026-03", 40)]
    assert (by_month[0].name, by_month[0].processed) == ("2024-11", 300)


def test_what_is_wrong_is_said_with_its_remedy(redis: RealRedis, client: Client) -> None:
    push(redis, "reports")

    eventually(lambda: "nobody listens to the queue reports" in client.text("/"), 30)

    assert "start a worker for it (-q reports)" in client.text("/alerts")
    assert "<h1>" not in client.text("/alerts")


def test_what_one_remedy_helps_against_stands_together(redis: RealRedis, client: Client) -> None:
    for number in range(5):
        push(redis, f"reports{number}")

    page = eventually(lambda: (page := client.text("/alerts")) and "nobody listens" in page and page, 30)

    assert len(re.findall("nobody listens to the queue", str(page))) == 5


def test_redis_tells_of_itself(redis: RealRedis, client: Client) -> None:
    page = words(client.text("/"))

    told = redis.client.info("server")
    name = "valkey" if "valkey_version" in told else "redis"
    assert f"{name} {told[f'{name}_version']} standalone master" in page
    assert "no limit" in page


def test_a_user_who_may_not_ask_about_redis_sees_the_rest(redis: RealRedis, serve: Callable[..., Client]) -> None:
    redis.client.acl_setuser("looker", enabled=True, passwords=["+x"], keys=["*"], commands=["+@all", "-info"])
    app = RedisJobs(redis.url.replace("://", "://looker:x@"))
    try:
        page = words(serve(app.web()).text("/"))
    finally:
        app.close()
        redis.client.acl_deluser("looker")

    assert "may not ask INFO" in page
    assert "Processed" in page


def test_a_stream_tells_figures_as_they_change(redis: RealRedis, client: Client) -> None:
    pushed = threading.Event()

    def enough(found: list[tuple[str, Any]]) -> bool:
        if not pushed.is_set():
            push(redis, "default")
            pushed.set()
        return bool(found[-1][1].get("enqueued")) and found[-1][1]["processed_s"] is not None

    found = events(client, enough)

    assert found[0][1]["enqueued"] == 0
    figures = found[-1][1]
    assert abs(figures.pop("at") - clock.now()) < 60
    assert {name for name, value in figures.items() if value} == {"enqueued"}
    assert len(figures) == 10


def test_polling_tells_the_same(client: Client) -> None:
    streamed = events(client, bool)[0][1]

    assert client.get("/live.json").json().keys() == streamed.keys()


def test_a_stream_says_that_redis_is_away_and_goes_on(
    server: Callable[..., RealRedis], serve: Callable[..., Client]
) -> None:
    own = server()
    app = RedisJobs(own.url)
    client = serve(app.web())

    def away(found: list[tuple[str, Any]]) -> bool:
        if len(found) == 1:
            own.close()
        return found[-1][0] == "away"

    try:
        found = events(client, away)
    finally:
        app.close()

    assert found[0][0] == "message"
    assert client.get("/live.json").status_code == 503


def test_only_so_many_may_listen_at_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "MOST_READERS", 1)

    with client.http.stream("GET", "/live") as first:
        next(first.iter_lines())
        refused = client.get("/live")

    assert refused.status_code == 503
    eventually(lambda: _streams(client), 30, "the place of who went is still taken")


def test_a_stream_ends_by_itself_and_browsers_come_back(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "STREAM_S", 0.01)

    with client.http.stream("GET", "/live") as answer:
        lines = list(answer.iter_lines())

    assert lines[0].startswith("retry: ")
    assert sum(line.startswith("data: ") for line in lines) == 1


def test_a_site_that_cannot_stream_has_its_pages_ask(app: RedisJobs, serve: Callable[..., Client]) -> None:
    client = serve(app.web(live=False))

    assert 'data-stream=""' in client.text("/")
    assert client.get("/live").status_code == 503
    assert client.get("/live.json").status_code == 200


def test_who_may_not_come_in_may_not_listen(app: RedisJobs, serve: Callable[..., Client]) -> None:
    client = serve(app.web(authorize=lambda request: None))

    assert {client.get(path).status_code for path in ("/live", "/live.json", "/alerts", "/latencies")} == {403}


def test_one_look_serves_all_who_ask_at_that_moment(access: Access) -> None:
    pulse = Pulse(access)

    with ThreadPoolExecutor(8) as pool:
        beats = list(pool.map(lambda _: pulse.beat(), range(50)))

    assert len({beat.at for beat in beats}) < 10  # of 50, however slow this machine is
    assert pulse.past[-1] == beats[-1]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """A function that lets time pass for who shares looks."""
    passed = [0.0]
    theirs = SimpleNamespace(monotonic=lambda: clock.monotonic() + passed[0], now=clock.now)
    monkeypatch.setattr(pulses, "clock", theirs)
    yield lambda seconds: passed.append(passed.pop() + seconds)


def test_rates_are_of_the_time_that_somebody_looked_at(
    redis: RealRedis, access: Access, later: Callable[[float], None]
) -> None:
    pulse = Pulse(access)
    assert pulse.beat().processed_s is None
    later(2)
    redis.client.incrby("stat:processed", 100)
    assert (pulse.beat().processed_s or 0) > 0

    later(3600)

    assert pulse.beat().processed_s is None
    assert len(pulse.past) == 1


def test_a_redis_that_is_away_is_waited_for_once_by_all(
    access: Access, later: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pulse = Pulse(access)

    def away(_: Access) -> None:
        raise StoreUnavailableError("away")

    with monkeypatch.context() as fault:
        fault.setattr(pulses, "Stats", away)
        with pytest.raises(StoreUnavailableError):
            pulse.beat()

    with pytest.raises(StoreUnavailableError, match="away"):
        pulse.beat()
    later(3)
    assert pulse.beat().processed == 0


def test_the_doctor_is_not_asked_more_often_than_it_is_worth(access: Access, later: Callable[[float], None]) -> None:
    alerts = Alerts(access)

    first = alerts.report(30)

    assert alerts.report(30) is first
    later(20)
    assert alerts.report(30) is not first


def test_a_page_waits_no_longer_for_the_doctor_than_it_may(
    redis: RealRedis, access: Access, later: Callable[[float], None]
) -> None:
    alerts = Alerts(access)
    redis.client.client_pause(500)

    assert alerts.report(0) is None

    known = alerts.report(30)
    assert known is not None
    later(20)
    redis.client.client_pause(500)
    assert alerts.report(0) is known


def _streams(client: Client) -> bool:
    with httpx.Client(base_url=client.site.url, timeout=30) as other, other.stream("GET", "/live") as answer:
        return answer.status_code == 200


def test_a_server_that_ends_breaks_streams_off_quietly(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with client.http.stream("GET", "/live") as answer:
        lines = answer.iter_lines()
        next(lines)

        client.site.close()

        assert list(lines)  # to its end, which is no error
    assert [record for record in caplog.records if record.levelname == "ERROR" and record.exc_info] == []
