"""`redisjobs queue NAME`: one queue: look into it, pause, resume, clear it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from redisjobs import clock
from redisjobs.cli.entries import arguments, choose, entry_json, page_options, raw_option, rest_of, show_entry, what
from redisjobs.cli.groups import ListGroup
from redisjobs.cli.output import echo, echo_json, table
from redisjobs.cli.session import Session, confirm, shared_options, yes_option
from redisjobs.wording import moment, printable

if TYPE_CHECKING:
    from redisjobs.inspector import Queue


@click.group(cls=ListGroup)
@click.argument("name")
@shared_options
@click.pass_context
def queue(ctx: click.Context, name: str) -> None:
    """Look into one queue, or pause, resume or clear it. Without a command: ls."""
    ctx.meta["redisjobs.queue"] = name


@queue.command()
@page_options
@shared_options
@click.pass_context
def ls(ctx: click.Context, limit: int, offset: int) -> None:
    """List jobs, the newest first; the last one of all runs next."""
    session, found = _session(ctx), _queue(ctx)
    entries = found.page(offset, limit)
    if session.as_json:
        echo_json([entry_json(entry) for entry in entries])
        return
    now = clock.now()
    rows = [(moment(entry.enqueued_at, now), *what(entry), arguments(entry)) for entry in entries]
    echo(table(["ENQUEUED", "JOB", "JID", "ARGS"], rows) if rows else "no jobs")
    echo(rest_of(len(rows), offset, found.size))


@queue.command()
@click.argument("jid")
@raw_option
@shared_options
@click.pass_context
def show(ctx: click.Context, jid: str, raw: bool) -> None:
    """Show one job whole. Exits 1 if it is not in the queue."""
    show_entry(_session(ctx), choose(_queue(ctx).find(jid), jid, _title(ctx)), raw)


@queue.command()
@click.argument("jid")
@shared_options
@click.pass_context
def delete(ctx: click.Context, jid: str) -> None:
    """Delete one job. Exits 1 if it is not in the queue."""
    if not _queue(ctx).delete(jid):
        raise click.ClickException(f"not in {_title(ctx)}: {jid}")
    _tell(ctx, "1 deleted", deleted=1)


@queue.command()
@yes_option
@shared_options
@click.pass_context
def clear(ctx: click.Context, yes: bool) -> None:
    """Delete all jobs of the queue; those that workers hold run on."""
    found = _queue(ctx)
    confirm(f"Delete all {found.size:,} jobs of {_title(ctx)}?", yes)
    count = found.clear()
    _tell(ctx, f"{count:,} deleted", deleted=count)


@queue.command()
@shared_options
@click.pass_context
def pause(ctx: click.Context) -> None:
    """Let workers leave the queue alone; Ruby's open-source workers do not heed it."""
    _queue(ctx).pause()
    _tell(ctx, "paused", paused=True)


@queue.command()
@shared_options
@click.pass_context
def resume(ctx: click.Context) -> None:
    """Let workers take from the queue again."""
    _queue(ctx).unpause()
    _tell(ctx, "resumed", paused=False)


def _session(ctx: click.Context) -> Session:
    return ctx.ensure_object(Session)


def _queue(ctx: click.Context) -> Queue:
    return _session(ctx).app.queue(ctx.meta["redisjobs.queue"])


def _title(ctx: click.Context) -> str:
    return f"the queue {printable(ctx.meta['redisjobs.queue'])}"


def _tell(ctx: click.Context, text: str, **members: int | bool) -> None:
    if _session(ctx).as_json:
        echo_json({"queue": ctx.meta["redisjobs.queue"], **members})
    else:
        echo(text)
