"""Queues: how long they are and who listens; the jobs of one: filter, delete, move; pause, resume and clear."""

from __future__ import annotations

from msgspec import Struct
from starlette.responses import Response

from redisjobs.errors import QueryError, RedisJobsError
from redisjobs.inspector import JobEntry, Process, ProcessSet, Queue, bulk, summaries
from redisjobs.inspector.query import Query
from redisjobs.inspector.search import Found, search
from redisjobs.store.ops.queues import Where
from redisjobs.web import rows
from redisjobs.web.pages.path import Path
from redisjobs.web.pages.sets import done
from redisjobs.web.problems import RefusedError
from redisjobs.web.tasks import Tasks
from redisjobs.web.texts import TEXTS
from redisjobs.web.view import View, chosen

PER_PAGE = 50

_FIELDS = ("class", "jid", "args", "tag", "since", "until")
_MORE = ("q", "error", "error_class", "message", "where")  # have a field in the form once they are asked for
_AT_ONCE = 500
_LOOK_S = 0.12
_STEP, _FARTHEST = 1_000, 10_000  # entries that are looked at for chosen ones, as pushes have moved them


class _Chosen(Struct, frozen=True):
    """Jobs that were chosen, the one that runs next first, and where in the queue they stand."""

    entries: list[JobEntry]
    where: Where


def show(view: View) -> Response:
    """Show all queues."""
    view.site.pulse.beat()
    rates = {queue.name: queue for queue in view.site.pulse.queues}
    return view.page(
        "queues.html", queues=summaries(view.access), rates=rates, listeners=_listeners(view), fits=rows.fits
    )


def show_one(view: View) -> Response:
    """Show a page of one queue, the newest first; or what matches."""
    queue = _queue(view)
    start = view.number("start", 0)
    terms, problem, found = chosen(view.params, (*_FIELDS, *_MORE)), "", Found[JobEntry]([], "", 0, 0)
    try:
        query = Query.of(terms)
        if query:
            found = search(queue, query, limit=PER_PAGE, budget_s=_LOOK_S, cursor=view.params.get("after", ""))
        else:
            found = Found(queue.page(start, PER_PAGE), "", start, queue.size)
    except QueryError as error:
        problem = str(error)
    view.site.pulse.beat()
    return view.page(
        "queue.html",
        queue=queue,
        rates=next((one for one in view.site.pulse.queues if one.name == queue.name), None),
        listeners=_listeners(view).get(queue.name, []),
        rows=[_row(view, queue, entry) for entry in found.entries],
        found=found,
        start=start,
        per_page=PER_PAGE,
        terms=terms,
        fields=[*_FIELDS, *(more for more in _MORE if more in terms)],
        problem=problem,
    )


def act(view: View) -> Response:
    """Delete or move what was chosen or all that match; asks."""
    queue, query, action = _queue(view), _query(view), _action(view)
    kind, target = view.field("action"), view.field("target")
    way = {"name": queue.name, **query.terms()}
    picked = None if view.field("scope") == "all" else _chosen(queue, view.listed("job"))
    counted = bulk.count(queue, query, budget_s=_LOOK_S) if picked is None else bulk.Counted(len(picked.entries), 0, 0)
    if not counted.count and not counted.partial:
        return view.go("/queue", TEXTS.none_chosen, **way)
    said = TEXTS.at("at_least" if counted.partial else "exactly", count=counted.count)
    title = TEXTS.at(f"queue_{kind}_title", count=said, name=queue.name, target=target)
    if not view.sure:
        details = [TEXTS.at("with_filter", terms=_told(query))] if query and picked is None else []
        note = TEXTS.delete_note if kind == "delete" else TEXTS.queue_move_note
        return view.ask(f"{title}?", getattr(TEXTS, kind), details=[*details, note], back=view.url("/queue", **way))
    view.note(f"{kind} in queue", queue=queue.name, target=target, count=counted.count, filter=_told(query))
    if picked is not None:
        return view.go("/queue", _done(view, queue, action, picked), **way)
    work = bulk.Bulk(queue, query, action)
    if counted.partial or counted.count > _AT_ONCE:
        task = Tasks(view.access).begin(work, title=title, who=view.user.name, back=view.url("/queue", **way))
        return view.go(f"/tasks/{task.id}")
    *_, progress = work
    return view.go("/queue", done(view, work, progress), **way)


