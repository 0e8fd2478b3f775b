"""`redisjobs doctor`: what is wrong here, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from redisjobs.cli import loading
from redisjobs.cli.output import echo, echo_json, pairs
from redisjobs.cli.session import Session, shared_options
from redisjobs.wording import printable

if TYPE_CHECKING:
    from redisjobs.inspector.doctor import Report

_COLOURS = {"problem": "red", "warning": "yellow", "unknown": "cyan"}


@click.command()
@click.argument("app", required=False, metavar="[MODULE:ATTRIBUTE]")
@shared_options
@click.pass_obj
def doctor(session: Session, app: str | None) -> None:
    """Look for what is wrong with Redis, the queues and the workers, and say what to do.

    It only reads, and little. With an app it goes by that one's Redis, namespace and form of times. Exits 1 if there
    are problems; warnings, and what could not be checked for lack of rights, are no reason to. What each finding
    means: docs/doctor.md.
    """
    if app is not None and (session.url or session.namespace):
        raise click.UsageError("the app says where its Redis is; give either an app or --url and --namespace")
    if app is not None:
        session.app = loading.find_app(app, Path.cwd())
    report = session.app.doctor()
    if session.as_json:
        echo_json(
            {
                "healthy": report.healthy,
                "server": report.server,
                "findings": [
                    {
                        "check": finding.check,
                        "level": finding.level,
                        "what": finding.what,
                        "remedy": finding.remedy,
                        "facts": finding.facts,
                    }
                    for finding in report.findings
                ],
                "partial": report.partial,
            }
        )
    else:
        _show(report)
    if not report.healthy:
        raise click.ClickException(_summary(report))


def _show(report: Report) -> None:
    if report.server:
        echo(pairs(_overview(report)) + "\n")
    for finding in (*report.of("problem"), *report.of("warning")):
        head = click.style(finding.level.upper(), fg=_COLOURS[finding.level], bold=True)
        click.echo(f"{head}  {finding.check}: {printable(finding.what)}\n    {printable(finding.remedy)}\n")
    for remedy, checks in _unknown(report).items():
        head = click.style("UNKNOWN", fg=_COLOURS["unknown"], bold=True)
        click.echo(f"{head}  {', '.join(checks)}\n    {printable(remedy)}\n")
    for part in report.partial:
        click.echo(f"Only a part was looked at: {printable(part)}")
    if report.healthy:
        click.echo(_summary(report))


def _unknown(report: Report) -> dict[str, list[str]]:
    """Return the checks that could not be made, by what is missing for them."""
    found: dict[str, list[str]] = {}
    for finding in report.of("unknown"):
        found.setdefault(finding.remedy, []).append(finding.check)
    return found


def _overview(report: Report) -> list[tuple[str, str]]:
    told = report.server
    limit = f" of {told['maxmemory_bytes'] / 2**20:,.0f} MiB" if told["maxmemory_bytes"] else ""
    rubies = ", ".join(f"Sidekiq {number}" for number in told["sidekiq"])
    memory = f"{told['used_memory_bytes'] / 2**20:,.1f} MiB{limit}, {told['maxmemory_policy']}"
    return [
        ("server", " ".join(filter(None, (told["server"], told["mode"], told["role"])))),
        ("memory", memory if told["used_memory_bytes"] else "?"),
        ("ping", f"{told['ping_s'] * 1000:.1f} ms"),
        ("clients", f"{told['clients']:,} of {told['maxclients']:,}" if told["clients"] else "?"),
        ("queues", f"{told['queues']:,}; jobs waiting there: {told['waiting']:,}"),
        ("workers", f"{told['processes']:,}" + (f", among them {rubies}" if rubies else "")),
    ]


def _summary(report: Report) -> str:
    counts = [(len(report.of(level)), level) for level in ("problem", "warning")]
    told = [f"{count} {level}{'' if count == 1 else 's'}" for count, level in counts if count]
    unknown = len(report.of("unknown"))
    return ", ".join([*told, *([f"{unknown} not checked"] if unknown else [])]) or "nothing found"
