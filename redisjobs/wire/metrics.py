"""What Ruby's page of metrics reads: runs, failures and times per class (spec: sidekiq.md 2.5).

Generations 7 and 8 name the keys differently, and neither sees the other's.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime
from struct import unpack
from typing import Literal, TypeAlias

from msgspec import Struct

from redisjobs.wire.times import Wire

Generation: TypeAlias = Literal[7, 8]

LIMITS_MS = (
    *(20, 30, 45, 65, 100, 150, 225, 335, 500, 750, 1_100, 1_700, 2_500, 3_800, 5_750, 8_500, 13_000),
    *(20_000, 30_000, 45_000, 65_000, 100_000, 150_000, 225_000, 335_000),
)
"""Where the buckets of a histogram end, each but the last, which has no end."""

SHORT_TTL_S, LONG_TTL_S = 8 * 3600, 3 * 86_400
MARK_TTL_S = 90 * 86_400


class Tally(Struct):
    """The runs of one class: how many, failed ones too; the times of those that did not fail, all and by bucket."""

    runs: int = 0
    failures: int = 0
    ms: float = 0.0
    buckets: dict[int, int] = {}

    def note(self, took_s: float, *, failed: bool) -> None:
        """Count one run."""
        self.runs += 1
        if failed:
            self.failures += 1
            return
        ms = took_s * 1000
        self.ms += ms
        at = 0 if ms < 20 else bisect_right(LIMITS_MS, ms)
        self.buckets[at] = self.buckets.get(at, 0) + 1

    def add(self, other: Tally) -> None:
        """Count what another counted."""
        self.runs += other.runs
        self.failures += other.failures
        self.ms += other.ms
        for at, count in other.buckets.items():
            self.buckets[at] = self.buckets.get(at, 0) + count


def generations(wire: Wire) -> tuple[Generation, ...]:
    """Return whose keys to write: 8's always, 7's too where payloads are written for older ones."""
    return (8,) if wire == "sidekiq8" else (7, 8)


def bucket(at: datetime, generation: Generation) -> str:
    """Return where the sums of the minute of a moment (UTC) are, as keys call it."""
    return f"{at:%Y%m%d}|{at.hour}:{at.minute}" if generation == 7 else f"{at:%y%m%d}|{at.hour}:{at:%M}"


def long_bucket(at: datetime) -> str:
    """Return where those of its ten minutes are, which generation 8 alone has."""
    return bucket(at, 8)[:-1]


def buckets(at: datetime, generation: Generation) -> dict[str, int]:
    """Return where the sums of a moment (UTC) are added, as keys call it, and how long each lasts in seconds."""
    short = {bucket(at, generation): SHORT_TTL_S}
    return short if generation == 7 else {**short, long_bucket(at): LONG_TTL_S}


def minute(at: datetime, generation: Generation) -> str:
    """Return what the minute of a moment (UTC) is called in the keys of histograms."""
    return f"{at.day:02}-{at.hour:02}:{at.minute}" if generation == 7 else f"{at.day}-{at.hour}:{at.minute}"


def mark(at: datetime) -> tuple[str, str]:
    """Return where the mark of a deploy at a moment (UTC) is, as keys call its day, and under which field: its minute.

    So all processes of one deploy can make it, and it is one.
    """
    return f"{at:%Y%m%d}", f"{at:%Y-%m-%dT%H:%M}:00Z"


def histogram(raw: bytes | None) -> tuple[int, ...]:
    """Read the counters of a minute's histogram, one for each of `LIMITS_MS` and one that has no end."""
    count = len(LIMITS_MS) + 1
    return unpack(f">{count}H", (raw or b"").ljust(2 * count, b"\0")[: 2 * count])
