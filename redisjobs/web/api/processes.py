"""Processes, what they run, and what can be asked of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from redisjobs.inspector import Fleet, Member, Process, Work, WorkSet
from redisjobs.web.api.endpoint import Call, Endpoint
from redisjobs.web.api.shapes import Job, Limit, finite, job
from redisjobs.web.problems import RefusedError

_ORDERS: dict[str, tuple[str, Callable[[Process], None]]] = {
    "quiet": ("take no more jobs; there is no way back", Process.quiet),
    "stop": ("end: what runs gets its timeout, and goes back to its queue", Process.stop),
    "dump": ("write to its log what its threads do", Process.dump_threads),
}


class Running(Struct, kw_only=True):
    """A job that runs, where and since when. `cancellable`: it can be ended where it runs."""

    process: str
    thread: str
    run_at: float | None
    cancellable: bool
    job: Job


class ProcessInfo(Struct, kw_only=True):
    """A process, as of its last heartbeat. `ahead`: jobs that it has leased ahead of those that it runs.

    `running` has the first hundred.
    """

    identity: str
    hostname: str
    pid: int
    tag: str
    language: str
    version: str
    labels: list[str]
    queues: list[str]
    concurrency: int
    busy: int
    ahead: int
    quiet: bool
    embedded: bool
    rss_kb: int
    rtt_us: int
    beat_at: float
    started_at: float
    uptime_s: float
    running: list[Running]


class Processes(Struct, kw_only=True):
    """All processes that have a heartbeat, as of `at`."""

    at: float
    busy: int
    concurrency: int
    processes: list[ProcessInfo]


class AllRunning(Struct, kw_only=True):
    """What runs, the longest-running first; there are `total`."""

    running: list[Running]
    total: int


class Limited(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many."""

    limit: Limit = 100


class Chosen(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which process."""

    name: Annotated[str, Meta(description="The process, in place of the one in the path.")] = ""


class Told(Struct, kw_only=True):
    """Who was told; they hear it with a heartbeat, within ten seconds."""

    told: list[str]


def listed(call: Call[Limited, bytes]) -> Processes:
    """Give the processes."""
    fleet = Fleet(call.access)
    some = fleet.members[: call.params.limit]
    return Processes(
        at=fleet.at,
        busy=fleet.busy,
        concurrency=fleet.concurrency,
        processes=[_info(call, fleet, member) for member in some],
    )


def one(call: Call[Chosen, bytes]) -> ProcessInfo:
    """Give one process."""
    fleet = Fleet(call.access)
    return _info(call, fleet, _member(fleet, call))


def running(call: Call[Limited, bytes]) -> AllRunning:
    """Give what runs."""
    works = list(WorkSet(call.access))
    return AllRunning(running=[_running(call, work) for work in works[: call.params.limit]], total=len(works))


def _tell_all(order: str) -> Callable[[Call[Struct, bytes]], Told]:
    def respond(call: Call[Struct, bytes]) -> Told:
        fleet = Fleet(call.access)
        tell: dict[str, Callable[[], Sequence[Process]]] = {
            "quiet": fleet.quiet,
            "stop": fleet.stop,
            "dump": fleet.dump_threads,
        }
        told = [process.identity for process in tell[order]()]
        call.view.note(f"{order} all processes", count=len(told))
        return Told(told=told)

    return respond


def _tell_one(order: str) -> Callable[[Call[Chosen, bytes]], Told]:
    def respond(call: Call[Chosen, bytes]) -> Told:
        process = _member(Fleet(call.access), call).process
        _ORDERS[order][1](process)
        call.view.note(f"{order} process", worker=process.identity)
        return Told(told=[process.identity])

    return respond


def _member(fleet: Fleet, call: Call[Chosen, bytes]) -> Member:
    identity = call.params.name or call.view.part("identity")
    found = next((member for member in fleet.members if member.process.identity == identity), None)
    if found is None:
        raise RefusedError(404, "no such process", "It has ended; see which there are: /api/v1/processes.")
    return found


def _info(call: Call[Limited, bytes] | Call[Chosen, bytes], fleet: Fleet, member: Member) -> ProcessInfo:
    process = member.process
    return ProcessInfo(
        identity=process.identity,
        hostname=process.hostname,
        pid=process.pid,
        tag=process.tag,
        language=process.language,
        version=process.version,
        labels=list(process.labels),
        queues=list(process.queues),
        concurrency=process.concurrency,
        busy=process.busy,
        ahead=member.ahead,
        quiet=process.quieted,
        embedded=process.embedded,
        rss_kb=process.rss_kb,
        rtt_us=process.rtt_us,
        beat_at=process.beat_at,
        started_at=process.started_at,
        uptime_s=fleet.uptime_s(process),
        running=[_running(call, work) for work in member.running[:100]],
    )


def _running(call: Call[Limited, bytes] | Call[Chosen, bytes], work: Work) -> Running:
    return Running(
        process=work.process,
        thread=work.thread,
        run_at=finite(work.run_at),
        cancellable=work.cancellable,
        job=job(call.view.site.redaction, work.entry, "running"),
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/processes",
        summary="List the worker processes, with what they run",
        respond=listed,
        params=Limited,
        answer=Processes,
    ),
    *(
        Endpoint(
            method="POST",
            path=f"/processes/{order}",
            summary=f"Have all processes {what}, but for those embedded in other programs",
            respond=_tell_all(order),
            answer=Told,
        )
        for order, (what, _) in _ORDERS.items()
    ),
    *(
        Endpoint(
            method="POST",
            path=f"/processes/{{identity}}/{order}",
            summary=f"Have a process {what}",
            respond=_tell_one(order),
            params=Chosen,
            answer=Told,
        )
        for order, (what, _) in _ORDERS.items()
    ),
    Endpoint(
        method="GET",
        path="/processes/{identity}",
        summary="Look at one process",
        respond=one,
        params=Chosen,
        answer=ProcessInfo,
    ),
    Endpoint(
        method="GET",
        path="/running",
        summary="List what runs at this moment, as of the last heartbeats",
        respond=running,
        params=Limited,
        answer=AllRunning,
    ),
)
