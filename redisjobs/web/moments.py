"""Read moments and shifts of time as people type them into a form."""

from __future__ import annotations

import re

from redisjobs.errors import QueryError
from redisjobs.inspector.query import Query
from redisjobs.web.problems import RefusedError
from redisjobs.web.texts import TEXTS

_DURATION = re.compile(r"([+-]?)(\d{1,9}(?:\.\d+)?) ?(s|m|min|h|d|w)", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


def moment(text: str) -> float:
    """Read when something is to be: `30m` or `+30m` from now, a date with or without time (UTC), or Unix seconds.

    Raises:
        RefusedError: it is none of these.
    """
    text = text.strip()
    found = _DURATION.fullmatch(text)
    if found and not found[1]:
        text = f"+{text}"
    try:
        at = None if found and found[1] == "-" else Query.of({"since": text}).since
    except QueryError:
        at = None
    if at is None:
        raise RefusedError(400, TEXTS.no_moment, TEXTS.no_moment_remedy)
    return at


def shift_s(text: str) -> float:
    """Read how much later something is to be, in seconds: `30m`, `-2h` for sooner.

    Raises:
        RefusedError: it is no duration.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise RefusedError(400, TEXTS.no_shift, TEXTS.no_shift_remedy)
    return float(found[2]) * _UNIT_S[found[3]] * (-1 if found[1] == "-" else 1)
