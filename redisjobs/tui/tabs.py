"""The tabs of `redisjobs top`: what each shows, and what can be done there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from redisjobs.app import RedisJobs
from redisjobs.errors import PayloadError, RedisJobsError, StoreUnavailableError
from redisjobs.inspector import Process, QueueSummary, RetrySet, ScheduledSet
from redisjobs.tui import rows
from redisjobs.tui.rows import Page, Row, Wanted

Do = Callable[[RedisJobs, Any], bool]


class Act(Struct, frozen=True):
    """What a key does to rows: `do` gets what a row is of, and returns whether it was still there.

    `verb` says what is done, `done` what was. `asks`: not before it was confirmed.
    """

    key: str
    verb: str
    done: str
    do: Do
    asks: bool = False


class Tab(Struct, frozen=True):
    """One tab: `counted` is the figure beside its title, `right` are the columns whose text is set to the right."""

    title: str
    counted: str = ""
    headers: Sequence[str] = ()
    right: Sequence[int] = ()
    read: Callable[[RedisJobs, Wanted], Page] = lambda app, wanted: Page()
    acts: Sequence[Act] = ()

    def act(self, key: str) -> Act | None:
        """Return what a key does here, if anything."""
        return next((act for act in self.acts if act.key == key), None)


def perform(app: RedisJobs, act: Act, chosen: Sequence[Row]) -> str:
    """Do something to rows, one after the other; return what became of it.

    Raises:
        StoreUnavailableError: Redis did not answer; what was done before that is done.
    """
    count, problem = 0, ""
    for row in chosen:
        try:
            count += act.do(app, row.about)
        except StoreUnavailableError:
            raise
        except PayloadError as error:
            problem = f"{error.field}: {error.problem}"
        except RedisJobsError as error:
            problem = str(error)
    if count == len(chosen):
        return f"{count} {act.done}"
    return f"{count} {act.done}, {len(chosen) - count} not{f': {problem}' if problem else ' there any more'}"


def _pause(app: RedisJobs, queue: QueueSummary) -> bool:
    found = app.queue(queue.name)
    if queue.paused:
        found.unpause()
    else:
        found.pause()
    return True


def _clear(app: RedisJobs, queue: QueueSummary) -> bool:
    app.queue(queue.name).clear()
    return True


def _tell(tell: Callable[[Process], None]) -> Do:
    def do(app: RedisJobs, about: Any) -> bool:
        tell(about if isinstance(about, Process) else about[0])  # a job that runs: its process
        return True

    return do


def _cancel(app: RedisJobs, about: Any) -> bool:
    if isinstance(about, Process):
        raise RedisJobsError("that is a process, not a job that runs")
    about[1].cancel()
    return True


def _of_set(jobs: Callable[[RedisJobs], RetrySet | ScheduledSet], run: str) -> tuple[Act, ...]:
    return (
        Act("r", run, "enqueued", lambda app, entry: jobs(app).enqueue(entry)),
        Act("K", "give up (to the dead set)", "given up", lambda app, entry: jobs(app).kill(entry), asks=True),
        Act("d", "delete", "deleted", lambda app, entry: jobs(app).delete(entry), asks=True),
    )


TABS = (
    Tab("Dashboard"),
    Tab(
        "Queues",
        "",
        ("QUEUE", "SIZE", "WAITS", "LISTENERS", ""),
        (1, 2, 3),
        rows.queues,
        (
            Act("p", "pause or resume", "paused or resumed", _pause),
            Act("d", "delete all jobs", "cleared", _clear, asks=True),
        ),
    ),
    Tab(
        "Busy",
        "busy",
        ("PROCESS / JOB", "BUSY/FOR", "MEMORY", "", ""),
        (1, 2),
        rows.busy,
        (
            Act("u", "quiet (takes no more jobs)", "told", _tell(Process.quiet), asks=True),
            Act("s", "stop", "told", _tell(Process.stop), asks=True),
            Act("c", "cancel the job", "told", _cancel, asks=True),
            Act("t", "write its threads to its log", "told", _tell(Process.dump_threads)),
        ),
    ),
    Tab(
        "Retries",
        "retries",
        ("NEXT RUN", "JOB", "QUEUE", "RETRIES", "ERROR"),
        (3,),
        rows.retries,
        _of_set(lambda app: app.retries, "retry now"),
    ),
    Tab(
        "Scheduled",
        "scheduled",
        ("DUE", "JOB", "QUEUE", "ARGS"),
        (),
        rows.scheduled,
        _of_set(lambda app: app.scheduled, "run now"),
    ),
    Tab(
        "Dead",
        "dead",
        ("DIED", "JOB", "QUEUE", "ERROR"),
        (),
        rows.dead,
        (
            Act("r", "retry now", "enqueued", lambda app, entry: app.dead.enqueue(entry)),
            Act("d", "delete", "deleted", lambda app, entry: app.dead.delete(entry), asks=True),
        ),
    ),
    Tab("Errors", "", ("JOBS", "LAST", "CLASS", "ERROR"), (0,), rows.failures),
    Tab("Metrics", "", ("CLASS", "RUNS", "FAILED", "MEAN", "TOTAL"), (1, 2, 3, 4), rows.runs),
)
