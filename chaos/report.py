"""One row per scenario, as a table in Markdown and as JSON."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.real_redis import find_binary

_HEAD = "scenario | who | enqueued | executed | lost | doubled | at most | again, s | longest gap, s | took, s | notes"


@dataclass
class Row:
    """What one scenario came to. `bound` is how many runs may be doubled; `broken` what should not have been."""

    scenario: str
    who: str
    enqueued: int
    executed: int
    lost: int
    doubled: int
    bound: int | None
    again_s: float | None
    gap_s: float
    took_s: float
    notes: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        bound = "" if self.bound is None else f"{self.bound:,}"
        again = "" if self.again_s is None else f"{self.again_s:.1f}"
        notes = "; ".join([*(f"**{text}**" for text in self.broken), *self.notes]).replace("|", "/")
        counts = f"{self.enqueued:,} | {self.executed:,} | {self.lost:,} | {self.doubled:,} | {bound}"
        return f"| {self.scenario} | {self.who} | {counts} | {again} | {self.gap_s:.1f} | {self.took_s:.0f} | {notes} |"


def markdown(rows: Sequence[Row], abouts: Sequence[str], size: str) -> str:
    """Return the table, with machine, versions and settings in its head."""
    names = _HEAD.split(" | ")
    rule = "|".join(["---", "---", *["---:"] * (len(names) - 3), "---"])
    return "\n".join([*head(abouts, size), "", f"| {_HEAD} |", f"|{rule}|", *map(str, rows)])


def head(abouts: Sequence[str], size: str) -> list[str]:
    """Return what the figures were measured on, as lines of a list."""
    program = find_binary() or "redis-server"
    words = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()
    version = next((word.removeprefix("v=") for word in words if word.startswith("v=")), "?")
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = next((line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")), "?")
    machine = f"{len(os.sched_getaffinity(0))} x {model}, {platform.system()} {platform.release()}"
    return [f"- {line}" for line in (machine, f"{Path(program).name} {version}, size {size}", *abouts)]
