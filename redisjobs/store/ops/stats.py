"""Ops that read and reset the counters of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redisjobs.store.keys import Keys
from redisjobs.store.op import Op, Together, command

NAMES = ("processed", "failed")


def totals(keys: Keys) -> Together:
    """Read how many runs there were of all time, and how many of them failed. Safe to send twice: it only reads."""
    return Together([_count(keys.stat(name)) for name in NAMES])


def days(keys: Keys, dates: Sequence[str]) -> Together:
    """Read the same for some days (`2024-11-24`, UTC): runs and failures of each, in turn.

    Safe to send twice: it only reads.
    """
    return Together([_count(keys.stat(name, date)) for date in dates for name in NAMES])


def reset(keys: Keys, names: Sequence[str]) -> Together:
    """Set counters of all time to 0; those of the days stay. Safe to send twice: 0 stays 0, but for runs since."""
    return Together([command("SET", keys.stat(name), 0) for name in names], atomic=True)


def _count(key: str) -> Op[int]:
    return command("GET", key, decode=_number)


def _number(reply: Any) -> int:
    """Read a counter; what is no number counts as none, so that one odd key does not hide all the others."""
    try:
        return int(reply or 0)
    except ValueError:
        return 0
