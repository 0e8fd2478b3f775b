"""`redisjobs enqueue`: push one job by its name."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn

import click

from redisjobs.cli.output import echo, echo_json
from redisjobs.cli.session import Session, shared_options
from redisjobs.errors import OptionError, PayloadError, WrongTypeError
from redisjobs.wording import is_text, printable


@click.command()
@click.argument("name")
@click.argument("args", default="[]", metavar="[JSON-ARGS]")
@click.option("-q", "--queue", default="default", metavar="NAME", show_default=True, help="The queue.")
@click.option("--in", "delay_s", type=float, metavar="SECONDS", help="Run it that much later.")
@click.option("--at", metavar="TIME", help="Run it then: Unix seconds, or an ISO time (without a zone: local).")
@click.option("--retry", metavar="COUNT|true|false", help="How often; false: never, and no dead entry.")
@click.option("--retry-queue", metavar="NAME", help="The queue that retries go to.")
@click.option("--retry-for", type=float, metavar="SECONDS", help="Retry so long, whatever the count.")
@click.option("--backtrace", metavar="LINES|true", help="Keep so many lines of an error's backtrace.")
@click.option("--tag", "tags", multiple=True, metavar="TEXT", help="Repeatable.")
@click.option("--no-dead", is_flag=True, help="No entry in the dead set when retries are over.")
@shared_options
@click.pass_obj
def enqueue(
    session: Session,
    /,
    name: str,
    args: str,
    delay_s: float | None,
    at: str | None,
    retry: str | None,
    backtrace: str | None,
    no_dead: bool,
    **options: Any,
) -> None:
    """Push a job by its name on the wire and print its jid.

    JSON-ARGS is an array, such as '[1, {"to": "me"}]', or - to read it from standard input. The job need not be
    known here: it may be a Ruby class.
    """
    given = {option: value for option, value in options.items() if value not in (None, ())}
    if retry is not None:
        given["retry"] = _count(retry, "--retry")
    if backtrace is not None:
        given["backtrace"] = _count(backtrace, "--backtrace")
    if no_dead:
        given["dead"] = False
    if at is not None and delay_s is not None:
        raise click.UsageError("--in and --at exclude each other")
    if not is_text(name + options["queue"]):
        raise click.UsageError("names of jobs and queues are UTF-8")
    when = _moment(at) if at is not None else None
    calls = _arguments(sys.stdin.buffer.read().decode("utf-8", "surrogateescape") if args == "-" else args)
    try:
        jid = session.app.push(name, calls, at=when, delay_s=delay_s, **given)
    except (PayloadError, OptionError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    except WrongTypeError:
        session.app.queue(options["queue"]).page(0, 1)  # raises the error that names the key
        raise
    if session.as_json:
        echo_json({"jid": jid, "class": name, "queue": options["queue"]})
    else:
        echo(printable(str(jid)))


def _arguments(text: str) -> list[Any]:
    """Read an array, exactly: integers of any size."""
    try:
        found = json.loads(text, parse_int=_integer, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"the arguments are no JSON: {error}; write an array such as '[1, \"a\"]'") from None
    if not isinstance(found, list):
        raise click.UsageError(f"the arguments are a JSON array, such as '[{text.strip()[:40]}]'")
    return found


def _integer(digits: str) -> int:
    return int(digits) if len(digits) < 4000 else int(Decimal(digits))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _moment(text: str) -> datetime | float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"--at {text!r}: write Unix seconds, or a time such as 2030-01-31T12:00:00Z") from None


def _count(text: str, option: str) -> bool | int:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if not text.isdecimal() or len(text) > 9:
        raise click.UsageError(f"{option} {text!r}: write true, false or a number from 0")
    return int(text)
