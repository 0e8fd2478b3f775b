"""The blocked waits, one connection per queue."""

from __future__ import annotations

from pathlib import Path

from redisjobs import RedisJobs


def test_a_worker_that_ended_leaves_no_descriptor_open(app: RedisJobs) -> None:
    with app.worker():
        pass
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(3):
        with app.worker():
            pass

    assert len(list(Path("/proc/self/fd").iterdir())) == before
