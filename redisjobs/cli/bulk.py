"""`redisjobs retry`, `kill`, `delete`, `reschedule`: one thing with all jobs that match."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from redisjobs.cli.matching import Stopped, access_of, query_of, told
from redisjobs.cli.output import echo, echo_json
from redisjobs.cli.session import Session, confirm, shared_options, yes_option
from redisjobs.lazy import LazyModule
from redisjobs.wording import date, is_text, printable

if TYPE_CHECKING:
    from redisjobs.inspector import bulk, moments, places
else:
    bulk = LazyModule("redisjobs.inspector.bulk")
    moments = LazyModule("redisjobs.inspector.moments")
    places = LazyModule("redisjobs.inspector.places")

F = TypeVar("F", bound=Callable[..., Any])

_PREVIEW_S = 10.0
_TOLD = 5  # entries that an error names


def bulk_options(command: F) -> F:
    """Add what all of these commands take."""
    command = shared_options(yes_option(command))
    command = click.option("--dry-run", is_flag=True, help="Only count them.")(command)
    command = click.option(
        "--in",
        "place",
        metavar="PLACE",
        default="retries",
        show_default=True,
        help="retries, scheduled, dead or queue:NAME.",
    )(command)
    return click.option(
        "--where", metavar="TERMS", required=True, help="Which jobs: class=X and error~timeout and since=2h."
    )(command)


@click.command()
@bulk_options
@click.option("-q", "--queue", metavar="NAME", help="The queue to go to; needed for bytes that name none.")
@click.pass_obj
def retry(session: Session, /, queue: str | None, **given: Any) -> None:
    """Put all jobs of a set that match into their queues now.

    Exits 1 if some could not be: they stay where they are.
    """
    if queue is not None and not is_text(queue):
        raise click.UsageError("names of queues are UTF-8")
    _run(session, "Retry", bulk.Retry(queue), **given)


@click.command()
@bulk_options
@click.pass_obj
def kill(session: Session, /, **given: Any) -> None:
    """Move all jobs that match to the dead set. Death handlers are not called."""
    _run(session, "Kill", bulk.Kill(), **given)


@click.command()
@bulk_options
@click.pass_obj
def delete(session: Session, /, **given: Any) -> None:
    """Delete all jobs that match."""
    _run(session, "Delete", bulk.Delete(), **given)


@click.command()
@bulk_options
@click.option("--at", metavar="MOMENT", help="When: 2h (from now), 2026-01-31T08:00 (UTC), or Unix seconds.")
@click.option("--by", metavar="DURATION", help="How much later than they are due: 30m, 2h, 7d; -2h for sooner.")
@click.pass_obj
def reschedule(session: Session, /, at: str | None, by: str | None, **given: Any) -> None:
    """Give all jobs that match, in retries or scheduled, another moment."""
    if (at is None) == (by is None):
        raise click.UsageError("give --at or --by")
    if at is not None:
        moment = _moment(at)
        _run(session, f"Give {date(moment)} to", bulk.Reschedule(at=moment), **given)
    else:
        by_s = _shift_s(by or "")
        _run(session, f"Postpone by {by_s:+,g} s", bulk.Reschedule(by_s=by_s), **given)


def _moment(text: str) -> float:
    at = moments.moment(text, past=False)
    if at is None:
        how = "write 2h (from now), 2026-01-31T08:00 (UTC), or Unix seconds"
        raise click.UsageError(f"--at {text}: no moment; {how}")
    return at


def _shift_s(text: str) -> float:
    found = moments.duration_s(text)
    if found is None:
        raise click.UsageError(f"--by {text}: no duration; write 90s, 30m, 2h or 7d, with - in front for sooner")
    return found


def _run(session: Session, verb: str, action: bulk.Action, *, where: str, place: str, **how: bool) -> None:
    query = query_of(where)
    source = places.place(access_of(session), place)
    work = bulk.Bulk(source, query, action)
    title = printable(source.title)
    found = bulk.count(source, query, budget_s=_PREVIEW_S)
    least = f"at least {found.count:,}" if found.partial else f"{found.count:,}"
    if how["dry_run"] or not (found.count or found.partial):
        _tell(session, f"{least} of {found.total:,} in {title} match", {"matching": found.count, "total": found.total})
        return
    confirm(f"{verb} {least} of {found.total:,} jobs of {title}?", how["yes"])
    with told(work, action.done, found.total, lambda step: step.looked) as steps:
        *_, progress = steps
    members = {action.done: progress.done, "left": progress.left, "looked": progress.looked, "total": progress.total}
    _tell(session, f"{progress.done:,} {action.done}", {**members, "finished": progress.finished})
    if not progress.finished:
        raise Stopped(f"stopped after {progress.looked:,} of {progress.total:,} jobs; the same command goes on")
    if progress.left:
        more = f"; and {progress.left - _TOLD:,} more" if progress.left > _TOLD else ""
        reasons = "; ".join(f"{entry}: {reason}" for entry, reason in work.reasons[:_TOLD])
        raise click.ClickException(f"left in {title}: {reasons}{more}")


def _tell(session: Session, text: str, members: dict[str, Any]) -> None:
    if session.as_json:
        echo_json(members)
    else:
        echo(text)
