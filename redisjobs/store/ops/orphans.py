"""Ops on what nodes of Exq and Verk hold: find it, tell whether they live, give it back (spec: exq.md 2, verk.md 2).

Both have a list per node and queue, which only the same node takes back, when it starts again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeAlias

from redisjobs.config import DeadSetConfig
from redisjobs.store.keys import Keys
from redisjobs.store.op import Op, Together, command, texts

Peer: TypeAlias = Literal["exq", "verk"]

HEARTBEATS_S = 360
"""How long an Exq node with heartbeats may be silent before others of its kind take it for dead."""

_SCAN = 1000


def scan(keys: Keys, peer: Peer, cursor: int) -> Op[tuple[int, list[tuple[str, str]]]]:
    """Look through some keys for lists that nodes hold; return the next cursor, 0 at the end, and nodes and queues.

    Safe to send twice: it only reads. Cost: all calls together O(keys of the database).
    """
    start, _, end = held_key(keys, peer, "\0", "\0").partition("\0")
    prefix = "".join(f"\\{char}" if char in "*?[]\\^" else char for char in start)
    separator = end.removesuffix("\0")

    def found(name: str) -> tuple[str, str]:
        if peer == "verk":  # nodes are numbers; a queue may have a colon
            queue, _, node = name.rpartition(separator)
        else:
            node, _, queue = name.partition(separator)
        return node, queue

    return command(
        "SCAN",
        cursor,
        "MATCH",
        f"{prefix}*{separator}*",
        "COUNT",
        _SCAN,
        decode=lambda reply: (int(reply[0]), [found(name[len(start) :]) for name in texts(reply[1])]),
    )


def held_key(keys: Keys, peer: Peer, node: str, queue: str) -> str:
    """Return the list of what a node holds of a queue."""
    return keys.verk_inprogress(queue, node) if peer == "verk" else keys.exq_backup(node, queue)


def size(keys: Keys, peer: Peer, node: str, queue: str) -> Op[int]:
    """Count what a node holds of a queue. Safe to send twice: it only reads."""
    return command("LLEN", held_key(keys, peer, node, queue), decode=int)


def newest(keys: Keys, peer: Peer, node: str, queue: str, *, count: int) -> Op[list[bytes]]:
    """Read some of what a node holds of a queue, newest first. Safe to send twice: it only reads."""
    return command("LRANGE", held_key(keys, peer, node, queue), 0, count - 1)


def exq_lives(keys: Keys, node: str, *, now: float) -> Together:
    """Ask whether an Exq node has a heartbeat: a key of its own, or one in the set. Safe to send twice: it only reads.

    `now`: Unix seconds.
    """
    return Together(
        [
            command("EXISTS", _exqs(keys, keys.process(node)), decode=bool),
            command("ZSCORE", _exqs(keys, keys.exq_heartbeats), node, decode=_later_than(now - HEARTBEATS_S)),
        ]
    )


def verk_lives(keys: Keys, node: str) -> Together:
    """Ask whether a Verk node has a heartbeat, and whether it is one of those that do. Safe to send twice: it reads."""
    return Together(
        [
            command("EXISTS", keys.verk_node(node), decode=bool),
            command("SISMEMBER", keys.verk_nodes, node, decode=bool),
        ]
    )


def adopt(
    keys: Keys,
    held: tuple[Peer, str, str],
    moves: Iterable[tuple[bytes, bytes]],
    *,
    dead: DeadSetConfig,
    forced: bool,
) -> Op[int]:
    """Give back what a node holds: each payload as it is there, and as it goes to the dead set, empty if it does not.

    `held`: peer, node and queue. Returns how many were moved, -1 if the node lives and it was not `forced`.
    Safe to send twice: who removes a job moves it.
    """
    peer, node, queue = held
    return Op(
        "adopt",
        keys=(held_key(keys, *held), keys.queue(queue), keys.queues, keys.dead, _sign(keys, peer, node)),
        args=(
            queue,
            dead.max_jobs,
            f"{dead.max_age_s:.0f}",
            int(keys.wire == "verk"),
            int(forced),
            *(part for move in moves for part in move),
        ),
        decode=int,
    )


def forget(keys: Keys, peer: Peer, node: str) -> Together:
    """Take a dead node off its registry, as its own kind would. Safe to send twice: it is gone then."""
    if peer == "verk":
        gone: Op[Any] = command("UNLINK", keys.verk_node_queues(node))
        return Together((command("SREM", keys.verk_nodes, node), gone), atomic=True)
    return Together(
        (
            command("SREM", _exqs(keys, keys.processes), node),
            command("ZREM", _exqs(keys, keys.exq_heartbeats), node),
            command("UNLINK", keys.workers(node)),
        ),
        atomic=True,
    )


def _sign(keys: Keys, peer: Peer, node: str) -> str:
    return keys.verk_node(node) if peer == "verk" else _exqs(keys, keys.process(node))


def _exqs(keys: Keys, key: str) -> str:
    """Return one of the keys that Exq builds with a colon even if there is no namespace before it (exq.md 2.2)."""
    return key if keys.namespace else f":{key}"


def _later_than(moment: float) -> Callable[[bytes | float | None], bool]:
    return lambda score: score is not None and float(score) > moment
