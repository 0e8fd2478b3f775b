"""Tasks: bulk work that goes on, and how to stop it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from redisjobs.web import tasks
from redisjobs.web.api.endpoint import Call, Endpoint
from redisjobs.web.api.shapes import Reason, reasons
from redisjobs.web.problems import RefusedError
from redisjobs.web.texts import TEXTS


class Task(Struct, kw_only=True):
    """Bulk work. `silent`: it should run and has not told so for a minute: its process ended, or is stuck."""

    id: str
    title: str
    who: str
    state: Literal["running", "silent", "finished", "stopped", "failed"]
    began_at: float
    told_at: float
    looked: int
    total: int
    done: int
    left: int
    problem: str
    reasons: list[Reason]


class AllTasks(Struct, kw_only=True):
    """Those of the last hour, the newest first."""

    tasks: list[Task]


def listed(call: Call[Struct, bytes]) -> AllTasks:
    """Give them all."""
    return AllTasks(tasks=[_task(call, one) for one in tasks.Tasks(call.access)])


def one(call: Call[Struct, bytes]) -> Task:
    """Give one."""
    return _task(call, _found(call))


def stop(call: Call[Struct, bytes]) -> Task:
    """Have one stop after its step."""
    found = _found(call)
    tasks.Tasks(call.access).stop(found.id)
    call.view.note("stop task", task=found.id, title=found.title)
    return _task(call, _found(call))


def _found(call: Call[Struct, bytes]) -> tasks.Task:
    found = tasks.Tasks(call.access).find(call.view.part("task"))
    if found is None:
        raise RefusedError(404, TEXTS.no_task, TEXTS.no_task_remedy)
    return found


def _task(call: Call[Struct, bytes], told: tasks.Task) -> Task:
    cover = call.view.site.redaction
    return Task(
        id=told.id,
        title=cover.text(told.title),
        who=told.who,
        state=_state(told),
        began_at=told.began_at,
        told_at=told.told_at,
        looked=told.progress.looked,
        total=told.progress.total,
        done=told.progress.done,
        left=told.progress.left,
        problem=cover.text(told.problem),
        reasons=reasons(cover, told.reasons),
    )


def _state(told: tasks.Task) -> Literal["running", "silent", "finished", "stopped", "failed"]:
    if told.problem:
        return "failed"
    if told.runs:
        return "silent" if told.silent else "running"
    return "stopped" if told.stopped else "finished"


ENDPOINTS = (
    Endpoint(
        method="GET", path="/tasks", summary="List the bulk work of the last hour", respond=listed, answer=AllTasks
    ),
    Endpoint(method="GET", path="/tasks/{task}", summary="See how far bulk work is", respond=one, answer=Task),
    Endpoint(
        method="DELETE",
        path="/tasks/{task}",
        summary="Have bulk work stop after its step",
        respond=stop,
        answer=Task,
    ),
)
