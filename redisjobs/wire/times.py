"""The unit of every time field, in every generation of Sidekiq (spec: sidekiq.md 1.7), in Exq and in Verk.

Generation 8 writes integer milliseconds, 6, 7 and Exq write float seconds, Verk integer ones. Scores of sorted sets
are seconds everywhere.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

Wire: TypeAlias = Literal["sidekiq8", "sidekiq7", "sidekiq6", "exq", "verk"]
"""Whose form of a payload is written; all of them are read."""

WIRES: tuple[str, ...] = get_args(Wire)

_MS_FROM = 100_000_000_000  # as seconds this is the year 5138, as milliseconds 1973


def stamp(at: float, wire: Wire) -> int | float:
    """Write a moment (Unix seconds) as a wire's payload field has it."""
    if wire == "sidekiq8":
        return int(at * 1000)
    return int(at) if wire == "verk" else float(at)


def seconds(value: Any) -> float | None:
    """Read a payload's time field, whoever wrote it; None if it is missing or no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value / 1000 if value >= _MS_FROM else float(value)
