"""`redisjobs top` without textual: a frame of text, drawn again and again.

Must not know: how to act on anything. It shows, and ends.
"""

from __future__ import annotations

import curses
import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TypeAlias

from redisjobs.app import RedisJobs
from redisjobs.errors import StoreError
from redisjobs.tui import rows
from redisjobs.tui.overview import Glances, Overview, columns, figures, table
from redisjobs.tui.rows import Page, Wanted
from redisjobs.wording import cut, printable

EVERY_S = 2.0
_OPEN, _CLOSE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST = "\x1b[H", "\x1b[K", "\x1b[J"

Pressed: TypeAlias = Callable[[float], str]
Size: TypeAlias = Callable[[], tuple[int, int]]


def frame(app: RedisJobs, glances: Glances, width: int, height: int) -> list[str]:
    """Return the lines of a frame, none longer and no more than there is room for."""
    title = f"redisjobs top   {datetime.now():%H:%M:%S}"
    try:
        overview = glances.look(app)
        queues, busy = rows.queues(app, Wanted()), rows.busy(app, Wanted())
    except StoreError as error:
        lines = [title, "", printable(str(error)), "", "trying again"]
    else:
        lines = [title, *_body(overview, queues, busy, width, height - 1)]
    return [cut(line, width) for line in lines[:height]]


def run(app: RedisJobs, size: Size, hint: str = "") -> None:
    """Draw a frame every two seconds, until `q` or Ctrl-C."""
    glances = Glances()
    draws = can_draw()
    with _keys() as pressed:
        sys.stdout.write(_OPEN if draws else "")
        try:
            while True:
                width, height = size()
                lines = frame(app, glances, width - 1, height - 1)
                lines.append(cut(f"q quits   {hint}".rstrip(), width - 1))
                _draw(lines, draws)
                if pressed(EVERY_S) == "q":
                    return
        except KeyboardInterrupt:
            return
        finally:
            sys.stdout.write(_CLOSE if draws else "")
            sys.stdout.flush()


def _body(overview: Overview, queues: Page, busy: Page, width: int, height: int) -> Iterator[str]:
    """Give the figures, then the queues in a third of what is left, then the processes and what they run."""
    head = columns(figures(overview), width)
    room = height - len(head) - 4  # empty lines and headers
    shown = max(3, room // 3)
    yield from head
    yield ""
    yield from table(("QUEUE", "SIZE", "WAITS", "LISTENERS", ""), [row.cells for row in queues.rows[:shown]], (1, 2, 3))
    yield ""
    left = max(1, room - min(shown, len(queues.rows)))
    yield from table(("PROCESS / JOB", "BUSY/FOR", "MEMORY", "", ""), [row.cells for row in busy.rows[:left]], (1, 2))


def _draw(lines: Sequence[str], draws: bool) -> None:
    if draws:
        sys.stdout.write(_HOME + "".join(f"{line}{_REST_OF_LINE}\r\n" for line in lines[:-1]) + lines[-1] + _REST)
    else:
        sys.stdout.write("\n".join(lines) + "\n\n")
    sys.stdout.flush()


def can_draw() -> bool:
    """Tell whether the terminal can put the cursor somewhere: a dumb one cannot."""
    try:
        curses.setupterm()
    except curses.error:
        return False
    return bool(curses.tigetstr("cup"))


@contextmanager
def _keys() -> Iterator[Pressed]:
    """Have single keys of the terminal: give what waits for one so many seconds, and returns it, or nothing."""
    if not sys.stdin.isatty():
        yield lambda wait_s: str(select.select((), (), (), wait_s) and "")
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    tty.setcbreak(number)
    try:
        yield lambda wait_s: os.read(number, 1).decode("latin-1") if select.select([number], (), (), wait_s)[0] else ""
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
