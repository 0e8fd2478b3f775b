"""How things are said to people: texts of anybody, JSON values, moments and durations.

What stands in Redis may have been written by anybody: `printable` has no control character of it left.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

# control characters, what changes the direction of text or ends a line, lone surrogates
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_MANY_BITS = 14_000  # Python prints no longer integers


def printable(text: str) -> str:
    """Return a text with all that could drive a terminal written as an escape."""
    return UNSAFE.sub(_escape, text)


def is_text(text: str) -> bool:
    """Tell whether a word of the command line was UTF-8."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def brief(value: Any, limit: int = 200) -> str:
    """Return a JSON value as text of at most `limit` characters. Cost: O(limit), however large the value."""
    text = ""
    for piece in _pieces(value, limit):
        text += piece
        if len(text) > limit:
            break
    return cut(printable(text), limit)


def cut(text: str, width: int) -> str:
    """Return a text that takes at most `width` columns, with an ellipsis where it was cut."""
    if len(text) * 2 <= width or wide(text) <= width:
        return text
    taken = 0
    for at, char in enumerate(text):
        taken += _columns(char)
        if taken > width - 1:
            return text[:at] + "…"
    return text


def wide(text: str) -> int:
    """Count the columns that a text takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def moment(at: float | None, now: float) -> str:
    """Return a moment as people say it: `in 3 s`, `5 min ago`, the day where it is far; `-` if it is none."""
    if at is None or math.isnan(at):
        return "-"
    if math.isinf(at):
        return "never" if at > 0 else "long ago"
    distance = at - now
    if abs(distance) < 1:
        return "now"
    if abs(distance) < 60 * 86_400:
        return f"in {duration(distance)}" if distance > 0 else f"{duration(-distance)} ago"
    return date(at, "%Y-%m-%d")


def date(at: float | None, form: str = "%Y-%m-%d %H:%M:%S UTC") -> str:
    """Return a moment as a date (UTC); one beyond the calendar as its number."""
    if at is None:
        return "-"
    try:
        return datetime.fromtimestamp(at, UTC).strftime(form)
    except (OverflowError, ValueError, OSError):
        return f"{at:g}"


def duration(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or (unit != "days" and seconds >= size):
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def number(value: float) -> float | str | None:
    """Return a number as JSON can have it: an infinity as text."""
    return value if math.isfinite(value) else str(value)


def valid(value: Any) -> Any:
    """Return a value of JSON whose texts are all valid Unicode: names of queues may be any bytes."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {valid(name): valid(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [valid(item) for item in value]
    return value


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8
        code -= 0xDC00
    return _SHORT.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _columns(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _pieces(value: Any, limit: int) -> Iterator[str]:
    if isinstance(value, list):
        for at, item in enumerate(value):
            yield "[" if at == 0 else ", "
            yield from _pieces(item, limit)
        yield "]" if value else "[]"
    elif isinstance(value, dict):
        for at, (name, item) in enumerate(value.items()):
            yield "{" if at == 0 else ", "
            yield json.dumps(name[: limit + 1], ensure_ascii=False) + ": "
            yield from _pieces(item, limit)
        yield "}" if value else "{}"
    elif isinstance(value, str):
        yield json.dumps(value[: limit + 1], ensure_ascii=False)
    elif isinstance(value, int) and value.bit_length() > _MANY_BITS:
        yield f"(an integer of {value.bit_length():,} bits)"
    else:
        yield json.dumps(value)
