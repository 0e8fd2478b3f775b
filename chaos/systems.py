"""What a scenario needs of a job processor, and ours behind it; the peers are in chaos/peers.py.

Must not know: what is done to the workers, or what is counted.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from chaos.runlog import VARIABLE
from redisjobs import RedisJobs
from redisjobs.version import __version__
from tests.support.fleet import WorkerProcess, command
from tests.support.real_redis import RealRedis

Calls = Sequence[tuple[int, float]]
"""Jobs: the number and how many seconds it takes."""


class System(Protocol):
    """A job processor: how its worker is started, and how jobs get to it."""

    name: str
    jobs: int
    """Jobs of the storm at its full size."""
    slots: int
    """Jobs that one worker runs at once."""
    patience_s: float
    """How long it may take to find out that a worker died, as documented or set; longer, and the jobs count as lost."""

    def about(self) -> str:
        """Return versions and settings."""
        ...

    def start(self, url: str, log: Path, run_log: Path, settings: Mapping[str, str]) -> WorkerProcess:
        """Start a worker, and do not wait for it."""
        ...

    def push(self, url: str, calls: Calls, kind: str = "work") -> None:
        """Enqueue jobs: `work` in a thread, `awork` in a coroutine, `pwork` in a child process."""
        ...

    def held(self, redis: RealRedis, worker: WorkerProcess) -> int | None:
        """Count the jobs that a worker has taken and not finished; None if nobody can tell."""
        ...

    def ready(self, worker: WorkerProcess) -> bool:
        """Tell whether a worker takes jobs."""
        ...


class Ours:
    """This package, at its default settings but for the log line of each job."""

    name = "redisjobs"
    jobs = 100_000
    slots = 10
    patience_s = 90.0

    def __init__(self, namespace: str = "") -> None:
        self.namespace = namespace

    def about(self) -> str:
        """See `System`."""
        return f"redisjobs {__version__}, CPython {platform.python_version()}, defaults but for --no-job-log"

    def start(
        self, url: str, log: Path, run_log: Path, settings: Mapping[str, str], words: Sequence[str] = ()
    ) -> WorkerProcess:
        """See `System`; a setting in capitals is one of the environment, `words` go to the command."""
        environment = {"REDISJOBS_URL": url, VARIABLE: str(run_log)}
        environment |= {
            name if name.isupper() else f"REDISJOBS_{name.upper()}": value for name, value in settings.items()
        }
        line = [command(), "worker", "chaos.jobs:app", "-c", str(self.slots), "--no-job-log", *words]
        return WorkerProcess(log, line, environment)

    def push(self, url: str, calls: Calls, kind: str = "work") -> None:
        """See `System`."""
        jobs = [[number, seconds] for number, seconds in calls]
        with_client(url, lambda app: app.push_many(kind, jobs), self.namespace)

    def held(self, redis: RealRedis, worker: WorkerProcess) -> int | None:
        """See `System`."""
        leases = [key for key in redis.client.keys(f"*:{worker.identity}") if b"lease:" in key]
        return sum(int(redis.client.llen(key)) for key in leases)

    def ready(self, worker: WorkerProcess) -> bool:
        """See `System`."""
        return "worker started" in worker.log


def with_client(url: str, use: Any, namespace: str = "") -> Any:
    """Call a function with an app on a server, and close it."""
    app = RedisJobs(url, namespace=namespace, patience_s=30)
    try:
        return use(app)
    finally:
        app.close()
