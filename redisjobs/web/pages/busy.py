"""Busy: the processes and what they run; have them take no more, end, or say what they do; cancel a job."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from starlette.responses import Response

from redisjobs.errors import RedisJobsError
from redisjobs.inspector import Fleet, JobEntry, Member, Process, ProcessSet, Work, WorkSet
from redisjobs.web import rows
from redisjobs.web.pages.path import Path
from redisjobs.web.problems import RefusedError
from redisjobs.web.texts import TEXTS
from redisjobs.web.view import View

PER_PAGE = 50
_SIGNALS: dict[str, Callable[[Process], None]] = {
    "quiet": Process.quiet,
    "stop": Process.stop,
    "dump": Process.dump_threads,
}


class _Run(Struct, frozen=True):
    """One running job: `shown` is what may be seen of it, `link` its page, if it has one."""

    work: Work
    shown: JobEntry
    link: str


def show(view: View) -> Response:
    """Show all processes, or one, and what they run."""
    fleet, identity = Fleet(view.access), view.params.get("process", "")
    members = [one for one in fleet.members if identity in ("", one.process.identity)]
    running = sorted((work for member in members for work in member.running), key=lambda work: work.run_at)
    start, first = view.number("start", 0), view.number("from", 0)
    cover = view.site.redaction
    return view.page(
        "busy.html",
        fleet=fleet,
        members=members[first : first + PER_PAGE],
        first=first,
        totals=_totals(members),
        runs=[
            _Run(work, cover.entry(work.entry), rows.job_link(view, work.entry, "running"))
            for work in running[start : start + PER_PAGE]
        ],
        start=start,
        running=len(running),
        per_page=PER_PAGE,
        identity=identity,
        fits=rows.fits,
    )


def tell(view: View) -> Response:
    """Have one process, or all, do something; asks but for a dump of threads: from the others there is no way back."""
    kind, identity = view.field("action"), view.field("process")
    if kind not in _SIGNALS:
        raise RefusedError(400, TEXTS.no_action, TEXTS.no_action_remedy)
    there = [one for one in ProcessSet(view.access) if identity in ("", one.identity)]
    told = there if identity else [one for one in there if not one.embedded]
    if not told:
        return view.go("/busy", TEXTS.no_process)
    who = identity or TEXTS.at("all_processes", count=len(told))
    if kind != "dump" and not view.sure:
        question, note = TEXTS.at(f"{kind}_ask", who=who), TEXTS[f"{kind}_note"]
        return view.ask(question, TEXTS[kind], details=[note], back=view.url("/busy"))
    for process in told:
        _SIGNALS[kind](process)
    view.note(f"{kind} processes", worker=identity or "all", count=len(told))
    return view.go("/busy", TEXTS.at(f"{kind}_told", who=who))


def cancel(view: View) -> Response:
    """Have a running job end; asks."""
    jid, where = view.field("jid"), (view.field("process"), view.field("thread"))
    work = next((one for one in WorkSet(view.access) if one.jid == jid and (one.process, one.thread) == where), None)
    if work is None:
        return view.go("/busy", TEXTS.at("runs_no_more", jid=jid))
    if not view.sure:
        name = work.entry.display_name
        return view.ask(
            TEXTS.at("cancel_ask", name=name, jid=jid),
            TEXTS.cancel_job,
            details=[TEXTS.cancel_note],
            back=view.url("/busy"),
        )
    try:
        work.cancel()
    except RedisJobsError as error:
        return view.go("/busy", str(error))
    view.note("cancel job", jid=jid, worker=work.process)
    return view.go("/busy", TEXTS.at("cancel_told", jid=jid))


def _totals(members: list[Member]) -> dict[str, int]:
    return {
        "processes": len(members),
        "concurrency": sum(one.process.concurrency for one in members),
        "busy": sum(one.process.busy for one in members),
        "ahead": sum(one.ahead for one in members),
        "rss_bytes": sum(one.process.rss_kb for one in members) * 1024,
    }


LOOKS = (Path("/busy", show),)
ACTS = (Path("/busy/tell", tell), Path("/busy/cancel", cancel))
