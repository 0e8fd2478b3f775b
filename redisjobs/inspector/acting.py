"""Act on one job where it was found; and what can be done with one there."""

from __future__ import annotations

import hashlib

from redisjobs.errors import RedisJobsError
from redisjobs.inspector.access import Access
from redisjobs.inspector.bulk import Action
from redisjobs.inspector.entries import Acted, JobEntry, SetEntry
from redisjobs.inspector.queues import QUEUE, Queue
from redisjobs.inspector.search import SETS, Located
from redisjobs.inspector.sets import JobSet
from redisjobs.store.ops.queues import ANYWHERE, Where

ACTIONS: dict[str, tuple[str, ...]] = {
    "retry": ("retry", "kill", "delete", "reschedule"),
    "schedule": ("retry", "kill", "delete", "reschedule"),
    "dead": ("retry", "delete"),
    "queue": ("kill", "delete"),
    "running": ("cancel",),
}
"""By the place that `locate` tells."""

_SLACK = 200  # jobs that workers may have taken meanwhile
_STEP = 200
_REACH = 5_000  # entries that are looked at for one that has moved


def act(access: Access, found: Located, action: Action) -> Acted[JobEntry]:
    """Do something with a job that was located; nothing happens to one that is not there any more.

    Raises:
        RedisJobsError: this cannot be done with a job of that place.
    """
    entry = found.entry
    if entry is None or found.place not in (*SETS, "queue"):
        raise RedisJobsError(f"a job that is {found.place or 'nowhere'} is nobody's to move: wait until it has run")
    source = SETS[found.place](access) if found.place in SETS else Queue(access, entry.queue)
    return act_on(source, entry, action)


def act_on(source: JobSet | Queue, entry: JobEntry, action: Action) -> Acted[JobEntry]:
    """Do something with an entry as it was listed. Raises as `act`."""
    return action.on(source)([entry], _where(source, entry))


def key(entry: JobEntry) -> str:
    """Return what stands for a listed entry: its score, or index in the queue, and a digest of its bytes."""
    at = repr(entry.score) if isinstance(entry, SetEntry) else str(entry.index or 0)
    return f"{at}:{fingerprint(entry.raw)}"


def hint(entry: JobEntry, place: str) -> str:
    """Return what helps `locate` to find an entry again; empty if nothing does."""
    if isinstance(entry, SetEntry):
        return f"{place}:{entry.score!r}"
    return f"{QUEUE}:{entry.queue}" if place == QUEUE else ""


def fingerprint(raw: bytes) -> str:
    """Return what tells the bytes of an entry from all others."""
    return hashlib.sha256(raw).hexdigest()[:20]


def keyed(queue: Queue, wanted: str) -> JobEntry | None:
    """Return the entry of a queue that a key stands for, if it has not moved far since; newer ones move it back."""
    at, _, told = wanted.partition(":")
    if not at.isdecimal() or len(at) > 15:
        return None
    index = int(at)
    steps = ((index, 1), *((max(0, index - _STEP) + back, _STEP) for back in range(0, _REACH, _STEP)))
    for start, count in steps:
        page = queue.page(start, count)
        for entry in page:
            if fingerprint(entry.raw) == told:
                return entry
        if len(page) < count:
            return None
    return None


def _where(source: JobSet | Queue, entry: JobEntry) -> Where:
    """Return where in its queue an entry stands, counted from the end that workers take from."""
    if not isinstance(source, Queue) or entry.index is None:
        return ANYWHERE
    before = source.size - entry.index - 1
    start = max(0, before - _SLACK)
    return Where(start, before - start + _SLACK)
