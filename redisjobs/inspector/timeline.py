"""What an entry says of its own past and future, in the order of time; pure: all front ends tell the same."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from redisjobs.inspector.entries import JobEntry, SetEntry
from redisjobs.inspector.search import Place


class Step(Struct, frozen=True):
    """One thing that happened to a job or will, when (Unix seconds), and a detail, maybe empty."""

    what: str
    at: float
    detail: str = ""


def timeline(entry: JobEntry, place: Place | str, *, run_at: float | None = None) -> Sequence[Step]:
    """Return what is known: created, enqueued, failed first, failed last, started, died, and when it is due.

    `place` is where it is now, `run_at` since when it runs.
    """
    count = entry.retry_count
    error = f"{entry.error_class}: {entry.error_message}" if entry.error_class else ""
    told = [
        ("created", entry.created_at, ""),
        ("enqueued", entry.enqueued_at, entry.queue),
        ("failed first", entry.failed_at, "" if entry.retried_at is not None else error),
        ("failed last", entry.retried_at, f"retry {count}, {error}" if count is not None else error),
        ("started", run_at, ""),
    ]
    steps = [Step(what, at, detail) for what, at, detail in told if at is not None]
    if isinstance(entry, SetEntry):
        what = {"retry": "next run", "schedule": "due", "dead": "died"}.get(place)
        steps += [Step(what, entry.score)] if what else []
    return sorted(steps, key=lambda step: step.at)
