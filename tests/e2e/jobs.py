"""The app that the workers of these tests run; what ran is told to a file outside Redis (see `support.fleet`)."""

from __future__ import annotations

import asyncio
import ctypes
import os
import time

from redisjobs import RedisJobs, current_job
from redisjobs.store.op import command
from tests.support.fleet import RUN_LOG

if os.environ.get("REDISJOBS_TEST_DIALECT") == "resque":
    app = RedisJobs(dialect="resque")
else:
    app = RedisJobs(namespace=os.environ.get("REDISJOBS_TEST_NAMESPACE", ""))
_file = os.open(os.environ.get(RUN_LOG, os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


@app.job(name="noop")
def noop(number: int) -> None:
    tell("start", number)


@app.job(name="mark")
def mark(number: int) -> None:
    """Have a mark written in the transaction of the settle; it is safe to write twice."""
    tell("start", number)
    current_job().on_settle(command("SADD", "marks", number))


@app.job(name="work")
def work(number: int, seconds: float) -> None:
    tell("start", number)
    time.sleep(seconds)
    tell("end", number)


@app.job(name="awork")
async def awork(number: int, seconds: float) -> None:
    tell("start", number)
    await asyncio.sleep(seconds)
    tell("end", number)


@app.job(name="hold_gil")
def hold_gil(number: int, seconds: int) -> None:
    """Let nothing else of this process run: a call into C that keeps the GIL."""
    tell("start", number)
    ctypes.PyDLL(None).sleep(seconds)
    tell("end", number)


@app.job(name="spin")
def spin(number: int, seconds: float) -> None:
    """Keep the interpreter busy with Python code."""
    tell("start", number)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    tell("end", number)


@app.job(name="slow_failure", retry=5)
def slow_failure(number: int, seconds: float) -> None:
    tell("start", number)
    time.sleep(seconds)
    tell("end", number)
    raise RuntimeError(f"attempt {current_job().attempt} failed, as it should")


@app.job(name="fail", retry=5)
def fail(number: int) -> None:
    tell("start", number)
    raise RuntimeError("failed, as it should")


@app.job(name="late")
def late(number: int, due_at: float) -> None:
    """Tell how many microseconds after the moment it was due it started."""
    tell(f"late-{round((time.time() - due_at) * 1e6)}", number)


@app.job(name="take")
def take(number: int, text: str) -> None:
    """Take something large or odd."""
    tell("start", number)
    tell(f"length-{len(text)}", number)


@app.job(name="child_work", executor="process")
def child_work(number: int, seconds: float) -> None:
    """Sleep in C, deaf to Python."""
    tell("start", number)
    tell(f"parent-{os.getppid()}", number)
    ctypes.CDLL(None).usleep(int(seconds * 1e6))
    tell("end", number)


def tell(what: str, number: int) -> None:
    """Write one line, at once and whole."""
    os.write(_file, f"{what} {number} {os.getpid()}\n".encode())
