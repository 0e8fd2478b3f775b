"""Bulk work on a set or a queue: on all jobs, on those that match, or on some; what takes long becomes a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from redisjobs import clock
from redisjobs.errors import QueryError
from redisjobs.inspector import JobSet, Queue, bulk, places
from redisjobs.inspector.acting import act_on, keyed
from redisjobs.inspector.query import Query
from redisjobs.web import rows
from redisjobs.web.api.endpoint import Call, Endpoint
from redisjobs.web.api.queues import Named, queue_of
from redisjobs.web.api.sets import PLACES
from redisjobs.web.api.shapes import LOOK_S, Acted, checked, reasons
from redisjobs.web.tasks import AT_ONCE, Tasks

_LONGEST_S = 5.0


class Work(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to do with which jobs: one of `where`, `keys` and `all` says with which.

    `retry` may override the `queue`; `move` goes to the `queue`; `reschedule` is to a moment, `at`, or to the own one
    `delay_s` seconds later.
    """

    action: Literal["retry", "kill", "delete", "reschedule", "move"]
    where: Annotated[str, Meta(description="Terms such as: class=Mail and error~timeout.")] = ""
    keys: Annotated[list[str], Meta(max_length=1_000, description="Keys of listed jobs.")] | None = None
    all: bool = False
    queue: str | None = None
    at: Annotated[float, Meta(ge=0, lt=1e11, description="Unix seconds.")] | None = None
    delay_s: Annotated[float, Meta(gt=-1e9, lt=1e9)] | None = None
    dry_run: Annotated[bool, Meta(description="Only count.")] = False


class Worked(Acted, kw_only=True):
    """What was done with `matched` jobs, or the `task` that does it, else empty.

    `partial`: there are more, as not all was looked at; of keys in a queue, send the request again.
    """

    matched: int
    partial: bool
    task: str


def _on_set(name: str) -> Callable[[Call[Struct, Work]], Any]:
    def respond(call: Call[Struct, Work]) -> Any:
        return _respond(call, places.place(call.access, name))

    return respond


def _on_queue(call: Call[Named, Work]) -> Any:
    return _respond(call, queue_of(call))


def _respond(call: Call[Any, Work], source: JobSet | Queue) -> Any:
    asked = call.body
    action = _action(asked)
    action.on(source)  # raises if it cannot be done there
    if (asked.where != "") + (asked.keys is not None) + asked.all != 1:
        raise QueryError("where, keys, all: give one of them, so that it is clear which jobs are meant")
    if asked.keys is not None:
        return _some(call, source, action, asked.keys)
    query = call.view.query({"where": asked.where})
    counted = bulk.count(source, query, budget_s=LOOK_S)
    if asked.dry_run:
        return _worked(call, counted)
    facts = {"count": counted.count, "partial": counted.partial, "filter": asked.where}
    call.view.note(f"{asked.action} in {source.place}", **facts)
    work = bulk.Bulk(source, query, action)
    if counted.partial or counted.count > AT_ONCE:
        path, params = ("/queue", {"name": source.name}) if isinstance(source, Queue) else (f"/{source.place}", {})
        title = f"{asked.action} {counted.count:,}{'+' if counted.partial else ''} jobs of {source.title}"
        task = Tasks(call.access).begin(work, title=title, who=call.view.user.name, back=call.view.url(path, **params))
        return _worked(call, counted, task=task.id)
    *_, progress = work
    return _worked(call, counted, progress, work.reasons)


def _some(call: Call[Any, Work], source: JobSet | Queue, action: bulk.Action, keys: Sequence[str]) -> Worked:
    if isinstance(source, Queue):
        return _some_of_queue(call, source, action, keys)
    raws = rows.chosen(source, keys)
    counted = bulk.Counted(len(raws), len(raws), len(raws))
    if call.body.dry_run:
        return _worked(call, counted)
    work = bulk.Bulk(source, Query(), action, selection=raws)
    *_, progress = work
    call.view.note(f"{call.body.action} in {source.place}", count=progress.done)
    return _worked(call, counted, progress, work.reasons)


def _some_of_queue(call: Call[Any, Work], queue: Queue, action: bulk.Action, keys: Sequence[str]) -> Worked:
    """Look for each where it stood, within a time: far inside a long queue each takes a while."""
    until = clock.monotonic() + _LONGEST_S
    matched = looked = done = 0
    left: list[tuple[str, str]] = []
    for one in keys:
        if clock.monotonic() > until:
            break
        looked += 1
        entry = keyed(queue, one)
        matched += entry is not None
        if entry is not None and not call.body.dry_run:
            acted = act_on(queue, entry, action)
            done += acted.count
            left += [(each.id, reason) for each, reason in acted.left]
    if not call.body.dry_run:
        call.view.note(f"{call.body.action} in {queue.place}", count=done)
    progress = bulk.Progress(looked, len(keys), done, len(left), finished=True)
    return _worked(call, bulk.Counted(matched, looked, len(keys)), progress, left)


def _action(asked: Work) -> bulk.Action:
    queue = None if asked.queue is None else checked(asked.queue, "queue")
    if asked.action == "retry":
        return bulk.Retry(queue)
    if asked.action == "move":
        return bulk.Move(queue or "")
    if asked.action == "reschedule":
        if (asked.at is None) == (asked.delay_s is None):
            raise QueryError("at, delay_s: give one of them, so that it is clear to when")
        return bulk.Reschedule(at=asked.at, by_s=asked.delay_s or 0.0)
    return bulk.Kill() if asked.action == "kill" else bulk.Delete()


def _worked(
    call: Call[Any, Work],
    counted: bulk.Counted,
    progress: bulk.Progress | None = None,
    told: Sequence[tuple[str, str]] = (),
    *,
    task: str = "",
) -> Worked:
    return Worked(
        matched=counted.count,
        partial=counted.partial,
        task=task,
        done=progress.done if progress else 0,
        left=progress.left if progress else 0,
        reasons=reasons(call.view.site.redaction, told),
    )


ENDPOINTS = (
    *(
        Endpoint(
            method="POST",
            path=f"/{name}/bulk",
            summary=f"Do one thing with many {name} jobs, or count them",
            respond=_on_set(name),
            body=Work,
            answer=Worked,
        )
        for name in PLACES
    ),
    Endpoint(
        method="POST",
        path="/queues/{queue}/bulk",
        summary="Kill, delete or move many jobs of a queue, or count them",
        respond=_on_queue,
        params=Named,
        body=Work,
        answer=Worked,
    ),
)
