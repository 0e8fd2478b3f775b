"""The retry, scheduled and dead sets: look, filter, group by error, and act on what was chosen or on all that match."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct
from starlette.responses import Response

from redisjobs.errors import QueryError
from redisjobs.inspector import JobSet, SetEntry, bulk, errors, places
from redisjobs.inspector.query import Query
from redisjobs.inspector.search import Found, search
from redisjobs.web import rows
from redisjobs.web.moments import moment, shift_s
from redisjobs.web.pages import many
from redisjobs.web.pages.path import Path
from redisjobs.web.problems import RefusedError
from redisjobs.web.texts import TEXTS
from redisjobs.web.view import View, chosen

PER_PAGE = 50
SETS: dict[str, type[JobSet]] = {kind.place: kind for kind in places.SETS}

_FIELDS = ("class", "jid", "queue", "error", "args", "tag", "since", "until")
_MORE = ("q", "error_class", "message", "where")  # have a field in the form once they are asked for
_ALL = (*_FIELDS, *_MORE)
_LONGER_S = 5.0
_BLANK = re.compile(r"<(?:uuid|text|hex|n)>|\[hidden\]")


class _Group(Struct, frozen=True):
    """A group of errors as it is shown: what asks for it, and the address of its sample."""

    told: errors.ErrorGroup
    message: str
    terms: dict[str, str]
    sample: str


def _show(name: str) -> Callable[[View], Response]:
    def show(view: View) -> Response:
        jobs = SETS[name](view.access)
        start = view.number("start", 0)
        terms, problem, found = chosen(view.params, _ALL), "", Found[SetEntry]([], "", 0, 0)
        try:
            query = view.query(terms)
            if query:
                found = search(jobs, query, limit=PER_PAGE, budget_s=many.LOOK_S, cursor=view.params.get("after", ""))
            else:
                found = Found(jobs.page(start, PER_PAGE), "", start, jobs.size)
        except QueryError as error:
            problem = str(error)
        return view.page(
            "set.html",
            name=name,
            rows=rows.rows(view, found.entries, rows.PLACES[name]),
            found=found,
            start=start,
            per_page=PER_PAGE,
            terms=terms,
            fields=[*_FIELDS, *(more for more in _MORE if more in terms)],
            problem=problem,
            fits=rows.fits,
        )

    return show


def _errors(name: str) -> Callable[[View], Response]:
    def show(view: View) -> Response:
        query, longer = many.query_of(view, _ALL), "longer" in view.params
        found = errors.group([SETS[name](view.access)], query, budget_s=_LONGER_S if longer else many.LOOK_S)
        groups = [_group(view, one, query, name) for one in found.groups[:200]]
        return view.page("errors.html", name=name, found=found, groups=groups, terms=query.terms(), longer=longer)

    return show


def _act(name: str) -> Callable[[View], Response]:
    def act(view: View) -> Response:
        jobs, query = SETS[name](view.access), many.query_of(view, _ALL)
        selection = None if view.field("scope") == "all" else rows.chosen(jobs, view.listed("job"))
        place = many.Place(TEXTS[name], f"/{name}")
        return many.act(view, jobs, query, selection, _action(view, view.field("action")), place)

    return act


def _action(view: View, kind: str) -> bulk.Action:
    if kind == "retry":
        return bulk.Retry(view.field("queue") or None)
    if kind == "kill":
        return bulk.Kill()
    if kind == "delete":
        return bulk.Delete()
    if kind == "reschedule":
        when = view.field("when")
        return bulk.Reschedule(by_s=shift_s(when)) if view.field("how") == "by" else bulk.Reschedule(at=moment(when))
    raise RefusedError(400, TEXTS.no_action, TEXTS.no_action_remedy)


def _group(view: View, one: errors.ErrorGroup, query: Query, name: str) -> _Group:
    cover = view.site.redaction
    is_job = one.error_class != errors.MALFORMED
    message = errors.shape(cover.entry(one.sample).error_message) if is_job else cover.text(one.message)
    terms: dict[str, str] = {}
    if one.error_class not in (errors.MALFORMED, errors.NO_ERROR) and rows.fits(one.error_class):
        text = max(_BLANK.split(message), key=len).strip()[:80]
        terms = {**query.terms(), "error_class": one.error_class, **({"message": text} if rows.fits(text) else {})}
    return _Group(one, message, terms, rows.job_link(view, one.sample, rows.PLACES[name]))


LOOKS = (*(Path(f"/{name}", _show(name)) for name in SETS), *(Path(f"/{name}/errors", _errors(name)) for name in SETS))
ACTS = tuple(Path(f"/{name}/act", _act(name)) for name in SETS)
