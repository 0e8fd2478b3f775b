"""jobs/job.py: what a type checker knows of a job, from the signature of its function."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.fleet import ROOT

MODULE = """
from datetime import UTC, datetime, timedelta

from redisjobs import RedisJobs

app = RedisJobs("redis://localhost:6379/0")


@app.job
def bare(number: int, name: str = "", *, urgent: bool = False) -> float:
    return number / 2


@app.job(queue="low", retry=3)
def declared(number: int) -> None: ...


@app.job
async def later(number: int) -> str:
    return ""


WHEN = datetime.now(UTC)


def right() -> None:
    assert_text(bare.enqueue(1))
    assert_text(bare.enqueue(1, "a", urgent=True))
    assert_text(bare.enqueue(number=1, name="a"))
    assert_text(bare.enqueue_in(60, 1))
    assert_text(bare.enqueue_in(1.5, 1, name="a"))
    assert_text(bare.enqueue_in(timedelta(hours=1), 1))
    assert_text(bare.enqueue_at(WHEN, 1, urgent=True))
    assert_text(bare.enqueue_at(1.5, 1))
    assert_text(declared.enqueue(1))
    assert_text(later.enqueue(1))
    assert_text(bare.options(queue="high").enqueue(1, "a"))
    assert_texts(bare.enqueue_many([(1,), [2, "a"], (3, "b", {"urgent": True})]))
    assert_texts(bare.enqueue_many(([number] for number in range(3)), when=WHEN))
    assert_text(app.push("Work", [1, "a"], at=WHEN, queue="low"))
    assert_texts(app.push_many("Work", [[1], (2,)], delay_s=timedelta(hours=1)))
    half: float = bare(1)
    nothing = declared


async def right_in_coroutines() -> None:
    assert_text(await bare.aenqueue(1, urgent=True))
    assert_text(await bare.aenqueue_in(60, 1))
    assert_text(await bare.aenqueue_at(WHEN, 1))
    assert_text(await declared.options(retry=0).aenqueue(1))
    assert_texts(await bare.aenqueue_many([(1,)]))
    assert_text(await app.apush("Work", [1], delay_s=5))
    assert_texts(await app.apush_many("Work", [[1]]))
    text: str = await later(1)


def assert_text(jid: str | None) -> None: ...
def assert_texts(jids: list[str | None]) -> None: ...


async def wrong() -> None:
    bare.enqueue("1")  # error: arg-type
    bare.enqueue(1, 2)  # error: arg-type
    bare.enqueue(1, urgent="yes")  # error: arg-type
    bare.enqueue()  # error: call-arg
    bare.enqueue(1, "a", True)  # error: call-arg
    bare.enqueue(1, urgnt=True)  # error: call-arg
    bare.enqueue_in(60)  # error: call-arg
    bare.enqueue_in(60, "1")  # error: arg-type
    bare.enqueue_in(60, 1, quue="low")  # error: call-arg
    bare.enqueue_in("60", 1)  # error: arg-type
    bare.enqueue_at(WHEN)  # error: call-arg
    bare.enqueue_at(WHEN, 1, 2)  # error: arg-type
    bare.enqueue_at("tomorrow", 1)  # error: arg-type
    declared.enqueue("1")  # error: arg-type
    declared.enqueue(1, 2)  # error: call-arg
    later.enqueue("1")  # error: arg-type
    bare.options(queue="high").enqueue("1")  # error: arg-type
    await bare.aenqueue("1")  # error: arg-type
    await bare.aenqueue()  # error: call-arg
    await bare.aenqueue(1, urgnt=True)  # error: call-arg
    await bare.aenqueue_in(60, "1")  # error: arg-type
    await bare.aenqueue_at(WHEN)  # error: call-arg
    bare.enqueue_many([1, 2])  # error: list-item
    await bare.aenqueue_many(5)  # error: arg-type
    bare("1")  # error: arg-type
    app.push("Work", 5)  # error: arg-type
    app.push("Work", at="tomorrow")  # error: arg-type
    jid: str = bare.enqueue(1)  # error: assignment
    whole: int = bare(1)  # error: assignment
    RedisJobs(wire="sidekiq5")  # error: arg-type
    RedisJobs(namspace="shop")  # error: call-arg
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """What `mypy --strict` says of the module, by line: the code of its error."""
    folder = tmp_path_factory.mktemp("typing")
    file = folder / "jobs.py"
    file.write_text(MODULE, "utf-8")
    words = ["--strict", "--no-error-summary", "--config-file", "", "--cache-dir", str(folder / "cache"), str(file)]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert errors, (done.stdout[-2000:], done.stderr[-2000:])
    return dict(map(_place, errors))


def _place(error: str) -> tuple[int, str]:
    place = re.fullmatch(r".*jobs\.py:(\d+): error: .*\[([a-z-]+)\]", error)
    assert place is not None, error
    return int(place[1]), place[2]


LINES = {number: line for number, line in enumerate(MODULE.splitlines(), 1) if line.strip()}
WRONG = {number: line for number, line in LINES.items() if "# error: " in line}


def test_right_calls_are_no_errors(found: dict[int, str]) -> None:
    assert {LINES[number]: code for number, code in found.items() if number not in WRONG} == {}


@pytest.mark.parametrize("number", WRONG, ids=lambda number: WRONG[number].partition("#")[0].strip())
def test_a_wrong_call_is_an_error_on_its_line(found: dict[int, str], number: int) -> None:
    assert found.get(number) == WRONG[number].partition("# error: ")[2]
