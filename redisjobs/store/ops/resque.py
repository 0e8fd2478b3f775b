"""Ops on what Resque and resque-scheduler keep otherwise than Sidekiq: delayed jobs, failures, workers, retries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from redisjobs.store.op import Op, Together, command, texts
from redisjobs.store.ops.leases import Lot, Settlement
from redisjobs.store.ops.queues import GUARD_TTL_S, Producer
from redisjobs.store.resque_keys import ResqueKeys

_LOTS_KEPT = 100
_LOTS_TTL_S = 3600  # a Redis that was away for longer may settle two equal jobs in the place of one


class Due(Struct, frozen=True):
    """What a look at delayed jobs found: Redis' time, the second still to come, and what is due by second.

    A second without jobs is one that nobody took away.
    """

    now: float
    next_at: float | None
    jobs: dict[str, list[bytes]]


def push(keys: ResqueKeys, queue: str, jobs: Sequence[bytes], *, producer: Producer) -> Op[bool]:
    """Put jobs into a queue, the first to run first. False if this push had been stored before.

    Safe to send twice: see `queues.push`.
    """
    producer.number += 1
    return Op(
        "resque_push",
        keys=(keys.queue(queue), keys.pushed(keys.queue(queue), producer.name), keys.queues),
        args=(queue, producer.number, GUARD_TTL_S, *jobs),
        decode=bool,
    )


def schedule(keys: ResqueKeys, jobs: Iterable[tuple[str, bytes]], *, producer: Producer) -> Op[bool]:
    """Put jobs into the lists of their seconds; each is when (as in `queues.schedule`) and item with its queue.

    Safe to send twice: see `queues.push`.
    """
    producer.number += 1
    return Op(
        "resque_schedule",
        keys=(keys.delayed_schedule, keys.pushed(keys.delayed_schedule, producer.name)),
        args=(producer.number, GUARD_TTL_S, keys.all_under, *(part for job in jobs for part in job)),
        decode=bool,
    )


def settle(
    keys: ResqueKeys, settlements: Sequence[Settlement], *, identity: str, lot: Lot | None = None
) -> Op[list[Settlement]]:
    """Move finished jobs to where they belong and count them; return those that were not ours any more.

    Safe to send twice: a lot does nothing then; and without one, what has left the lease list is not moved again.
    Cost: one script; O(length of the lease list) per job, less the older the job is.
    """
    back = [item for item in settlements if item.where == "queue"]
    ordered = [item for item in settlements if item.where != "queue"] + back[::-1]  # the oldest ends up next to run
    pairs: dict[str, int] = {}
    lot = lot or Lot("", 0)
    args: list[Any] = [keys.all_under, lot.number, _LOTS_KEPT, _LOTS_TTL_S]
    for item in ordered:
        queue = item.lease.queue
        args += (pairs.setdefault(queue, len(pairs) + 1), queue, item.where, item.counted, item.lease.raw)
        args.append(" ".join(map(str, lot.earlier.get(id(item), ()))))
        if item.where not in ("gone", "queue"):
            args.append(item.payload)
        if item.where in ("retry", "schedule"):
            args.append(f"{item.delay_s:.6f}")
    worker = keys.worker_id(identity)
    names = [keys.failed, keys.delayed_schedule, keys.queues, keys.stat("processed"), keys.stat("failed")]
    names += (keys.worker_stat("processed", worker), keys.worker_stat("failed", worker))
    names.append(keys.settled(lot.settler))
    for queue in pairs:
        names += (keys.lease(queue, identity), keys.queue(queue), keys.taken(queue, identity))
    return Op("resque_settle", names, args, decode=lambda lost: [ordered[at - 1] for at in lost])


def due(keys: ResqueKeys, *, count: int) -> Op[Due]:
    """Look at the delayed jobs that are due; none while a scheduler of Ruby's is at work on them.

    Safe to send twice: it only reads.
    """
    names = (keys.delayed_schedule, keys.scheduler_lock)
    return Op("resque_due", keys=names, args=(keys.all_under, count), decode=_due)


def promote(keys: ResqueKeys, second: str, moves: Iterable[tuple[bytes, bytes, str]]) -> Op[int]:
    """Move jobs of one second: each as it waits, as it goes on, and its queue; without one, to the failed list.

    Safe to send twice: who removes a job moves it.
    """
    delayed = keys.delayed(second)
    names: list[str | bytes] = [keys.delayed_schedule, keys.scheduler_lock, delayed, keys.queues, keys.failed]
    args: list[str | bytes] = [second, delayed.removeprefix(keys.all_under)]
    for item, goes_on, queue in moves:
        names += (keys.timestamps("").encode() + item, keys.queue(queue) if queue else keys.failed)
        args += (item, goes_on, queue)
    return Op("resque_promote", keys=names, args=args, decode=int)


def server_time() -> Op[datetime]:
    """Ask what time it is there. Safe to send twice: it only asks."""
    return command("TIME", decode=lambda reply: datetime.fromtimestamp(int(reply[0]), UTC))


def beat(keys: ResqueKeys, moment: datetime, started: datetime, work: Mapping[str, bytes]) -> Op[int]:
    """Write that some workers, by id, live and what each runs. Safe to send twice: everything is set, nothing added."""
    names = [keys.worker_ids, keys.heartbeats]
    for worker in work:
        names += (keys.worker(worker), keys.worker_started(worker))
    moments = (moment.strftime("%Y-%m-%dT%H:%M:%S+00:00"), started.strftime("%Y-%m-%d %H:%M:%S +0000"))
    args = (*moments, *(part for item in work.items() for part in item))
    return Op("resque_beat", keys=names, args=args, decode=int)


def leave(keys: ResqueKeys, identities: Sequence[str]) -> Op[int]:
    """Take the workers of some processes of ours off the registry. Safe to send twice: they are gone then."""
    starts = [keys.worker_start(identity) for identity in identities]
    return Op("resque_leave", keys=(keys.worker_ids, keys.heartbeats), args=(keys.all_under, *starts), decode=int)


def begin_attempt(keys: ResqueKeys, job: str) -> Op[int]:
    """Count a run; return how often the job was tried again, 0 at its first run.

    Sent twice it counts a run more, and the job has one retry less.
    """
    return Op("resque_begin_attempt", keys=(keys.attempts(job),), decode=int)


def forget_attempts(keys: ResqueKeys, job: str) -> Op[int]:
    """Count anew from the next run on. Safe to send twice: it is gone then."""
    return command("DEL", keys.attempts(job), decode=int)


def note_failure(keys: ResqueKeys, job: str, record: bytes, *, ttl_s: float) -> Op[Any]:
    """Keep why a job failed that will be tried again, for resque-retry's page. Safe to send twice: it is set."""
    return command("SET", keys.last_failure(job), record, "EX", max(1, int(ttl_s)))


