"""The date of a worker's machine jumps, by libfaketime; its monotonic clock goes on, as that of a real machine does."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

from chaos.scenarios.outages import load, settled
from chaos.trial import SkippedError, Trial
from tests.support.fleet import WorkerProcess
from tests.support.real_redis import RealRedis

_HOUR_S = 3600
_CLOCKS_S = 0.02  # between our reading of the clock and Redis's


def jumps(trial: Trial) -> None:
    """Put a worker's date an hour forward, back, an hour back, and forward, under scheduled jobs."""
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
    if library is None:
        raise SkippedError("there is no libfaketime; on Debian: apt-get install faketime")
    redis = trial.server()
    offset = trial.folder / "offset"
    offset.write_text("+0")
    faked = trial.worker(
        LD_PRELOAD=library, FAKETIME_TIMESTAMP_FILE=offset, FAKETIME_NO_CACHE=1, FAKETIME_DONT_FAKE_MONOTONIC=1
    )
    due: dict[int, tuple[float, float]] = {}
    stay_s = trial.pick(6.0, 20.0)  # a heartbeat, which tells the date, comes every 5 s
    with load(trial, patience_s=5):
        trial.push([4 * stay_s] * 3)
        for seconds in (_HOUR_S, 0, -_HOUR_S, 0):
            offset.write_text(f"{seconds:+d}")
            _schedule(trial, due, stay_s)
            told_s = _told_by(redis, faked)
            trial.check(abs(told_s - seconds) < 30, f"the worker's date is {told_s:+.0f} s off instead of {seconds:+d}")
    settled(trial, redis)
    _judge(trial, due)


def _schedule(trial: Trial, due: dict[int, tuple[float, float]], for_s: float) -> None:
    """Schedule jobs for a while; note between which moments each becomes due."""
    app, chance = trial.app(), random.Random(12)
    until = time.monotonic() + max(for_s, 0.0)
    while time.monotonic() < until:
        [number] = trial.numbers(1)
        delay_s = chance.uniform(0.5, 2 * for_s)
        before = time.monotonic()
        app.push("work", [number, 0.0], delay_s=delay_s)
        due[number] = (before + delay_s, time.monotonic() + delay_s)
        trial.confirmed.add(number)
        time.sleep(0.02)


def _judge(trial: Trial, due: dict[int, tuple[float, float]]) -> None:
    began: dict[int, Any] = {start.number: start.at for start in trial.log.starts if start.number in due}
    early = [number for number, at in began.items() if at < due[number][0] - _CLOCKS_S]
    late_s = [at - due[number][1] for number, at in began.items()]
    trial.check(not early, f"{len(early)} scheduled jobs ran early")
    trial.notes.append(f"{len(due)} scheduled jobs, none early, the latest {max(late_s, default=0.0):.2f} s late")


def _told_by(redis: RealRedis, worker: WorkerProcess) -> float:
    """Return how far a worker's date is off by its last heartbeat."""
    return float(redis.client.hget(worker.identity, "beat")) - time.time()
