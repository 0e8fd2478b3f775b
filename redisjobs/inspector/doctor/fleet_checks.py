"""Checks of the processes: whether they are alive, of one mind about code and time, and hold only what they run.

Each is a function from facts to findings, and asks nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from redisjobs.inspector.doctor.facts import Facts
from redisjobs.inspector.doctor.finding import Finding, counted, for_s, listed, problem, warning
from redisjobs.inspector.processes import Process
from redisjobs.wire import times

_RUBY_TTL_S = 60.0  # of a heartbeat
_SILENT = 0.5  # of a heartbeat's life; it is renewed ten times or more in it
_OFF_S, _FAR_OFF_S = 5.0, 60.0
_LONG_S = 6 * 3600.0
_RECENT_S = 86_400.0


def clocks(facts: Facts) -> Iterator[Finding]:
    """Find workers whose clock is not Redis': it is compared when they beat."""
    for process in facts.processes:
        silent_s, beat_at = _silent_s(facts, process), facts.beats[process.identity].at
        if silent_s is None or beat_at is None:
            continue
        off_s = beat_at - (facts.now - silent_s)
        if abs(off_s) >= _OFF_S:
            made = problem if abs(off_s) >= _FAR_OFF_S else warning
            yield made(
                "clocks",
                f"{process.identity} has a clock {for_s(abs(off_s))} {'ahead of' if off_s > 0 else 'behind'} Redis'",
                "keep the clocks of all machines by NTP: its jobs get wrong times, and Ruby's workers go by theirs",
                identity=process.identity,
                off_s=off_s,
            )


def silent(facts: Facts) -> Iterator[Finding]:
    """Find processes that have not beaten for long: dead, stopped, or cut off."""
    for process in facts.processes:
        silent_s = _silent_s(facts, process)
        if silent_s is not None and silent_s > _SILENT * _ttl_s(process):
            yield warning(
                "silent",
                f"{process.identity} has not been heard of for {for_s(silent_s)}",
                "look whether it lives; if it is dead, others give its jobs back soon. A live one may be stopped, cut "
                "off, or out of CPU",
                identity=process.identity,
                silent_s=silent_s,
                busy=process.busy,
            )


def leases(facts: Facts) -> Iterator[Finding]:
    """Find jobs of dead processes that were not given back."""
    stuck = [lease for lease in facts.leases if lease.count and not lease.alive]
    reapers = [process.identity for process in facts.processes if process.ours]
    for lease in stuck:
        made = warning if reapers else problem
        remedy = "start a worker of ours: any of them gives them back, whatever its queues"
        if reapers:
            remedy = "live workers give them back within half a minute: look again then, and at their logs if it stays"
        yield made(
            "leases",
            f"{counted(lease.count, 'job')} of the queue {lease.queue} still held by {lease.identity}, which is dead",
            remedy,
            queue=lease.queue,
            identity=lease.identity,
            jobs=lease.count,
        )


def strays(facts: Facts) -> Iterator[Finding]:
    """Find leases that nobody keeps account of, so that nobody gives them back."""
    for lease in facts.strays:
        if lease.alive:
            continue  # it has just begun
        yield problem(
            "strays",
            f"{counted(lease.count, 'job')} of the queue {lease.queue} held by {lease.identity}, which is on no list: "
            "nobody gives them back",
            f"put it on them, and the workers do: SADD {facts.keys.lease_queues} {lease.queue}, and "
            f"HSET {facts.keys.lease_owners(lease.queue)} {lease.identity} 1",
            queue=lease.queue,
            identity=lease.identity,
            jobs=lease.count,
        )


def long_runs(facts: Facts) -> Iterator[Finding]:
    """Find jobs that have been running for very long."""
    long = [work for work in facts.works if work.run_at and facts.now - work.run_at >= _LONG_S]
    for work in long:
        name = work.entry.display_name or work.jid
        yield warning(
            "long-runs",
            f"{name} has been running for {for_s(facts.now - work.run_at)} in {work.process}",
            "see what it does (TTIN has the process write its threads to its log); give such jobs a timeout=",
            identity=work.process,
            thread=work.thread,
            queue=work.queue,
            jid=work.jid,
            since=work.run_at,
        )


