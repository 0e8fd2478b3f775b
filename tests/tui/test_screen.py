"""`redisjobs top` on the whole terminal: its keys and what they do, on a real Redis, driven by textual's Pilot."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from redisjobs import RedisJobs
from tests.support.builders import a_payload
from tests.support.eventually import aeventually
from tests.support.real_redis import RealRedis

pytest.importorskip("textual", reason="the extra tui is not installed")

from redisjobs.tui import screen
from redisjobs.tui.dialogs import Question, Reading

PATIENCE_S = 60
OURS = "app-1:4242:5f3a9c01b7de"
Driven = Callable[["Driver"], Awaitable[None]]


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it look more often."""
    monkeypatch.setattr(screen, "EVERY_S", 0.3)


class Driver:
    """Presses keys, and reads what is shown."""

    def __init__(self, top: screen.Top, pilot: Any) -> None:
        self.top = top
        self._pilot = pilot

    async def press(self, *keys: str) -> None:
        await self._pilot.press(*keys)

    @property
    def text(self) -> str:
        """The whole screen, as it is."""
        strips = self.top.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    async def sees(self, *texts: str) -> None:
        """Wait until all of these are shown."""
        await aeventually(lambda: all(text in self.text for text in texts), PATIENCE_S, f"{texts} in {self.text}")

    async def sees_no(self, text: str) -> None:
        """Wait until this is not shown any more."""
        await aeventually(lambda: text not in self.text, PATIENCE_S, f"no {text} in {self.text}")


def drive_top(app: RedisJobs, driven: Driven, size: tuple[int, int] = (80, 24)) -> None:
    """Run it on a terminal that is none."""

    async def run() -> None:
        top = screen.Top(app)
        async with top.run_test(size=size, notifications=True) as pilot:
            await driven(Driver(top, pilot))

    asyncio.run(run())


def a_failed(number: int, **fields: Any) -> bytes:
    """Return a job that failed."""
    told = {
        "error_class": "IOError",
        "error_message": f"disk {number}",
        "retry_count": 1,
        "failed_at": 1_732_406_400_000,
    }
    return a_payload(jid=f"jid-{number}", class_=f"Job{number}", **told, **fields)


def seed_sets(redis: RealRedis) -> None:
    """Put three jobs into each set, a minute apart."""
    now = redis.now()
    for name, sign in (("retry", 1), ("schedule", 1), ("dead", -1)):
        redis.seed({name: {a_failed(number).decode(): now + sign * 600 * number for number in (1, 2, 3)}})


def test_the_dashboard_shows_figures_and_queues(app: RedisJobs, redis: RealRedis) -> None:
    redis.seed({"stat:processed": "1234", "stat:failed": "56"})
    app.push_many("Mail", [()] * 3, queue="mailers")

    async def driven(top: Driver) -> None:
        await top.sees("1 Dashboard", "processed    1,234", "mailers     3", "? help  q quit")

    drive_top(app, driven)


def test_q_ends_it(app: RedisJobs) -> None:
    async def driven(top: Driver) -> None:
        await top.sees("processed")
        await top.press("q")
        await aeventually(lambda: not top.top.is_running, PATIENCE_S)

    drive_top(app, driven)


def test_each_tab_has_a_number_and_says_so_where_it_is_empty(app: RedisJobs) -> None:
    async def driven(top: Driver) -> None:
        for key, header in zip("23456", ("LISTENERS", "PROCESS / JOB", "NEXT RUN", "DUE", "DIED"), strict=True):
            await top.press(key)
            await top.sees(header, "nothing here")
        await top.press("7")
        await top.sees("LAST", "nothing here")
        await top.press("8")
        await top.sees("MEAN", "nothing here")
        await top.press("tab")
        await top.sees("no queues")
        await top.press("shift+tab")
        await top.sees("MEAN")

    drive_top(app, driven)