def requeue(keys: ResqueKeys, queue: str, record: bytes, noted: bytes, job: bytes) -> Op[bool]:
    """Put the job of a failure back into its queue and note that in its record; False if that is not there any more.

    Safe to send twice: the record is another one then.
    """
    names = (keys.failed, keys.queue(queue), keys.queues)
    return Op("resque_requeue", keys=names, args=(record, noted, job, queue), decode=bool)


def remove_failure(keys: ResqueKeys, record: bytes) -> Op[int]:
    """Delete a failure by its exact bytes; return how many went, 0 or 1.

    Sent twice it takes a second one only where two of the same bytes stand.
    """
    return command("LREM", keys.failed, 1, record, decode=int)


def clear_failures(keys: ResqueKeys) -> Together:
    """Count and delete all failures. Safe to send twice: the second finds those that came since."""
    return Together([failed_size(keys), command("DEL", keys.failed, decode=int)], atomic=True)


def failed_size(keys: ResqueKeys) -> Op[int]:
    """Count the failures. Safe to send twice: it only reads."""
    return command("LLEN", keys.failed, decode=int)


def waiting(keys: ResqueKeys) -> Op[int]:
    """Count the delayed jobs. Safe to send twice: it only reads. Cost: O(seconds that have some)."""
    return Op("resque_waiting", keys=(keys.delayed_schedule,), args=(keys.all_under,), decode=int)


def recurring(keys: ResqueKeys) -> Op[dict[str, bytes]]:
    """Read what resque-scheduler enqueues again and again, by name. Safe to send twice: it only reads."""
    return command(
        "HGETALL",
        keys.recurring,
        decode=lambda reply: {name.decode("utf-8", "surrogateescape"): told for name, told in _pairs(reply)},
    )


def save_recurring(keys: ResqueKeys, name: str, written: bytes) -> Together:
    """Write what is to be enqueued again and again, for dynamic schedulers to read. Safe to send twice: it is set."""
    noted = command("SADD", keys.recurring_changed, name, decode=int)
    return Together((command("HSET", keys.recurring, name, written, decode=int), noted), atomic=True)


def delete_recurring(keys: ResqueKeys, name: str) -> Together:
    """Take a name off what recurs. Safe to send twice: it is gone then."""
    noted = command("SADD", keys.recurring_changed, name, decode=int)
    return Together((command("HDEL", keys.recurring, name, decode=int), noted), atomic=True)


def told_by(keys: ResqueKeys, worker: str) -> Together:
    """Read when a worker started, when it last beat and what it runs. Safe to send twice: it only reads."""
    ops: list[Op[bytes | None]] = [
        command("GET", keys.worker_started(worker)),
        command("HGET", keys.heartbeats, worker),
        command("GET", keys.worker(worker)),
    ]
    return Together(ops)


def pause(keys: ResqueKeys) -> Op[Any]:
    """Have no worker take anything, Ruby's neither. Safe to send twice: it is set."""
    return command("SET", keys.pause_all, "true")


def unpause(keys: ResqueKeys) -> Op[int]:
    """Let workers take jobs again. Safe to send twice: it is gone then."""
    return command("DEL", keys.pause_all, decode=int)


def paused(keys: ResqueKeys) -> Op[bool]:
    """Ask whether no worker takes anything. Safe to send twice: it only reads."""
    return command("GET", keys.pause_all, decode=lambda said: (said or b"").strip().lower() == b"true")


def workers(keys: ResqueKeys) -> Op[list[str]]:
    """Read the ids of all workers, Ruby's and ours. Safe to send twice: it only reads."""
    return command("SMEMBERS", keys.worker_ids, decode=texts)


def failures(keys: ResqueKeys, *, start: int, stop: int) -> Together:
    """Read how many failures there are, and those from `start` to `stop` (included), the oldest first.

    Safe to send twice: it only reads.
    """
    return Together(
        (command("LLEN", keys.failed, decode=int), command("LRANGE", keys.failed, start, stop)), atomic=True
    )


def _pairs(reply: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return zip(reply[::2], reply[1::2], strict=True)


def _due(reply: Any) -> Due:
    now, next_at, pairs = reply
    jobs: dict[str, list[bytes]] = {}
    for second, item in pairs:
        found = jobs.setdefault(second.decode("utf-8", "surrogateescape"), [])
        if item is not None:
            found.append(item)
    return Due(float(now), _seconds(next_at), jobs)


def _seconds(text: bytes | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
