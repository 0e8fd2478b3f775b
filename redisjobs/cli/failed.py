"""`redisjobs failed`: the failed list of Resque."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from redisjobs import clock
from redisjobs.cli.entries import (
    arguments,
    choose,
    entry_json,
    fault,
    page_options,
    raw_option,
    rest_of,
    show_entry,
    what,
)
from redisjobs.cli.groups import ListGroup
from redisjobs.cli.output import echo, echo_json, table
from redisjobs.cli.session import Session, confirm, shared_options, yes_option
from redisjobs.wording import cut, moment, printable

if TYPE_CHECKING:
    from redisjobs.inspector import FailedEntry

ids_argument = click.argument("ids", nargs=-1, metavar="[ID]...")
all_option = click.option("--all", "everything", is_flag=True, help="All that were not put back before.")


@click.group(cls=ListGroup)
@shared_options
def failed() -> None:
    """Failures of Resque's jobs. Without a command: ls. Needs --dialect resque."""


@failed.command()
@page_options
@shared_options
@click.pass_obj
def ls(session: Session, /, limit: int, offset: int) -> None:
    """List failures, the newest first."""
    found = session.app.resque.failed
    entries = [entry for entry in found.page(offset, limit) if entry.raw]
    if session.as_json:
        echo_json([entry_json(entry) for entry in entries])
    elif entries:
        echo(_listing(entries))
        echo(rest_of(len(entries), offset, found.size))
    else:
        echo("no failures")


@failed.command()
@click.argument("failure", metavar="ID")
@raw_option
@shared_options
@click.pass_obj
def show(session: Session, /, failure: str, raw: bool) -> None:
    """Show one failure whole. Exits 1 if it is not there."""
    found = session.app.resque.failed
    show_entry(session, choose(found.find(failure), failure, found.title), raw)


@failed.command()
@ids_argument
@all_option
@shared_options
@click.pass_obj
def requeue(session: Session, /, ids: tuple[str, ...], everything: bool) -> None:
    """Put jobs back into their queue; their failures stay, marked. Exits 1 if one is not there."""
    found = session.app.resque.failed
    _check_named(ids, everything)
    if everything:
        _tell(session, "enqueued", found.requeue_all())
    else:
        _each(session, "enqueued", found.requeue, ids)


@failed.command()
@ids_argument
@shared_options
@click.pass_obj
def delete(session: Session, /, ids: tuple[str, ...]) -> None:
    """Delete failures. Exits 1 if one is not there."""
    _check_named(ids, everything=False)
    _each(session, "deleted", session.app.resque.failed.delete, ids)


@failed.command()
@yes_option
@shared_options
@click.pass_obj
def clear(session: Session, /, yes: bool) -> None:
    """Delete all failures."""
    found = session.app.resque.failed
    confirm(f"Delete all {found.size:,} failures?", yes)
    _tell(session, "deleted", found.clear())


def _check_named(ids: Sequence[str], everything: bool) -> None:
    if everything == bool(ids):
        raise click.UsageError("name some failures, or give --all")


def _each(session: Session, done: str, act: Callable[[str], bool], ids: Sequence[str]) -> None:
    missing = [one for one in ids if not act(one)]
    _tell(session, done, len(ids) - len(missing))
    if missing:
        raise click.ClickException(f"not in the failed list: {', '.join(missing[:5])}")


def _tell(session: Session, done: str, count: int) -> None:
    if session.as_json:
        echo_json({done: count})
    else:
        echo(f"{count:,} {done}")


def _listing(entries: Sequence[FailedEntry]) -> str:
    now = clock.now()
    rows = []
    for entry in entries:
        times = (moment(entry.failed_at, now), moment(entry.retried_at, now))
        row = (*times, *what(entry), cut(printable(entry.queue), 30), cut(printable(fault(entry)), 60))
        rows.append((*row, arguments(entry)))
    return table(["FAILED", "PUT BACK", "JOB", "ID", "QUEUE", "ERROR", "ARGS"], rows)
