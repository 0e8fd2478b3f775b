"""Jobs: find them wherever they are, look at one, act on it, enqueue one, or one like another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from redisjobs.errors import QueryError
from redisjobs.inspector import JobEntry, WorkSet, bulk
from redisjobs.inspector.acting import ACTIONS, act
from redisjobs.inspector.again import again
from redisjobs.inspector.enqueuing import enqueue
from redisjobs.inspector.iteration import iteration
from redisjobs.inspector.search import Located, find, locate
from redisjobs.web.api.endpoint import Call, Endpoint
from redisjobs.web.api.shapes import Acted, BudgetS, Job, Listing, WholeJob, checked, job, reasons, whole
from redisjobs.web.problems import RefusedError
from redisjobs.web.texts import TEXTS


class Hint(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a job was seen last, and how long to look."""

    at: Annotated[
        str, Meta(description="Where it was seen last: retry:SCORE, schedule:SCORE, dead:SCORE or queue:NAME.")
    ] = ""
    budget_s: BudgetS = 0.3


class FoundJobs(Struct, kw_only=True):
    """Jobs, wherever they are. `partial`: there is more to look at, from `cursor` on. `problems`: not readable."""

    jobs: list[Job]
    cursor: str
    partial: bool
    looked: int
    problems: list[str]


