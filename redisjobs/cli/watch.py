"""`redisjobs watch`: starts and ends of jobs, as they happen."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import click
from msgspec import structs

from redisjobs.cli.session import Session, shared_options
from redisjobs.errors import StoreUnavailableError
from redisjobs.wording import cut, duration, printable

if TYPE_CHECKING:
    from redisjobs.wire.events import Event

_COLOURS = {"done": "green", "failed": "red", "retried": "yellow", "released": "yellow", "snoozed": "cyan"}


@click.command()
@click.option("--queue", "-q", default="", metavar="NAME", help="Only jobs of this queue.")
@click.option("--class", "name", default="", metavar="NAME", help="Only jobs of this class.")
@shared_options
@click.pass_obj
def watch(session: Session, queue: str, name: str) -> None:
    """Follow starts and ends of jobs as they happen, one line each, until Ctrl-C.

    Workers of redisjobs tell of them from their next heartbeat on, a few seconds away. Of all others, Ruby's
    too, only jobs that run at a heartbeat are seen. With --json each line is an object. Nothing is done to any job.
    """
    watching = session.app.watch(queue=queue, name=name)
    _tell("workers of redisjobs tell of their jobs from their next heartbeat on, a few seconds away")
    told_of_others = away = False
    while True:
        try:
            found = watching.look()
        except StoreUnavailableError as error:
            if not away:
                _tell(f"{error}; trying again")
            away = True
            continue
        if away:
            _tell("Redis answers again")
        away = False
        if watching.has_others and not told_of_others:
            _tell("other processes are here too: of theirs, only jobs that run at a heartbeat are seen")
            told_of_others = True
        for event in found:
            _show(event, session.as_json)


def _show(event: Event, as_json: bool) -> None:
    if event.lost:
        _tell(f"{event.lost:,} starts and ends were too many at once, and are not shown")
    if as_json:
        click.echo(json.dumps(structs.asdict(event)))
    else:
        click.echo(_line(event))


def _line(event: Event) -> str:
    told = [
        _time(event.at),
        click.style(f"{event.event:<8}", fg=_COLOURS.get(event.event)),
        f"{_took(event.took_s):>8}",
        *(cut(printable(text), 60) for text in (event.queue, event.name, event.jid)),
        f"{printable(event.process)}/{printable(event.thread)}",
        cut(printable(event.error), 200),
    ]
    return "  ".join(told).rstrip()


def _took(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return duration(seconds) if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _time(at: float) -> str:
    """Return the time of the day here; of what is none, as others may write it, nothing."""
    try:
        return f"{datetime.fromtimestamp(at):%H:%M:%S.%f}"[:-3]
    except (OverflowError, ValueError, OSError):
        return " " * len("00:00:00.000")


def _tell(text: str) -> None:
    click.echo(f"# {printable(text)}", err=True)
