"""The blocked waits, one connection per queue."""

from __future__ import annotations

import gc
from pathlib import Path

from redisjobs import RedisJobs


def test_a_worker_that_ended_leaves_no_descriptor_open(app: RedisJobs) -> None:
    with app.worker():
        pass
    gc.collect()  # what other tests left
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(3):
        with app.worker():
            pass

    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
