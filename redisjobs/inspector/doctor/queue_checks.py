"""Checks of what waits: whether somebody will run it, and whether he can.

Each is a function from facts to findings, and asks nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from redisjobs.inspector.doctor.facts import Facts, QueueFacts
from redisjobs.inspector.doctor.finding import Finding, counted, for_s, listed, problem, warning
from redisjobs.inspector.doctor.seen import Seen
from redisjobs.inspector.processes import Process
from redisjobs.wire.elixir import ELIXIR, spelled

_OVERDUE_S = 60.0
_LARGE_BYTES = 100 * 1024


def types(facts: Facts) -> Iterator[Finding]:
    """Find keys that something else wrote to."""
    for key, found, wanted in facts.wrong_types:
        yield problem(
            "types",
            f"the key {key!r} is a {found}, not a {wanted}: its jobs, or what it tells, are out of reach",
            f"find out who wrote it, then RENAME or DEL {key}; give other applications a database of their own",
            key=key,
            found=found,
            wanted=wanted,
        )


def workers(facts: Facts) -> Iterator[Finding]:
    """Find out that nobody works here."""
    waiting = sum(queue.size for queue in facts.queues) + sum(one.size for one in facts.sets)
    if facts.processes or facts.elsewhere:
        return
    remedy = "start one: redisjobs worker MODULE:APP -q QUEUE"
    if waiting:
        yield problem("workers", f"no worker is alive, and {counted(waiting, 'job')} waiting", remedy, waiting=waiting)
    else:
        yield warning("workers", "no worker is alive", remedy, waiting=0)


def unheard(facts: Facts) -> Iterator[Finding]:
    """Find queues with jobs that nobody takes."""
    for queue in facts.queues:
        if not queue.size or facts.listeners(queue.name) or queue.name in facts.elsewhere:
            continue
        quieted = [process.identity for process in facts.processes if queue.name in process.queues]
        only = " but processes that were told to take no more" if quieted else ""
        yield problem(
            "unheard",
            f"nobody listens to the queue {queue.name}{only}: {_waits(facts, queue)}",
            f"start a worker for it (-q {queue.name}); if its jobs were meant for another queue, mend the producer",
            queue=queue.name,
            size=queue.size,
            oldest_s=_oldest_s(facts, queue),
            quieted=quieted,
        )


def paused(facts: Facts) -> Iterator[Finding]:
    """Find jobs that wait in a paused queue."""
    for queue in facts.queues:
        if not queue.paused or not queue.size:
            continue
        deaf = [process.identity for process in facts.listeners(queue.name) if process.language == "Ruby"]
        all_the_same = "; Ruby's workers take from it all the same" if deaf else ""
        yield warning(
            "paused",
            f"the queue {queue.name} is paused: {_waits(facts, queue)}{all_the_same}",
            f"redisjobs queue {queue.name} resume",
            queue=queue.name,
            size=queue.size,
            oldest_s=_oldest_s(facts, queue),
            deaf=deaf,
        )


def languages(facts: Facts) -> Iterator[Finding]:
    """Find queues that two languages take from: who gets a job of the other's fails it."""
    waiting = _by_queue(facts)
    for name, processes in sorted(facts.listening.items()):
        listeners: dict[str, list[str]] = {"Ruby": list(facts.elsewhere[name])} if name in facts.elsewhere else {}
        for process in processes:
            listeners.setdefault(process.language, []).append(process.identity)
        if len(listeners) < 2:
            continue
        strange = _strange(waiting.get(name, ()), [process for process in processes if process.language == "Python"])
        seen = f"; waiting, and unknown to Python: {listed(sorted(strange))}" if strange else ""
        yield problem(
            "languages",
            f"{' and '.join(sorted(listeners))} listen to the queue {name}: each fails the other's jobs{seen}",
            "one queue per language: take it from the workers of one side, and push each job to its language's queue",
            queue=name,
            listeners=listeners,
            unknown_to_python=sorted(strange),
        )


