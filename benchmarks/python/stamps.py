"""What every Python peer's jobs share: the place where they write how long they were on their way."""

from __future__ import annotations

import os
import time

THREADS = int(os.environ.get("BENCH_THREADS", "10"))
URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
_FILE = os.open(os.environ.get("BENCH_STAMPS", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def stamp(index: int, sent_at: float) -> None:
    """Write a line: the job's number, and its seconds from the push to here."""
    os.write(_FILE, b"%d %.9f\n" % (index, time.time() - sent_at))