def test_a_queue_is_paused_resumed_and_cleared(app: RedisJobs, redis: RealRedis) -> None:
    app.push_many("Mail", [()] * 3, queue="mailers")

    async def driven(top: Driver) -> None:
        await top.press("2")
        await top.sees("mailers")
        await top.press("p")
        await top.sees("paused")
        assert redis.value("paused") == {"mailers"}
        await top.press("p")
        await aeventually(lambda: redis.value("paused") is None, PATIENCE_S)
        await top.press("d")
        await top.sees("Delete all jobs: mailers 3?")
        await top.press("n")
        assert redis.client.llen("queue:mailers") == 3
        await top.press("d", "y")
        await aeventually(lambda: redis.client.llen("queue:mailers") == 0, PATIENCE_S)

    drive_top(app, driven)


def test_a_failed_job_is_retried_at_once_and_buried_or_deleted_after_a_question(
    app: RedisJobs, redis: RealRedis
) -> None:
    seed_sets(redis)

    async def driven(top: Driver) -> None:
        await top.press("4")
        await top.sees("Job1", "IOError: disk 1", "Job3")
        await top.press("r")
        await top.sees_no("Job1")
        assert [entry.jid for entry in app.queue()] == ["jid-1"]
        await top.press("K")
        await aeventually(lambda: isinstance(top.top.screen, Question), PATIENCE_S)
        await top.sees("Job2?")
        assert redis.client.zcard("retry") == 2, "not before it was said"
        await top.press("y")
        await top.sees_no("Job2")
        assert app.dead.find("jid-2") is not None
        await top.press("d", "y")
        await top.sees("nothing here")

    drive_top(app, driven)

    assert redis.value("retry") is None


def test_what_is_selected_is_acted_on_together(app: RedisJobs, redis: RealRedis) -> None:
    seed_sets(redis)

    async def driven(top: Driver) -> None:
        await top.press("6")
        await top.sees("Job1", "Job3")
        await top.press("space", "j", "space")
        await top.sees("2 selected")
        await top.press("r")
        await top.sees("2 enqueued")
        await top.sees_no("selected")

    drive_top(app, driven)

    assert {entry.jid for entry in app.queue()} == {"jid-1", "jid-3"}
    assert [entry.jid for entry in app.dead] == ["jid-2"]


def test_all_rows_shown_can_be_selected(app: RedisJobs, redis: RealRedis) -> None:
    seed_sets(redis)

    async def driven(top: Driver) -> None:
        await top.press("5")
        await top.sees("Job3")
        await top.press("a")
        await top.sees("3 selected")
        await top.press("d")
        await top.sees("3 rows")
        await top.press("y")
        await top.sees("3 deleted", "nothing here")

    drive_top(app, driven)

    assert redis.value("schedule") is None


def test_errors_are_shown_in_groups_with_the_latest_of_each(app: RedisJobs, redis: RealRedis) -> None:
    seed_sets(redis)

    async def driven(top: Driver) -> None:
        await top.press("7")
        await top.sees("IOError: disk <n>", "   6  ")
        await top.press("enter")
        await top.sees("error       IOError: disk")

    drive_top(app, driven, (100, 40))


def test_metrics_show_what_ran(app: RedisJobs) -> None:
    app.job(name="Quick")(lambda: None)
    app.push_many("Quick", [()] * 7)
    with app.worker() as worker:
        assert worker.drain(PATIENCE_S)

    async def driven(top: Driver) -> None:
        await top.press("8")
        await top.sees("Quick", "   7  ")
        await top.press("enter")
        await top.sees("7 in the last hour", "95 %")

    drive_top(app, driven, (100, 40))


def test_a_filter_leaves_what_has_the_text_and_is_forgotten_by_escape(app: RedisJobs, redis: RealRedis) -> None:
    seed_sets(redis)

    async def driven(top: Driver) -> None:
        await top.press("4")
        await top.sees("Job1")
        await top.press("slash", *"disk", "space", "2", "enter")
        await top.sees("filter: disk 2", "1 found", "Job2")
        await top.sees_no("Job1")
        await top.press("escape")
        await top.sees("Job1", "Job2", "Job3")

    drive_top(app, driven)


def test_a_filter_may_be_terms_as_of_find(app: RedisJobs, redis: RealRedis) -> None:
    seed_sets(redis)

    async def driven(top: Driver) -> None:
        await top.press("6")
        await top.sees("Job1")
        await top.press("slash", *"class=Job3", "enter")
        await top.sees("1 found", "Job3")
        await top.sees_no("Job2")

    drive_top(app, driven)


def test_keys_are_letters_while_a_filter_is_typed(app: RedisJobs, redis: RealRedis) -> None:
    seed_sets(redis)

    async def driven(top: Driver) -> None:
        await top.press("4")
        await top.sees("Job1")
        await top.press("slash", *"qrdK1", "enter")
        await top.sees("filter: qrdK1", "0 found")

    drive_top(app, driven)

    assert redis.client.zcard("retry") == 3


def test_details_show_the_whole_job_and_its_error(app: RedisJobs, redis: RealRedis) -> None:
    redis.seed({"retry": {a_failed(1, args=[{"order": 7}], tags=["eu"]).decode(): redis.now() + 600}})

    async def driven(top: Driver) -> None:
        await top.press("4")
        await top.sees("Job1")
        await top.press("enter")
        await top.sees("jid-1", "IOError: disk 1", '"order": 7')
        await top.press("escape")
        await top.sees_no('"order": 7')

    drive_top(app, driven, (100, 60))


def test_details_of_a_queue_show_what_runs_next(app: RedisJobs) -> None:
    app.push_many("Mail", [[number] for number in (1, 2)], queue="mailers")

    async def driven(top: Driver) -> None:
        await top.press("2")
        await top.sees("mailers")
        await top.press("enter")
        await top.sees("next to run:", "[1]", "[2]")
        assert top.text.index("[1]") < top.text.index("[2]")

    drive_top(app, driven, (120, 40))


def test_processes_are_told_to_be_quiet_or_to_stop(app: RedisJobs, redis: RealRedis) -> None:
    info = {"hostname": "app-1", "concurrency": 5, "queues": ["default"], "version": "8.1.7", "started_at": 1.0}
    told = {"queue": "mail", "payload": a_payload(class_="Long", jid="j1").decode(), "run_at": int(redis.now())}
    redis.seed(
        {
            "processes": {OURS},
            OURS: {"info": json.dumps(info), "busy": "1", "beat": repr(redis.now()), "quiet": "false", "rss": "2048"},
            f"{OURS}:work": {"t0": json.dumps(told)},
        }
    )

    async def driven(top: Driver) -> None:
        await top.press("3")
        await top.sees(OURS, "1/5", "Ruby", "Long")
        await top.press("u", "y")
        await aeventually(lambda: redis.value(f"{OURS}-signals") == ["TSTP"], PATIENCE_S)
        await top.press("j", "s", "y")  # on the job: its process
        await aeventually(lambda: redis.value(f"{OURS}-signals") == ["TERM", "TSTP"], PATIENCE_S)
        await top.press("enter")
        await top.sees("runs in")
        await top.press("escape", "k", "c", "y")
        await top.sees("not a job that runs")

    drive_top(app, driven, (120, 30))


def test_a_job_that_runs_is_cancelled_after_a_question(app: RedisJobs, redis: RealRedis) -> None:
    started, over = threading.Event(), threading.Event()

    @app.job(name="Long")
    async def long() -> None:
        started.set()
        try:
            await asyncio.sleep(PATIENCE_S)
        finally:
            over.set()

    async def driven(top: Driver) -> None:
        await top.press("3")
        await top.sees("  Long")
        await top.press("j", "c")
        await top.sees("Cancel the job:", "Long")
        await top.press("y")
        await aeventually(over.is_set, PATIENCE_S)

    long.enqueue()
    with app.worker(heartbeat_ttl_s=2.0):
        assert started.wait(PATIENCE_S)
        drive_top(app, driven, (120, 30))

    assert [entry.name for entry in app.dead] == ["Long"]


