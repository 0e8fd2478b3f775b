"""Moments and durations as people type them: into a form, a command line, an address."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from redisjobs import clock

_DURATION = re.compile(r"([+-]?)(\d{1,9}(?:\.\d+)?) ?(s|m|min|h|d|w)", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


def duration_s(text: str) -> float | None:
    """Read a duration in seconds: `90s`, `30m`, `2h`, `7d`, `1w`, with `-` in front for a negative one."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        return None
    return float(found[2]) * _UNIT_S[found[3]] * (-1 if found[1] == "-" else 1)


def moment(text: str, *, past: bool) -> float | None:
    """Read a moment, in Unix seconds: a date with or without time (UTC), Unix seconds, or a duration from now.

    `past`: a duration means so long ago, unless a `+` stands in front.
    """
    text = text.strip()
    distance_s = duration_s(text)
    if distance_s is not None:
        return clock.now() + (-abs(distance_s) if past and not text.startswith("+") else distance_s)
    try:
        at = float(text)
        return at if math.isfinite(at) else None
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
