"""`redisjobs web`: serve the web UI, to this machine only unless it is said who may come in."""

from __future__ import annotations

import ipaddress
import logging
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from redisjobs.cli import loading
from redisjobs.cli.output import echo
from redisjobs.cli.session import Session, shared_options
from redisjobs.errors import ConfigError, RedisJobsError
from redisjobs.lazy import LazyModule

if TYPE_CHECKING:
    import uvicorn

    from redisjobs.store import connect
    from redisjobs.web import accounts
    from redisjobs.worker import logs
else:
    connect = LazyModule("redisjobs.store.connect")
    accounts = LazyModule("redisjobs.web.accounts")
    logs = LazyModule("redisjobs.worker.logs")
    uvicorn = LazyModule("uvicorn")

log = logging.getLogger("redisjobs.web")


@click.command()
@click.argument("app", required=False, metavar="[MODULE:ATTRIBUTE]")
@click.option("--bind", default="127.0.0.1:8700", show_default=True, metavar="HOST:PORT", help="Where to serve.")
@click.option("--auth", "auth", multiple=True, metavar="USER[:ROLE]:HASH", help="Who may come in; repeatable.")
@click.option("--hash-password", is_flag=True, help="Ask for a password, print the HASH for --auth, and end.")
@click.option("--read-only", is_flag=True, help="Nobody may act.")
@click.option("--host-name", "hosts", multiple=True, metavar="NAME", help="A name it is served under; repeatable.")
@click.option("--redact", multiple=True, metavar="PATTERN", help="Hide what matches; repeatable.")
@click.option("--title", default="", metavar="TEXT", help="Shown beside the name, such as production.")
@click.option("--root-path", default="", metavar="PATH", help="The path under which a proxy serves it.")
@shared_options
@click.pass_obj
def web(
    session: Session, /, app: str | None, bind: str, auth: tuple[str, ...], hash_password: bool, **given: Any
) -> None:
    """Serve the web UI of a Redis, or of an app with its tabs and what it hides.

    Only this machine is let in without --auth.
    """
    try:
        if hash_password:
            secret = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
            echo(accounts.hash_password(secret))
            return
        root_path = given.pop("root_path").rstrip("/")
        host, port = _address(bind)
        users = [accounts.Account.parse(text) for text in auth]
        if not users and not _is_loopback(host):
            raise click.UsageError(
                f"--bind {bind} can be reached from elsewhere, so it must be said who may come in: --auth USER:HASH, "
                "the hash by `redisjobs web --hash-password`"
            )
        opened = loading.find_app(app, Path.cwd()) if app else session.app
        served = opened.web(accounts=users, **given)
    except ModuleNotFoundError as error:
        raise RedisJobsError(f"{error.name} is not installed: pip install 'redisjobs[web]'") from None
    logs.setup()
    with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each answer may wait 40 ms for an ack
        port = listener.getsockname()[1]
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        echo(f"http://{shown}{root_path}/ shows {connect.shown(opened.url)}; ctrl-c ends it")
        settings = uvicorn.Config(
            served, root_path=root_path, log_level="warning", access_log=False, server_header=False,
            timeout_graceful_shutdown=3,
        )  # fmt: skip
        uvicorn.Server(settings).run(sockets=[listener])


def _address(bind: str) -> tuple[str, int]:
    host, _, port = bind.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise ConfigError(f"--bind {bind!r}: write HOST:PORT, such as 127.0.0.1:8700")
    return host.strip("[]") or "127.0.0.1", int(port)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
