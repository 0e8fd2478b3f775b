"""The app that our workers run; each job tells the run log that it begins and that it ended."""

from __future__ import annotations

import asyncio
import ctypes
import os
import select
import signal
import time
from typing import Any

from chaos.runlog import Writer
from redisjobs import RedisJobs
from redisjobs.jobs.options import JobOptions

IN_PROCESS: dict[str, Any] = {"executor": "process"} if "executor" in JobOptions.__struct_fields__ else {}
"""The option of jobs that run in child processes, where this version has it."""

app = RedisJobs(dead_max_jobs=1_000_000, namespace=os.environ.get("CHAOS_NAMESPACE", ""))
told = Writer()


@app.job(name="work")
def work(number: int, seconds: float) -> None:
    """Wait in a thread."""
    told.start(number)
    wait(seconds)
    told.end(number)


@app.job(name="awork")
async def awork(number: int, seconds: float) -> None:
    """Wait in a coroutine."""
    told.start(number)
    await asyncio.sleep(seconds)
    told.end(number)


@app.job(name="pwork", **IN_PROCESS)
def pwork(number: int, seconds: float) -> None:
    """Wait in a child process."""
    told.start(number)
    wait(seconds)
    told.end(number)


@app.job(name="hold_gil")
def hold_gil(number: int, seconds: float) -> None:
    """Let nothing else of this process run: a call into C that keeps the GIL."""
    told.start(number)
    ctypes.PyDLL(None).sleep(int(seconds))
    told.end(number)


@app.job(name="spin")
def spin(number: int, seconds: float) -> None:
    """Keep the interpreter busy with Python code."""
    told.start(number)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    told.end(number)


@app.job(name="die", retry=5)
def die(number: int, seconds: float) -> None:
    """Kill the worker that runs it."""
    told.start(number)
    wait(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def wait(seconds: float) -> None:
    """Sleep; `time.sleep` would, under libfaketime, ask for a moment of the other clock."""
    select.select([], [], [], seconds)
