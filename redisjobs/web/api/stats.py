"""The figures of everything, the days before, Redis, and what the doctor finds."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from redisjobs.inspector import Stats
from redisjobs.inspector.server import Server
from redisjobs.inspector.stats import MAX_DAYS, Day
from redisjobs.web.api.endpoint import Call, Endpoint
from redisjobs.web.api.shapes import finite
from redisjobs.web.problems import RefusedError

_EXAMINE_S = 10.0


class Days(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many days before today, and today."""

    days: Annotated[int, Meta(ge=0, le=MAX_DAYS)] = 0


class Flow(Struct, kw_only=True):
    """Jobs a second into a queue and out of it; null: not known."""

    in_s: float | None
    out_s: float | None


class AllStats(Struct, kw_only=True):
    """Counters of all time, sizes as of now, and the days that were asked for (UTC), today first.

    Rates are over the last 15 s, for who asks again and again: `processed_s`, `failed_s` and `rates`, by queue; null
    at first.
    """

    processed: int
    failed: int
    enqueued: int
    retries: int
    scheduled: int
    dead: int
    processes: int
    busy: int
    default_queue_latency_s: float
    queues: dict[str, int]
    problems: list[str]
    processed_s: float | None
    failed_s: float | None
    rates: dict[str, Flow]
    history: list[Day]


class Finding(Struct, kw_only=True):
    """One thing that is wrong: what it is, what to do, and the figures behind it; see docs/doctor.md."""

    check: str
    level: str
    what: str
    remedy: str
    facts: dict[str, Any]


class Report(Struct, kw_only=True):
    """All findings, the worst first. `healthy`: there is no problem, warnings at most."""

    healthy: bool
    findings: list[Finding]
    server: dict[str, Any]
    partial: list[str]


def stats(call: Call[Days, bytes]) -> AllStats:
    """Give the figures."""
    found, pulse = Stats(call.access), call.view.site.pulse
    beat = pulse.beat()
    return AllStats(
        processed=found.processed,
        failed=found.failed,
        enqueued=found.enqueued,
        retries=found.retries,
        scheduled=found.scheduled,
        dead=found.dead,
        processes=found.processes,
        busy=found.busy,
        default_queue_latency_s=found.default_queue_latency_s,
        queues=found.queues,
        problems=found.problems,
        processed_s=finite(beat.processed_s),
        failed_s=finite(beat.failed_s),
        rates={one.name: Flow(in_s=one.in_s, out_s=one.out_s) for one in pulse.queues},
        history=found.history(call.params.days) if call.params.days else [],
    )


def server(call: Call[Struct, bytes]) -> Server:
    """Tell of Redis."""
    return Server.look(call.access)


def examined(call: Call[Struct, bytes]) -> Report:
    """Ask the doctor."""
    found = call.view.site.alerts.report(_EXAMINE_S)
    if found is None:
        raise RefusedError(503, "the doctor is not done", "Redis is slow, or has much to look at: ask again soon.")
    cover = call.view.site.redaction
    return Report(
        healthy=found.healthy,
        findings=[
            Finding(
                check=one.check,
                level=one.level,
                what=cover.text(one.what),
                remedy=one.remedy,
                facts=dict(one.facts),
            )
            for one in found.findings
        ],
        server=dict(found.server),
        partial=list(found.partial),
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/stats",
        summary="Counters, sizes and the days before",
        respond=stats,
        params=Days,
        answer=AllStats,
    ),
    Endpoint(method="GET", path="/redis", summary="What Redis tells of itself", respond=server, answer=Server),
    Endpoint(
        method="GET",
        path="/doctor",
        summary="What is wrong, and what to do, as of up to 15 s ago",
        respond=examined,
        answer=Report,
    ),
)
