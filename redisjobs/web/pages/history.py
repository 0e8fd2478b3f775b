"""Runs by day, put together to weeks or months where days would be too many to read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

from msgspec import Struct

from redisjobs.inspector import Day

RANGES = {"1w": 7, "1m": 30, "3m": 91, "6m": 182, "1y": 365, "5y": 5 * 365}
"""Days of a range, by its name in addresses."""
_BY_WEEK, _BY_MONTH = 100, 400


class Period(Struct, frozen=True):
    """The runs of a day, a week from Monday on, or a month (UTC): its name, its first second, and the counts."""

    name: str
    at: int
    processed: int
    failed: int


def periods(days: Sequence[Day]) -> list[Period]:
    """Put days together, the oldest first; days before the first whole week or month are left out."""
    each = [(date.fromisoformat(day.date), day) for day in reversed(days)]
    if len(days) > _BY_WEEK:
        monthly = len(days) > _BY_MONTH
        first = next((at for at, (day, _) in enumerate(each) if _start(day, monthly) == day), 0)
        groups = [list(group) for _, group in groupby(each[first:], key=lambda pair: _start(pair[0], monthly))]
    else:
        monthly, groups = False, [[pair] for pair in each]
    return [
        Period(
            f"{group[0][0]:%Y-%m}" if monthly else group[0][0].isoformat(),
            int(datetime.combine(group[0][0], datetime.min.time(), UTC).timestamp()),
            sum(day.processed for _, day in group),
            sum(day.failed for _, day in group),
        )
        for group in groups
    ]


def unit(days: int) -> str:
    """Return what a range is put together to: `day`, `week` or `month`."""
    return "day" if days <= _BY_WEEK else "week" if days <= _BY_MONTH else "month"


def _start(day: date, monthly: bool) -> date:
    return day.replace(day=1) if monthly else day - timedelta(days=day.weekday())
