"""How things are printed: tables, pairs, JSON.

What stands in Redis may have been written by anybody: no control character of it reaches the terminal.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
import msgspec

from redisjobs.wording import UNSAFE, cut, printable, valid, wide

_GAP = "  "
_LAST_COLUMN = 100  # its width where there is no terminal
_LEAST = 20


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return aligned columns; the last one is cut to the terminal, the columns in `right` are set to the right."""
    lines = [list(headers), *([cut(printable(cell), 1000) for cell in row] for row in rows)]
    widths = [max(wide(line[at]) for line in lines) for at in range(len(headers))]
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    room = columns - sum(width + len(_GAP) for width in widths[:-1])
    widths[-1] = min(widths[-1], max(room, _LEAST) if columns else _LAST_COLUMN)
    return "\n".join(_line(line, widths, right) for line in lines)


def pairs(items: Iterable[tuple[str, str]]) -> str:
    """Return names and values, one pair a line."""
    found = [(name, printable(value)) for name, value in items]
    width = max((len(name) for name, _ in found), default=0)
    return "\n".join(f"{name:<{width}}{_GAP}{value}".rstrip() for name, value in found)


def echo(text: str) -> None:
    """Print, with a newline at the end if there is anything."""
    if text:
        click.echo(text)


def echo_json(value: Any) -> None:
    """Print a value as JSON."""
    written = msgspec.json.format(msgspec.json.encode(valid(value)), indent=2).decode()
    click.echo(re.sub(UNSAFE, _json_escape, written))


def _json_escape(match: re.Match[str]) -> str:
    char = match[0]  # newlines are the layout's: inside strings they are escaped already
    return char if char == "\n" else f"\\u{ord(char):04x}"


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    padded = []
    for at, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        shown = cut(cell, width)
        space = " " * (width - wide(shown))
        padded.append(space + shown if at in right else shown + space)
    return _GAP.join(padded).rstrip()
