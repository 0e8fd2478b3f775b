"""Ops that move jobs between queues and lease lists: lease, settle, recover, and the blocked wait."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Literal

from msgspec import Struct

from redisjobs.config import DeadSetConfig
from redisjobs.store.keys import Keys
from redisjobs.store.op import Op, Together, command, texts
from redisjobs.store.resque_keys import ResqueKeys
from redisjobs.wire.elixir import ELIXIR

DAY_TTL_S = 5 * 365 * 86_400  # Sidekiq keeps a day's counters this long
POISON_TTL_S = 72 * 3600

Where = Literal["gone", "queue", "retry", "schedule", "dead"]
NO_RUN, PROCESSED, FAILED = 0, 1, 2
FAILED_ONLY = 3
"""For Exq and Verk, who count as processed only what ended well."""
_SIDES = {"R": "RIGHT", "L": "LEFT"}


class Lease(Struct, frozen=True, eq=False, gc=False):
    """A job that this process holds: the exact bytes, the queue they came from, and since when (monotonic s).

    Each is only equal to itself: two jobs may consist of the same bytes.
    """

    queue: str
    raw: bytes
    since: float


class Settlement(Struct, frozen=True, gc=False):
    """Where a leased job goes now that its run is over, and how the run counts."""

    lease: Lease
    where: Where
    counted: int
    payload: bytes = b""
    delay_s: float = 0.0
    ops: tuple[Op[Any], ...] = ()


class Lot(Struct, frozen=True):
    """Settlements that are sent together, numbered by who settles; where jobs are not told apart by their bytes.

    `earlier`: by the `id` of a settlement, the lots that it went in before, whose answers were lost.
    """

    settler: str
    number: int
    earlier: Mapping[int, Sequence[int]] = {}


def done(lease: Lease) -> Settlement:
    """The run is over and well."""
    return Settlement(lease, "gone", PROCESSED)


def released(lease: Lease) -> Settlement:
    """It did not run, or not to its end: back to the queue, to run next."""
    return Settlement(lease, "queue", NO_RUN)


class Taken(Struct, frozen=True):
    """What a lease found in one queue: payloads, oldest first, or that the queue is paused."""

    queue: str
    payloads: list[bytes]
    paused: bool = False


def lease(keys: Keys, queues: Sequence[str], *, identity: str, concurrency: int, count: int) -> Op[list[Taken]]:
    """Move up to `count` jobs, oldest first, from queues in this order to this process's lease lists.

    Safe to send twice: the second takes other jobs, and both are ours. Cost: one script, O(count + queues).
    """
    names = [keys.paused]
    for queue in queues:
        names += (keys.queue(queue), keys.lease(queue, identity), keys.lease_owners(queue))
    if isinstance(keys, ResqueKeys):
        names.append(keys.pause_all)
    return Op(
        "lease",
        keys=names,
        args=(identity, concurrency, count, f"{keys.next_end}POP", *queues),
        decode=lambda reply: [
            Taken(queue, found or [], paused=found is None) for queue, found in zip(queues, reply, strict=True)
        ],
    )


def hold(keys: Keys, queue: str, raw: bytes, *, identity: str) -> Op[int]:
    """Note in a lease list a job that left its queue. Sent twice it stands there twice: not for a network."""
    return command("LPUSH", keys.lease(queue, identity), raw, decode=int)


def wait(keys: Keys, queue: str, *, identity: str, concurrency: int, timeout_s: float) -> list[Op[Any]]:
    """Wait for a job of one queue and lease it: who may hold leases is written first, then BLMOVE blocks.

    To be sent together; only the last one is answered, by the payload, or by None after `timeout_s`.
    Safe to send twice: see `lease`.
    """
    lease_list = keys.lease(queue, identity)
    return [
        command("CLIENT", "REPLY", "SKIP"),  # an answer before the wait is over would only wake us
        command("HSET", keys.lease_owners(queue), identity, concurrency),
        command("BLMOVE", keys.queue(queue), lease_list, _SIDES[keys.next_end], "LEFT", f"{timeout_s:.3f}"),
    ]


def settle(
    keys: Keys, settlements: Sequence[Settlement], *, identity: str, dead: DeadSetConfig
) -> Op[list[Settlement]]:
    """Move finished jobs to where they belong and count them; return those that were not ours any more.

    Safe to send twice: what has left the lease list is neither moved nor counted again.
    Cost: one script; O(length of the lease list) per job, less the older the job is.
    """
    pairs: dict[str, int] = {}
    args: list[Any] = [dead.max_jobs, f"{dead.max_age_s:.0f}", DAY_TTL_S, int(keys.wire == "verk")]
    ordered: list[Settlement] = []
    for (queue, where, counted), run in groupby(settlements, key=_group):
        group = list(run)
        if where == "queue":
            group.reverse()  # the newest first, so that the oldest ends up next to run
        ordered += group
        how = FAILED_ONLY if counted == FAILED and keys.wire in ELIXIR else counted
        args += (pairs.setdefault(queue, len(pairs) + 1), queue, where, how, len(group))
        for item in group:
            args += _settle_args(item)
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    names = [keys.retry, keys.schedule, keys.dead]
    names += (keys.stat("processed"), keys.stat("failed"), keys.stat("processed", today), keys.stat("failed", today))
    names.append(keys.queues)
    for queue in pairs:
        names += (keys.lease(queue, identity), keys.queue(queue))
    return Op("settle", names, args, decode=lambda lost: [ordered[at - 1] for at in lost])


def held(keys: Keys, queue: str, identity: str) -> Op[list[bytes]]:
    """Read what a process holds of one queue, newest first. Safe to send twice: it only reads."""
    return command("LRANGE", keys.lease(queue, identity), 0, -1)


def left(keys: Keys, queue: str, identity: str) -> Together:
    """Count what waits in a queue and what a process holds of it. Safe to send twice: it only reads."""
    return Together([command("LLEN", key, decode=int) for key in (keys.queue(queue), keys.lease(queue, identity))])


def owners(keys: Keys, queue: str) -> Op[list[str]]:
    """Read who may hold leases of one queue. Safe to send twice: it only reads."""
    return command("HKEYS", keys.lease_owners(queue), decode=texts)


def disown(keys: Keys, queue: str, identity: str) -> Op[bool]:
    """Take a process off the owners of a queue's leases, if it holds none. Safe to send twice: it is gone then."""
    return Op("disown", keys=(keys.lease(queue, identity), keys.lease_owners(queue)), args=(identity,), decode=bool)


