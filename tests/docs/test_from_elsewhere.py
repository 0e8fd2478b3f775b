"""docs/from-*.md: what stands side by side there does the same, theirs with the real one and ours."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.eventually import eventually
from tests.support.fleet import command
from tests.support.pages import ROOT, Page
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.e2e

PEERS = ("celery", "dramatiq", "rq")
LONG_S = 60  # RQ's scheduler and Celery's start take their time, on a machine with other work

# What the pages call the bank: it is down for one payment.
BANK = """
from pathlib import Path

def pay(order_id):
    down = Path(__file__).with_name("down")
    if down.exists():
        down.unlink()
        raise ConnectionError("the bank is down")
"""
MAILS = ["mail 1: hi", "mail 2: your order", "mail 3: later", *(f"mail {number}: hi" for number in (4, 5, 6, 7))]
OLD_JOBS = {
    "celery": "from moving import mail_task; mail_task.delay(1); mail_task.apply_async((2,), countdown=2)",
    "dramatiq": "from moving import mail_actor as mail; mail.send(1); mail.send_with_options(args=(2,), delay=2000)",
    "rq": """
import os, datetime, redis, rq, moving
queue = rq.Queue("mailers", connection=redis.Redis.from_url(os.environ["REDIS_URL"]))
queue.enqueue(moving.mail, 1)
queue.enqueue_in(datetime.timedelta(seconds=2), moving.mail, 2)
""",
}


class Place(NamedTuple):
    """Where a page's programs run: its files, its Redis, the Python that has the peer."""

    page: Page
    folder: Path
    python: Path
    environment: dict[str, str]

    def run(self, python: Path, code: str, **environment: str) -> str:
        """Run a program to its end; return what it printed."""
        done = subprocess.run(
            [python, "-c", code],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @property
    def both(self) -> dict[str, str]:
        """What lets this Python import the peer, too."""
        (found,) = self.python.parent.parent.glob("lib/python*/site-packages")
        if found.parent.name != f"python{sys.version_info.major}.{sys.version_info.minor}":
            pytest.skip(f"the peers are installed for {found.parent.name}")
        return {"PYTHONPATH": str(found)}


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def place(peer: str, redis: RealRedis, tmp_path: Path) -> Place:
    """The page of one peer, its files written to a folder. Demanded peers are installed, others may be absent."""
    words = [peer] if os.environ.get("REDISJOBS_REQUIRE_INTEROP") == "1" else ["--installed", peer]
    asked = subprocess.run([ROOT / "scripts" / "python-peers", *words], stdout=subprocess.PIPE, text=True, check=False)
    if asked.returncode != 0:
        pytest.skip(f"not installed: scripts/python-peers {peer}")
    page = Page(f"docs/from-{peer}.md")
    page.write_files(tmp_path)
    (tmp_path / "bank.py").write_text(BANK, "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REDISJOBS_")}
    environment |= {"REDIS_URL": redis.tcp_url, "PYTHONUNBUFFERED": "1"}
    return Place(page, tmp_path, Path(asked.stdout.strip()), environment)


class Program:
    """A worker, of theirs or ours, with all that it says in a file."""

    def __init__(self, place: Place, words: Sequence[str | Path], **environment: str) -> None:
        known = {**place.environment, **environment}
        self._file = place.folder / f"said-{len(list(place.folder.glob('said-*')))}"
        with self._file.open("wb") as sink:
            self._process = subprocess.Popen(
                [str(word).replace("$REDIS_URL", known["REDIS_URL"]) for word in words],
                cwd=place.folder,
                env=known,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._file.read_text("utf-8", "replace")

    def times(self, text: str) -> int:
        """Return how often it said something."""
        return self.said.count(text)  # not line by line: threads print into each other's lines

    def end(self) -> None:
        """End it, and what is left of its children."""
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


Start = Callable[..., Program]


@pytest.fixture
def start(place: Place) -> Iterator[Start]:
    """A function that starts a worker."""
    started: list[Program] = []

    def begin(words: Sequence[str | Path], **environment: str) -> Program:
        started.append(Program(place, words, **environment))
        return started[-1]

    yield begin
    for program in started:
        program.end()


def says_the_same(program: Program, page: Page) -> None:
    """Check that a worker ran what both sides of a page enqueue, once each, and the payment at its second attempt."""
    wanted = dict.fromkeys([*MAILS, "charged 8"], 1)
    if "at attempt" in page.text:
        wanted["charged 8 at attempt 2"] = 1
    if "before {" in page.text:
        wanted |= {"before shop.mail": 7, "after shop.mail": 7, "before shop.charge": 2, "after shop.charge": 2}
    eventually(lambda: all(program.times(text) >= count for text, count in wanted.items()), LONG_S, str(wanted))
    assert {text: program.times(text) for text in wanted} == wanted, program.said


def test_theirs_does_what_the_page_says(place: Place, start: Start) -> None:
    (place.folder / "down").touch()
    place.run(place.python, place.page.block("theirs: enqueue").text)

    program, *words = place.page.block("theirs: worker").command
    worker = start([place.python.with_name(program), *words])

    says_the_same(worker, place.page)


def test_ours_does_the_same(place: Place, start: Start) -> None:
    (place.folder / "down").touch()
    place.run(Path(sys.executable), place.page.block("ours: enqueue").text)

    program, *words = place.page.block("ours: worker").command
    assert program == "redisjobs"
    worker = start([command(), *words])

    says_the_same(worker, place.page)


def test_a_running_system_moves(peer: str, place: Place, start: Start) -> None:
    """Both run on one database; the old one drains, and what is new runs in ours."""
    python, both = Path(sys.executable), place.both
    left = place.page.block("moving: left").text
    place.run(python, OLD_JOBS[peer], **both)
    assert place.run(python, left, **both) == "2"

    program, *words = place.page.block("moving: theirs").command
    theirs = start([python, "-m", {"rq": "rq.cli"}.get(program, program), *words], **both)
    program, *words = place.page.block("moving: ours").command
    ours = start([command(), *words], **both)
    place.run(python, "from moving import mail_job; mail_job.enqueue(3)", **both)

    eventually(lambda: place.run(python, left, **both) == "0", LONG_S, "nothing left with the old one")
    eventually(lambda: ours.times("mail 3: hi"), LONG_S)
    assert [[program.times(f"mail {number}: hi") for number in (1, 2, 3)] for program in (theirs, ours)] == [
        [1, 1, 0],
        [0, 0, 1],
    ]
