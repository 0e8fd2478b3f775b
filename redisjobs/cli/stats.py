"""`redisjobs stats`: the counters and sizes of everything."""

from __future__ import annotations

import click

from redisjobs.cli.output import echo, echo_json, pairs, table
from redisjobs.cli.session import Session, shared_options
from redisjobs.wording import duration


@click.command()
@click.option("--days", type=click.IntRange(1, 5 * 365), help="Also the runs of so many days (UTC), today first.")
@shared_options
@click.pass_obj
def stats(session: Session, days: int | None) -> None:
    """Show runs, failures, and how many jobs wait where. Exits 1 if something could not be read."""
    found = session.app.stats
    history = found.history(days) if days else []
    counts = {
        "processed": found.processed,
        "failed": found.failed,
        "busy": found.busy,
        "processes": found.processes,
        "enqueued": found.enqueued,
        "retries": found.retries,
        "scheduled": found.scheduled,
        "dead": found.dead,
    }
    if session.as_json:
        more = {"default_queue_latency_s": found.default_queue_latency_s, "queues": found.queues}
        ran = [{"date": day.date, "processed": day.processed, "failed": day.failed} for day in history]
        echo_json({**counts, **more, **({"history": ran} if days else {})})
    else:
        shown = [(name, f"{count:,}") for name, count in counts.items()]
        echo(pairs([*shown, ("default queue waits", duration(found.default_queue_latency_s))]))
        if history:
            rows = [(day.date, f"{day.processed:,}", f"{day.failed:,}") for day in history]
            echo("\n" + table(["DAY", "PROCESSED", "FAILED"], rows, right=(1, 2)))
    if found.problems:
        raise click.ClickException("; ".join(found.problems))