def code(facts: Facts) -> Iterator[Finding]:
    """Find processes of one application that run different code: half a deploy, or one that was forgotten."""
    groups: dict[tuple[str, str], list[Process]] = {}
    for process in facts.processes:
        if not process.quieted:
            groups.setdefault((process.tag, process.language), []).append(process)
    for (tag, _), processes in groups.items():
        of = f"processes with the tag {tag}" if tag else "processes without a tag"
        versions = Counter(process.version or "before 7" for process in processes)
        if len(versions) > 1:
            told = [f"{version} ({count})" for version, count in sorted(versions.items())]
            remedy = "end the old ones, or wait for the deploy to end"
            yield warning(
                "code", f"{of} run several versions: {listed(told)}", remedy, tag=tag, versions=dict(versions)
            )
    for queue, listeners in sorted(facts.listening.items()):
        for tag in sorted({process.tag for process in listeners}):
            yield from _unequal(queue, tag, [one for one in listeners if one.tag == tag])


def units(facts: Facts) -> dict[str, int]:
    """Count the units of time in the jobs that were made within a day; older ones may tell of a Ruby that is gone."""
    found = {"seconds": 0, "milliseconds": 0}
    for job in facts.jobs:
        made_at = times.seconds(job.created_at)
        if made_at is not None and abs(facts.now - made_at) < _RECENT_S:
            found["seconds" if made_at == job.created_at else "milliseconds"] += 1
    return found


def generation(facts: Facts) -> Iterator[Finding]:
    """Find out whether times are written so that all Rubies here can read them."""
    rubies = sorted({process.generation for process in facts.processes} - {0})
    old = [number for number in rubies if number < 8]
    writers = [process.identity for process in facts.processes if process.wire == "sidekiq8"]
    by_payloads = units(facts)
    told = {"ruby": rubies, "wire": facts.wire, "units": by_payloads, "python_in_milliseconds": writers}
    remedy = "wire='sidekiq7' (--wire sidekiq7): every Sidekiq reads seconds. sidekiq8 once nothing older is left"
    if old and (facts.wire == "sidekiq8" or writers):
        who = "this app" if facts.wire == "sidekiq8" else listed(writers)
        yield problem(
            "generation",
            f"Sidekiq {listed([str(number) for number in old])} works here and cannot read times in milliseconds, as "
            f"{who} writes them (wire='sidekiq8')",
            remedy,
            **told,
        )
    elif old and by_payloads["milliseconds"]:
        yield warning(
            "generation",
            f"Sidekiq {listed([str(number) for number in old])} works here, and somebody writes times in milliseconds, "
            "which it cannot read",
            "find the producer: Sidekiq 8, or redisjobs with wire='sidekiq8'; until then its pages show wrong times",
            **told,
        )
    elif not old and by_payloads["seconds"] and facts.wire == "sidekiq8" and not _ours_in_seconds(facts):
        yield warning(
            "generation",
            "somebody writes times in seconds, as Sidekiq 6 and 7 do; such a Ruby cannot read ours in milliseconds",
            remedy,
            **told,
        )


def _ours_in_seconds(facts: Facts) -> bool:
    return any(process.wire in ("sidekiq6", "sidekiq7") for process in facts.processes)


def _unequal(queue: str, tag: str, processes: Sequence[Process]) -> Iterator[Finding]:
    """Find jobs that only some of the processes of a queue know."""
    telling = [process for process in processes if process.jobs is not None]
    if len({process.jobs for process in telling}) < 2:
        return
    known = {name for process in telling for name in process.jobs or ()}
    lacking = {process.identity: sorted(known.difference(process.jobs or ())) for process in telling}
    lacking = {identity: names for identity, names in lacking.items() if names}
    if lacking:
        names = sorted({name for missing in lacking.values() for name in missing})
        yield warning(
            "code",
            f"some workers of the queue {queue} ({len(lacking)} of {len(telling)}) do not know jobs that others there "
            f"know: {listed(names)}",
            "they run other code: restart them, or give what they are for a queue of its own; a job that they take and "
            "do not know fails and is retried",
            queue=queue,
            tag=tag,
            lacking=lacking,
        )


def _ttl_s(process: Process) -> float:
    return process.heartbeat_ttl_s or _RUBY_TTL_S


def _silent_s(facts: Facts, process: Process) -> float | None:
    """Return for how long a process has not beaten, by Redis' clock; None if its heartbeat does not tell."""
    left_s = facts.beats[process.identity].left_s
    if left_s is None or not 0 <= left_s <= _ttl_s(process):
        return None
    return _ttl_s(process) - left_s
