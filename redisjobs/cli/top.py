"""`redisjobs top`: everything live, on the whole terminal."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from typing import TYPE_CHECKING

import click

from redisjobs.cli.session import Session, shared_options
from redisjobs.lazy import LazyModule

if TYPE_CHECKING:
    from redisjobs.tui import overview, plain, screen
else:
    overview = LazyModule("redisjobs.tui.overview")
    plain = LazyModule("redisjobs.tui.plain")
    screen = LazyModule("redisjobs.tui.screen")

_HINT = "pip install 'redisjobs[tui]' for the full screen"


@click.command()
@click.option("--plain", "is_plain", is_flag=True, help="Only show, redrawn every two seconds.")
@click.option("--once", is_flag=True, help="Print how it is now, and end.")
@shared_options
@click.pass_obj
def top(session: Session, is_plain: bool, once: bool) -> None:
    """Watch queues, workers and failed jobs live, and act on them.

    Needs the extra `tui` (`pip install 'redisjobs[tui]'`); without it, or on a terminal that can do little, it only
    shows. Where there is no terminal it prints how it is now. Its keys: `?` shows them; docs/terminal.md.
    """
    if session.as_json:
        raise click.UsageError("this is for people; see `redisjobs stats --json` and its like")
    has_textual = importlib.util.find_spec("textual") is not None
    if once or not sys.stdout.isatty():
        for line in plain.frame(session.app, overview.Glances(), *_size()):
            click.echo(line)
    elif is_plain or not has_textual or not sys.stdin.isatty() or not plain.can_draw():
        plain.run(session.app, _size, "" if has_textual else _HINT)
    else:
        screen.Top(session.app).run()


def _size() -> tuple[int, int]:
    size = shutil.get_terminal_size((100, 50))
    return size.columns, size.lines
