"""Read moments and shifts of time as people type them into a form."""

from __future__ import annotations

from redisjobs.inspector import moments
from redisjobs.web.problems import RefusedError
from redisjobs.web.texts import TEXTS


def moment(text: str) -> float:
    """Read when something is to be: `30m` from now, a date with or without time (UTC), or Unix seconds.

    Raises:
        RefusedError: it is none of these, or a duration with `-` in front.
    """
    at = None if text.strip().startswith("-") else moments.moment(text, past=False)
    if at is None:
        raise RefusedError(400, TEXTS.no_moment, TEXTS.no_moment_remedy)
    return at


def shift_s(text: str) -> float:
    """Read how much later something is to be, in seconds: `30m`, `-2h` for sooner.

    Raises:
        RefusedError: it is no duration.
    """
    found = moments.duration_s(text)
    if found is None:
        raise RefusedError(400, TEXTS.no_shift, TEXTS.no_shift_remedy)
    return found
