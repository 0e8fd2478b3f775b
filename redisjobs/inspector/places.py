"""Where jobs wait, by the names that commands, URLs and files have for it."""

from __future__ import annotations

from redisjobs.errors import QueryError, did_you_mean
from redisjobs.inspector.access import Access
from redisjobs.inspector.queues import QUEUE, Queue
from redisjobs.inspector.sets import DeadSet, JobSet, RetrySet, ScheduledSet

SETS: tuple[type[JobSet], ...] = (RetrySet, ScheduledSet, DeadSet)


def place(access: Access, name: str) -> JobSet | Queue:
    """Return what `retries`, `scheduled`, `dead` or `queue:NAME` names.

    Raises:
        QueryError: it names nothing of these.
    """
    first, _, rest = name.partition(":")
    if first == QUEUE and rest:
        return Queue(access, rest)
    for kind in SETS:
        if name == kind.place:
            return kind(access)
    known = [*(kind.place for kind in SETS), f"{QUEUE}:NAME"]
    raise QueryError(f"{name!r} is no place{did_you_mean(name, known, '')}; there are: {', '.join(known)}")
