"""`redisjobs processes`: the workers, and what they run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from redisjobs import clock
from redisjobs.cli.entries import arguments, entry_json
from redisjobs.cli.output import echo, echo_json, table
from redisjobs.cli.session import Session, shared_options
from redisjobs.wording import cut, duration, moment, printable

if TYPE_CHECKING:
    from redisjobs.inspector import Process, ResqueWorker, Work


@click.command()
@shared_options
@click.pass_obj
def processes(session: Session) -> None:
    """Show the workers and what they run.

    Ruby's too, as of their last heartbeats.
    """
    found, running = list(session.app.processes), list(session.app.running)
    theirs = _resque(session)
    if session.as_json:
        echo_json([_json(process, running) for process in found] + [_worker_json(worker) for worker in theirs])
        return
    if not found and not theirs:
        echo("no processes")
        return
    now = clock.now()
    if found:
        echo(_processes(found, now))
    if running:
        echo("\n" + _running(running, now))
    if theirs:
        echo(("\n" if found else "") + _workers(theirs))


def _resque(session: Session) -> list[ResqueWorker]:
    """Return Ruby's workers on Resque, which keeps a registry of its own."""
    if session.dialect != "resque":
        return []
    return [worker for worker in session.app.resque.workers if not worker.is_ours]


def _worker_json(worker: ResqueWorker) -> dict[str, Any]:
    told = {"identity": worker.id, "queues": worker.queues, "beat": worker.heartbeat, "started": worker.started}
    return {**told, "running": [entry_json(worker.job)] if worker.job is not None else []}


def _workers(workers: Sequence[ResqueWorker]) -> str:
    rows = []
    for worker in workers:
        job = (worker.job.display_name, arguments(worker.job)) if worker.job is not None else ("", "")
        rows.append((cut(printable(worker.id), 60), printable(worker.heartbeat), cut(printable(job[0]), 40), job[1]))
    return table(["RESQUE WORKER", "BEAT", "JOB", "ARGS"], rows)


def _json(process: Process, running: Sequence[Work]) -> dict[str, Any]:
    return {
        "identity": process.identity,
        "hostname": process.hostname,
        "pid": process.pid,
        "tag": process.tag,
        "labels": process.labels,
        "version": process.version,
        "concurrency": process.concurrency,
        "busy": process.busy,
        "queues": process.queues,
        "quiet": process.quieted,
        "embedded": process.embedded,
        "rss_kb": process.rss_kb,
        "rtt_us": process.rtt_us,
        "beat_at": process.beat_at,
        "started_at": process.started_at,
        "running": [
            {
                "thread": work.thread,
                "run_at": work.run_at,
                "cancellable": work.cancellable,
                **entry_json(work.entry),
            }
            for work in running
            if work.process == process.identity
        ],
    }


def _processes(found: Sequence[Process], now: float) -> str:
    rows = [
        (
            cut(printable(process.identity), 60),
            cut(printable(process.tag), 20),
            f"{process.busy}/{process.concurrency}",
            f"{process.rss_kb / 1024:.0f} MB",
            f"{process.rtt_us / 1000:.1f} ms",
            moment(process.started_at, now),
            moment(process.beat_at, now),
            "embedded" if process.embedded else "quiet" if process.quieted else "",
            ",".join(process.queues),
        )
        for process in found
    ]
    headers = ["PROCESS", "TAG", "BUSY", "MEMORY", "REDIS", "STARTED", "BEAT", "", "QUEUES"]
    return table(headers, rows, right=(2, 3, 4))


def _running(running: Sequence[Work], now: float) -> str:
    rows = [
        (
            cut(printable(work.process), 60),
            duration(max(0.0, now - work.run_at)),
            cut(printable(work.queue), 30),
            cut(printable(work.entry.display_name or "(malformed)"), 40),
            work.entry.id,
            arguments(work.entry),
        )
        for work in running
    ]
    return table(["RUNNING IN", "FOR", "QUEUE", "JOB", "JID", "ARGS"], rows, right=(1,))
