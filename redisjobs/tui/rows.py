"""What the tabs of `redisjobs top` show, as rows of text.

All text is printable already: what others wrote into Redis can neither drive a terminal nor be markup.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from redisjobs import clock
from redisjobs.app import RedisJobs
from redisjobs.errors import QueryError
from redisjobs.inspector import JobEntry, JobSet, Process, SetEntry, Work, errors
from redisjobs.inspector.query import Query
from redisjobs.inspector.search import search
from redisjobs.wording import brief, cut, duration, moment, printable

MOST = 200
"""Rows of a tab; the rest is found by a filter, or on the next page."""
_SEARCH_S = 0.5


class Row(Struct, frozen=True):
    """One line: what it is known by, its cells, how it looks (`good`, `bad`, `faint` or nothing), and what it is of."""

    key: str
    cells: tuple[str, ...]
    about: Any
    tone: str = ""


class Page(Struct, frozen=True):
    """The rows of a tab as of now, and what is to be said of those that are not shown."""

    rows: Sequence[Row] = ()
    note: str = ""


class Wanted(Struct, frozen=True):
    """Which rows: those with a text in them, and how many to pass over."""

    text: str = ""
    offset: int = 0


def queues(app: RedisJobs, wanted: Wanted) -> Page:
    """Return the queues, the longest first."""
    found = sorted(app.stats.summaries, key=lambda queue: (-queue.size, queue.name))
    listeners = [name for process in app.processes for name in process.queues]
    rows = [
        Row(
            queue.name,
            (
                _short(queue.name, 40),
                "?" if queue.problem else f"{queue.size:,}",
                duration(queue.latency_s) if queue.size else "-",
                str(listeners.count(queue.name)),
                "paused" if queue.paused else _short(queue.problem, 60),
            ),
            queue,
            "bad" if queue.problem else "faint" if queue.paused else "",
        )
        for queue in found
    ]
    return _page(rows, wanted)


def busy(app: RedisJobs, wanted: Wanted) -> Page:
    """Return the processes, each with what it runs below it, the longest-running first."""
    now = clock.now()
    running: dict[str, list[Work]] = {}
    for work in app.running:
        running.setdefault(work.process, []).append(work)
    rows = []
    for process in sorted(app.processes, key=lambda process: process.identity):
        rows.append(_process(process, now))
        rows += [_running(work, process, now) for work in running.pop(process.identity, ())]
    return _page(rows, wanted)


def retries(app: RedisJobs, wanted: Wanted) -> Page:
    """Return the failed jobs that wait, the soonest first."""
    return _entries(app.retries, wanted, lambda entry, now: (*_head(entry, now), _count(entry), _fault(entry)))


def scheduled(app: RedisJobs, wanted: Wanted) -> Page:
    """Return the jobs that wait for their moment, the soonest first."""
    return _entries(app.scheduled, wanted, lambda entry, now: (*_head(entry, now), arguments(entry)))


def dead(app: RedisJobs, wanted: Wanted) -> Page:
    """Return the jobs that were given up, the latest first."""
    return _entries(app.dead, wanted, lambda entry, now: (*_head(entry, now), _fault(entry)))


def failures(app: RedisJobs, wanted: Wanted) -> Page:
    """Return what went wrong in retries and dead, in groups, the largest first; a group's row is of its sample."""
    now = clock.now()
    found = errors.group((app.retries, app.dead), asked(wanted.text), budget_s=_SEARCH_S)
    shown = found.groups[wanted.offset : wanted.offset + MOST]
    rows = [
        Row(
            f"{one.error_class}\0{one.message}",
            (
                f"{one.count:,}",
                moment(one.last_at, now),
                _short(", ".join(name for name, _ in one.jobs.most_common(2)), 30),
                _short(f"{one.error_class}: {one.message}", 200),
            ),
            one.sample,
        )
        for one in shown
    ]
    partial = f"{found.looked:,} of {found.total:,} jobs were looked at" if found.partial else ""
    return Page(rows, "; ".join(filter(None, (_rest(wanted.offset, len(shown), len(found.groups)), partial))))


