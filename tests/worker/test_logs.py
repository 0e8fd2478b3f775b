"""How log lines look, as text and as JSON, and what a line knows of the job that it belongs to."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from redisjobs import RedisJobs, current_job
from redisjobs.errors import ConfigError
from redisjobs.worker.logs import Format, JsonFormatter, TextFormatter, setup, with_job
from tests.support.builders import JID, a_payload
from tests.support.real_redis import RealRedis
from tests.worker.runs import Lines, listening, work_off

pytestmark = pytest.mark.quick

AT = 1732406400.1239


def a_record(message: str = "done", level: str = "INFO", exc_info: Any = None, **extra: Any) -> logging.LogRecord:
    """Return a record as a logger makes it."""
    number = logging.getLevelNamesMapping()[level]
    record = logging.getLogger("shop").makeRecord("shop", number, __file__, 1, message, (), exc_info, extra=extra)
    record.created = AT
    return record


def as_text(record: logging.LogRecord, *, colours: bool = False) -> str:
    return TextFormatter(colours=colours).format(record)


def as_json(record: logging.LogRecord) -> dict[str, Any]:
    line = JsonFormatter().format(record)
    assert "\n" not in line
    return msgspec.json.decode(line)


def a_failure() -> Any:
    """Return what `exc_info` holds of an error that was raised."""
    try:
        raise ValueError("boom\nand more")
    except ValueError:
        return sys.exc_info()


# -- text -----------------------------------------------------------------------------------------------------------


def test_a_line_of_text_is_the_moment_the_level_the_message_and_the_fields() -> None:
    moment = datetime.fromtimestamp(AT).strftime("%H:%M:%S")

    assert as_text(a_record(jid="j1", elapsed=0.012)) == f"{moment}.123 INFO    done   jid=j1 elapsed=0.012"
    assert as_text(a_record("redis back", "WARNING")) == f"{moment}.123 WARNING redis back"


def test_arguments_of_the_message_are_put_in() -> None:
    record = a_record("%s failed")
    record.args = ("poller",)

    assert as_text(record).endswith(" poller failed")
    assert as_json(record)["msg"] == "poller failed"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        ("naïve", "naïve"),
        (7, "7"),
        (None, "None"),
        ("two words", '"two words"'),
        ("", '""'),
        ("two\nlines", '"two\\nlines"'),
        ("\r\tx", '"\\r\\tx"'),
        ("\x1b[31mred", '"\\u001b[31mred"'),
        (["a", 1], "\"['a', 1]\""),
        (ValueError("boom"), "boom"),
    ],
)
def test_a_value_stays_one_word_of_one_line(value: Any, shown: str) -> None:
    """A value of a payload must neither forge a line nor colour the terminal."""
    line = as_text(a_record(value=value, after="x"))

    assert line.split(" done   ")[1] == f"value={shown} after=x"
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize(
    ("level", "colour"), [("WARNING", "\x1b[33m"), ("ERROR", "\x1b[31m"), ("CRITICAL", "\x1b[31;1m"), ("INFO", "")]
)
def test_only_what_stands_out_is_coloured_on_a_terminal(level: str, colour: str) -> None:
    plain, coloured = as_text(a_record(level=level)), as_text(a_record(level=level), colours=True)

    assert "\x1b" not in plain
    assert coloured == (f"{colour}{plain}\x1b[0m" if colour else plain)


@pytest.mark.parametrize("colours", [False, True])
def test_the_lines_of_an_exception_stand_below_the_line(colours: bool) -> None:
    lines = as_text(a_record("fail", "WARNING", a_failure(), jid="j1"), colours=colours).split("\n")

    assert "fail   jid=j1" in lines[0]
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[-2:] == ["ValueError: boom", "and more"]


# -- JSON -----------------------------------------------------------------------------------------------------------


def test_a_line_of_json_is_one_object() -> None:
    record = a_record("job failed", "WARNING", jid="j1", items=[1, {"ä": None}], elapsed=0.012)

    assert as_json(record) == {
        "ts": "2024-11-24T00:00:00.123+00:00",
        "lvl": "WARNING",
        "msg": "job failed",
        "pid": record.process,
        "logger": "shop",
        "jid": "j1",
        "items": [1, {"ä": None}],
        "elapsed": 0.012,
    }


def test_an_exception_is_a_field() -> None:
    found = as_json(a_record("fail", exc_info=a_failure()))["exception"]

    assert found.startswith("Traceback (most recent call last):\n")
    assert found.endswith("\nValueError: boom\nand more")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("two\nlines", "two\nlines"),
        (2**200, 2**200),
        (Path("/tmp/x"), "/tmp/x"),
        (ValueError("boom"), "boom"),
        ({(1, 2): 3}, {"(1, 2)": 3}),
        (["a", object], ["a", "<class 'object'>"]),
        (float("nan"), None),
    ],
)
def test_a_value_that_json_has_not_is_written_as_text(value: Any, shown: Any) -> None:
    assert as_json(a_record(value=value))["value"] == shown


# -- the job that runs ----------------------------------------------------------------------------------------------


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What all loggers wrote, with the fields of the job."""
    found = Lines()
    found.addFilter(with_job)
    with listening(found):
        yield found