def listen(keys: Keys, queues: Sequence[str]) -> Op[int]:
    """Note queues that a worker is about to take from. Safe to send twice: a set."""
    return command("SADD", keys.lease_queues, *queues, decode=int)


def leased_queues(keys: Keys) -> Op[list[str]]:
    """Read the queues that workers of ours ever listened to. Safe to send twice: it only reads."""
    return command("SMEMBERS", keys.lease_queues, decode=texts)


def recover(keys: Keys, queue: str, *, identity: str, max_recoveries: int) -> Op[tuple[int, list[bytes]]]:
    """Give a dead process's jobs back; return how many, and those that are poison and stay for burial.

    Safe to send twice: the second finds an empty list. Cost: one script, O(length of the lease list).
    """
    names = [keys.lease(queue, identity), keys.queue(queue), keys.lease_owners(queue), keys.queues]
    if isinstance(keys, ResqueKeys):
        names.append(keys.taken(queue, identity))
    return Op(
        "recover",
        keys=names,
        args=(
            identity,
            queue,
            max_recoveries,
            POISON_TTL_S,
            keys.lease_recovered(queue),
            f"{keys.next_end}PUSH",
        ),
        decode=lambda reply: (int(reply[0]), list(reply[1])),
    )


def _group(item: Settlement) -> tuple[str, Where, int]:
    return item.lease.queue, item.where, item.counted


def _settle_args(item: Settlement) -> Iterable[Any]:
    if item.where in ("gone", "queue"):
        return (item.lease.raw,)
    if item.where == "dead":
        return (item.lease.raw, item.payload)
    return (item.lease.raw, item.payload, f"{item.delay_s:.6f}")
