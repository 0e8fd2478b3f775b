"""Trial: one run of one scenario: a Redis, workers, the jobs that were confirmed, and what became of them.

Always holds: what was started here is ended here, by its own pid, also when the scenario breaks.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from chaos.report import Row
from chaos.runlog import RunLog
from chaos.systems import Ours, System
from redisjobs import RedisJobs
from tests.support.eventually import eventually
from tests.support.fleet import WorkerProcess
from tests.support.real_redis import RealRedis

RECOVERED = "jobs of a dead process recovered"
"""What the reaper logs."""


class SkippedError(Exception):
    """This machine, or this version, cannot be put through a scenario; the message says why."""


class Trial:
    """What a scenario works with. `url` is where workers and producers connect, at first the server's own."""

    def __init__(self, name: str, *, full: bool, system: System | None = None) -> None:
        self.name = name
        self.full = full
        self.system: System = system or Ours()
        self.folder = Path(tempfile.mkdtemp(prefix="redisjobs-chaos-"))
        self.log = RunLog(self.folder / "runs")
        self.workers: list[WorkerProcess] = []
        self.confirmed: set[int] = set()
        self.excused: set[int] = set()  # need not come to their end, and may begin often
        self.bound: int | None = 0
        self.longest_push_s = 0.0
        self.pushed_at: dict[int, float] = {}  # when a producer's push was answered
        self.again_s: list[float] = []
        self.notes: list[str] = []
        self.broken: list[str] = []
        self.url = ""
        self.namespace = self.system.namespace if isinstance(self.system, Ours) else ""
        self._cleanups: list[Callable[[], object]] = []
        self._next = 0
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def pick(self, quick: Any, full: Any) -> Any:
        """Return one of two by the size of this run."""
        return full if self.full else quick

    @property
    def ours(self) -> bool:
        """Whether it is this package that is put through it."""
        return isinstance(self.system, Ours)

    # -- what takes part ----------------------------------------------------------------------------------------

    def server(self, **options: str | int) -> RealRedis:
        """Start a redis-server; the first one is where workers and producers connect."""
        made = RealRedis(**options)
        self.at_end(made.close)
        self.url = self.url or made.tcp_url
        return made

    def at_end(self, cleanup: Callable[[], object]) -> None:
        """Have something called at the end, the last first."""
        self._cleanups.append(cleanup)

    def key(self, name: str) -> str:
        """Return a key, or a pattern of keys, in the namespace of this trial."""
        return f"{self.namespace}:{name}" if self.namespace else name

    def app(self, patience_s: float = 5.0, url: str = "") -> RedisJobs:
        """Return an app of this process."""
        made = RedisJobs(url or self.url, namespace=self.namespace, patience_s=patience_s)
        self.at_end(made.close)
        return made

    def worker(self, *, url: str = "", ready: bool = True, **settings: object) -> WorkerProcess:
        """Start a worker, with settings if it is one of ours."""
        told = {name: str(value) for name, value in settings.items()}
        if self.namespace:
            told["CHAOS_NAMESPACE"] = self.namespace
        log = self.folder / f"worker-{len(self.workers)}.log"
        made = self.system.start(url or self.url, log, self.log.file, told)
        self.workers.append(made)
        if ready:
            self.until(lambda: self.system.ready(made), 60, "a worker has not started")
        return made

    # -- jobs ---------------------------------------------------------------------------------------------------

    def numbers(self, count: int) -> list[int]:
        """Return so many new numbers."""
        with self._lock:
            self._next += count
            return list(range(self._next - count, self._next))

    def push(self, seconds: Sequence[float], kind: str = "work") -> list[int]:
        """Enqueue jobs that take so many seconds each; return their numbers."""
        numbers = self.numbers(len(seconds))
        self.system.push(self.url, list(zip(numbers, seconds, strict=True)), kind)
        self.confirmed.update(numbers)
        return numbers

    def missing(self) -> set[int]:
        """Return the confirmed jobs that have not come to their end."""
        return self.confirmed - self.log.read().ended.keys() - self.excused

    # -- waiting and judging ------------------------------------------------------------------------------------

    def until(self, condition: Callable[[], Any], timeout_s: float, what: str) -> Any:
        """Wait for a condition; its absence breaks the scenario."""
        return eventually(condition, timeout_s, what)

    def finish(self, timeout_s: float) -> None:
        """Wait until all confirmed jobs have come to their end; what has not by then is lost, and counted so."""
        try:
            eventually(lambda: not self.missing(), timeout_s)
        except AssertionError:
            pass

    def consuming_again(self, since: float, limit_s: float, *, each: bool = False) -> None:
        """Measure how long after a moment jobs began again, in any worker or, of ours, in each that lives."""
        end = time.monotonic() + 2 * limit_s + 10
        waiting: set[int | None] = {worker.pid for worker in self.workers if worker.running}
        waiting = waiting if each and self.ours else {None}
        while waiting and time.monotonic() < end:
            time.sleep(0.05)
            self.log.read()
            found = {pid: self.log.first_after(since, pid) for pid in waiting}
            waiting = {pid for pid in waiting if found[pid] is None}
            self.again_s += [moment - since for moment in found.values() if moment is not None]
        if waiting:
            self.again_s.append(time.monotonic() - since)
        if max(self.again_s) > limit_s:
            self.broken.append(f"not consuming again within {limit_s:g} s")

    def slowest_s(self) -> float:
        """Return the longest time from the answer to a push until its job began."""
        waits = [start.at - self.pushed_at[start.number] for start in self.log.starts if start.number in self.pushed_at]
        return max(waits, default=0.0)

    def check(self, holds: bool, what: str) -> None:
        """Note what should not be."""
        if not holds:
            self.broken.append(what)

    def check_logs(self, *forbidden: str) -> None:
        """Check that no worker has logged one of these, or an error of its own loops."""
        for text in (*forbidden, "fetcher failed", "Traceback"):
            count = sum(len(worker.lines(text)) for worker in self.workers)
            self.check(count == 0, f"{count} log lines with {text!r}")

    def stop_workers(self) -> None:
        """Stop those that live, and check how ours end."""
        for worker in self.workers:
            if worker.running and self.ours:
                code = worker.stop()
                self.check(code == 0, f"a worker ended with {code}")

    def run(self, scenario: Callable[[Trial], None]) -> Row:
        """Run a scenario to its end, or until it breaks, and return its row."""
        try:
            scenario(self)
        except SkippedError:
            raise
        except Exception as error:  # whatever breaks a scenario, the others are run
            self.broken.append(f"hang or failure: {type(error).__name__}: {str(error)[:300]}")
        return self.row()

    def row(self) -> Row:
        """Count what became of the jobs."""
        lost, log = self.missing(), self.log
        doubled = log.doubled() - sum(max(0, log.started[number] - 1) for number in self.excused)
        self.check(not lost, f"{len(lost)} lost")
        self.check(self.bound is None or doubled <= self.bound, f"{doubled} doubled")
        return Row(
            scenario=self.name,
            who=self.system.name,
            enqueued=len(self.confirmed),
            executed=len(log.ended),
            lost=len(lost),
            doubled=doubled,
            bound=self.bound,
            again_s=max(self.again_s, default=None),
            gap_s=log.longest_gap_s(),
            took_s=time.monotonic() - self._began,
            notes=self.notes,
            broken=self.broken,
        )

    def close(self, *, keep: bool = False) -> None:
        """End and delete all that is of this run; `keep` the folder with the logs."""
        for worker in self.workers:
            worker.end()
        for cleanup in reversed(self._cleanups):
            try:
                cleanup()
            except OSError:
                pass
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