def test_a_line_outside_of_a_job_has_no_fields_of_one(lines: Lines) -> None:
    logging.getLogger("shop").warning("hello")

    assert not {"jid", "class", "queue"} & set(vars(lines.records[0]))


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_users_line_carries_the_job_it_was_written_in(
    app: RedisJobs, redis: RealRedis, lines: Lines, kind: str
) -> None:
    def order() -> None:
        logging.getLogger("shop").warning("paid", extra={"amount": 5})
        logging.getLogger("shop").warning("of another", extra={"jid": "mine"})

    async def aorder() -> None:
        order()

    app.job(name="Shop.order", queue="orders")(aorder if kind == "async def" else order)
    redis.seed({"queue:orders": [a_payload(class_="Shop.order", queue="named otherwise")]})

    work_off(app, queues=["orders"])

    first, second = (vars(record) for record in lines.records if record.name == "shop")
    assert (first["jid"], first["class"], first["queue"], first["amount"]) == (JID, "Shop.order", "orders", 5)
    assert second["jid"] == "mine"


def test_start_and_end_of_a_job_carry_it_too(app: RedisJobs, redis: RealRedis, lines: Lines) -> None:
    app.job(name="Mail")(lambda: None)
    redis.seed({"queue:default": [a_payload(retry_count=1)]})

    work_off(app)

    start, end = (vars(record) for record in lines.records if record.name == "redisjobs.job")
    for line, message in ((start, "start"), (end, "done")):
        assert (line["msg"], line["jid"], line["class"], line["queue"]) == (message, JID, "Mail", "default")
    assert start["attempt"] == 3
    assert 0 <= end["elapsed"] < 5


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(
    ("level", "heard"),
    [
        ("debug", ["start", "debug", "info", "warning", "error", "done"]),
        (None, ["start", "info", "warning", "error", "done"]),
        ("info", ["start", "info", "warning", "error", "done"]),
        ("warn", ["warning", "error"]),
        ("error", ["error"]),
        ("loudly", ["start", "info", "warning", "error", "done"]),
        (5, ["start", "info", "warning", "error", "done"]),
    ],
)
def test_a_payload_sets_the_level_of_its_own_lines(
    app: RedisJobs, redis: RealRedis, lines: Lines, kind: str, level: Any, heard: list[str]
) -> None:
    """Whatever its neighbour asks for."""

    def speak() -> None:
        for name in ("debug", "info", "warning", "error"):
            getattr(current_job().logger, name)(name)

    async def aspeak() -> None:
        speak()

    app.job(name="Mail")(aspeak if kind == "async def" else speak)
    fields = {} if level is None else {"log_level": level}
    redis.seed({"queue:default": [a_payload(jid="other", log_level="debug"), a_payload(**fields)]})

    work_off(app, concurrency=1)

    mine = [record.getMessage() for record in lines.records if vars(record).get("jid") == JID]
    assert mine == heard


# -- where to -------------------------------------------------------------------------------------------------------


@pytest.fixture
def _root_as_it_was() -> Iterator[None]:
    """Undo what `setup` does to the root logger."""
    root = logging.getLogger()
    handlers, level, raising = list(root.handlers), root.level, logging.raiseExceptions
    yield
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    logging.raiseExceptions = raising


@pytest.mark.usefixtures("_root_as_it_was")
@pytest.mark.parametrize(("style", "found"), [("text", " jid=j1"), (None, " jid=j1"), ("json", '"jid":"j1"')])
def test_a_file_gets_the_lines_from_a_level_on(tmp_path: Path, style: Format | None, found: str) -> None:
    setup(style, "info", tmp_path / "log")

    logging.getLogger("shop").debug("too low")
    logging.getLogger("shop").info("grün", extra={"jid": "j1"})

    [line] = (tmp_path / "log").read_text("utf-8").splitlines()
    assert "grün" in line
    assert found in line


