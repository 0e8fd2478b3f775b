"""`redisjobs export` and `import`: jobs to a file and back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import accumulate
from typing import IO, TYPE_CHECKING

import click

from redisjobs.cli.matching import Stopped, access_of, query_of, told, where_option
from redisjobs.cli.output import echo, echo_json
from redisjobs.cli.session import Session, shared_options
from redisjobs.lazy import LazyModule

if TYPE_CHECKING:
    import tempfile

    from redisjobs.inspector import places, transfer
else:
    tempfile = LazyModule("tempfile")
    places = LazyModule("redisjobs.inspector.places")
    transfer = LazyModule("redisjobs.inspector.transfer")

_SETS = ("retries", "scheduled", "dead")
_IN_MEMORY_BYTES = 16 * 1024 * 1024


@click.command()
@click.option(
    "--in", "names", multiple=True, metavar="PLACE", help="retries, scheduled, dead, queue:NAME; repeatable. All sets."
)
@where_option
@click.option("-o", "--output", type=click.File("wb", lazy=True), default="-", metavar="FILE", help="Where to.")
@shared_options
@click.pass_obj
def export(session: Session, /, names: tuple[str, ...], where: str | None, output: IO[bytes]) -> None:
    """Write jobs as JSON lines: where each is, its score, its payload byte by byte. Nothing is changed."""
    access, query = access_of(session), query_of(where)
    count = 0
    for source in [places.place(access, name) for name in dict.fromkeys(names or _SETS)]:
        for lines in transfer.export(source, query):
            output.writelines(line + b"\n" for line in lines)
            count += len(lines)
    output.flush()
    click.echo(f"{count:,} exported", err=True)


@click.command("import")
@click.argument("file", type=click.File("rb"), metavar="FILE|-")
@click.option("--to", metavar="PLACE", default="", help="All of them to: retries, scheduled, dead or queue:NAME.")
@shared_options
@click.pass_obj
def import_(session: Session, /, file: IO[bytes], to: str) -> None:
    """Put exported jobs back to where they were, or all to one place.

    Nothing is imported if any line is wrong. Sets can be imported twice: who is there stays the one; queues cannot.
    """
    back = transfer.Import(partial(places.place, access_of(session)), to)
    with _seekable(file) as lines:
        total = back.check(lines)
        lines.seek(0)
        with told(accumulate(back.run(lines)), "imported", total, int) as steps:
            count = max(steps, default=0)
    if session.as_json:
        echo_json({"imported": count, "total": total})
    else:
        echo(f"{count:,} imported")
    if count < total:
        raise Stopped(f"stopped after {count:,} of {total:,} jobs")


@contextmanager
def _seekable(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Give a file that can be read twice: itself, or what a pipe brings."""
    if file.seekable():
        yield file
        return
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as kept:
        shutil.copyfileobj(file, kept)
        kept.seek(0)
        yield kept
