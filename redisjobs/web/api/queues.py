"""Queues: how long they are and who listens; the jobs of one; pause, resume, clear, delete a job."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any
from urllib.parse import quote

from msgspec import Meta, Struct

from redisjobs.inspector import ProcessSet, Queue, QueueSummary, summaries
from redisjobs.inspector.acting import act_on, keyed
from redisjobs.inspector.bulk import Delete
from redisjobs.inspector.search import search
from redisjobs.web.api.endpoint import Call, Endpoint
from redisjobs.web.api.shapes import Acted, Jobs, Listing, jobs
from redisjobs.web.problems import RefusedError

Name = Annotated[
    str, Meta(description="The queue, in place of the one in the path: for names with a slash, or that are no UTF-8.")
]


class Named(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which queue."""

    name: Name = ""


class NamedListing(Listing, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which jobs of which queue."""

    name: Name = ""


class QueueInfo(Struct, kw_only=True):
    """A queue. `encoded`: its name as the parameter `name` takes it. `listeners`: processes that take from
    it; those told to be quiet do not.

    `latency_s`: how long the next job has waited. `problem`: why the rest is zero, if its key is no queue.
    """

    name: str
    encoded: str
    size: int
    latency_s: float
    paused: bool
    listeners: int
    problem: str


class Queues(Struct, kw_only=True):
    """All queues, by name."""

    queues: list[QueueInfo]


class Cleared(Struct, kw_only=True):
    """How many jobs went."""

    deleted: int


def queue_of(call: Call[Any, Any]) -> Queue:
    """Return the queue that a request is about."""
    return Queue(call.access, call.params.name or call.view.part("queue"))


def info(queue: QueueSummary, listeners: Counter[str]) -> QueueInfo:
    """Return a queue as it is told."""
    return QueueInfo(
        name=queue.name,
        encoded=quote(queue.name, safe="", errors="surrogateescape"),
        size=queue.size,
        latency_s=queue.latency_s,
        paused=queue.paused,
        listeners=listeners[queue.name],
        problem=queue.problem,
    )


def listed(call: Call[Struct, bytes]) -> Queues:
    """Give all queues."""
    listeners = _listeners(call)
    return Queues(queues=[info(queue, listeners) for queue in summaries(call.access)])


def one(call: Call[Named, bytes]) -> QueueInfo:
    """Give one queue; one that has no jobs and that nobody pushed to is empty."""
    queue = queue_of(call)
    summary = QueueSummary(queue.name, queue.size, queue.latency_s, queue.paused)
    return info(summary, _listeners(call))


def page(call: Call[NamedListing, bytes]) -> Jobs:
    """Give jobs of a queue."""
    asked = call.params
    found = search(
        queue_of(call), asked.query(call.view), limit=asked.limit, budget_s=asked.budget_s, cursor=asked.cursor
    )
    return jobs(call.view.site.redaction, found, "queue")


def pause(call: Call[Named, bytes]) -> QueueInfo:
    """Have workers leave it alone."""
    queue = queue_of(call)
    queue.pause()
    call.view.note("pause queue", queue=queue.name)
    return one(call)


def resume(call: Call[Named, bytes]) -> QueueInfo:
    """Let workers take from it again."""
    queue = queue_of(call)
    queue.unpause()
    call.view.note("resume queue", queue=queue.name)
    return one(call)


def clear(call: Call[Named, bytes]) -> Cleared:
    """Delete all that waits."""
    queue = queue_of(call)
    count = queue.clear()
    call.view.note("clear queue", queue=queue.name, count=count)
    return Cleared(deleted=count)


def delete(call: Call[Named, bytes]) -> Acted:
    """Delete one job, by the key that a list told of it."""
    queue = queue_of(call)
    entry = keyed(queue, call.view.part("key"))
    if entry is None:
        raise RefusedError(404, "no such job", "It has run or moved meanwhile: list the queue again.")
    acted = act_on(queue, entry, Delete())
    call.view.note("delete job", queue=queue.name, jid=entry.id, count=acted.count)
    return Acted(done=acted.count, left=0, reasons=[])


def _listeners(call: Call[Struct, bytes] | Call[Named, bytes]) -> Counter[str]:
    found = (set(process.queues) for process in ProcessSet(call.access) if not process.quieted)
    return Counter(name for queues in found for name in queues)


ENDPOINTS = (
    Endpoint(method="GET", path="/queues", summary="List all queues", respond=listed, answer=Queues),
    Endpoint(
        method="GET", path="/queues/{queue}", summary="Look at one queue", respond=one, params=Named, answer=QueueInfo
    ),
    Endpoint(
        method="GET",
        path="/queues/{queue}/jobs",
        summary="List the jobs of a queue, the newest first",
        respond=page,
        params=NamedListing,
        answer=Jobs,
    ),
    Endpoint(
        method="POST",
        path="/queues/{queue}/pause",
        summary="Have workers leave a queue alone",
        respond=pause,
        params=Named,
        answer=QueueInfo,
    ),
    Endpoint(
        method="POST",
        path="/queues/{queue}/resume",
        summary="Let workers take from a queue again",
        respond=resume,
        params=Named,
        answer=QueueInfo,
    ),
    Endpoint(
        method="POST",
        path="/queues/{queue}/clear",
        summary="Delete all that waits in a queue",
        respond=clear,
        params=Named,
        answer=Cleared,
    ),
    Endpoint(
        method="DELETE",
        path="/queues/{queue}/jobs/{key}",
        summary="Delete one job of a queue, by the key that the list told",
        respond=delete,
        params=Named,
        answer=Acted,
    ),
)
