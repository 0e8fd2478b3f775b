"""What the job modules of the peers share; imported by their Pythons, so it may import nothing but the library."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

from chaos.runlog import Writer

URL = os.environ.get("CHAOS_URL", "")


def perform(number: int, seconds: float) -> None:
    """Be the job."""
    told = Writer()
    told.start(number)
    time.sleep(seconds)
    told.end(number)
    told.close()


def push_each(push: Callable[[int, float], object]) -> None:
    """Push the jobs that stand on standard input."""
    for number, seconds in json.load(sys.stdin):
        push(number, seconds)
