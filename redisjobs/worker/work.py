"""A leased job that was read and found runnable."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import Struct

from redisjobs.jobs.job import Job
from redisjobs.store.ops.leases import Lease
from redisjobs.wire.payload import Payload


class Work(Struct, frozen=True, eq=False, gc=False):
    """What an executor runs."""

    lease: Lease
    payload: Payload
    job: Job[Any, Any]


class Running(NamedTuple):
    """What an executor is running: the work, since when (Unix seconds), and a short name of its thread or task."""

    work: Work
    started_at: float
    tid: str
