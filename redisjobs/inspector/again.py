"""Enqueue a job like another one: its fields, but for what is given and what happened to the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redisjobs import clock
from redisjobs.errors import PayloadError, RedisJobsError
from redisjobs.inspector.access import Access
from redisjobs.inspector.entries import JobEntry
from redisjobs.inspector.queues import Queue
from redisjobs.store.resque_keys import ResqueKeys
from redisjobs.wire import arguments, payload
from redisjobs.wire.times import stamp

_PAST = (
    *("at", "failed_at", "retried_at", "retry_count", "error_class", "error_message", "error_backtrace"),
    *("discarded_at", "bid"),  # a batch counts its jobs: this one is not among them
)


def again(access: Access, entry: JobEntry, *, name: str, queue: str, args: Sequence[Any]) -> str:
    """Put a new job into a queue, now; return its jid. The other one stays where it is.

    Raises:
        PayloadError: the other one cannot be read, or what is given makes no job that could run. Nothing was pushed.
        RedisJobsError: the jobs are Resque's, which have no jid.
    """
    if isinstance(access.keys, ResqueKeys):
        raise RedisJobsError("jobs of Resque cannot be edited: enqueue a new one")
    if entry.malformed:
        raise entry.problem or PayloadError("payload", "the envelope of bytes that are no job")
    if not queue:
        raise PayloadError("queue", "must be the name of a queue")
    jid, now = payload.new_jid(), stamp(clock.now(), access.wire)
    changes: dict[str, Any] = {"class": name, "queue": queue, "jid": jid, "created_at": now, "enqueued_at": now}
    members = {**changes, "args": arguments.check(list(args)), "retry": True}
    payload.check(members)
    payload.encode(members)  # it says which text cannot be written
    raw = payload.change(entry.raw, {**changes, "args": members["args"]}, drop=_PAST, wire=access.wire)
    payload.decode(raw)
    Queue(access, queue).push_some([raw])
    return jid
