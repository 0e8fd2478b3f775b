"""`redisjobs move`: queues and sets to another namespace, database or server."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from redisjobs import clock
from redisjobs.app import RedisJobs
from redisjobs.cli.output import echo, echo_json
from redisjobs.cli.session import Session, shared_options
from redisjobs.lazy import LazyModule
from redisjobs.wording import cut, printable

if TYPE_CHECKING:
    from redisjobs import inspector
    from redisjobs.inspector import moving
    from redisjobs.store import stores
else:
    inspector = LazyModule("redisjobs.inspector")
    moving = LazyModule("redisjobs.inspector.moving")
    stores = LazyModule("redisjobs.store.stores")

_SETS = ("schedule", "retry", "dead")
_PATIENCE_S = 30.0  # with a target that does not answer
_TELL_S = 5.0  # between two lines of progress where there is no terminal
_TO_THE_START = "\x1b[K\r"  # of the line, with nothing left behind the cursor


@click.command()
@click.option("--from", "source", required=True, metavar="PLACE", help="Where the jobs are.")
@click.option("--to", "target", required=True, metavar="PLACE", help="Where they are to be.")
@click.option("-q", "--queue", "queues", multiple=True, metavar="NAME", help="A queue; repeatable.")
@click.option("--set", "sets", multiple=True, type=click.Choice(_SETS), help="A set; repeatable.")
@click.option("--all", "everything", is_flag=True, help="All queues and sets.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be moved.")
@shared_options
@click.pass_obj
def move(session: Session, /, source: str, target: str, everything: bool, dry_run: bool, **named: list[str]) -> None:
    """Move queues and sets to another namespace, database or server.

    A PLACE is a namespace ('' for none) of the Redis that is used anyway, a URL, or URL#NAMESPACE. Order and moments
    are kept, jobs that the target has already run first. Nothing is lost when this ends at any moment: run it again,
    and it goes on. Jobs that workers hold are left to them. Counters stay where they are.
    """
    if everything == any(named.values()):
        raise click.UsageError("name queues by --queue and sets by --set, or give --all")
    apps = [_app(session, source), _app(session, target)]
    try:
        found = moving.Move(_access(apps[0], patience_s=0), _access(apps[1], patience_s=_PATIENCE_S))
        names = found.queue_names() if everything else list(dict.fromkeys(named["queues"]))
        sets = list(_SETS if everything else dict.fromkeys(named["sets"]))
        if dry_run:
            _tell(session, {name: found.queue_size(name) for name in names}, {name: found.size(name) for name in sets})
        else:
            moved = {name: _count(name, found.queue(name)) for name in names}
            _tell(session, moved, {name: _count(name, found.members(name)) for name in sets}, left=found.left(names))
    finally:
        for app in apps:
            app.close()


def _app(session: Session, where: str) -> RedisJobs:
    if "://" not in where:
        return session.open(session.app.url, namespace=where)
    url, named, namespace = where.partition("#")
    return session.open(url, **({"namespace": namespace} if named else {}))


def _access(app: RedisJobs, patience_s: float) -> inspector.Access:
    store = stores.BlockingStore(app.redis, patience_s=patience_s)
    return inspector.Access(store, app.keys, app.config.dead, app.config.wire)


def _count(title: str, chunks: Iterable[int]) -> int:
    """Add up what was moved; tell how far it is on standard error."""
    return sum(_told(title, chunks))


def _told(title: str, chunks: Iterable[int]) -> Iterator[int]:
    terminal = sys.stderr.isatty()
    count, told_at = 0, clock.monotonic()
    for chunk in chunks:
        yield chunk
        count += chunk
        if terminal:
            click.echo(f"{printable(title)}: {count:,}{_TO_THE_START}", err=True, nl=False)
        elif clock.monotonic() - told_at > _TELL_S:
            click.echo(f"{printable(title)}: {count:,}", err=True)
            told_at = clock.monotonic()
    if terminal:
        click.echo(_TO_THE_START, err=True, nl=False)


def _tell(session: Session, queues: dict[str, int], sets: dict[str, int], left: int | None = None) -> None:
    dry_run = left is None
    if session.as_json:
        echo_json({"queues": queues, "sets": sets, "dry_run": dry_run} | ({} if dry_run else {"left": left}))
        return
    done = "to move" if dry_run else "moved"
    for name, count in (*queues.items(), *sets.items()):
        echo(f"{cut(printable(name), 60)}: {count:,} {done}")
    if left:
        echo(f"held by workers of the source: {left:,}, left to them; they end there")
