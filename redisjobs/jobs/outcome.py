"""How a run can end, other than by returning or by an error.

A job raises one of these or returns it; a middleware returns it. None of them is a failure of the code, but `Retry`
counts as an attempt.
"""

from __future__ import annotations

from datetime import timedelta

MAX_DELAY_S = 1e9  # more than 30 years


class Outcome(Exception):  # noqa: N818  not errors: ways to end
    """Base of the ways to end a run on purpose."""


class Retry(Outcome):
    """Run again after `delay_s` seconds, by the retry policy's own delay if None. Counts as a failed attempt.

    Exhausts as any failure does. Raise it `from` an error to have that error shown in the retry set.
    """

    def __init__(self, delay_s: float | timedelta | None = None) -> None:
        self.delay_s = None if delay_s is None else _seconds(delay_s)
        super().__init__(self.delay_s)

    def __str__(self) -> str:
        return "the job asked to run again" + (f" in {self.delay_s:g} s" if self.delay_s is not None else "")


class Snooze(Outcome):
    """Run again in `delay_s` seconds, as if this run had not been: it costs no attempt and is not counted."""

    def __init__(self, delay_s: float | timedelta) -> None:
        self.delay_s = _seconds(delay_s)
        super().__init__(self.delay_s)


class Discard(Outcome):
    """End here and forget the job: no retry, no dead entry. Counts as processed."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Kill(Outcome):
    """End here and put the job into the dead set, whatever attempts are left. Counts as failed; death handlers run."""

    def __init__(self, reason: str = "the job asked to be killed") -> None:
        super().__init__(reason)
        self.reason = reason


class Again(Outcome):
    """End here as done, and have another payload in its place after `delay_s` seconds, in the same step."""

    def __init__(self, payload: bytes, delay_s: float) -> None:
        super().__init__(payload, delay_s)
        self.payload = payload
        self.delay_s = _seconds(delay_s)


class Release(Outcome):
    """Give the job back to its queue, to run next; not counted, and it costs no attempt."""


def _seconds(delay_s: float | timedelta) -> float:
    """Check a delay where the job asks for it, so that a wrong one is the job's own error."""
    seconds = delay_s.total_seconds() if isinstance(delay_s, timedelta) else delay_s
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_DELAY_S:
        raise TypeError(f"a delay is a number of seconds from 0 to {MAX_DELAY_S:g}, not {delay_s!r}")
    return float(seconds)
