"""`redisjobs retries`, `scheduled` and `dead`: the jobs that wait for a moment, and those that were given up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
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
from redisjobs.errors import PayloadError
from redisjobs.wording import cut, is_text, moment, printable

if TYPE_CHECKING:
    from redisjobs.app import RedisJobs
    from redisjobs.inspector import DeadSet, JobSet, RetrySet, ScheduledSet, SetEntry

_TOLD = 5  # entries that an error names

_SET = "redisjobs.set"
_WHEN = {"retries": "NEXT RUN", "scheduled": "DUE", "dead": "DIED"}

jids_argument = click.argument("jids", nargs=-1, metavar="[JID]...")
all_option = click.option("--all", "everything", is_flag=True, help="All entries.")


@click.group(cls=ListGroup)
@shared_options
@click.pass_context
def retries(ctx: click.Context) -> None:
    """Failed jobs that wait for their next run. Without a command: ls."""
    ctx.meta[_SET] = "retries"


@click.group(cls=ListGroup)
@shared_options
@click.pass_context
def scheduled(ctx: click.Context) -> None:
    """Jobs that wait for their moment. Without a command: ls."""
    ctx.meta[_SET] = "scheduled"


@click.group(cls=ListGroup)
@shared_options
@click.pass_context
def dead(ctx: click.Context) -> None:
    """Jobs that were given up, and bytes that never were a job. Without a command: ls."""
    ctx.meta[_SET] = "dead"


@click.command()
@page_options
@click.option("--match", metavar="TEXT", help="Only entries whose bytes contain this; in no order.")
@shared_options
@click.pass_context
def ls(ctx: click.Context, /, limit: int, offset: int, match: str | None) -> None:
    """List entries: the soonest first, of the dead the newest."""
    found = _opened(ctx)
    size = found.size
    matching = None if match is None else islice(found.scan(match), offset, offset + limit)
    entries = found.page(offset, limit) if matching is None else list(matching)
    if _session(ctx).as_json:
        echo_json([entry_json(entry) for entry in entries])
    elif entries:
        echo(_listing(entries, _WHEN[ctx.meta[_SET]]))
        echo(rest_of(len(entries), offset, size) if match is None else "")
    else:
        echo("no jobs")


@click.command()
@click.argument("jid")
@raw_option
@shared_options
@click.pass_context
def show(ctx: click.Context, /, jid: str, raw: bool) -> None:
    """Show one entry whole. Exits 1 if it is not there."""
    found = _opened(ctx)
    show_entry(_session(ctx), choose(found.find(jid), jid, found.title), raw)


@click.command()
@jids_argument
@all_option
@click.option("-q", "--queue", metavar="NAME", help="The queue to go to; needed for bytes that name none.")
@shared_options
@click.pass_context
def retry(ctx: click.Context, /, jids: tuple[str, ...], everything: bool, queue: str | None) -> None:
    """Put jobs into their queue now. Exits 1 if one is not there, or cannot be moved: it stays where it is."""
    found = _opened(ctx)
    _check_named(jids, everything)
    if queue is not None and not is_text(queue):
        raise click.UsageError("names of queues are UTF-8")
    left: list[tuple[str, str]] = []
    if everything:
        count = found.enqueue_all(queue=queue, left=lambda entry, reason: left.append((entry.id, reason)))
        _tell(ctx, "enqueued", count, left)
        return
    count = 0
    for jid in jids:
        try:
            moved = found.enqueue(jid, queue=queue)
        except PayloadError as problem:
            left.append((jid, f"{problem.field}: {problem.problem}"))
        else:
            count += moved
            if not moved:
                left.append((jid, f"not in {found.title}"))
    _tell(ctx, "enqueued", count, left)


@click.command()
@jids_argument
@all_option
@yes_option
@shared_options
@click.pass_context
def delete(ctx: click.Context, /, jids: tuple[str, ...], everything: bool, yes: bool) -> None:
    """Delete jobs. Exits 1 if one is not there."""
    _check_named(jids, everything)
    if everything:
        _clear(ctx, yes)
    else:
        _each(ctx, "deleted", _opened(ctx).delete, jids)


@click.command()
@yes_option
@shared_options
@click.pass_context
def clear(ctx: click.Context, /, yes: bool) -> None:
    """Delete all entries."""
    _clear(ctx, yes)


@click.command()
@jids_argument
@all_option
@yes_option
@shared_options
@click.pass_context
def kill(ctx: click.Context, /, jids: tuple[str, ...], everything: bool, yes: bool) -> None:
    """Move jobs to the dead set. Exits 1 if one is not there. Death handlers are not called."""
    app = _app(ctx)
    found: RetrySet | ScheduledSet = app.retries if ctx.meta[_SET] == "retries" else app.scheduled
    _check_named(jids, everything)
    if everything:
        confirm(f"Move all {found.size:,} jobs of {found.title} to the dead set?", yes)
        _tell(ctx, "killed", found.kill_all())
    else:
        _each(ctx, "killed", found.kill, jids)


for group in (retries, scheduled, dead):
    for command in (ls, show, retry, delete, clear):
        group.add_command(command)
retries.add_command(kill)
scheduled.add_command(kill)


def _session(ctx: click.Context) -> Session:
    return ctx.ensure_object(Session)


def _app(ctx: click.Context) -> RedisJobs:
    if _session(ctx).dialect == "resque":
        raise click.UsageError("Resque has no such set; `redisjobs --dialect resque failed` shows its failures")
    return _session(ctx).app


def _opened(ctx: click.Context) -> RetrySet | ScheduledSet | DeadSet:
    app = _app(ctx)
    name = ctx.meta[_SET]
    if name == "dead":
        return app.dead
    return app.retries if name == "retries" else app.scheduled


def _check_named(jids: Sequence[str], everything: bool) -> None:
    if everything == bool(jids):
        raise click.UsageError("name some jobs, or give --all")


def _clear(ctx: click.Context, yes: bool) -> None:
    found: JobSet = _opened(ctx)
    confirm(f"Delete all {found.size:,} jobs of {found.title}?", yes)
    _tell(ctx, "deleted", found.clear())


def _each(ctx: click.Context, done: str, act: Callable[[str], bool], jids: Sequence[str]) -> None:
    missing = [jid for jid in jids if not act(jid)]
    title = _opened(ctx).title
    _tell(ctx, done, len(jids) - len(missing), [(jid, f"not in {title}") for jid in missing])


def _tell(ctx: click.Context, done: str, count: int, left: Sequence[tuple[str, str]] = ()) -> None:
    """Print what was done; fail with what was not."""
    if _session(ctx).as_json:
        echo_json({done: count, "left": [{"id": jid, "reason": reason} for jid, reason in left]})
    else:
        echo(f"{count:,} {done}")
    if left:
        more = f"; and {len(left) - _TOLD:,} more" if len(left) > _TOLD else ""
        raise click.ClickException("; ".join(f"{jid}: {reason}" for jid, reason in left[:_TOLD]) + more)


def _listing(entries: Sequence[SetEntry], when: str) -> str:
    now = clock.now()
    failed = any(fault(entry) for entry in entries)
    rows = []
    for entry in entries:
        row = [moment(entry.score, now), *what(entry), cut(printable(entry.queue), 30)]
        if failed:
            tries = "" if entry.retry_count is None else str(entry.retry_count)
            row += [tries, cut(printable(fault(entry)), 60)]
        rows.append([*row, arguments(entry)])
    return table([when, "JOB", "JID", "QUEUE", *(["RETRIES", "ERROR"] if failed else []), "ARGS"], rows)
