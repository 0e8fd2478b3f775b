"""Ops that move whole queues and sets to another namespace, database or server.

Between two places of one server a chunk is moved in one step. To another server jobs go by way of a lease list of the
mover's own: what it held when it was killed, its next run finds there, or a worker gives it back to the queue.
"""

from __future__ import annotations

from collections.abc import Sequence

from redisjobs.store.keys import Keys
from redisjobs.store.op import Op, Together, command
from redisjobs.store.ops import leases

CHUNK = 500
CHUNK_BYTES = 2 * 1024 * 1024
NEXT_END = "R"
"""Where the next job of a queue stands, for the scripts."""

HERE = ("", "")
"""No other database: both keys are in that of the connection."""

_MOVER = "move:"


def queue(source: Keys, target: Keys, name: str, dbs: tuple[str, str]) -> Op[int]:
    """Move the oldest jobs of a queue, order kept; return how many. `dbs`: the two databases, or `HERE`.

    Safe to send twice: see `shift_queue`.
    """
    return shift_queue(source, name, (target.queue(name), target.queues), dbs)


def shift_queue(source: Keys, name: str, to: tuple[str, str], dbs: tuple[str, str] = HERE) -> Op[int]:
    """Move the oldest jobs of a queue to a list; return how many. `to`: the list, and the set for the queue's name.

    Safe to send twice: the second moves others.
    """
    return Op(
        "shift_queue",
        keys=(source.queue(name), source.queues, *to),
        args=(name, CHUNK, CHUNK_BYTES, *dbs),
        decode=int,
    )


def shift_set(source_key: str, target_key: str, dbs: tuple[str, str]) -> Op[int]:
    """Move the soonest members of a set; return how many. Safe to send twice: the second moves others."""
    return Op("shift_set", keys=(source_key, target_key), args=(CHUNK, *dbs), decode=int)


def add(set_key: str, scored: Sequence[tuple[bytes, float]]) -> Op[int]:
    """Put members into a set with their scores. Safe to send twice: a set has each member once."""
    return command("ZADD", set_key, *(part for member, score in scored for part in (repr(score), member)), decode=int)


def take(keys: Keys, name: str, mover: str) -> Together:
    """Lease the oldest jobs of a queue, paused or not; the last reply is what the mover has, newest first.

    It counts as running none, so that whoever gives them back takes none for poison.
    Sent twice, one of the two may come when what the other had is on its way already, and be dropped with it: each
    mover takes once, by a store without patience.
    """
    owner: Op[int] = command("HSET", keys.lease_owners(name), mover, 0)
    shift = shift_queue(keys, name, (keys.lease(name, mover), keys.lease_queues))
    return Together((owner, shift, leases.held(keys, name, mover)), atomic=True)


def drop(keys: Keys, name: str, mover: str) -> Together:
    """Forget what a mover held, now that the target has it. Safe to send twice: the second finds nothing."""
    lease_list: Op[int] = command("UNLINK", keys.lease(name, mover))
    return Together((lease_list, command("HDEL", keys.lease_owners(name), mover)), atomic=True)


def stored(keys: Keys, name: str, mover: str) -> Op[bool]:
    """Tell whether the target has what a mover held; it knows for ten minutes. Safe to send twice: it only reads."""
    return command("GET", keys.pushed(keys.queue(name), mover), decode=bool)


def held(keys: Keys, name: str, identities: Sequence[str]) -> Together:
    """Count what each of some processes holds of a queue. Safe to send twice: it only reads."""
    return Together([command("LLEN", keys.lease(name, identity), decode=int) for identity in identities])


def mover(chunk: str) -> str:
    """Return who moves one chunk: the owner of its lease list at the source, its producer at the target."""
    return _MOVER + chunk


def is_mover(identity: str) -> bool:
    """Tell whether an owner of leases is no worker, but moves jobs elsewhere."""
    return identity.startswith(_MOVER)
