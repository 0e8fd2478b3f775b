"""Bulk work that goes on: how far it got, and how to stop it."""

from __future__ import annotations

from starlette.responses import Response

from redisjobs.web.pages.path import Path
from redisjobs.web.problems import RefusedError
from redisjobs.web.tasks import Task, Tasks
from redisjobs.web.texts import TEXTS
from redisjobs.web.view import View


def show(view: View) -> Response:
    """Show all of the last hour."""
    return view.page("tasks.html", tasks=list(Tasks(view.access)))


def show_one(view: View) -> Response:
    """Show how far one is; the page asks again while it goes on."""
    return view.page("task.html", task=_task(view), cover=view.site.redaction.text)


def stop(view: View) -> Response:
    """Have one stop after its step."""
    task = _task(view)
    Tasks(view.access).stop(task.id)
    view.note("stop task", task=task.id, title=task.title)
    return view.go(f"/tasks/{task.id}", TEXTS.stopping)


def _task(view: View) -> Task:
    found = Tasks(view.access).find(view.part("task"))
    if found is None:
        raise RefusedError(404, TEXTS.no_task, TEXTS.no_task_remedy)
    return found


LOOKS = (Path("/tasks", show), Path("/tasks/{task}", show_one))
ACTS = (Path("/tasks/{task}/stop", stop),)
