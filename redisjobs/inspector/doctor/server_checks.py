"""Checks of the server: what it is, what it may throw away, what it can lose, how near it is to its limits.

Each is a function from facts to findings, and asks nobody.
"""

from __future__ import annotations

from collections.abc import Iterator

from redisjobs.inspector.doctor.facts import Facts
from redisjobs.inspector.doctor.finding import Finding, counted, for_s, listed, problem, warning

_OLDEST = {"redis": (6, 2), "valkey": (7, 2)}
_NEAR, _AT = 0.8, 0.95  # of a limit
_SLOW_PING_S = 0.02
_SLOW_COMMAND_S = 0.05
_SLOW_SINCE_S = 3600.0
_OFF_S, _FAR_OFF_S = 5.0, 60.0
_LAG_S = 10
_BEHIND_BYTES = 16 * 1024 * 1024


def brand(info: dict[str, str]) -> tuple[str, str]:
    """Return what kind of server it is, `redis` or `valkey`, and its version."""
    if "valkey_version" in info:
        return "valkey", info["valkey_version"]
    return "redis", info.get("redis_version", "")


def version(facts: Facts) -> Iterator[Finding]:
    """Find a server that is too old for us, or for a Ruby that works here."""
    name, told = brand(facts.server.info)
    number = tuple(int(part) for part in told.split(".")[:2] if part.isdecimal())
    if number < _OLDEST[name]:
        least = ".".join(map(str, _OLDEST[name]))
        yield problem("version", f"{name} {told} is too old", f"use {name} {least} or newer", version=told)
    elif name == "redis" and number < (7, 0) and any(process.generation >= 8 for process in facts.processes):
        yield warning(
            "version",
            f"Sidekiq 8 works here, and wants Redis 7, not {told}",
            "use Redis 7 or newer, or Valkey",
            version=told,
        )


def role(facts: Facts) -> Iterator[Finding]:
    """Find out that this is a replica."""
    info = facts.server.info
    if info.get("role") == "slave":
        master = f"{info.get('master_host', '')}:{info.get('master_port', '')}"
        link = "" if info.get("master_link_status") == "up" else ", and cut off from its master"
        yield problem(
            "role",
            f"this server is a replica of {master}{link}: it refuses pushes, and workers cannot take jobs",
            "point the URL at the master; one with sentinels (redis+sentinel://...) finds it after a failover too",
            master=master,
            link=info.get("master_link_status", ""),
        )


def eviction(facts: Facts) -> Iterator[Finding]:
    """Find a server that deletes keys when it is full, or that has done so."""
    policy = facts.server.info.get("maxmemory_policy", "noeviction")
    limit, evicted = int(facts.server.number("maxmemory")), int(facts.server.number("evicted_keys"))
    remedy = "CONFIG SET maxmemory-policy noeviction, and in redis.conf; give a cache a server of its own"
    told = {"policy": policy, "maxmemory_bytes": limit, "evicted_keys": evicted}
    whose = (
        "any key, whole queues too"
        if policy.startswith("allkeys")
        else "heartbeats, so that live workers count as dead"
    )
    if policy != "noeviction" and (limit or policy.startswith("allkeys")):
        when = "when it is full" if limit else "once it gets a maxmemory"
        made = problem if limit and policy.startswith("allkeys") else warning
        yield made("eviction", f"maxmemory-policy is {policy}: {when}, Redis deletes {whose}", remedy, **told)
    if evicted:
        made = warning if policy.startswith("volatile") else problem
        yield made(
            "evicted",
            f"{counted(evicted, 'key')} evicted since this server started: jobs may be among them",
            f"{remedy}. What is gone cannot be found here: compare with the producers' logs",
            **told,
        )


def memory(facts: Facts) -> Iterator[Finding]:
    """Find a server that is nearly full: of its own limit, or of its machine's memory."""
    used, limit = facts.server.number("used_memory"), facts.server.number("maxmemory")
    room, of = (limit, "maxmemory") if limit else (facts.server.number("total_system_memory"), "the machine's memory")
    if not room or used / room < _NEAR:
        return
    made = problem if used / room >= _AT else warning
    yield made(
        "memory",
        f"{used / room:.0%} of {of} is used",
        "when it is full, pushes and retries are refused, or the system ends Redis: give it more, or find what fills "
        "it (redisjobs queues, redisjobs dead ls, redis-cli --bigkeys)",
        used_bytes=int(used),
        limit_bytes=int(room),
    )


def clients(facts: Facts) -> Iterator[Finding]:
    """Find a server that soon takes no more connections, or that has refused some."""
    connected, limit = int(facts.server.number("connected_clients")), int(facts.server.number("maxclients"))
    rejected = int(facts.server.number("rejected_connections"))
    told = {"connected": connected, "maxclients": limit, "rejected": rejected}
    if limit and connected / limit >= _NEAR:
        made = problem if connected / limit >= _AT else warning
        remedy = "raise maxclients (and the limit of open files), or look with CLIENT LIST for who connects so often"
        yield made("clients", f"{connected:,} of at most {limit:,} clients are connected", remedy, **told)
    elif rejected:
        yield warning(
            "clients",
            f"{counted(rejected, 'connection')} refused since this server started: maxclients was reached",
            "raise maxclients, or look with CLIENT LIST for who connects so often",
            **told,
        )


