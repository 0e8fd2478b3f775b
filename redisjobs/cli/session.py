"""What a command line said before its command: which Redis, which keys, and whether to print JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import click

from redisjobs.app import RedisJobs
from redisjobs.wire.dialects import DIALECTS, DialectName
from redisjobs.wire.times import WIRES, Wire

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Session:
    """One run of the command line. `app` connects when it is first used."""

    url: str | None = None
    namespace: str | None = None
    dialect: DialectName = "sidekiq"
    wire: Wire = "sidekiq8"
    as_json: bool = False

    @cached_property
    def app(self) -> RedisJobs:
        """An app without jobs, on the Redis that was named."""
        return self.open(self.url)

    def open(self, url: str | None, **settings: Any) -> RedisJobs:
        """Return an app on a Redis, of the namespace, dialect and wire that were named or that `settings` have."""
        if self.namespace is not None:  # else the dialect's or the wire's own
            settings.setdefault("namespace", self.namespace)
        return RedisJobs(url, **{"dialect": self.dialect, "wire": self.wire, **settings})

    def close(self) -> None:
        """Let go of connections, and of the private server if there is one."""
        if "app" in self.__dict__:
            self.app.close()


def root_options(command: F) -> F:
    """Add the options that stand before a command's name."""
    return _with_options(command, hidden=False)


def shared_options(command: F) -> F:
    """Accept the same options after a command's name; of these its help shows only `--json`."""
    return _with_options(command, hidden=True)


def _with_options(command: F, *, hidden: bool) -> F:
    kept: dict[str, Any] = {"expose_value": False, "callback": _remember}
    json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.", **kept)
    wires = click.Choice(WIRES)
    wire_help = "Whose form to write: sidekiq7 where Sidekiq 6 or 7 shares the Redis; exq, verk."
    wire_option = click.option("--wire", type=wires, help=wire_help, hidden=hidden, **kept)
    namespace_option = click.option("--namespace", metavar="NAME", help="Prefix of all keys.", hidden=hidden, **kept)
    dialects = click.Choice(DIALECTS)
    dialect_help = "Whose queues: sidekiq (the default) or resque."
    dialect_option = click.option("--dialect", type=dialects, help=dialect_help, hidden=hidden, **kept)
    url_help = "Redis: redis://, rediss://, unix:// or redis+sentinel://HOST,HOST/MASTER."
    url_option = click.option("--url", metavar="URL", help=url_help, hidden=hidden, **kept)
    return url_option(namespace_option(dialect_option(wire_option(json_option(command)))))


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value or (value == "" and param.name == "namespace"):  # none, where the wire has one of its own
        setattr(ctx.ensure_object(Session), str(param.name), value)


yes_option: Callable[[F], F] = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


def confirm(question: str, yes: bool) -> None:
    """Ask before something that cannot be undone; where nobody can be asked, `--yes` must have been given."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("this cannot be undone, and there is no terminal to ask on: give --yes")
    click.confirm(question, abort=True, err=True)
