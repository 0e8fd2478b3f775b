"""`redisjobs top` without textual: its frames, and how many lines and columns they take."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from redisjobs import RedisJobs
from redisjobs.tui.overview import Glances, bars, columns
from redisjobs.tui.plain import frame
from redisjobs.wording import wide
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

RUBY = "app-1:4242:5f3a9c01b7de"


def seed_a_process(redis: RealRedis, *names: str) -> None:
    """Write a process of Ruby's that runs jobs of these classes."""
    info = {"hostname": "app-1", "concurrency": 5, "queues": ["default"], "version": "8.1.7"}
    works = {
        f"t{at}": json.dumps({"queue": "mail", "payload": a_payload(class_=name).decode(), "run_at": int(redis.now())})
        for at, name in enumerate(names)
    }
    beat = {"info": json.dumps(info), "busy": str(len(names)), "beat": repr(redis.now()), "rss": "2048"}
    redis.seed({"processes": {RUBY}, RUBY: beat, f"{RUBY}:work": works})


def test_a_frame_has_figures_queues_processes_and_what_they_run(app: RedisJobs, redis: RealRedis) -> None:
    app.push_many("Mail", [()] * 3, queue="mailers")
    seed_a_process(redis, "Long", "Longer")

    text = "\n".join(frame(app, Glances(), 100, 40))

    assert "enqueued     3" in text
    assert "mailers     3" in text
    assert RUBY in text
    assert "  Longer" in text


def test_a_frame_fits_the_terminal(app: RedisJobs, redis: RealRedis) -> None:
    for number in range(50):
        app.push("Mail", queue=f"queue-{number}-" + "長" * 60)
    seed_a_process(redis, *["Long" * 30] * 50)

    lines = frame(app, Glances(), 80, 24)

    assert len(lines) == 24
    assert max(wide(line) for line in lines) == 80
    assert any(RUBY in line for line in lines), "there is room for both"


def test_what_others_wrote_does_not_drive_the_terminal(app: RedisJobs, redis: RealRedis) -> None:
    redis.client.sadd("queues", "\x1b[2J\u202e\n")
    seed_a_process(redis, "\x1b[2J\u202e\n\x9b")

    text = "".join(frame(app, Glances(), 100, 40))

    assert r"\x1b[2J\u202e\n" in text
    assert not any(char in text for char in "\x1b\u202e\n\x9b")


def test_speeds_are_the_difference_of_two_looks(app: RedisJobs, redis: RealRedis) -> None:
    glances = Glances()
    redis.seed({"stat:processed": "10", "stat:failed": "1"})
    assert glances.look(app).per_s == 0.0

    redis.seed({"stat:processed": "1000010", "stat:failed": "500001"})
    overview = glances.look(app)

    assert overview.per_s > 0
    assert overview.failed_per_s == pytest.approx(overview.per_s / 2)


def test_counters_that_were_reset_are_no_negative_speed(app: RedisJobs, redis: RealRedis) -> None:
    glances = Glances()
    redis.seed({"stat:processed": "10"})
    glances.look(app)

    redis.seed({"stat:processed": "0"})

    assert glances.look(app).per_s == 0.0


def test_bars_and_columns_fit_their_width() -> None:
    assert bars([0.0, 5.0, 10.0], 2) == "▅█"
    assert bars([], 10) == ""
    told = [("a", "1"), ("b", "2"), ("c", "3")]
    assert columns(told, 30) == ["a            1", "b            2", "c            3"]
    assert columns(told, 31) == ["a            1   c            3", "b            2"]


def test_an_outage_is_said_in_the_frame(server: Callable[..., RealRedis]) -> None:
    redis = server()
    app = RedisJobs(redis.url)
    redis.stop()

    lines = frame(app, Glances(), 200, 24)

    app.close()
    assert any("no answer from Redis" in line for line in lines)
