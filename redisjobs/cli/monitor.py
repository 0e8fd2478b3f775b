"""`redisjobs monitor`: is all well? Once, for cron and checks; or again and again, for people."""

from __future__ import annotations

import select
from typing import Any

import click
from msgspec import structs

from redisjobs.cli.output import echo, echo_json, pairs, table
from redisjobs.cli.session import Session, shared_options
from redisjobs.inspector.monitor import Limits, Watched
from redisjobs.inspector.rates import Rates
from redisjobs.wording import cut, date, duration, printable

_COUNTS = ("processed", "failed", "retries", "scheduled", "dead", "processes", "concurrency", "busy")


@click.command()
@click.option("--once", is_flag=True, help="Look once and end: status 0 if all is well, 1 if not.")
@click.option("--every", type=click.FloatRange(0.5), default=5.0, show_default=True, help="Seconds between looks.")
@click.option(
    "--max-latency",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="Seconds that the next job of a queue may have waited, but of a paused one.",
)
@click.option("--max-size", type=click.IntRange(0), help="Jobs that may wait in one queue.")
@click.option("--max-retries", type=click.IntRange(0), help="Jobs that may wait for a retry.")
@click.option("--max-dead", type=click.IntRange(0), help="Jobs that may be dead.")
@click.option("--min-processes", type=click.IntRange(0), default=0, help="Workers that there must be.")
@shared_options
@click.pass_obj
def monitor(session: Session, /, once: bool, every: float, min_processes: int, **most: Any) -> None:
    """Say whether all is well: sizes, latencies, workers, and what the doctor calls a problem.

    Without --once it looks again every few seconds until it is ended.
    """
    limits = Limits(
        most["max_latency"], most["max_size"], most["max_retries"], most["max_dead"], processes=min_processes
    )
    sampler = None if once else session.app.sampler()
    while True:
        found = session.app.monitor(limits)
        rates = sampler.look() if sampler is not None and found.processed + len(found.queues) else None
        if session.as_json:
            echo_json(_data(found, rates))
        else:
            if not once:
                click.clear()
            _show(found, rates)
        if once:
            break
        select.select((), (), (), every)
    if not found.healthy:
        checks = dict.fromkeys(one.check for one in found.problems)
        raise click.ClickException(f"not well: {', '.join(checks)}")


def _data(found: Watched, rates: Rates | None) -> dict[str, Any]:
    queues = [
        {
            "name": queue.name,
            "size": queue.size,
            "latency_s": queue.latency_s,
            "paused": queue.paused,
            **({"in_s": told.in_s, "out_s": told.out_s, "net_s": told.net_s} if told is not None else {}),
        }
        for queue in found.queues
        for told in [rates.queues.get(queue.name) if rates is not None else None]
    ]
    return {
        "healthy": found.healthy,
        "at": found.at,
        **{name: getattr(found, name) for name in _COUNTS},
        "queues": queues,
        "problems": [structs.asdict(one) for one in found.problems],
    }


def _show(found: Watched, rates: Rates | None) -> None:
    runs = f"; {rates.processed_s:,.1f} runs/s, {rates.failed_s:,.1f} failed/s" if rates and rates.processed_s else ""
    echo(date(found.at) + runs)
    echo(pairs([(name, f"{getattr(found, name):,}") for name in _COUNTS]))
    if found.queues:
        rows = []
        for queue in found.queues:
            told = rates.queues.get(queue.name) if rates is not None else None
            waits = duration(queue.latency_s) if queue.size else "-"
            flow = [_rate(told.in_s if told else None), _rate(told.out_s if told else None)]
            state = "paused" if queue.paused else ""
            rows.append([cut(printable(queue.name), 60), f"{queue.size:,}", waits, *flow, state])
        echo("\n" + table(["QUEUE", "SIZE", "WAITS", "IN/S", "OUT/S", ""], rows, right=(1, 2, 3, 4)))
    for one in found.problems:
        head = click.style("PROBLEM", fg="red", bold=True)
        click.echo(f"\n{head}  {one.check}: {printable(one.what)}\n    {printable(one.remedy)}")


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"
