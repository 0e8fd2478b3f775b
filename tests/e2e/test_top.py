"""`redisjobs top` of the installed command on a real pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator

import pytest

from redisjobs import RedisJobs
from tests.support.eventually import eventually
from tests.support.fleet import ROOT, command
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.e2e

PATIENCE_S = 60
FULL_SCREEN = "\x1b[?1049h"


class Terminal:
    """A command on a terminal of 80 columns and 24 lines."""

    def __init__(self, redis: RealRedis, *args: str, term: str = "xterm-256color") -> None:
        self._number, theirs = pty.openpty()
        self.before = termios.tcgetattr(theirs)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment = {**kept, "REDISJOBS_URL": redis.url, "TERM": term}
        self.process = subprocess.Popen(
            [command(), "top", *args], cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
        )
        self._theirs = theirs
        self._shown = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        """All that was written so far."""
        return bytes(self._shown).decode("utf-8", "replace")

    @property
    def is_as_before(self) -> bool:
        """Whether the terminal's settings are those from before."""
        return termios.tcgetattr(self._theirs) == self.before

    def press(self, keys: str) -> None:
        os.write(self._number, keys.encode())

    def sees(self, text: str) -> None:
        """Wait until something was written."""
        eventually(lambda: text in self.text, PATIENCE_S, f"{text!r} in {self.text!r}")

    def ended(self) -> int:
        """Wait for the end; return the exit status."""
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE_S)
        os.close(self._theirs)
        self._reader.join(PATIENCE_S)
        os.close(self._number)

    def _read(self) -> None:
        try:
            while found := os.read(self._number, 65536):
                self._shown += found
        except OSError:  # the other end is closed
            pass


A_Terminal = Callable[..., Terminal]


@pytest.fixture
def terminal(redis: RealRedis) -> Iterator[A_Terminal]:
    """Start the command on a terminal."""
    made: list[Terminal] = []

    def start(*args: str, term: str = "xterm-256color") -> Terminal:
        made.append(Terminal(redis, *args, term=term))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_it_fills_the_terminal_shows_a_queue_and_ends_with_q(app: RedisJobs, terminal: A_Terminal) -> None:
    pytest.importorskip("textual", reason="the extra tui is not installed")
    app.push_many("Mail", [()] * 3, queue="mailers")

    top = terminal()
    top.sees("mailers")
    top.press("2")
    top.sees("pause or resume")
    top.press("q")

    assert top.ended() == 0
    assert FULL_SCREEN in top.text
    assert top.is_as_before


def test_plain_redraws_until_q(app: RedisJobs, terminal: A_Terminal) -> None:
    app.push("Mail", queue="mailers")

    top = terminal("--plain")
    top.sees("mailers")
    app.push("Mail", queue="another")
    top.sees("another")
    top.press("xq")

    assert top.ended() == 0
    assert top.text.startswith(FULL_SCREEN)
    assert top.text.endswith("\x1b[?1049l")
    assert top.is_as_before


def test_plain_ends_in_good_order_with_an_interrupt(app: RedisJobs, terminal: A_Terminal) -> None:
    top = terminal("--plain")
    top.sees("processed")

    top.process.send_signal(signal.SIGINT)

    assert top.ended() == 0
    assert top.is_as_before


def test_a_dumb_terminal_gets_frames_without_escapes(app: RedisJobs, terminal: A_Terminal) -> None:
    app.push("Mail", queue="mailers")

    top = terminal(term="dumb")
    top.sees("mailers")
    top.press("q")

    assert top.ended() == 0
    assert "\x1b" not in top.text


def test_once_prints_a_frame_on_a_terminal_too(app: RedisJobs, terminal: A_Terminal) -> None:
    top = terminal("--once")

    assert top.ended() == 0
    top.sees("processed")
    assert FULL_SCREEN not in top.text
