"""Ops on the sums of runs per class, as Ruby's page of metrics reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from redisjobs.store.keys import Keys
from redisjobs.store.op import Op
from redisjobs.wire import metrics
from redisjobs.wire.metrics import SHORT_TTL_S, Generation, Tally

GUARD_TTL_S = 600


def tally(
    keys: Keys,
    tallies: Mapping[str, Tally],
    *,
    at: float,
    generations: Sequence[Generation],
    identity: str,
    number: int,
) -> Op[bool]:
    """Add what the runs of a process were to the minute of `at` (Unix seconds), per class.

    Safe to send twice: the number is stored along, and the second adds nothing.
    """
    moment = datetime.fromtimestamp(at, UTC)
    fields: list[Any] = []
    for name, one in tallies.items():
        sums = {"p": one.runs, "f": one.failures, "ms": round(one.ms)}
        fields += [part for kind, more in sums.items() if more for part in (f"{name}|{kind}", more)]
    names = [keys.tallied(identity)]
    args: list[Any] = [number, GUARD_TTL_S]
    for generation in generations:
        for bucket, ttl_s in metrics.buckets(moment, generation).items():
            names.append(keys.runs(bucket))
            args += ["hash", ttl_s, len(fields) // 2, *fields]
        histogram = keys.histogram if generation == 8 else keys.histogram7
        for name, one in tallies.items():
            if one.buckets:
                names.append(histogram(name, metrics.minute(moment, generation)))
                args += [
                    "bits",
                    SHORT_TTL_S,
                    len(one.buckets),
                    *(part for pair in one.buckets.items() for part in pair),
                ]
    return Op("tally", names, args, decode=bool)
