"""Queues: how long they are, how fast, who listens; the jobs of one, filtered; pause, clear, move and delete."""

from __future__ import annotations

from collections import defaultdict

from starlette.responses import Response

from redisjobs.errors import QueryError
from redisjobs.inspector import JobEntry, Process, ProcessSet, Queue, bulk, summaries
from redisjobs.inspector.search import Found, search
from redisjobs.web import rows
from redisjobs.web.pages import many
from redisjobs.web.pages.path import Path
from redisjobs.web.problems import RefusedError
from redisjobs.web.texts import TEXTS
from redisjobs.web.view import View, chosen

PER_PAGE = 50

_FIELDS = ("class", "args", "jid", "tag", "since", "until")
_MORE = ("q", "where")
_ALL = (*_FIELDS, *_MORE)


def show(view: View) -> Response:
    """Show all queues."""
    view.site.pulse.beat()
    return view.page(
        "queues.html",
        queues=summaries(view.access),
        listeners=_listeners(view),
        rates={queue.name: queue for queue in view.site.pulse.queues},
        fits=rows.fits,
    )


def show_one(view: View) -> Response:
    """Show a page of one queue, the newest first, or what of it matches."""
    name, start = view.params.get("name", ""), view.number("start", 0)
    queue, terms = Queue(view.access, name), chosen(view.params, _ALL)
    problem, found = "", Found[JobEntry]([], "", 0, 0)
    try:
        query = many.query_of(view, _ALL)
        if query:
            found = search(queue, query, limit=PER_PAGE, budget_s=many.LOOK_S, cursor=view.params.get("after", ""))
        else:
            found = Found(queue.page(start, PER_PAGE), "", start, queue.size)
    except (QueryError, RefusedError) as error:
        problem = error.remedy if isinstance(error, RefusedError) else str(error)
    return view.page(
        "queue.html",
        name=name,
        paused=queue.paused,
        latency_s=queue.latency_s,
        rows=rows.queue_rows(view, found.entries, queue),
        found=found,
        start=start,
        per_page=PER_PAGE,
        terms=terms,
        fields=[*_FIELDS, *(more for more in _MORE if more in terms)],
        problem=problem,
        listeners=_listeners(view)[name],
        movable=view.access.keys.next_end == "R",
    )


def act(view: View) -> Response:
    """Move or delete jobs of one queue: those that were chosen, or all that match."""
    name = view.params.get("name", "")
    queue, query = Queue(view.access, name), many.query_of(view, _ALL)
    selection = None if view.field("scope") == "all" else rows.chosen_in_queue(queue, view.listed("job"))
    place = many.Place(name, "/queue", {"name": name}, {"queue": name})
    return many.act(view, queue, query, selection, _action(view, name), place)


def pause(view: View) -> Response:
    """Have workers leave a queue alone."""
    name = view.params.get("name", "")
    Queue(view.access, name).pause()
    view.note("pause queue", queue=name)
    return _back(view, name, TEXTS.at("paused_note", name=name))


def resume(view: View) -> Response:
    """Let workers take from a queue again."""
    name = view.params.get("name", "")
    Queue(view.access, name).unpause()
    view.note("resume queue", queue=name)
    return _back(view, name, TEXTS.at("resumed_note", name=name))


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


def _back(view: View, name: str, notice: str) -> Response:
    """Go back to the page that the button was on."""
    return view.go("/queue", notice, name=name) if view.field("from") == "queue" else view.go("/queues", notice)


def _action(view: View, name: str) -> bulk.Action:
    kind, target = view.field("action"), view.field("target").strip()
    if kind == "delete":
        return bulk.Delete()
    if kind == "kill":
        return bulk.Kill()
    if kind != "move":
        raise RefusedError(400, TEXTS.no_action, TEXTS.no_action_remedy)
    if not target or target == name:
        raise RefusedError(400, TEXTS.no_target, TEXTS.no_target_remedy)
    return bulk.Move(target)


def _listeners(view: View) -> defaultdict[str, list[Process]]:
    """Return the processes that take from each queue: those that were told to be quiet take nothing any more."""
    found: defaultdict[str, list[Process]] = defaultdict(list)
    for process in ProcessSet(view.access):
        for name in process.queues if not process.quieted else ():
            found[name].append(process)
    return found


LOOKS = (Path("/queues", show), Path("/queue", show_one))
ACTS = (
    Path("/queue/act", act),
    Path("/queue/pause", pause),
    Path("/queue/resume", resume),
    Path("/queue/clear", clear),
)
