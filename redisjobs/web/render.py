"""How values become HTML: escaping, moments, durations, numbers, bars.

Every text is made printable before it is escaped: control characters and what turns the direction of text around
show as escapes. Only the filter `lines` lets newlines stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from redisjobs import clock, wording
from redisjobs.version import __version__
from redisjobs.web.texts import TEXTS

_TEMPLATES = Path(__file__).parent / "templates"
MOST = 20_000  # characters of one text in a page


def environment(folders: Sequence[str] = ()) -> Environment:
    """Return what fills templates: ours first, then those of the folders."""
    loader = FileSystemLoader([_TEMPLATES, *folders])
    made = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    made.filters |= {
        "ago": ago,
        "brief": wording.brief,
        "bytes": size,
        "count": count,
        "cut": wording.cut,
        "duration": wording.duration,
        "json": pretty,
        "kept": kept,
        "lines": lines,
        "took": took,
    }
    made.globals |= {"t": TEXTS, "version": __version__, "most": MOST}
    return made


def ago(at: float | None) -> Markup:
    """Return a moment as people say it, with the exact time to hover over; our script shows the local time zone."""
    if at is None:
        return Markup('<span class="none">-</span>')
    said, exact = wording.moment(at, clock.now()), wording.date(at)
    try:
        machine = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return Markup('<span title="{}">{}</span>').format(exact, said)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(machine, exact, said)


def count(value: float) -> str:
    """Return a number with its thousands apart."""
    return f"{value:,}"


def took(seconds: float | None) -> str:
    """Return how long a run took, as exact as it is worth; `-` if that is not known."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:,.{0 if seconds >= 0.01 or seconds == 0 else 1}f} ms"
    if seconds < 120:
        return f"{seconds:.{2 if seconds < 10 else 0}f} s"
    return wording.duration(seconds)


def size(value: float) -> str:
    """Return a count of bytes in the unit that suits it."""
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def pretty(value: Any) -> str:
    """Return a JSON value over several lines; one that JSON cannot carry on one line, cut."""
    try:
        return msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()
    except (UnicodeError, RecursionError, OverflowError, ValueError, msgspec.MsgspecError):
        return wording.brief(value, MOST)


def kept(text: str) -> Markup:
    """Return a text as a form gives it back, unlike all others: whole, control characters too."""
    return escape(text.encode("utf-8", "replace").decode())


def lines(text: str) -> Markup:
    """Return a text of several lines, to stand in a `pre`; what is very long is cut."""
    shown = text if len(text) <= MOST else f"{text[:MOST]}…"
    return Markup("\n").join(escape(wording.printable(line)) for line in shown.split("\n"))


def _shown(value: Any) -> Any:
    if type(value) is not str:
        return value
    return wording.printable(value if len(value) <= MOST else f"{value[:MOST]}…")