@pytest.mark.parametrize(
    ("wrong", "named"), [({"level": "loud"}, "'loud'"), ({"style": "xml"}, "'xml'"), ({"file": Path("/")}, "file /")]
)
def test_a_wrong_setting_is_named_and_changes_nothing(wrong: dict[str, Any], named: str) -> None:
    before = list(logging.getLogger().handlers)

    with pytest.raises(ConfigError, match=named):
        setup(**wrong)

    assert logging.getLogger().handlers == before


# -- what cannot be written as it is --------------------------------------------------------------------------------


class Mute:
    """Something that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "value", ["lone \udcff", Mute(), {"a": "\ud800"}, {1.5: 2}], ids=lambda value: type(value).__name__
)
def test_a_value_that_cannot_be_written_costs_no_line(value: Any) -> None:
    """The handler would drop it without a word."""
    record = a_record(odd=value, jid="j1")

    text, found = as_text(record), as_json(record)

    assert text.encode()
    assert "jid=j1" in text
    assert (found["msg"], found["jid"]) == ("done", "j1")
    assert "odd" in found


def test_a_message_that_cannot_be_written_or_put_together_costs_no_line() -> None:
    lone, misfit = a_record("lone \ud800"), a_record("%d jobs")
    misfit.args = ("many",)

    for record in (lone, misfit):
        assert as_text(record).encode()
        assert as_json(record)["msg"]
    assert "%d jobs (TypeError in its values)" in as_text(misfit)


def test_a_stack_that_was_asked_for_is_written() -> None:
    record = a_record()
    record.stack_info = "Stack (most recent call last):\n  here"

    assert as_text(record).endswith("\n  here")
    assert as_json(record)["stack"].endswith("here")


@pytest.mark.usefixtures("_root_as_it_was")
def test_lines_of_many_threads_are_whole_in_order_and_there_when_all_have_returned(tmp_path: Path) -> None:
    setup("text", "info", tmp_path / "log")
    logger = logging.getLogger("shop")

    def speak(name: int) -> None:
        for number in range(300):
            logger.info("said", extra={"who": name, "number": number})

    speakers = [threading.Thread(target=speak, args=(name,)) for name in range(8)]
    for speaker in speakers:
        speaker.start()
    for speaker in speakers:
        speaker.join()

    lines = [line.split(" said ")[1].split() for line in (tmp_path / "log").read_text().splitlines()]
    for name in range(8):
        mine = [number for who, number in lines if who == f"who={name}"]
        assert mine == [f"number={number}" for number in range(300)]


@pytest.mark.usefixtures("_root_as_it_was")
@pytest.mark.parametrize("listener", ["none", "on the root", "on redisjobs.job", "a filter"])
def test_a_jobs_lines_reach_everybody_who_listens(
    tmp_path: Path, app: RedisJobs, redis: RealRedis, listener: str
) -> None:
    """Where only the log of the worker listens no records are made; others get theirs all the same."""
    logging.getLogger().handlers.clear()
    setup("text", "info", tmp_path / "log")
    heard: list[str] = []
    ear = logging.Handler()
    ear.emit = lambda record: heard.append(f"{record.getMessage()} {vars(record).get('jid')}")  # type: ignore[method-assign]
    ear.addFilter(with_job)
    job_logger = logging.getLogger("redisjobs.job")
    if listener == "on the root":
        logging.getLogger().addHandler(ear)
    elif listener == "on redisjobs.job":
        job_logger.addHandler(ear)
    elif listener == "a filter":
        job_logger.addFilter(silent := lambda record: record.getMessage() != "start")
    app.job(name="Mail")(lambda: None)
    redis.seed({"queue:default": [a_payload()]})

    try:
        work_off(app, concurrency=1)
    finally:
        job_logger.removeHandler(ear)
        if listener == "a filter":
            job_logger.removeFilter(silent)

    told = [line for line in (tmp_path / "log").read_text().splitlines() if f"jid={JID}" in line]
    words = [line.split()[2] for line in told]
    assert words == (["done"] if listener == "a filter" else ["start", "done"])
    assert all("class=Mail" in line and "queue=default" in line for line in told)
    job_lines = [line for line in heard if line.split()[0] in ("start", "done")]
    assert job_lines == ([f"start {JID}", f"done {JID}"] if listener.startswith("on") else [])