def test_what_others_wrote_neither_drives_the_terminal_nor_is_markup(app: RedisJobs, redis: RealRedis) -> None:
    nasty = "\x1b[2J\x9b[red]x[/red][link=y]z\u202e\r\n"
    raw = a_payload(class_=nasty, queue=nasty, jid=nasty, args=[nasty], error_class=nasty, error_message=nasty)
    redis.seed({"retry": {raw.decode(): redis.now() + 60, "[/nothing] \x1b[2J": redis.now() + 70}})
    redis.client.sadd("queues", nasty)
    redis.client.lpush(f"queue:{nasty}", raw)
    clean = r"\x1b[2J\x9b[red]x[/red]"

    async def driven(top: Driver) -> None:
        await top.sees(clean)
        for key in "24":
            await top.press(key)
            await top.sees(clean)
            await top.press("enter")
            await aeventually(lambda: isinstance(top.top.screen, Reading), PATIENCE_S)
            await top.sees(clean)
            await top.press("escape")
        await top.press("j", "r")  # what is no job cannot be run, and that is said
        await top.sees("0 enqueued, 1 not")
        await top.press("k", "d")
        await top.sees("Delete")
        assert not any(char in top.text for char in "\x1b\x9b\u202e\r")

    drive_top(app, driven, (160, 40))


def test_it_says_that_redis_is_away_and_comes_back(server: Callable[..., RealRedis]) -> None:
    redis = server()
    app = RedisJobs(redis.url)
    app.push("Mail", queue="mailers")

    async def driven(top: Driver) -> None:
        await top.press("2")
        await top.sees("mailers")
        redis.stop()
        await top.sees("trying again")
        await top.press("question_mark")
        await top.sees("escape closes")  # keys are heard
        await top.press("escape", "p")
        redis.start()
        app.push("Mail", queue="back")
        await top.sees_no("trying again")
        await top.sees("back")

    drive_top(app, driven)
    app.close()


def test_the_cursor_stays_on_its_row_when_rows_come_before_it(app: RedisJobs, redis: RealRedis) -> None:
    seed_sets(redis)

    async def driven(top: Driver) -> None:
        await top.press("4")
        await top.sees("Job3")
        await top.press("j")
        redis.client.zadd("retry", {a_failed(0): redis.now() + 100})
        await top.sees("Job0")
        await top.press("r")
        await top.sees_no("Job2")

    drive_top(app, driven)

    assert [entry.jid for entry in app.queue()] == ["jid-2"]


def test_light_and_dark_are_a_key_apart(app: RedisJobs) -> None:
    async def driven(top: Driver) -> None:
        assert top.top.current_theme.dark
        await top.press("T")
        assert not top.top.current_theme.dark

    drive_top(app, driven)


def test_help_tells_the_keys_of_all_tabs(app: RedisJobs) -> None:
    async def driven(top: Driver) -> None:
        await top.press("question_mark")
        await top.sees("light or dark", "pause or resume", "retry now", "write its threads to its log")
        await top.press("q")
        assert top.top.is_running

    drive_top(app, driven, (80, 60))


def test_long_lists_have_pages(app: RedisJobs, redis: RealRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("redisjobs.tui.rows.MOST", "redisjobs.tui.screen.MOST"):
        monkeypatch.setattr(name, 2)
    seed_sets(redis)

    async def driven(top: Driver) -> None:
        await top.press("4")
        await top.sees("1 to 2 of 3", "Job1")
        await top.press("n")
        await top.sees("3 to 3 of 3", "Job3")
        await top.press("b")
        await top.sees("1 to 2 of 3", "Job1")

    drive_top(app, driven)
