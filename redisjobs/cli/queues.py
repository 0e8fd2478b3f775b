"""`redisjobs queues`: all queues at a glance."""

from __future__ import annotations

import click

from redisjobs.cli.output import echo, echo_json, table
from redisjobs.cli.session import Session, shared_options
from redisjobs.wording import cut, duration, printable


@click.command()
@shared_options
@click.pass_obj
def queues(session: Session) -> None:
    """Show all queues.

    How many jobs wait, and how long the next one has. Exits 1 if one could not be read.
    """
    found = session.app.stats
    if session.as_json:
        echo_json(
            [
                {"name": queue.name, "size": queue.size, "latency_s": queue.latency_s, "paused": queue.paused}
                | ({"problem": queue.problem} if queue.problem else {})
                for queue in found.summaries
            ]
        )
    elif not found.summaries:
        echo("no queues")
    else:
        rows = [
            (
                cut(printable(queue.name), 60),
                "?" if queue.problem else f"{queue.size:,}",
                duration(queue.latency_s) if queue.size else "-",
                "paused" if queue.paused else "",
            )
            for queue in found.summaries
        ]
        echo(table(["QUEUE", "SIZE", "WAITS", ""], rows, right=(1, 2)))
    if found.problems:
        raise click.ClickException("; ".join(found.problems))