def persistence(facts: Facts) -> Iterator[Finding]:
    """Find a server that keeps nothing, or not the last, over its own end."""
    save, aof = facts.server.settings.get("save", ""), facts.server.info.get("aof_enabled") == "1"
    replicas = int(facts.server.number("connected_slaves"))
    remedy = "CONFIG SET appendonly yes, and in redis.conf (docs/redis.md)"
    told = {"appendonly": aof, "save": save, "replicas": replicas}
    if aof:
        if facts.server.settings.get("appendfsync") == "no":
            what = "appendfsync is no: a crash of the machine loses half a minute or more"
            yield warning("persistence", what, "CONFIG SET appendfsync everysec, and in redis.conf", **told)
    elif save:
        what = f"only snapshots are kept (save {save}): a crash loses all that was pushed since the last one"
        yield warning("persistence", what, remedy, **told)
    elif replicas:
        what = "nothing is written to disk: jobs live as long as one of its replicas"
        yield warning("persistence", what, remedy, **told)
    else:
        yield problem("persistence", "nothing is written to disk: a restart of Redis loses all jobs", remedy, **told)


def saving(facts: Facts) -> Iterator[Finding]:
    """Find a server that failed to write to its disk."""
    info = facts.server.info
    remedy = "read Redis' log; look at the disk's room and rights (CONFIG GET dir), and at memory for the fork"
    for name, what, made in (
        ("aof_last_write_status", "the append-only file cannot be written", problem),
        ("rdb_last_bgsave_status", "the last snapshot failed; by default Redis then refuses all pushes", problem),
        ("aof_last_bgrewrite_status", "the append-only file could not be rewritten, and grows", warning),
    ):
        if info.get(name, "ok") != "ok":
            yield made("saving", what, remedy, field=name, status=info[name])


def replicas(facts: Facts) -> Iterator[Finding]:
    """Find replicas that do not keep up: what they lack is lost in a failover."""
    info = facts.server.info
    offset = facts.server.number("master_repl_offset")
    late = []
    for name, told in info.items():
        fields = dict(part.split("=", 1) for part in told.split(",") if "=" in part)
        if not name.removeprefix("slave").isdecimal() or "state" not in fields:
            continue
        behind = offset - float(fields.get("offset", offset))
        if fields["state"] != "online" or int(fields.get("lag", 0)) > _LAG_S or behind > _BEHIND_BYTES:
            late.append({"address": f"{fields.get('ip')}:{fields.get('port')}", "behind_bytes": behind} | fields)
    if late:
        yield warning(
            "replicas",
            f"{counted(len(late), 'replica')} not up to date: {listed([str(one['address']) for one in late])}",
            "look at its log and the network between; a failover now would lose the jobs that it lacks",
            replicas=late,
        )


def latency(facts: Facts) -> Iterator[Finding]:
    """Find a server that answers slowly: each trip of a worker takes that long."""
    if facts.server.ping_s >= _SLOW_PING_S:
        yield warning(
            "latency",
            f"a PING from here takes {facts.server.ping_s * 1000:.0f} ms",
            "run workers near Redis; if they are, look for commands that block it (SLOWLOG GET, LATENCY DOCTOR) and "
            "for a machine without a free core",
            ping_s=facts.server.ping_s,
        )


def slowlog(facts: Facts) -> Iterator[Finding]:
    """Find commands that made all others wait."""
    recent = [one for one in facts.server.slow if facts.now - one.at < _SLOW_SINCE_S and one.took_s >= _SLOW_COMMAND_S]
    if recent:
        worst = max(recent, key=lambda one: one.took_s)
        yield warning(
            "slowlog",
            f"{counted(len(recent), 'command')} of the last hour blocked Redis, the longest for "
            f"{worst.took_s * 1000:.0f} ms: {worst.command}",
            "SLOWLOG GET shows them; KEYS, large deletes and other applications belong on another server",
            commands=[{"at": one.at, "took_s": one.took_s, "command": one.command} for one in recent],
        )


def clock(facts: Facts) -> Iterator[Finding]:
    """Find out that this machine's clock is not Redis'."""
    off_s = facts.server.off_s
    if abs(off_s) < _OFF_S:
        return
    made = problem if abs(off_s) >= _FAR_OFF_S else warning
    yield made(
        "clock",
        f"this machine's clock is {for_s(abs(off_s))} {'ahead of' if off_s > 0 else 'behind'} Redis'",
        "keep the clocks of all machines by NTP: jobs pushed here for a moment run at the wrong one",
        off_s=off_s,
    )
