"""Metrics: what classes did, as a page and class by class; deploys."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from redisjobs import RedisJobs, clock
from redisjobs.inspector import Metrics
from redisjobs.store.ops import metrics as ops
from redisjobs.store.ops.metrics import Sums
from redisjobs.web.render import took
from redisjobs.wire.metrics import Tally
from tests.support import hostile
from tests.support.real_redis import RealRedis
from tests.web.client import Client, words

WINDOWS = ("1h", "8h", "24h", "72h")


def ran(app: RedisJobs, name: str, *times_s: float, failures: int = 0, ago_s: float = 0) -> None:
    """Have a class have run, as a worker notes it."""
    tally = Tally()
    for one in times_s:
        tally.note(one, failed=False)
    for _ in range(failures):
        tally.note(1.0, failed=True)
    access = app.web().site.access
    sums, at = Sums({name: tally}), clock.now() - ago_s
    assert access.run(ops.tally(access.keys, sums, at=at, generations=[8], identity=f"{name}:{at}", number=1))


def charts(page: str) -> list[dict[str, Any]]:
    """Return what the charts of a page are given."""
    return [json.loads(unescape(told)) for told in re.findall(r'data-chart="([^"]*)"', page)]


def rows(page: str) -> list[str]:
    """Return the rows of the table of all classes."""
    table = page[page.index('class="cards compact"') :]
    found = re.findall(r"<tr>.*?</tr>", table[: table.index("</table>")], re.DOTALL)
    return [words(row).strip() for row in found[1:]]


def test_each_class_has_its_figures(app: RedisJobs, client: Client) -> None:
    ran(app, "Mail", 0.025, 0.035, failures=2)
    ran(app, "Report", 3.0, 4.0, 5.0)

    assert rows(client.text("/metrics")) == [
        "Mail 4 2 0.1 s 30 ms 30 ms 44 ms 45 ms",
        "Report 3 0 12 s 4.00 s 4.29 s 5.60 s 5.72 s",
    ]


@pytest.mark.parametrize(
    ("by", "first"), [("executions", "Often"), ("failures", "Bad"), ("total", "Slow"), ("p95", "Slow"), ("x", "Often")]
)
def test_classes_are_ordered_as_asked(app: RedisJobs, client: Client, by: str, first: str) -> None:
    ran(app, "Often", *[0.001] * 9)
    ran(app, "Bad", 0.001, failures=4)
    ran(app, "Slow", 100.0)

    assert rows(client.text(f"/metrics?by={by}"))[0].startswith(first)


def test_classes_are_filtered_by_name(app: RedisJobs, client: Client) -> None:
    ran(app, "Mail::Welcome", 1.0)
    ran(app, "Report", 1.0)

    page = client.text("/metrics?q=mail")

    assert [row.partition(" ")[0] for row in rows(page)] == ["Mail::Welcome"]
    assert sum(charts(page)[0]["ys"][0]) == 1


@pytest.mark.parametrize("window", WINDOWS)
def test_each_window_shows_what_ran_in_it(app: RedisJobs, client: Client, window: str) -> None:
    ran(app, "Now", 0.5)
    ran(app, "Before", 0.5, ago_s=5 * 3600)

    page = client.text(f"/metrics?window={window}")

    shown = {row.partition(" ")[0] for row in rows(page)}
    assert shown == ({"Now"} if window == "1h" else {"Now", "Before"})
    assert ("Percentiles are kept for windows of up to 8 hours." in words(page)) == (window in ("24h", "72h"))
    assert f'window={window}&amp;q=&amp;by=p95"' in page or f"window={window}&amp;by=p95" in page


def test_the_chart_of_a_class_shows_runs_times_and_how_they_spread(app: RedisJobs, client: Client) -> None:
    ran(app, "Mail", 0.01, 0.06, 0.06, failures=1, ago_s=120)

    page = client.text("/metrics/class?name=Mail")

    runs, means, spread = charts(page)
    assert (sum(runs["ys"][0]), sum(runs["ys"][1])) == (3 + 1, 1)
    assert [mean for mean in means["ys"][0] if mean is not None] == [0.0433]
    assert spread["ys"] == [[1, 0, 0, 2]]
    assert spread["ticks"] == ["0 ms", "20 ms", "30 ms", "45 ms"]
    assert "45 ms to 65 ms 2" in words(page)


def test_the_minute_that_goes_on_is_no_fall_in_the_chart(app: RedisJobs, client: Client) -> None:
    ran(app, "Mail", 0.01, ago_s=120)

    assert len(charts(client.text("/metrics"))[0]["x"]) == 59


def test_the_first_minute_ever_shows_at_once(app: RedisJobs, client: Client) -> None:
    ran(app, "Mail", 0.01)

    assert sum(charts(client.text("/metrics"))[0]["ys"][0]) == 1


@pytest.mark.parametrize(
    "path", ["/metrics", "/metrics?window=nonsense", "/metrics/class?name=Nothing", "/metrics/class"]
)
def test_where_nothing_ran_that_is_said(client: Client, path: str) -> None:
    assert "No job ran in this time." in words(client.text(path))


@pytest.mark.parametrize("name", ["script", "attribute", "bytes"])
def test_a_class_may_be_called_anything(redis: RealRedis, app: RedisJobs, client: Client, name: str) -> None:
    called = hostile.TEXTS.get(name, "\\xff")
    ran(app, called, 0.5)

    page = client.text("/metrics")
    to = re.findall(r'href="(/metrics/class[^"]*)"', page)[0]

    assert "<script>" not in page.partition("</head>")[2]
    assert "500 ms" in words(client.text(unescape(to)))


def test_a_deploy_is_marked_and_drawn(app: RedisJobs, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    ran(app, "Mail", 0.5, ago_s=120)
    caplog.set_level(logging.INFO, "redisjobs.web")

    page = client.act("/metrics/mark", label=" v42 <b>fast</b> ")

    assert "deploy marked: v42 &lt;b&gt;fast&lt;/b&gt;" in page
    ((at, label),) = charts(page)[0]["marks"]
    assert label == "v42 <b>fast</b>"
    assert abs(at - clock.now()) <= 120
    marks = Metrics(app.web().site.access).marks(clock.now() - 300, clock.now())
    assert [mark.label for mark in marks] == ["v42 <b>fast</b>"]
    assert charts(client.text("/metrics/class?name=Mail"))[0]["marks"] == [[at, label]]
    assert [record.label for record in caplog.records if record.msg == "action"] == ["v42 <b>fast</b>"]  # type: ignore[attr-defined]


def test_a_deploy_without_a_name_is_refused(client: Client) -> None:
    sent = client.post("/metrics/mark", label="  ")

    assert sent.status_code == 400
    assert "Say what was deployed" in sent.text


def test_who_may_only_look_marks_no_deploy(app: RedisJobs, serve: Callable[..., Client]) -> None:
    client = serve(app.web(read_only=True))

    assert "/metrics/mark" not in client.text("/metrics")
    assert client.post("/metrics/mark", label="v42").status_code == 403
    assert Metrics(app.web().site.access).marks(clock.now() - 300, clock.now()) == []


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "-"), (0, "0 ms"), (0.0004, "0.4 ms"), (0.0123, "12 ms"), (1.5, "1.50 s"), (75, "75 s"), (7300, "2 h")],
)
def test_times_are_as_exact_as_they_are_worth(seconds: float | None, said: str) -> None:
    assert took(seconds) == said
