"""The jobs of the benchmarks, for our worker; their Ruby twins are in benchmarks/ruby/jobs.rb."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

from redisjobs import RedisJobs

app = RedisJobs()
taken: list[tuple[int, float]] = []


@app.job(queue="bench", name="Noop")
def noop(index: int) -> None:
    """Do nothing."""


@app.job(queue="bench", name="ANoop")
async def anoop(index: int) -> None:
    """Do nothing, as a coroutine."""


@app.job(queue="bench", name="Latency")
def latency(index: int, sent_at: float) -> None:
    """Remember how long this job was on its way, in seconds."""
    taken.append((index, time.time() - sent_at))


@app.job(queue="bench", name="LatencyReport")
def latency_report(path: str) -> None:
    """Write all that was remembered to a file: whole, or not at all."""
    part = Path(f"{path}.part")
    part.write_text(json.dumps(taken))
    part.rename(path)


@app.job(queue="bench", name="Nap")
def nap(seconds: float) -> None:
    """Wait without using the CPU."""
    time.sleep(seconds)


@app.job(queue="bench", name="Timed")
def timed(index: int, seconds: float, path: str) -> None:
    """Wait, and append a line to a file: number, process, thread, start and end."""
    began = time.time()
    time.sleep(seconds)
    line = f"{index} {os.getpid()} {threading.get_ident()} {began:.6f} {time.time():.6f}\n"
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(log, line.encode())
    os.close(log)
