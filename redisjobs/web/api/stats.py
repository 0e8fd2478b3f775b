"""The figures of everything, the days before, Redis, and what the doctor finds."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from redisjobs.inspector import Stats, doctor
from redisjobs.inspector.stats import MAX_DAYS, Day
from redisjobs.store.ops import diagnosis
from redisjobs.web.api.endpoint import Call, Endpoint


class Days(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many days before today, and today."""

    days: Annotated[int, Meta(ge=0, le=MAX_DAYS)] = 0


class AllStats(Struct, kw_only=True):
    """Counters of all time, sizes as of now, and the days that were asked for (UTC), today first."""

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
    history: list[Day]


class Server(Struct, kw_only=True):
    """What the server tells of itself; what it does not tell is empty or 0. `maxmemory_bytes`: 0 is no limit."""

    server: str
    mode: str
    role: str
    uptime_s: int
    clients: int
    used_memory_bytes: int
    peak_memory_bytes: int
    maxmemory_bytes: int
    maxmemory_policy: str
    commands_per_s: int
    keyspace: dict[str, str]


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
    found = Stats(call.access)
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
        history=found.history(call.params.days) if call.params.days else [],
    )


def server(call: Call[Struct, bytes]) -> Server:
    """Tell of Redis."""
    info = call.access.run(diagnosis.info())

    def number(name: str) -> int:
        told = info.get(name, "")
        return int(told) if told.isdecimal() else 0

    brand = "valkey" if "valkey_version" in info else "redis"
    return Server(
        server=f"{brand} {info.get(f'{brand}_version', '')}".strip(),
        mode=info.get("redis_mode", info.get("server_mode", "")),
        role="replica" if info.get("role") == "slave" else info.get("role", ""),
        uptime_s=number("uptime_in_seconds"),
        clients=number("connected_clients"),
        used_memory_bytes=number("used_memory"),
        peak_memory_bytes=number("used_memory_peak"),
        maxmemory_bytes=number("maxmemory"),
        maxmemory_policy=info.get("maxmemory_policy", ""),
        commands_per_s=number("instantaneous_ops_per_sec"),
        keyspace={name: told for name, told in info.items() if name.startswith("db") and name[2:].isdecimal()},
    )


def examined(call: Call[Struct, bytes]) -> Report:
    """Ask the doctor."""
    found = doctor.examine(call.access)
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
        summary="What is wrong, and what to do: some dozen round trips",
        respond=examined,
        answer=Report,
    ),
)
