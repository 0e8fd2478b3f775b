"""`redisjobs errors`: what went wrong, in groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from redisjobs import clock
from redisjobs.cli.entries import entry_json
from redisjobs.cli.matching import access_of, class_option, query_of, where_option
from redisjobs.cli.output import echo, echo_json, table
from redisjobs.cli.session import Session, shared_options
from redisjobs.lazy import LazyModule
from redisjobs.wording import cut, moment, printable

if TYPE_CHECKING:
    from redisjobs.inspector import errors as failures
    from redisjobs.inspector import places
else:
    failures = LazyModule("redisjobs.inspector.errors")
    places = LazyModule("redisjobs.inspector.places")

_BUDGET_S = 60.0
_NAMED = 3  # job classes of a group


@click.command()
@click.option(
    "--in",
    "where_to_look",
    type=click.Choice(("retries", "dead", "all")),
    default="all",
    show_default=True,
    help="The sets to look into.",
)
@class_option
@where_option
@click.option("-n", "--limit", type=click.IntRange(1), default=25, show_default=True, help="Show so many at most.")
@shared_options
@click.pass_obj
def errors(session: Session, /, where_to_look: str, name: str | None, where: str | None, limit: int) -> None:
    """Group failed jobs by what went wrong: the class of the error and its message, whatever the data in it."""
    names = ("retries", "dead") if where_to_look == "all" else (where_to_look,)
    access = access_of(session)
    sets = [kind(access) for kind in places.SETS if kind.place in names]
    found = failures.group(sets, query_of(where, name), budget_s=_BUDGET_S)
    shown = found.groups[:limit]
    if session.as_json:
        members = {"looked": found.looked, "total": found.total, "partial": found.partial}
        echo_json({"groups": [_json(one) for one in shown], **members})
        return
    echo(_listing(shown) if shown else "no failed jobs")
    if len(found.groups) > len(shown):
        echo(f"{len(shown):,} of {len(found.groups):,} groups; --limit shows more")
    if found.partial:
        echo(f"partial: the first {found.looked:,} of {found.total:,} jobs in {_BUDGET_S:g} s; --where narrows it")


def _listing(groups: list[failures.ErrorGroup]) -> str:
    now = clock.now()
    rows = []
    for one in groups:
        names = [name for name, _ in one.jobs.most_common(_NAMED)]
        more = ["..."] if len(one.jobs) > _NAMED else []
        places_ = ", ".join(f"{count:,} {name}" for name, count in one.places.items())
        times = (moment(one.first_at, now), moment(one.last_at, now))
        jobs = cut(printable(", ".join([*names, *more])), 60)
        rows.append((f"{one.count:,}", *times, places_, jobs, cut(printable(f"{one.error_class}: {one.message}"), 200)))
    return table(["COUNT", "FIRST", "LAST", "WHERE", "JOBS", "ERROR"], rows, right=[0])


def _json(one: failures.ErrorGroup) -> dict[str, Any]:
    return {
        "error_class": one.error_class,
        "message": one.message,
        "count": one.count,
        "first_at": one.first_at,
        "last_at": one.last_at,
        "jobs": dict(one.jobs.most_common()),
        "places": dict(one.places),
        "sample": entry_json(one.sample),
    }
