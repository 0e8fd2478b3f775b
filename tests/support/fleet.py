"""Worker processes of the installed command, and the record of runs that they keep outside Redis.

A run is a line of a file, written by one `os.write` on a descriptor opened with O_APPEND: whole, in order, and there
even if the process dies in the next instruction.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis

ROOT = Path(__file__).parent.parent.parent
RUN_LOG = "REDISJOBS_TEST_RUN_LOG"


class Runs:
    """The file that jobs write to: `start NUMBER PID`, and `end NUMBER PID` where a job got so far."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.touch()

    def started(self) -> Counter[int]:
        """Return how often each job was begun, by its number."""
        return self._count("start")

    def ended(self) -> Counter[int]:
        """Return how often each job came to its end."""
        return self._count("end")

    def pids(self, number: int) -> list[int]:
        """Return in which processes a job was begun, in order."""
        return [int(pid) for what, found, pid in self._lines() if what == "start" and int(found) == number]

    def count(self) -> int:
        """Return how many runs began, of all jobs."""
        return sum(what == "start" for what, _, _ in self._lines())

    def count_of(self, pid: int) -> int:
        """Return how many runs began in one process."""
        return sum(what == "start" and int(found) == pid for what, _, found in self._lines())

    def told(self, prefix: str) -> list[tuple[int, int]]:
        """Return what jobs told as `PREFIX-VALUE NUMBER`: pairs of number and value."""
        words = [(int(number), what) for what, number, _ in self._lines() if what.startswith(f"{prefix}-")]
        return [(number, int(what.removeprefix(f"{prefix}-"))) for number, what in words]

    def _count(self, wanted: str) -> Counter[int]:
        return Counter(int(number) for what, number, _ in self._lines() if what == wanted)

    def _lines(self) -> list[list[str]]:
        whole, _, _ = self.file.read_text("ascii").rpartition("\n")  # the last line may be half written
        return [line.split() for line in whole.splitlines()]


class WorkerProcess:
    """One `redisjobs worker` of its own, or another program that is given as `words`, with its log in a file."""

    def __init__(self, log: Path, words: list[str], environment: Mapping[str, str], *, own_group: bool = False) -> None:
        self.log_file = log
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                words,
                env={**os.environ, **environment},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=own_group,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self.log_file.read_text("utf-8", "replace")

    @property
    def identity(self) -> str:
        """The name it has in Redis, once it has said so."""
        found = [word for word in self.log.split() if word.startswith("identity=")]
        return found[0].removeprefix("identity=") if found else ""

    @property
    def rss_mib(self) -> float:
        """Its resident memory."""
        return int(self._status("VmRSS").split()[0]) / 1024

    def lines(self, text: str) -> list[str]:
        """Return the lines of its log that contain a text."""
        return [line for line in self.log.splitlines() if text in line]

    def ready(self, timeout_s: float = 20) -> WorkerProcess:
        """Wait until it has started."""
        eventually(self._started, timeout_s, "the worker has not started")
        return self

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def sigstop(self) -> None:
        """Have it do nothing at all; return when it does."""
        self.signal(signal.SIGSTOP)
        eventually(lambda: "(stopped)" in self._status("State"), message="the worker has not stopped")

    def sigcont(self) -> None:
        """Let it go on."""
        self.signal(signal.SIGCONT)

    def kill9(self) -> None:
        """End it as a crash would."""
        self.signal(signal.SIGKILL)
        self._process.wait(10)

    def term(self) -> None:
        self.signal(signal.SIGTERM)

    def wait(self, timeout_s: float = 30) -> int:
        """Wait for its end; return its exit code."""
        return self._process.wait(timeout_s)

    def stop(self) -> int:
        """TERM, and wait for its end; return its exit code."""
        self.term()
        return self.wait()

    def end(self) -> None:
        """End it, whatever it does and even if it is stopped."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def _status(self, name: str) -> str:
        lines = Path(f"/proc/{self.pid}/status").read_text("ascii", "replace").splitlines()
        return next(line for line in lines if line.startswith(f"{name}:")).partition(":")[2].strip()

    def _started(self) -> bool:
        assert self._process.poll() is None, f"the worker ended at once: {self.log}"
        return "worker started" in self.log


class Fleet:
    """Starts workers of `tests.e2e.jobs` on one server, and ends them all."""

    def __init__(self, folder: Path) -> None:
        self.runs = Runs(folder / "runs")
        self.workers: list[WorkerProcess] = []
        self._folder = folder

    def worker(
        self, redis: RealRedis | str, *words: str, concurrency: int = 5, ready: bool = True, **settings: Any
    ) -> WorkerProcess:
        """Start a worker; `words` go to the command, `settings` into its environment as REDISJOBS_..."""
        url = redis if isinstance(redis, str) else redis.url
        environment = {"REDISJOBS_URL": url, RUN_LOG: str(self.runs.file)}
        environment |= {f"REDISJOBS_{name.upper()}": str(value) for name, value in settings.items()}
        log = self._folder / f"worker-{len(self.workers)}.log"
        command_line = [command(), "worker", "tests.e2e.jobs:app", "-c", str(concurrency), *words]
        made = WorkerProcess(log, command_line, environment)
        self.workers.append(made)
        return made.ready() if ready else made

    def end(self) -> None:
        """End what still runs."""
        for worker in self.workers:
            worker.end()


def command() -> str:
    """Return the installed command, beside this interpreter."""
    found = shutil.which("redisjobs", path=str(Path(sys.executable).parent))
    assert found is not None, "the command redisjobs is not installed beside this interpreter"
    return found


def cli(redis: RealRedis, *words: str | bytes, status: int = 0, environment: Mapping[str, str] | None = None) -> bytes:
    """Run the installed command on a server; return what it printed."""
    done = subprocess.run(
        [command(), *words],
        env={**os.environ, "REDISJOBS_URL": redis.url, **(environment or {})},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == status, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout
