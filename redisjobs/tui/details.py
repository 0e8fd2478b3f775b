"""All there is to be said of one row, as lines of printable text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import msgspec

from redisjobs import clock
from redisjobs.app import RedisJobs
from redisjobs.inspector import JobEntry, Process, QueueSummary, SetEntry
from redisjobs.inspector.metrics import ClassRuns
from redisjobs.tui.rows import Row, arguments, name_of
from redisjobs.wording import cut, date, duration, moment, printable

_MOST_JOBS = 50
_MOST_LINES = 1_000  # what is longer would take seconds to lay out
_MOST_COLUMNS = 1_000


def details(app: RedisJobs, row: Row) -> str:
    """Return the details of a row. May ask Redis."""
    about = row.about
    if isinstance(about, QueueSummary):
        lines = _queue(app, about)
    elif isinstance(about, Process):
        lines = _process(about)
    elif isinstance(about, ClassRuns):
        lines = _runs(app.metrics.job(about.name))
    elif isinstance(about, JobEntry):
        lines = _entry(about)
    else:
        process, work = about
        lines = iter(
            [f"runs in     {process.identity}, {work.thread}", f"since       {date(work.run_at)}", *_entry(work.entry)]
        )
    shown = [cut(printable(line[: _MOST_COLUMNS + 1]), _MOST_COLUMNS) for line in islice(lines, _MOST_LINES)]
    if next(lines, None) is not None:
        shown.append("…")
    return "\n".join(shown)


def _entry(entry: JobEntry) -> Iterator[str]:
    told = [
        ("job", entry.display_name),
        ("jid", entry.jid or f"none; ask for {entry.id}"),
        ("queue", entry.queue),
        ("tags", ", ".join(entry.tags)),
        ("at", date(entry.at) if isinstance(entry, SetEntry) else "-"),
        ("created", date(entry.created_at)),
        ("enqueued", date(entry.enqueued_at)),
        ("failed", date(entry.failed_at)),
        ("retried", date(entry.retried_at)),
        ("retries", "" if entry.retry_count is None else str(entry.retry_count)),
        ("malformed", "" if entry.problem is None else f"{entry.problem.field}: {entry.problem.problem}"),
        ("error", f"{entry.error_class}: {entry.error_message}" if entry.error_class else ""),
    ]
    yield from (f"{name:<12}{value}" for name, value in told if value not in ("", "-"))
    if entry.backtrace:
        yield from ("", *(f"    {line}" for line in entry.backtrace))
    yield ""
    if entry.payload is None:
        yield entry.raw.decode("utf-8", "backslashreplace")
    else:
        yield from msgspec.json.format(entry.raw, indent=2).decode().split("\n")


def _queue(app: RedisJobs, queue: QueueSummary) -> Iterator[str]:
    yield f"queue       {queue.name}" + ("  (paused)" if queue.paused else "")
    yield f"jobs        {queue.size:,}"
    yield f"next waits  {duration(queue.latency_s)}"
    yield ""
    if queue.problem:
        yield queue.problem
        return
    now = clock.now()
    entries = app.queue(queue.name).page(max(0, queue.size - _MOST_JOBS), _MOST_JOBS)
    yield "next to run:" if entries else "no jobs"
    for entry in reversed(entries):
        yield f"{moment(entry.enqueued_at, now):<14}{name_of(entry):<32}{entry.id:<26}{arguments(entry)}"


def _runs(job: ClassRuns) -> Iterator[str]:
    yield f"class       {job.name}"
    yield f"runs        {job.executions:,} in the last hour, {job.failures:,} of them failed"
    for share, took_s in (("50 %", job.p50_s), ("95 %", job.p95_s), ("99 %", job.p99_s)):
        if took_s is not None:
            yield f"{share}        took at most about {took_s:,.3f} s"


def _process(process: Process) -> Iterator[str]:
    told = [
        ("process", process.identity),
        ("language", f"{process.language}, {process.version}".rstrip(", ")),
        ("tag", process.tag),
        ("labels", ", ".join(process.labels)),
        ("queues", ", ".join(process.queues)),
        ("busy", f"{process.busy} of {process.concurrency}"),
        ("memory", f"{process.rss_kb / 1024:,.0f} MB"),
        ("redis", f"{process.rtt_us / 1000:.1f} ms"),
        ("started", date(process.started_at)),
        ("beat", date(process.beat_at)),
        ("state", "embedded in another program" if process.embedded else "quiet" if process.quieted else ""),
    ]
    yield from (f"{name:<12}{value}" for name, value in told if value)
