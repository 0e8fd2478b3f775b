"""What the benchmarks share: a Redis of their own, a worker process, CPU time, and what machine this is.

Must not know: which peers there are, or what is measured.
Always holds: what was started here is stopped here, by its own pid, also when a run breaks.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

ROOT = Path(__file__).resolve().parent.parent
STOP_S = 40.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
OF_THE_PEERS = ("REDISJOBS_PEERS", "REDISJOBS_MIRROR")


class BenchmarkError(Exception):
    """Something broke, so there is no figure. The message says what and where to look."""


@dataclass(frozen=True)
class PrivateRedis:
    """A fresh, empty redis-server on a loopback port, without AOF and RDB."""

    folder: Path
    url: str
    process: subprocess.Popen[bytes]
    client: redis.Redis


@contextmanager
def private_redis() -> Iterator[PrivateRedis]:
    """Run a redis-server for one measured run; its folder is also the place for that run's files."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise BenchmarkError("there is no redis-server on PATH; on Debian: apt-get install redis-server")
    with tempfile.TemporaryDirectory(prefix="redisjobs-bench-") as name:
        folder, port = Path(name), free_port()
        options = f"--port {port} --bind 127.0.0.1 --appendonly no --loglevel warning --dir {folder}".split()
        with (folder / "redis.log").open("wb") as log:
            process = subprocess.Popen(
                [binary, *options, "--save", ""], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        client = redis.Redis(port=port)
        try:
            wait_until(lambda: _answers(client), "redis-server to answer", process, folder / "redis.log")
            yield PrivateRedis(folder, f"redis://127.0.0.1:{port}/0", process, client)
        finally:
            client.close()
            _stop(process)


@contextmanager
def running(
    command: Sequence[str], server: PrivateRedis, *, url: str = "", more: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker against `server` until the block ends, then stop it with TERM and wait for its last writes.

    `url` is another way to the server, such as a proxy; `more` is added to the environment.
    """
    with worker_log(server).open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(url or server.url, more),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        _stop(process)


def environment(url: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without its own settings, for a child that is to use this Redis."""
    env = {name: value for name, value in os.environ.items() if name in OF_THE_PEERS or not name.startswith("REDIS")}
    return env | {"REDIS_URL": url, "REDISJOBS_URL": url} | dict(more or {})


def worker_log(server: PrivateRedis) -> Path:
    return server.folder / "worker.log"


def wait_until(
    condition: Callable[[], bool],
    what: str,
    process: subprocess.Popen[bytes],
    log: Path,
    *,
    every_s: float = 0.005,
    timeout_s: float = 60.0,
) -> None:
    """Poll until `condition` holds. Raises BenchmarkError if the process ends first or the time is over."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if process.poll() is not None:
            raise BenchmarkError(f"exit code {process.returncode} while waiting for {what}{tail(log)}")
        if time.monotonic() > deadline:
            raise BenchmarkError(f"waited {timeout_s:.0f} s for {what}{tail(log)}")
        time.sleep(every_s)


def tail(log: Path) -> str:
    """Return the last lines of a log, to end an error message with."""
    lines = log.read_text(errors="replace").splitlines()[-15:]
    return "\n  ".join(["; its log ends with:", *lines]) if lines else "; its log is empty"


def cpu_s(pid: int) -> float:
    """Return the CPU seconds, user and system, that all threads of a process and of its descendants have used."""
    children: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:  # ended while we looked
            continue
        fields = text.rpartition(")")[2].split()  # the name before may hold spaces; fields[0] is field 3 of proc(5)
        child = int(stat.parent.name)
        children.setdefault(int(fields[1]), []).append(child)
        ticks[child] = int(fields[11]) + int(fields[12])
    family = [pid]
    for member in family:
        family += children.get(member, [])
    return sum(ticks.get(member, 0) for member in family) / TICKS_PER_S


def rss_bytes(pid: int) -> int:
    """Return the resident memory of one process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def machine() -> str:
    """Name the CPU, the cores this process may use and the system, for the head of a table."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")), "?")
    return f"{len(os.sched_getaffinity(0))} x {model}, {platform.system()} {platform.release()}"


def redis_version() -> str:
    """Name the redis-server that the runs use."""
    binary = shutil.which("redis-server") or "redis-server"
    words = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.split()
    return "Redis " + next(word.removeprefix("v=") for word in words if word.startswith("v="))


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
