"""What the commands on many jobs have in common: where to look, for what, and how far it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from redisjobs.cli.session import Session
from redisjobs.lazy import LazyModule
from redisjobs.wording import is_text

if TYPE_CHECKING:
    import signal

    from redisjobs import inspector
    from redisjobs.inspector import query as queries
else:
    signal = LazyModule("signal")
    inspector = LazyModule("redisjobs.inspector")
    queries = LazyModule("redisjobs.inspector.query")

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

where_option: Callable[[F], F] = click.option(
    "--where", metavar="TERMS", help="Which jobs: class=X and error~timeout and since=2h. Without it all."
)
class_option: Callable[[F], F] = click.option("--class", "name", metavar="NAME", help="Only jobs of this class.")


def access_of(session: Session) -> inspector.Access:
    """Return what the inspector works with; fail where the sets are not."""
    if session.dialect == "resque":
        raise click.UsageError("Resque has no such sets; `redisjobs --dialect resque failed` shows its failures")
    return session.app.access


def query_of(where: str | None, name: str | None = None) -> queries.Query:
    """Return what is to be looked for; fail if it cannot be read."""
    if not all(map(is_text, filter(None, (where, name)))):
        raise click.UsageError("what is looked for must be UTF-8")
    return queries.Query.of({"where": where or "", "class": name or ""})


@contextmanager
def told(steps: Iterable[T], title: str, total: int, looked: Callable[[T], int]) -> Iterator[Iterator[T]]:
    """Give steps as they come, with a bar where a terminal shows it; `looked` tells how far one is, of the total.

    ^C lets the step end that is under way, and no other one begin; a second one ends at once. The command says what was
    done, and raises `Stopped`.
    """
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(signal.SIGINT, before)

    def until_stopped() -> Iterator[T]:
        for step in steps:
            bar.update(looked(step) - bar.pos)
            yield step
            if stopped:
                return

    before = signal.signal(signal.SIGINT, stop)
    try:
        with click.progressbar(length=total, label=title, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
            yield until_stopped()
    finally:
        signal.signal(signal.SIGINT, before)


class Stopped(click.ClickException):
    """Somebody pressed ^C; what was done stays so."""

    exit_code = 130