class New(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A job to enqueue, now or for a moment (`at`, Unix seconds, or `delay_s`); no client middleware runs for it."""

    class_: str = field(name="class")
    args: list[Any] = []
    queue: str = "default"
    at: float | None = None
    delay_s: float | None = None
    retry: bool | int = True
    retry_queue: str | None = None
    retry_for: float | None = None
    dead: bool = True
    backtrace: bool | int = False
    tags: list[str] = []
    timeout: float | None = None


class Again(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What another job has in place of what this one has; `delete`: this one goes."""

    class_: str | None = field(default=None, name="class")
    args: list[Any] | None = None
    queue: str | None = None
    delete: bool = False


class Made(Struct, kw_only=True):
    """The new job."""

    jid: str


class Until(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """To when: a moment (Unix seconds), or so many seconds later than it is due."""

    at: Annotated[float, Meta(ge=0, lt=1e11)] | None = None
    delay_s: Annotated[float, Meta(gt=-1e9, lt=1e9)] | None = None


def found(call: Call[Listing, bytes]) -> FoundJobs:
    """Look everywhere."""
    asked = call.params
    told = find(call.access, asked.query(call.view), limit=asked.limit, budget_s=asked.budget_s, cursor=asked.cursor)
    cover = call.view.site.redaction
    listed = [job(cover, one.entry, one.place) for one in told.found if one.entry is not None and one.place]
    return FoundJobs(
        jobs=listed, cursor=told.cursor, partial=told.partial, looked=told.looked, problems=list(told.problems)
    )


def one(call: Call[Hint, bytes]) -> WholeJob:
    """Show one job."""
    found = _located(call)
    return whole(call.view.site.redaction, found, iteration(call.view.access, _entry(found).jid))


def _acts(kind: str, action: Callable[[Any], bulk.Action]) -> Callable[[Call[Hint, Any]], Acted]:
    def respond(call: Call[Hint, Any]) -> Acted:
        told = _located(call)
        if kind not in ACTIONS.get(told.place, ()):
            raise RefusedError(409, TEXTS.not_now, f"It is {told.place}: there one can {_said(told)}.")
        acted = act(call.access, told, action(call.body))
        jid = call.view.part("jid")
        call.view.note(f"{kind} job", jid=jid, place=told.place, count=acted.count)
        if not acted.count and not acted.left:
            raise RefusedError(409, TEXTS.gone_meanwhile, TEXTS.job_gone_remedy)
        left = [(entry.id, reason) for entry, reason in acted.left]
        return Acted(done=acted.count, left=len(left), reasons=reasons(call.view.site.redaction, left))

    return respond


def cancel(call: Call[Struct, bytes]) -> Acted:
    """Have a job end where it runs."""
    work = WorkSet(call.access).find(call.view.part("jid"))
    if work is None:
        raise RefusedError(404, "it does not run", "It has ended, or began after the last heartbeat of its process.")
    work.cancel()
    call.view.note("cancel job", jid=work.jid, worker=work.process)
    return Acted(done=1, left=0, reasons=[])


def new(call: Call[Struct, New]) -> Made:
    """Enqueue a job."""
    asked = call.body
    options = {
        name: value
        for name in ("retry", "retry_queue", "retry_for", "dead", "backtrace", "tags", "timeout")
        if (value := getattr(asked, name)) is not None
    }
    options["queue"] = checked(asked.queue, "queue")
    jid = enqueue(call.access, asked.class_, asked.args, at=asked.at, delay_s=asked.delay_s, options=options)
    call.view.note("enqueue", jid=jid, job=asked.class_, queue=asked.queue)
    return Made(jid=jid)


def like(call: Call[Hint, Again]) -> Made:
    """Enqueue a job like another one."""
    told, asked = _located(call), call.body
    entry = _entry(told)
    if asked.args is not None and (entry.payload or {}).get("encrypt"):
        raise RefusedError(409, TEXTS.edit_hidden, "Its arguments are encrypted: leave them as they are.")
    deletes = asked.delete and "delete" in ACTIONS.get(told.place, ())
    if asked.delete and not deletes:
        raise RefusedError(409, TEXTS.not_now, f"It is {told.place}, and cannot be deleted there.")
    name = entry.name if asked.class_ is None else asked.class_
    queue = entry.queue if asked.queue is None else asked.queue
    args = entry.args if asked.args is None else asked.args
    jid = again(call.access, entry, name=name, queue=checked(queue, "queue"), args=args)
    if deletes:
        act(call.access, told, bulk.Delete())
    call.view.note("enqueue anew", jid=jid, like=call.view.part("jid"), deleted=deletes)
    return Made(jid=jid)


def _located(call: Call[Hint, Any]) -> Located:
    told = locate(call.access, call.view.part("jid"), hint=call.params.at, budget_s=call.params.budget_s)
    if told.entry is None:
        if told.partial:
            raise RefusedError(404, "not found so far", "Not all was looked at: give a longer budget_s, or at=.")
        raise RefusedError(404, TEXTS.job_gone, TEXTS.job_gone_remedy)
    return told


def _entry(told: Located) -> JobEntry:
    assert told.entry is not None
    return told.entry


def _said(told: Located) -> str:
    return ", ".join(ACTIONS.get(told.place, ())) or "only wait"


def _until(body: Until) -> bulk.Action:
    if (body.at is None) == (body.delay_s is None):
        raise QueryError("at, delay_s: give one of them, so that it is clear to when")
    return bulk.Reschedule(at=body.at, by_s=body.delay_s or 0.0)


_JID = "/jobs/{jid:path}"
ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/find",
        summary="Find jobs wherever they are: running, in sets, in queues",
        respond=found,
        params=Listing,
        answer=FoundJobs,
    ),
    Endpoint(method="POST", path="/jobs", summary="Enqueue a job", respond=new, body=New, answer=Made, status=201),
    Endpoint(
        method="POST",
        path=f"{_JID}/retry",
        summary="Put a job into its queue now",
        respond=_acts("retry", lambda _: bulk.Retry()),
        params=Hint,
        answer=Acted,
    ),
    Endpoint(
        method="POST",
        path=f"{_JID}/kill",
        summary="Move a job to the dead",
        respond=_acts("kill", lambda _: bulk.Kill()),
        params=Hint,
        answer=Acted,
    ),
    Endpoint(
        method="POST",
        path=f"{_JID}/reschedule",
        summary="Give a job that waits another moment",
        respond=_acts("reschedule", _until),
        params=Hint,
        body=Until,
        answer=Acted,
    ),
    Endpoint(
        method="POST", path=f"{_JID}/cancel", summary="Have a job end where it runs", respond=cancel, answer=Acted
    ),
    Endpoint(
        method="POST",
        path=f"{_JID}/again",
        summary="Enqueue a new job like this one, edited or not",
        respond=like,
        params=Hint,
        body=Again,
        answer=Made,
        status=201,
    ),
    Endpoint(
        method="GET",
        path=_JID,
        summary="Show a job wherever it is now",
        respond=one,
        params=Hint,
        answer=WholeJob,
    ),
    Endpoint(
        method="DELETE",
        path=_JID,
        summary="Delete a job",
        respond=_acts("delete", lambda _: bulk.Delete()),
        params=Hint,
        answer=Acted,
    ),
)
