"""`redisjobs quiet` and `redisjobs stop`: tell worker processes, wherever they run, to take no more jobs or to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from redisjobs.cli.output import echo, echo_json
from redisjobs.cli.session import Session, shared_options

if TYPE_CHECKING:
    from redisjobs.inspector import Process


@click.command()
@click.argument("identities", nargs=-1, metavar="[IDENTITY]...")
@click.option("--all", "everything", is_flag=True, help="All processes that are not embedded in other programs.")
@shared_options
@click.pass_obj
def quiet(session: Session, identities: tuple[str, ...], everything: bool) -> None:
    """Have workers take no more jobs.

    They obey at their next heartbeat, and there is no way back.
    Exits 1 if one is not there, or is embedded in another program.
    """
    _signal(session, identities, everything, lambda process: process.quiet())


@click.command()
@click.argument("identities", nargs=-1, metavar="[IDENTITY]...")
@click.option("--all", "everything", is_flag=True, help="All processes that are not embedded in other programs.")
@shared_options
@click.pass_obj
def stop(session: Session, identities: tuple[str, ...], everything: bool) -> None:
    """Have workers end.

    They obey at their next heartbeat; what they cannot finish in time goes back to its queue.
    Exits 1 if one is not there, or is embedded in another program.
    """
    _signal(session, identities, everything, lambda process: process.stop())


def _signal(session: Session, identities: Sequence[str], everything: bool, tell: Callable[[Process], None]) -> None:
    if everything == bool(identities):
        raise click.UsageError("name some processes, or give --all")
    found = {process.identity: process for process in session.app.processes}
    wanted = list(found) if everything else list(dict.fromkeys(identities))
    missing = [identity for identity in wanted if identity not in found]
    embedded = [identity for identity in wanted if identity in found and found[identity].embedded]
    told = [identity for identity in wanted if identity not in missing and identity not in embedded]
    for identity in told:
        tell(found[identity])
    if session.as_json:
        echo_json({"signalled": told, "missing": missing, "embedded": embedded})
    else:
        echo(f"{len(told)} signalled")
    if missing:
        there = f"there are: {', '.join(found)}" if found else "there are none"
        raise click.ClickException(f"no such process: {', '.join(missing)}; {there}")
    if embedded and not everything:
        raise click.ClickException(f"embedded in another program, which alone can end it: {', '.join(embedded)}")
