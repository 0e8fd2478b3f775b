"""How entries of queues and sets are listed and shown; what the commands on them have in common."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from redisjobs.cli.output import echo, echo_json, pairs
from redisjobs.cli.session import Session
from redisjobs.wording import brief, cut, date, number, printable

if TYPE_CHECKING:
    from redisjobs.inspector import JobEntry

F = TypeVar("F", bound=Callable[..., Any])

raw_option: Callable[[F], F] = click.option("--raw", is_flag=True, help="Only the exact bytes.")


def page_options(command: F) -> F:
    """Add the options of a listing."""
    command = click.option("--offset", type=click.IntRange(0), default=0, help="Pass over so many.")(command)
    return click.option(
        "-n", "--limit", type=click.IntRange(1, 10_000), default=25, show_default=True, help="Show so many at most."
    )(command)


def choose(entry: JobEntry | None, jid: str, title: str) -> JobEntry:
    """Return an entry that was found; fail if it was not."""
    if entry is None:
        raise click.ClickException(f"not in {title}: {jid}")
    return entry


def what(entry: JobEntry) -> tuple[str, str]:
    """Return an entry's name and what to ask for it by, as they stand in a table."""
    name = entry.display_name or "(malformed)"
    return cut(printable(name), 40), cut(printable(entry.id), 40)


def arguments(entry: JobEntry) -> str:
    """Return an entry's arguments as they stand in a table; of what is no job, its bytes."""
    if entry.problem is not None:
        return cut(printable(entry.raw[:400].decode("utf-8", "surrogateescape")), 200)
    return brief(entry.display_args)


def fault(entry: JobEntry) -> str:
    """Return what went wrong, as it stands in a table."""
    if entry.problem is not None:
        return f"{entry.problem.field}: {entry.problem.problem}"
    if not entry.error_class:
        return ""
    return f"{entry.error_class}: {entry.error_message[:200]}"


def rest_of(shown: int, offset: int, size: int) -> str:
    """Return the line below a listing that is not all there is; empty if it is."""
    return f"{shown:,} of {size:,}; --offset and --limit show others" if offset + shown < size or offset else ""


def entry_json(entry: JobEntry) -> dict[str, Any]:
    """Return an entry as JSON: its payload as it stands there, or its bytes in base64 where they are no JSON object."""
    members: dict[str, Any] = {"id": entry.id, "jid": entry.jid, "name": entry.display_name, "queue": entry.queue}
    if (score := getattr(entry, "score", None)) is not None:
        members["at"] = number(score)
    if entry.error_class:
        members |= {"error_class": entry.error_class, "error_message": entry.error_message}
    if entry.problem is not None:
        members["malformed"] = f"{entry.problem.field}: {entry.problem.problem}"
    if entry.payload is not None:
        members["payload"] = msgspec.Raw(entry.raw)
    else:
        members["raw_base64"] = base64.b64encode(entry.raw).decode()
    return members


def show_entry(session: Session, entry: JobEntry, raw: bool) -> None:
    """Print one entry whole."""
    original = entry.original if entry.original is not None else entry.raw
    if raw:
        _echo_bytes(original)
    elif session.as_json:
        members = entry_json(entry)
        if entry.original is not None:
            members["original_base64"] = base64.b64encode(original).decode()
        echo_json(members | ({"backtrace": entry.backtrace} if entry.backtrace else {}))
    else:
        _echo_entry(entry, original)


def _echo_entry(entry: JobEntry, original: bytes) -> None:
    score = getattr(entry, "score", None)
    told = [
        ("job", entry.display_name),
        ("jid", entry.jid or f"none; ask for {entry.id}"),
        ("queue", entry.queue),
        ("tags", ", ".join(entry.tags)),
        ("at", f"{date(score)} ({score!r})" if score is not None else ""),
        ("created", date(entry.created_at)),
        ("enqueued", date(entry.enqueued_at)),
        ("failed", date(entry.failed_at)),
        ("retried", date(entry.retried_at)),
        ("retry count", "" if entry.retry_count is None else str(entry.retry_count)),
        ("malformed", fault(entry) if entry.problem is not None else ""),
        ("error", f"{entry.error_class}: {entry.error_message}" if entry.error_class else ""),
    ]
    echo(pairs((name, value) for name, value in told if value not in ("", "-")))
    for line in entry.backtrace:
        echo(f"    {printable(line)}")
    if entry.payload is None or entry.original is not None:
        echo(f"bytes ({len(original):,}):\n{printable(original.decode('utf-8', 'surrogateescape'))}")
    else:
        written = msgspec.json.format(entry.raw, indent=2).decode()
        echo("payload:\n" + "\n".join(printable(line) for line in written.split("\n")))


def _echo_bytes(raw: bytes) -> None:
    if sys.stdout.isatty():
        echo(printable(raw.decode("utf-8", "surrogateescape")))
    else:
        sys.stdout.buffer.write(raw)
        sys.stdout.buffer.flush()