def runs(app: RedisJobs, wanted: Wanted) -> Page:
    """Return the classes that ran in the last hour, the most run first."""
    found = app.metrics.runs("1h", detailed=0).top("executions", 10 * MOST)
    rows = [
        Row(
            one.name,
            (
                _short(one.name, 40),
                f"{one.executions:,}",
                f"{one.failures:,}",
                "-" if one.mean_s is None else f"{one.mean_s * 1000:,.0f} ms",
                duration(one.total_s),
            ),
            one,
        )
        for one in found
    ]
    return _page(rows, wanted)


def arguments(entry: JobEntry) -> str:
    """Return the arguments of a job; of what is none, its bytes."""
    if entry.problem is not None:
        return _short(entry.raw[:400].decode("utf-8", "backslashreplace"), 200)
    return brief(entry.display_args)


def name_of(entry: JobEntry) -> str:
    """Return what a job is called."""
    return _short(entry.display_name or "(malformed)", 30)


def _entries(jobs: JobSet, wanted: Wanted, cells: Callable[[SetEntry, float], tuple[str, ...]]) -> Page:
    now = clock.now()
    if wanted.text:
        hits = search(jobs, asked(wanted.text), limit=MOST, budget_s=_SEARCH_S)
        found = hits.entries
        note = f"{len(found)} found" + (f" in {hits.looked:,} of {hits.total:,}" if hits.partial else "")
    else:
        size, found = jobs.size, jobs.page(wanted.offset, MOST)
        note = _rest(wanted.offset, len(found), size)
    return Page([Row(_digest(entry), cells(entry, now), entry) for entry in found], note)


def asked(text: str) -> Query:
    """Return what a filter asks for: terms such as `class=Mail and error~timeout`, else a text anywhere in the job."""
    try:
        return Query.parse(text)
    except QueryError:
        return Query(text=text)


def _page(rows: Sequence[Row], wanted: Wanted) -> Page:
    text = wanted.text.lower()
    fitting = [row for row in rows if any(text in cell.lower() for cell in row.cells)] if text else rows
    shown = fitting[wanted.offset : wanted.offset + MOST]
    return Page(shown, _rest(wanted.offset, len(shown), len(fitting)))


def _rest(offset: int, shown: int, size: int) -> str:
    if shown == size:
        return ""
    return f"{offset + 1:,} to {offset + shown:,} of {size:,}" if shown else f"none here of {size:,}"


def _process(process: Process, now: float) -> Row:
    state = "embedded" if process.embedded else "quiet" if process.quieted else "stale" * (now - process.beat_at > 60)
    cells = (
        _short(process.identity, 40),
        f"{process.busy}/{process.concurrency}",
        f"{process.rss_kb / 1024:.0f} MB",
        state or process.language,
        _short(" ".join(filter(None, (process.tag, ",".join(process.queues)))), 100),
    )
    return Row(process.identity, cells, process, "faint" if process.quieted else "good")


def _running(work: Work, process: Process, now: float) -> Row:
    cells = (
        f"  {name_of(work.entry)}",
        duration(max(0.0, now - work.run_at)),
        "",
        _short(work.queue, 20),
        f"{_short(work.jid, 24)} {arguments(work.entry)}",
    )
    return Row(f"{work.process}/{work.thread}", cells, (process, work))


def _digest(entry: SetEntry) -> str:
    return hashlib.sha1(entry.raw, usedforsecurity=False).hexdigest()


def _head(entry: SetEntry, now: float) -> tuple[str, str, str]:
    return moment(entry.at, now), name_of(entry), _short(entry.queue, 20)


def _count(entry: JobEntry) -> str:
    return "" if entry.retry_count is None else str(entry.retry_count)


def _fault(entry: JobEntry) -> str:
    if entry.problem is not None:
        return _short(f"{entry.problem.field}: {entry.problem.problem}", 200)
    return _short(f"{entry.error_class}: {entry.error_message[:200]}" if entry.error_class else "", 200)


def _short(text: str, width: int) -> str:
    return cut(printable(text), width)