def pause(view: View) -> Response:
    """Have workers leave a queue alone."""
    queue = _queue(view)
    queue.pause()
    view.note("pause queue", queue=queue.name)
    return _back(view, queue, TEXTS.at("paused_note", name=queue.name))


def resume(view: View) -> Response:
    """Let workers take from a queue again."""
    queue = _queue(view)
    queue.unpause()
    view.note("resume queue", queue=queue.name)
    return _back(view, queue, TEXTS.at("resumed_note", name=queue.name))


def clear(view: View) -> Response:
    """Delete all that waits in a queue; asks."""
    queue = _queue(view)
    if not view.sure:
        question = TEXTS.at("clear_ask", count=queue.size, name=queue.name)
        return view.ask(question, TEXTS.clear, details=[TEXTS.clear_note], back=view.url("/queues"))
    count = queue.clear()
    view.note("clear queue", queue=queue.name, count=count)
    return view.go("/queues", TEXTS.at("cleared", count=count))


def _queue(view: View) -> Queue:
    return Queue(view.access, view.params.get("name", ""))


def _back(view: View, queue: Queue, notice: str) -> Response:
    """Go back to the page where the button was."""
    if view.field("from") == "queue":
        return view.go("/queue", notice, name=queue.name)
    return view.go("/queues", notice)


def _listeners(view: View) -> dict[str, list[Process]]:
    found: dict[str, list[Process]] = {}
    for process in ProcessSet(view.access):
        for name in process.queues:
            found.setdefault(name, []).append(process)
    return found


def _row(view: View, queue: Queue, entry: JobEntry) -> rows.Row:
    mark = f"{entry.index}:{rows.digest(entry.raw)}"
    return rows.Row(view.site.redaction.entry(entry), mark, rows.job_link(view, entry, queue.place))


def _chosen(queue: Queue, marks: list[str]) -> _Chosen:
    """Find what was chosen, close behind where it was shown: what was pushed since stands before it."""
    pairs = [(int(at), digest) for at, _, digest in (mark.partition(":") for mark in marks) if at.isdecimal()]
    wanted = {digest for _, digest in pairs}
    found: list[JobEntry] = []
    first = min((at for at, _ in pairs), default=0)
    for start in range(max(0, first - PER_PAGE), first + _FARTHEST, _STEP):
        some = queue.page(start, _STEP)
        for entry in some:
            if (digest := rows.digest(entry.raw)) in wanted:
                wanted.discard(digest)
                found.append(entry)
        if not wanted or len(some) < _STEP:
            break
    found.reverse()
    return _Chosen(found, _where(queue, found))


def _where(queue: Queue, entries: list[JobEntry]) -> Where:
    """Tell where entries stand, seen from the end that workers take from: so Redis need not look through it all."""
    places = [queue.size - 1 - entry.index for entry in entries if entry.index is not None]
    if not places:
        return Where()
    start = max(0, min(places) - _STEP)
    return Where(start, max(places) + PER_PAGE - start)


def _done(view: View, queue: Queue, action: bulk.Action, picked: _Chosen) -> str:
    acted = action.on(queue)(picked.entries, picked.where)
    said = TEXTS.at("queue_done", count=acted.count, done=action.done)
    if not acted.left:
        return said
    reason = view.site.redaction.text("; ".join(reason for _, reason in acted.left[:3]))
    return TEXTS.at("bulk_left", said=said, left=len(acted.left), reason=reason)


def _action(view: View) -> bulk.Action:
    kind, target = view.field("action"), view.field("target")
    if kind == "delete":
        return bulk.Delete()
    if kind != "move":
        raise RefusedError(400, TEXTS.no_action, TEXTS.no_queue_action_remedy)
    if not target.strip() or target == view.params.get("name", ""):
        raise RefusedError(422, TEXTS.move_nowhere, TEXTS.move_nowhere_remedy)
    return bulk.Move(target)


def _query(view: View) -> Query:
    try:
        return Query.of(chosen(view.params, (*_FIELDS, *_MORE)))
    except RedisJobsError as error:
        raise RefusedError(400, TEXTS.no_query, str(error)) from None


def _told(query: Query) -> str:
    return ", ".join(f"{name} {value}" for name, value in query.terms().items())


LOOKS = (Path("/queues", show), Path("/queue", show_one))
ACTS = (
    Path("/queue/act", act),
    Path("/queue/pause", pause),
    Path("/queue/resume", resume),
    Path("/queue/clear", clear),
)
