"""A leased job that was read and found runnable."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import Struct

from redisjobs.jobs import options
from redisjobs.jobs.job import Job
from redisjobs.store.ops.leases import Lease
from redisjobs.wire.payload import Payload
from redisjobs.worker.watchdog import Interruption

THREAD, COROUTINE, PROCESS = 0, 1, 2
"""Where a job runs: the places of the executors in a fetcher's list."""


class Work(Struct, eq=False, gc=False):
    """What an executor runs. The executor writes down how long that took.

    `cancelled`: however the run ends, it counts as cancelled, unless it simply ends well. In a thread `interruption`
    may be fired while the job's own code is `inside`, and only then.
    """

    lease: Lease
    payload: Payload
    job: Job[Any, Any]
    kind: int = THREAD
    took_s: float = 0.0
    inside: bool = False
    cancelled: bool = False
    interruption: Interruption | None = None

    @property
    def timeout_s(self) -> float | None:
        """How long it may run: as its payload says, else as its declaration says, else for ever (None)."""
        return options.seconds(self.payload.timeout) or self.job.timeout_s


class Running(NamedTuple):
    """What an executor is running: the work, since when (Unix seconds), and a short name of its thread or task."""

    work: Work
    started_at: float
    tid: str

    def is_run(self, tid: str, jid: str) -> bool:
        """Tell whether it is this job in this thread or task."""
        return self.tid == tid and self.work.payload.jid == jid
