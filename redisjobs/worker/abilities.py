"""What a process can do, as it tells others: which jobs it knows and how it writes times; for the doctor.

It stands in a field of its own of the heartbeat's hash, which Ruby never asks for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from redisjobs.jobs.job import Job
from redisjobs.wire.times import Wire

_MOST_BYTES = 64 * 1024  # it is sent at each beat


def abilities_of(jobs: Iterable[Job[Any, Any]], wire: Wire, heartbeat_ttl_s: float) -> bytes:
    """Return the field: the names of the jobs on the wire, unless they are too many to be told so often."""
    told: dict[str, Any] = {"wire": wire, "heartbeat_ttl_s": heartbeat_ttl_s}
    whole = msgspec.json.encode({**told, "jobs": sorted(job.name for job in jobs)})
    return whole if len(whole) <= _MOST_BYTES else msgspec.json.encode(told)
