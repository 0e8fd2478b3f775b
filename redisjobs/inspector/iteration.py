"""How far a job of Ruby's is that iterates, as its Sidekiq wrote down last (spec: sidekiq.md 2.6)."""

from __future__ import annotations

import math

from msgspec import Struct

from redisjobs.inspector.access import Access
from redisjobs.store.ops import processes as ops


class Iteration(Struct, frozen=True):
    """Where it is: its `cursor` as JSON, how often it was begun, and for how long it ran in all."""

    cursor: str
    executions: int
    runtime_s: float


def iteration(access: Access, jid: str) -> Iteration | None:
    """Return how far a job is; None if it does not iterate, or nothing that can be read was written down.

    Cost: one round trip.
    """
    cursor, executions, runtime_s = access.run(ops.iteration(access.keys, jid))
    if cursor is None:
        return None
    try:
        found = Iteration(cursor.decode("utf-8", "surrogateescape"), int(executions or 0), float(runtime_s or 0))
    except ValueError:
        return None
    return found if math.isfinite(found.runtime_s) else None
