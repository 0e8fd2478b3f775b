"""Queues: how long they are and who listens; the jobs of one; pause, resume and clear."""

from __future__ import annotations

from starlette.responses import Response

from redisjobs.inspector import ProcessSet, Queue, summaries
from redisjobs.web.pages.path import Path
from redisjobs.web.texts import TEXTS
from redisjobs.web.view import View

PER_PAGE = 50


def show(view: View) -> Response:
    """Show all queues."""
    listeners = {name for process in ProcessSet(view.access) for name in process.queues}
    return view.page("queues.html", queues=summaries(view.access), listeners=listeners)


def show_one(view: View) -> Response:
    """Show a page of one queue, the newest first."""
    queue = Queue(view.access, view.params.get("name", ""))
    start = view.number("start", 0)
    return view.page("queue.html", queue=queue, start=start, entries=queue.page(start, PER_PAGE), per_page=PER_PAGE)


def pause(view: View) -> Response:
    """Have workers leave a queue alone."""
    name = view.params.get("name", "")
    Queue(view.access, name).pause()
    view.note("pause queue", queue=name)
    return view.go("/queues", TEXTS.at("paused_note", name=name))


def resume(view: View) -> Response:
    """Let workers take from a queue again."""
    name = view.params.get("name", "")
    Queue(view.access, name).unpause()
    view.note("resume queue", queue=name)
    return view.go("/queues", TEXTS.at("resumed_note", name=name))


def clear(view: View) -> Response:
    """Delete all that waits in a queue; asks."""
    name = view.params.get("name", "")
    queue = Queue(view.access, name)
    if not view.sure:
        question = TEXTS.at("clear_ask", count=queue.size, name=name)
        return view.ask(question, TEXTS.clear, details=[TEXTS.clear_note], back=view.url("/queues"))
    count = queue.clear()
    view.note("clear queue", queue=name, count=count)
    return view.go("/queues", TEXTS.at("cleared", count=count))


LOOKS = (Path("/queues", show), Path("/queue", show_one))
ACTS = (Path("/queue/pause", pause), Path("/queue/resume", resume), Path("/queue/clear", clear))
