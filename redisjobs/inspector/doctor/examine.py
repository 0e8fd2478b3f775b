"""Run all checks on one Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from redisjobs.errors import StoreError
from redisjobs.inspector.access import Access
from redisjobs.inspector.doctor import fleet_checks, queue_checks, server_checks
from redisjobs.inspector.doctor.facts import Facts, gather
from redisjobs.inspector.doctor.finding import LEVELS, Finding, Report, problem
from redisjobs.inspector.doctor.look import Look

_MOST = 20  # findings of one check


class Check(NamedTuple):
    """A check, and the parts of the facts that it cannot do without."""

    name: str
    run: Callable[[Facts], Iterable[Finding]]
    needs: tuple[str, ...]


CHECKS = (
    Check("version", server_checks.version, ("info",)),
    Check("role", server_checks.role, ("info",)),
    Check("eviction", server_checks.eviction, ("info",)),
    Check("memory", server_checks.memory, ("info",)),
    Check("clients", server_checks.clients, ("info",)),
    Check("persistence", server_checks.persistence, ("info", "settings")),
    Check("saving", server_checks.saving, ("info",)),
    Check("replicas", server_checks.replicas, ("info",)),
    Check("latency", server_checks.latency, ("ping",)),
    Check("slowlog", server_checks.slowlog, ("slowlog",)),
    Check("clock", server_checks.clock, ("clock",)),
    Check("types", queue_checks.types, ("types",)),
    Check("workers", queue_checks.workers, ("processes",)),
    Check("unheard", queue_checks.unheard, ("queues", "samples", "processes")),
    Check("paused", queue_checks.paused, ("queues", "samples")),
    Check("languages", queue_checks.languages, ("processes",)),
    Check("classes", queue_checks.classes, ("queues", "samples", "processes")),
    Check("promotion", queue_checks.promotion, ("samples", "clock")),
    Check("payloads", queue_checks.payloads, ("queues", "samples")),
    Check("leases", fleet_checks.leases, ("leases",)),
    Check("strays", fleet_checks.strays, ("scan", "leases")),
    Check("long-runs", fleet_checks.long_runs, ("processes", "clock")),
    Check("silent", fleet_checks.silent, ("processes",)),
    Check("clocks", fleet_checks.clocks, ("processes", "clock")),
    Check("code", fleet_checks.code, ("processes",)),
    Check("generation", fleet_checks.generation, ("processes", "samples")),
)


def examine(access: Access) -> Report:
    """Look at one Redis and all that stands in it; nothing is changed.

    A Redis that does not answer, or refuses the login, is a finding too. What this user may not ask is a finding of
    the level `unknown`. Cost: some dozen round trips and a few megabytes at most, however much there is.
    """
    look = Look(access)
    try:
        look.connect()
        facts = gather(look, access.wire)
    except StoreError as error:
        remedy = "start it, or mend the URL, the login or the network between"
        return Report([problem("connection", str(error), remedy)], {})
    findings = [finding for check in CHECKS for finding in _made(check, facts, look.denied)]
    findings.sort(key=lambda finding: LEVELS.index(finding.level))
    return Report(findings, _server(facts), look.partial)


def _made(check: Check, facts: Facts, denied: Mapping[str, str]) -> Iterable[Finding]:
    missing = list(dict.fromkeys(denied[part] for part in check.needs if part in denied))
    if missing:
        return [Finding(check.name, "unknown", f"{check.name} could not be checked", "; ".join(missing))]
    found = list(check.run(facts))
    if len(found) <= _MOST:
        return found
    left = len(found) - _MOST
    more = f"{left:,} more like the one above"
    return [*found[:_MOST], Finding(check.name, found[_MOST].level, more, found[_MOST].remedy, {"more": left})]


def _server(facts: Facts) -> dict[str, Any]:
    """Return what was looked at, in figures."""
    info, number = facts.server.info, facts.server.number
    name, version = server_checks.brand(info)
    limit = number("maxmemory")
    return {
        "server": f"{name} {version}".strip(),
        "mode": info.get("redis_mode", info.get("server_mode", "")),
        "role": "replica" if info.get("role") == "slave" else info.get("role", ""),
        "replicas": int(number("connected_slaves")),
        "ping_s": facts.server.ping_s,
        "used_memory_bytes": int(number("used_memory")),
        "maxmemory_bytes": int(limit),
        "maxmemory_policy": info.get("maxmemory_policy", ""),
        "appendonly": info.get("aof_enabled") == "1",
        "clients": int(number("connected_clients")),
        "maxclients": int(number("maxclients")),
        "queues": len(facts.queues),
        "waiting": sum(queue.size for queue in facts.queues),
        "processes": len(facts.processes),
        "sidekiq": sorted({process.generation for process in facts.processes} - {0}),
        "units": fleet_checks.units(facts),
    }