def classes(facts: Facts) -> Iterator[Finding]:
    """Find jobs that none of those who listen to their queue knows; only of ours do we know what they know."""
    everywhere = {name for process in facts.processes for name in process.jobs or ()}
    for queue, waiting in sorted(_by_queue(facts).items()):
        listeners = facts.listeners(queue)
        if not listeners or queue in facts.elsewhere or any(process.jobs is None for process in listeners):
            continue
        for name, jobs in sorted(_strange(waiting, listeners).items()):
            elsewhere = "; a worker of other queues knows it" if name in everywhere else ""
            where = jobs[0].where
            yield problem(
                "classes",
                f"no worker of the queue {queue} knows the job {name}, which waits in the {where}{elsewhere}",
                "deploy the code that has it, import its module in the worker (-r MODULE), or push it to the queue of "
                "those who know it; until then it fails and is retried",
                queue=queue,
                name=name,
                sampled=len(jobs),
                jid=jobs[0].jid,
            )


def promotion(facts: Facts) -> Iterator[Finding]:
    """Find jobs that should long have gone from the retry or schedule set to their queue."""
    for one in facts.sets:
        late = [at for at in one.due_at if facts.now - at > _OVERDUE_S]
        if not late:
            continue
        remedy = "look at the workers' logs for what keeps them from it, and at the types of keys above"
        if not facts.processes:
            remedy = "start a worker: each one enqueues what is due, whatever its queues"
        since_s = facts.now - min(late)
        yield problem(
            "promotion",
            f"due jobs stay in the {one.name} set: {len(late)} or more, the oldest for {for_s(since_s)}",
            remedy,
            set=one.name,
            overdue=len(late),
            oldest_s=min(since_s, 1e12),
        )


def payloads(facts: Facts) -> Iterator[Finding]:
    """Find very large jobs: they fill Redis, and each trip that carries one is slow."""
    places: dict[str, list[Seen]] = {}
    for job in facts.jobs:
        if job.size_bytes >= _LARGE_BYTES:
            places.setdefault(job.where, []).append(job)
    for where, jobs in places.items():
        worst = max(jobs, key=lambda job: job.size_bytes)
        yield warning(
            "payloads",
            f"very large jobs in the {where}: {len(jobs)} of those looked at, the largest "
            f"{worst.size_bytes / 1024:,.0f} KiB ({worst.wrapped or worst.name or 'its name is not told'})",
            "store the data elsewhere, and pass its key",
            where=where,
            jid=worst.jid,
            name=worst.wrapped or worst.name,
            largest_bytes=worst.size_bytes,
            sampled=len(jobs),
        )


def _by_queue(facts: Facts) -> dict[str, list[Seen]]:
    """Return the sampled jobs by the queue that they are in, or go to."""
    found: dict[str, list[Seen]] = {}
    for job in facts.jobs:
        found.setdefault(job.queue, []).append(job)
    return found


def _strange(jobs: Iterable[Seen], processes: Iterable[Process]) -> dict[str, list[Seen]]:
    """Return the jobs, by name, that no process knows; a process that does not say knows all."""
    listening = list(processes)
    if not listening or any(process.jobs is None for process in listening):
        return {}
    spell = spelled if any(process.wire in ELIXIR for process in listening) else str
    known = {spell(name) for process in listening for name in process.jobs or ()}
    found: dict[str, list[Seen]] = {}
    for job in jobs:
        if job.name and not known & {spell(job.name), spell(job.wrapped)}:
            found.setdefault(job.wrapped or job.name, []).append(job)
    return found


def _oldest_s(facts: Facts, queue: QueueFacts) -> float | None:
    return max(0.0, facts.now - queue.since) if queue.since is not None else None


def _waits(facts: Facts, queue: QueueFacts) -> str:
    oldest_s = _oldest_s(facts, queue)
    since = f", the next one since {for_s(oldest_s)}" if oldest_s is not None else ""
    return f"{counted(queue.size, 'job')} waiting{since}"
