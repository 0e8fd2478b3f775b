"""`redisjobs find` and `redisjobs job`: jobs wherever they are."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from redisjobs import clock
from redisjobs.cli.entries import arguments, entry_json, fault, raw_option, show_entry, what
from redisjobs.cli.output import echo, echo_json, pairs, table
from redisjobs.cli.session import Session, shared_options
from redisjobs.lazy import LazyModule
from redisjobs.wording import cut, date, moment, number, printable

if TYPE_CHECKING:
    from redisjobs.inspector import query as queries
    from redisjobs.inspector import search
    from redisjobs.inspector import timeline as timelines
else:
    queries = LazyModule("redisjobs.inspector.query")
    search = LazyModule("redisjobs.inspector.search")
    timelines = LazyModule("redisjobs.inspector.timeline")

_PLACES = {
    "retries": ("retry",),
    "scheduled": ("schedule",),
    "dead": ("dead",),
    "queues": ("queue",),
    "running": ("running", "leased"),
    "all": (),
}

budget_option = click.option(
    "--budget", type=click.FloatRange(0.01), default=10.0, show_default=True, help="Look for so many seconds at most."
)


@click.command()
@click.argument("text", default="", metavar="[TEXT]")
@click.option("--class", "class", metavar="NAME", help="Only jobs of this class.")
@click.option("--jid", metavar="JID", help="Only this job.")
@click.option("-q", "--queue", metavar="NAME", help="Only jobs of this queue.")
@click.option("--error", metavar="TEXT", help="Only with this in the class or message of the error.")
@click.option("--message", metavar="TEXT", help="Only with this in the message of the error.")
@click.option("--args", metavar="TEXT", help="Only with this in the arguments; encrypted ones are not searched.")
@click.option("--tag", metavar="TAG", help="Only with this tag.")
@click.option("--since", metavar="WHEN", help="Only from then on: 2h (ago), 2026-01-31, Unix seconds.")
@click.option("--until", metavar="WHEN", help="Only up to then.")
@click.option("--where", metavar="TERMS", help="Only what fits terms such as class=Mail and error!~timeout.")
@click.option(
    "--in", "place", type=click.Choice(list(_PLACES)), default="all", show_default=True, help="Where to look."
)
@click.option(
    "-n", "--limit", type=click.IntRange(1, 10_000), default=25, show_default=True, help="Show so many at most."
)
@click.option("--after", metavar="CURSOR", default="", help="Go on where an earlier look ended.")
@budget_option
@shared_options
@click.pass_obj
def find(session: Session, /, place: str, limit: int, budget: float, after: str, **asked: str | None) -> None:
    """Find jobs in queues, sets and workers: with TEXT in them, whatever its case, and all else that is asked for.

    Looks at everything from the beginning, until there are enough or the time is up; then it says how to go on.
    """
    query = queries.Query.of({("q" if name == "text" else name): value for name, value in asked.items() if value})
    found = session.app.find(
        query,
        places=_PLACES[place] or search.PLACES,
        limit=limit,
        budget_s=budget,
        cursor=after,
    )
    if session.as_json:
        listed = [_located_json(one) for one in found.found]
        echo_json({"found": listed, "after": found.cursor, "looked": found.looked, "problems": found.problems})
        return
    echo(_listing(found.found) if found.found else "no jobs")
    for problem in found.problems:
        click.echo(printable(problem), err=True)
    if found.partial:
        click.echo(f"there is more to look at: --after {shlex.quote(found.cursor)}", err=True)


@click.command()
@click.argument("jid")
@click.option("--hint", default="", metavar="PLACE", help="Where it was last: queue:NAME, or retry:SCORE and so on.")
@raw_option
@budget_option
@shared_options
@click.pass_obj
def job(session: Session, /, jid: str, hint: str, raw: bool, budget: float) -> None:
    """Show a job wherever it is now: in a queue or set, running, or held by a worker. Exits 1 if it is nowhere."""
    found = session.app.locate(jid, hint=hint, budget_s=budget)
    if found.entry is None:
        why = (
            f"not found in {budget:g} s, and not all was looked at: give a longer --budget"
            if found.partial
            else "nowhere"
        )
        raise click.ClickException(f"{why}: {jid}")
    steps = timelines.timeline(found.entry, found.place, run_at=found.run_at)
    if session.as_json and not raw:
        told = [{"what": step.what, "at": number(step.at), "detail": step.detail} for step in steps]
        echo_json(_located_json(found) | {"timeline": told, "backtrace": found.entry.backtrace})
        return
    if not raw:
        now = clock.now()
        echo(pairs([("place", _where(found))]))
        echo(pairs((step.what, f"{date(step.at)} ({moment(step.at, now)}) {step.detail}".strip()) for step in steps))
    show_entry(session, found.entry, raw)


def _where(found: search.Located) -> str:
    if found.entry is not None and found.place == "queue":
        return f"queue {found.entry.source}"
    if found.thread:
        return f"running in {found.process}, thread {found.thread}"
    return f"leased by {found.process}, not begun" if found.process else found.place


def _located_json(found: search.Located) -> dict[str, Any]:
    members: dict[str, Any] = {"place": found.place}
    if found.process:
        members |= {"process": found.process, "thread": found.thread, "run_at": found.run_at}
    if found.entry is not None:
        members |= entry_json(found.entry)
    return members


def _listing(located: Sequence[search.Located]) -> str:
    now = clock.now()
    rows = []
    for one in located:
        if one.entry is not None:
            when = moment(one.run_at if one.run_at is not None else queries.entry_time(one.entry), now)
            error = cut(printable(fault(one.entry)), 60)
            rows.append(
                [one.place, when, *what(one.entry), cut(printable(one.entry.queue), 30), error, arguments(one.entry)]
            )
    return table(["PLACE", "WHEN", "JOB", "JID", "QUEUE", "ERROR", "ARGS"], rows)
