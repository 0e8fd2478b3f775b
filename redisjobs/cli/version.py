"""`redisjobs version`: which versions run here."""

from __future__ import annotations

import platform
from importlib import metadata

import click

from redisjobs.cli.output import echo, echo_json
from redisjobs.cli.session import Session, shared_options
from redisjobs.version import __version__

_PARTS = ("redis", "hiredis", "msgspec", "msgpack", "click")


@click.command()
@shared_options
@click.pass_obj
def version(session: Session) -> None:
    """Show the version.

    With --json also of Python and of the libraries in use.
    """
    if session.as_json:
        parts = {name: metadata.version(name) for name in _PARTS}
        echo_json({"redisjobs": __version__, "python": platform.python_version(), **parts})
    else:
        echo(f"redisjobs {__version__}")
