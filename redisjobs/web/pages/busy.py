"""Busy: the processes and what they run; quiet, stop, dump threads, cancel a running job."""

from __future__ import annotations

from starlette.responses import Response

from redisjobs.inspector import Fleet, Process, ProcessSet, WorkSet
from redisjobs.web import rows
from redisjobs.web.pages.path import Path
from redisjobs.web.problems import RefusedError
from redisjobs.web.texts import TEXTS
from redisjobs.web.view import View, chosen

PER_PAGE = 50

_TELL = {"quiet": Process.quiet, "stop": Process.stop, "dump": Process.dump_threads}
_ASKED = ("quiet", "stop")


def show(view: View) -> Response:
    """Show the processes, all or one or those of a queue, and a page of what they run, the longest-running first."""
    fleet = Fleet(view.access)
    only = chosen(view.params, ("process", "queue"))
    members = [
        member
        for member in fleet.members
        if member.process.identity == only.get("process", member.process.identity)
        and ("queue" not in only or only["queue"] in member.process.queues)
    ]
    running = sorted((work for member in members for work in member.running), key=lambda work: work.run_at)
    start = view.number("start", 0)
    cover = view.site.redaction
    return view.page(
        "busy.html",
        fleet=fleet,
        members=members,
        only=only,
        running=len(running),
        works=[(work, cover.entry(work.entry), rows.job_link(view, work.entry)) for work in running[start:][:PER_PAGE]],
        start=start,
        per_page=PER_PAGE,
        fits=rows.fits,
    )


def tell(view: View) -> Response:
    """Quiet or stop a process or all, which asks; or have them dump their threads."""
    kind, identity = view.field("action"), view.field("process")
    if kind not in _TELL:
        raise RefusedError(400, TEXTS.no_action, TEXTS.no_process_action_remedy)
    found = [one for one in ProcessSet(view.access) if one.identity == identity or not (identity or one.embedded)]
    if not found:
        return view.go("/busy", TEXTS.process_gone)
    if kind in _ASKED and not view.sure:
        whom = TEXTS.at("one_process" if identity else "every_process", identity=identity, count=len(found))
        label = TEXTS.quiet if kind == "quiet" else TEXTS.stop_process
        details = [TEXTS[f"{kind}_note"]]
        return view.ask(TEXTS.at(f"{kind}_ask", whom=whom), label, details=details, back=view.url("/busy"))
    for process in found:
        _TELL[kind](process)
    view.note(f"{kind} processes", worker=identity or "all", count=len(found))
    return view.go("/busy", TEXTS.at(f"{kind}_done", count=len(found)))


def cancel(view: View) -> Response:
    """Have a running job end; asks."""
    jid, run = view.field("jid"), (view.field("process"), view.field("thread"))
    work = next((one for one in WorkSet(view.access) if one.jid == jid and (one.process, one.thread) == run), None)
    if work is None:
        return view.go("/busy", TEXTS.run_over)
    if not view.sure:
        question = TEXTS.at("cancel_ask", jid=jid[:80])
        return view.ask(question, TEXTS.cancel_job, details=[TEXTS.cancel_note], back=view.url("/busy"))
    work.cancel()
    view.note("cancel job", jid=jid, worker=work.process)
    return view.go("/busy", TEXTS.at("cancel_done", jid=jid[:80]))


LOOKS = (Path("/busy", show),)
ACTS = (Path("/busy/tell", tell), Path("/busy/cancel", cancel))
