"""One job, wherever it is now: look at it, act on it, enqueue another one like it."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from redisjobs.errors import PayloadError
from redisjobs.inspector import JobEntry, Queue, SetEntry, acting, bulk
from redisjobs.inspector.again import again
from redisjobs.inspector.iteration import iteration
from redisjobs.inspector.search import Located, locate
from redisjobs.inspector.timeline import timeline
from redisjobs.web import rows
from redisjobs.web.moments import moment
from redisjobs.web.pages import many
from redisjobs.web.pages.path import Path
from redisjobs.web.problems import RefusedError
from redisjobs.web.texts import TEXTS
from redisjobs.web.view import View

_LOOK_S, _LONGER_S = 0.15, 5.0
_LONGEST_TO_EDIT = 200_000


def show(view: View) -> Response:
    """Show it; or say where it was looked for."""
    jid = view.part("jid")
    found = _locate(view, jid)
    if found.entry is None:
        status = 200 if view.notice else 404  # who acted on it just now is told here how that went
        return view.page("job_missing.html", status, jid=jid, partial=found.partial, longer="longer" in view.params)
    shown = view.site.redaction.entry(found.entry)
    return view.page(
        "job.html",
        jid=jid,
        found=found,
        shown=shown,
        original=_text(shown.original) if shown.original is not None else "",
        payload=_text(shown.raw),
        size=len(found.entry.raw),
        trace="\n".join(shown.backtrace),
        iteration=iteration(view.access, found.entry.jid),
        covered=view.site.redaction.text,
        steps=timeline(shown, found.place, run_at=found.run_at),
        actions=acting.ACTIONS.get(found.place, ()),
        can_edit=not found.entry.malformed,
        hint=_hint(found),
        fits=rows.fits,
    )


def act(view: View) -> Response:
    """Retry, kill, delete or reschedule it; deleting asks."""
    jid, kind = view.part("jid"), view.field("action")
    found = _found(view, jid)
    if kind not in acting.ACTIONS.get(found.place, ()) or kind == "cancel":  # which the page of the workers does
        raise RefusedError(409, TEXTS.not_now, TEXTS.not_now_remedy)
    if kind == "delete" and not view.sure:
        back = view.url(f"/jobs/{jid}", at=_hint(found))
        return view.ask(TEXTS.at("delete_job_ask", jid=jid[:80]), TEXTS.delete, details=[TEXTS.delete_note], back=back)
    action = _action(view, kind)
    acted = acting.act(view.access, found, action)
    view.note(f"{kind} job", jid=jid, place=found.place, count=acted.count)
    reasons = [reason for _, reason in acted.left]
    said = (
        many.done(view, action, acted.count, len(reasons), reasons) if acted.count or reasons else TEXTS.gone_meanwhile
    )
    return view.go(f"/{_back(found)}" if kind == "delete" else f"/jobs/{jid}", said)


def edit(view: View) -> Response:
    """Show the form for a job like this one."""
    jid = view.part("jid")
    found = _found(view, jid)
    _check_open(view, found)
    entry = _entry(found)
    return _form(view, jid, found, {"class": entry.name, "queue": entry.queue, "args": _pretty(entry.args)})


def enqueue(view: View) -> Response:
    """Enqueue a job like this one, and delete this one if that was asked for."""
    jid = view.part("jid")
    found = _found(view, jid)
    _check_open(view, found)
    given = {name: view.field(name) for name in ("class", "queue", "args")}
    try:
        made = again(
            view.access, _entry(found), name=given["class"], queue=given["queue"], args=_arguments(given["args"])
        )
    except PayloadError as error:
        return _form(view, jid, found, given, f"{error.field}: {error.problem}")
    deletes = view.field("delete") == "1" and "delete" in acting.ACTIONS.get(found.place, ())
    if deletes:
        acting.act(view.access, found, bulk.Delete())
    view.note("enqueue anew", jid=made, like=jid, deleted=deletes)
    said = TEXTS.at("enqueued_new_deleted" if deletes else "enqueued_new", jid=jid[:80])
    return view.go(f"/jobs/{made}", said, at=Queue(view.access, given["queue"]).place)


def _form(view: View, jid: str, found: Located, given: dict[str, str], problem: str = "") -> Response:
    can_delete = "delete" in acting.ACTIONS.get(found.place, ())
    status = 422 if problem else 200
    return view.page(
        "edit.html", status, jid=jid, hint=_hint(found), given=given, problem=problem, can_delete=can_delete
    )


def _check_open(view: View, found: Located) -> None:
    """Refuse to edit what can not be shown whole."""
    entry = _entry(found)
    if not view.user.may_operate:
        raise RefusedError(403, TEXTS.look_only, TEXTS.look_only_remedy)
    if entry.malformed:
        raise RefusedError(409, TEXTS.edit_malformed, TEXTS.edit_malformed_remedy)
    if view.site.redaction.entry(entry).args != entry.args or (entry.payload or {}).get("encrypt"):
        raise RefusedError(409, TEXTS.edit_hidden, TEXTS.edit_hidden_remedy)
    if len(entry.raw) > _LONGEST_TO_EDIT:
        raise RefusedError(409, TEXTS.edit_large, TEXTS.edit_large_remedy)


def _arguments(text: str) -> list[Any]:
    try:
        found = msgspec.json.decode(text.encode())
    except (UnicodeError, msgspec.MsgspecError, RecursionError) as error:
        raise PayloadError("args", TEXTS.at("args_no_json", error=error)) from None
    if not isinstance(found, list):
        raise PayloadError("args", TEXTS.args_no_list)
    return found


def _action(view: View, kind: str) -> bulk.Action:
    if kind == "reschedule":
        return bulk.Reschedule(at=moment(view.field("when")))
    actions: dict[str, bulk.Action] = {"retry": bulk.Retry(), "kill": bulk.Kill(), "delete": bulk.Delete()}
    return actions[kind]


def _locate(view: View, jid: str) -> Located:
    budget_s = _LONGER_S if "longer" in view.params else _LOOK_S
    return locate(view.access, jid, hint=view.params.get("at", ""), budget_s=budget_s)


def _found(view: View, jid: str) -> Located:
    found = _locate(view, jid)
    if found.entry is None:
        raise RefusedError(404, TEXTS.job_gone, TEXTS.job_gone_remedy)
    return found


def _entry(found: Located) -> JobEntry:
    assert found.entry is not None
    return found.entry


def _hint(found: Located) -> str:
    entry = _entry(found)
    return acting.hint(entry, found.place) if isinstance(entry, SetEntry) or rows.fits(entry.queue) else ""


def _back(found: Located) -> str:
    return {"retry": "retries", "schedule": "scheduled", "dead": "dead"}.get(found.place, "queues")


def _text(raw: bytes) -> str:
    try:
        return msgspec.json.format(raw.decode(), indent=2)
    except (UnicodeError, RecursionError, msgspec.MsgspecError):
        return raw.decode("utf-8", "surrogateescape")


def _pretty(value: Any) -> str:
    try:
        return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    except (UnicodeError, ValueError, RecursionError):
        raise RefusedError(409, TEXTS.edit_malformed, TEXTS.edit_malformed_remedy) from None


LOOKS = (Path("/jobs/{jid:path}", show), Path("/edit/{jid:path}", edit))
ACTS = (Path("/jobs/{jid:path}", act), Path("/edit/{jid:path}", enqueue))
