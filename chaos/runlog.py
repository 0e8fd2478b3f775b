"""The record of runs, outside Redis: what began and what came to its end, where and when.

A run is two lines of a file, `start NUMBER PID NANOSECONDS` and `end ...`, each written by one `write` on a descriptor
opened with O_APPEND: whole, in order, and there even if the process dies in the next instruction. The time is
CLOCK_MONOTONIC, which all processes of a machine share and no change of the date touches.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

VARIABLE = "CHAOS_RUN_LOG"


class Start(NamedTuple):
    """That a job began."""

    at: float  # monotonic seconds
    number: int
    pid: int


class RunLog:
    """Reads on from where it was at each `read`."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.starts: list[Start] = []
        self.started: Counter[int] = Counter()
        self.ended: Counter[int] = Counter()
        self._offset = 0
        file.touch()

    def read(self) -> RunLog:
        """Take in what was written since."""
        with self.file.open("rb") as lines:
            lines.seek(self._offset)
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                what, number, pid, at_ns = line.split()
                if what == b"start":
                    self.starts.append(Start(int(at_ns) / 1e9, int(number), int(pid)))
                    self.started[int(number)] += 1
                else:
                    self.ended[int(number)] += 1
        return self

    def doubled(self) -> int:
        """Return how many runs began of jobs that had begun before."""
        return self.started.total() - len(self.started)

    def longest_gap_s(self) -> float:
        """Return the longest time in which no job began, between the first and the last one."""
        moments = sorted(start.at for start in self.starts)
        return max((after - before for before, after in pairwise(moments)), default=0.0)

    def first_after(self, moment: float, pid: int | None = None, number: int | None = None) -> float | None:
        """Return when a job began first after a moment, in one process or of one number if these are given."""
        found = (
            start.at
            for start in self.starts
            if start.at > moment and pid in (None, start.pid) and number in (None, start.number)
        )
        return min(found, default=None)


class Writer:
    """Tells the file that the environment names what runs; used by the jobs."""

    def __init__(self) -> None:
        self._file = os.open(os.environ.get(VARIABLE, os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def start(self, number: int) -> None:
        """Tell that a job begins."""
        self._tell("start", number)

    def end(self, number: int) -> None:
        """Tell that a job came to its end."""
        self._tell("end", number)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _tell(self, what: str, number: int) -> None:
        os.write(self._file, f"{what} {number} {os.getpid()} {time.monotonic_ns()}\n".encode())
