"""The app that these tests' child processes import, and the parent with them. Nothing in it waits for a clock alone."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from redisjobs import Discard, JobContext, Kill, RedisJobs, Release, Retry, Snooze, Steps, current_job
from redisjobs.store.op import Op, command

app = RedisJobs()


@app.on("startup")
def open_pool(worker: Any) -> Iterator[dict[str, Any]]:
    """Give jobs a state, one per process, and tell of its end."""
    push("started", os.getpid())
    yield {"pid": os.getpid(), "identity": worker.identity}
    push("closed", os.getpid())


@app.on("error")
def note_error(error: BaseException, about: dict[str, Any]) -> None:
    push("errors", f"{os.getpid()} {type(error).__name__} {about['context']}")


@app.on("death")
def note_death(payload: dict[str, Any], error: BaseException) -> None:
    push("deaths", f"{os.getpid()} {type(error).__name__} {payload['jid']}")


@app.server_middleware.add
def traced(job: JobContext) -> Steps[Any]:
    """Ask Redis around each job, from where it runs."""
    yield from tell("before", f"{os.getpid()} {job.jid}")
    yield
    yield from tell("after", f"{os.getpid()} {job.jid}")


def tell(key: str, text: Any) -> Op[Any]:
    return command("RPUSH", key, text)


def push(key: str, text: Any) -> None:
    app.store.run(tell(key, text))


@app.job(name="Tell", executor="process")
def tell_all(number: int) -> None:
    """Tell all that a job can know of where it is."""
    job = current_job()
    thread = threading.current_thread() is threading.main_thread()
    push("told", f"{number} {os.getpid()} {os.getppid()} {job.jid} {job.state['pid']} {thread} {__name__}")


@app.job(name="Settle", executor="process")
def settle(number: int) -> None:
    """Leave writes for the transaction: words of each kind, one of them a name that is no UTF-8."""
    for op in (tell("settled", number), tell("settled", 2.5), tell("settled", b"\xff"), tell("odd-\udcff", "x")):
        current_job().on_settle(op)


@app.job(name="SettleOddly", executor="process")
def settle_oddly() -> None:
    current_job().on_settle(command("SET", "k", object()))  # type: ignore[arg-type]


@app.job(name="End", executor="process", retry=3)
def end(how: str) -> None:
    """End a run in each way that there is."""
    ways: dict[str, Exception] = {
        "retry": Retry(50),
        "snooze": Snooze(60),
        "discard": Discard("why"),
        "kill": Kill("why"),
    }
    raise ways.get(how) or ValueError(f"no way {how}")


@app.job(name="ReleaseOnce", executor="process")
def release_once(flag: str) -> Any:
    if Path(flag).exists():
        return None
    Path(flag).touch()
    return Release()


@app.job(name="Crash", executor="process", retry=9, retry_in=lambda *_: 3_600)
def crash(how: str) -> None:
    """End this process as nothing should."""
    push("crashes", os.getpid())
    if how == "segfault":
        ctypes.string_at(0)
    elif how == "exit":
        os._exit(3)
    elif how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "fork":  # what it leaves behind holds the pipe open
        if os.fork() == 0:
            os.setsid()
            time.sleep(5)
            os._exit(0)
        os._exit(4)


@app.job(name="Sleep", executor="process", retry=5)
def sleep(seconds: int) -> None:
    """Sleep in C, deaf to Python."""
    push("sleeping", os.getpid())
    ctypes.CDLL(None).sleep(seconds)
    push("slept", os.getpid())


@app.job(name="Gated", executor="process")
def gated(number: int, gate: str) -> None:
    """Wait for a file."""
    push("gated", f"{number} {os.getpid()}")
    while not Path(gate).exists():
        time.sleep(0.01)


@app.job(name="Grow", executor="process")
def grow(mib: int) -> None:
    push("grown", os.getpid())
    logging.garbage = bytearray(mib << 20)  # type: ignore[attr-defined]


@app.job(name="Spin", executor="process")
def spin(seconds: float) -> None:
    """Burn so much CPU time of this process."""
    push("spinning", os.getpid())
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass
    push("spun", os.getpid())


@app.job(name="Plain")
def plain() -> None:
    push("plain", os.getpid())


@app.job(name="Threaded", executor="thread")
def threaded() -> None:
    push("threaded", os.getpid())


@app.job(name="Async")
async def asynchronous() -> None:
    push("async", os.getpid())


@app.job(name="Start", executor="process")
def start_something() -> None:
    """Start a program that outlives this job."""
    program = subprocess.Popen(["sleep", "60"])
    push("program", program.pid)
    program.wait()
