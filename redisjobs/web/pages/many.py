"""Do one thing with many jobs, as the pages of sets and queues ask for it: count, ask, do, or begin a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from starlette.responses import Response

from redisjobs.errors import QueryError
from redisjobs.inspector import JobSet, Queue, ScheduledSet, bulk
from redisjobs.inspector.query import Query
from redisjobs.web.problems import RefusedError
from redisjobs.web.tasks import AT_ONCE, Tasks
from redisjobs.web.texts import TEXTS
from redisjobs.web.view import View, chosen

LOOK_S = 0.12
"""How long a page looks through jobs."""


class Place(Struct, frozen=True):
    """Where jobs are: its `name` for people, the `path` of its page, what stands behind that, and what a log says."""

    name: str
    path: str
    params: Mapping[str, str] = {}
    facts: Mapping[str, str] = {}


def query_of(view: View, fields: Sequence[str]) -> Query:
    """Return what the address asks for.

    Raises:
        RefusedError: it asks for something that nobody knows.
    """
    try:
        return view.query(chosen(view.params, fields))
    except QueryError as error:
        raise RefusedError(400, TEXTS.no_query, str(error)) from None


def act(
    view: View,
    source: JobSet | Queue,
    query: Query,
    selection: list[bytes] | None,
    action: bulk.Action,
    place: Place,
) -> Response:
    """Do it with what was chosen, or with all that match."""
    kind, params = view.field("action"), {**place.params, **query.terms()}
    if selection is None:
        counted = bulk.count(source, query, budget_s=LOOK_S)
    else:
        query, counted = Query(), bulk.Counted(len(selection), len(selection), len(selection))
    if not counted.count and not counted.partial:
        return view.go(place.path, TEXTS.none_chosen, **params)
    work = bulk.Bulk(source, query, action, selection=selection)
    said = TEXTS.at("at_least" if counted.partial else "exactly", count=counted.count)
    title = TEXTS.at(f"{kind}_title", count=said, place=place.name, target=view.field("target"))
    back = view.url(place.path, **params)
    if not view.sure:
        details = [_told(query)] if query else []
        button = TEXTS.retry_now if kind == "retry" and isinstance(source, ScheduledSet) else TEXTS[kind]
        return view.ask(f"{title}?", button, details=[*details, TEXTS[f"{kind}_note"]], back=back)
    facts = {"count": counted.count, "partial": counted.partial, "filter": _told(query)}
    view.note(f"{kind} in {place.path.strip('/')}", **facts, **place.facts)
    if counted.partial or counted.count > AT_ONCE:
        task = Tasks(view.access).begin(work, title=title, who=view.user.name, back=back)
        return view.go(f"/tasks/{task.id}")
    *_, progress = work
    reasons = list(dict(work.reasons).values())
    return view.go(place.path, done(view, action, progress.done, progress.left, reasons), **params)


def done(view: View, action: bulk.Action, count: int, left: int, reasons: Sequence[str]) -> str:
    """Say what was done with how many jobs, how many were left, and why the first of these."""
    said = TEXTS.at("bulk_done", count=count, done=action.done)
    if not left:
        return said
    reason = view.site.redaction.text("; ".join(reasons[:3]))
    return TEXTS.at("bulk_left", said=said, left=left, reason=reason)


def _told(query: Query) -> str:
    return TEXTS.at("with_filter", terms=", ".join(f"{name} {value}" for name, value in query.terms().items()))
