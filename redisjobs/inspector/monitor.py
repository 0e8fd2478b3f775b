"""Monitor: is all well, by limits that somebody set and by what the doctor calls a problem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct, structs

from redisjobs import clock
from redisjobs.errors import StoreError
from redisjobs.inspector.access import Access
from redisjobs.inspector.doctor import Finding, examine
from redisjobs.inspector.doctor.finding import counted, for_s, problem
from redisjobs.inspector.processes import ProcessSet
from redisjobs.inspector.queues import QueueSummary
from redisjobs.inspector.stats import Stats


class Limits(Struct, frozen=True):
    """What is still well: how long the next job of a queue may have waited, and how many there may be; None: any."""

    latency_s: float = 60.0
    size: int | None = None
    retries: int | None = None
    dead: int | None = None
    processes: int = 0
    """How many workers there must be at least."""


class Watched(Struct, frozen=True):
    """How it is at one moment (Unix seconds). Without an answer of Redis all is empty, and that is the problem."""

    at: float
    problems: Sequence[Finding]
    queues: Sequence[QueueSummary] = ()
    processed: int = 0
    failed: int = 0
    retries: int = 0
    scheduled: int = 0
    dead: int = 0
    processes: int = 0
    concurrency: int = 0
    busy: int = 0

    @property
    def healthy(self) -> bool:
        """Whether there is no problem."""
        return not self.problems


def watch(access: Access, limits: Limits) -> Watched:
    """Look once. Cost: that of the doctor and some round trips."""
    problems = examine(access).of("problem")
    try:
        stats, processes = Stats(access), ProcessSet(access)
        found = Watched(
            clock.now(),
            problems,
            stats.summaries,
            stats.processed,
            stats.failed,
            stats.retries,
            stats.scheduled,
            stats.dead,
            len(processes),
            processes.concurrency,
            sum(process.busy for process in processes),
        )
    except StoreError as error:
        told = problem("connection", str(error), "see `redisjobs doctor`")
        return Watched(clock.now(), problems or [told])
    return structs.replace(found, problems=[*problems, *_beyond(found, limits)])


def _beyond(found: Watched, limits: Limits) -> Iterator[Finding]:
    """Yield what is beyond a limit."""
    for queue in found.queues:
        if queue.latency_s > limits.latency_s and not queue.paused:
            what = f"the next job of {queue.name} has waited {for_s(queue.latency_s)}, limit {for_s(limits.latency_s)}"
            facts = {"queue": queue.name, "latency_s": queue.latency_s}
            yield problem("latency", what, "start more workers for it, or see what the running ones do", **facts)
        if limits.size is not None and queue.size > limits.size:
            what = f"{counted(queue.size, 'job')} in {queue.name}, limit {limits.size:,}"
            yield problem("size", what, "start more workers for it, or push less", queue=queue.name, size=queue.size)
    for name, size, limit in (("retries", found.retries, limits.retries), ("dead", found.dead, limits.dead)):
        if limit is not None and size > limit:
            what = f"{counted(size, 'job')} in {name}, limit {limit:,}"
            yield problem(name, what, f"see why they failed: `redisjobs {name} ls`", size=size)
    if found.processes < limits.processes:
        what = f"{counted(found.processes, 'worker')} of at least {limits.processes:,}"
        yield problem("processes", what, "start them, or see why they ended", processes=found.processes)
