"""What nodes of Exq and Verk hold, and how it is given back to its queues when they are gone.

Their lists are given back by the same node when it starts again, which one of another name never does. Each step is
atomic: what interrupts an adoption leaves the rest where it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from redisjobs import clock
from redisjobs.errors import PayloadError, RedisJobsError
from redisjobs.inspector.access import Access
from redisjobs.store.op import Together
from redisjobs.store.ops import orphans as ops
from redisjobs.store.ops.orphans import Peer
from redisjobs.wire import deadletter, payload

STEP = 100  # jobs that one round trip takes

State: TypeAlias = Literal["alive", "dead", "unknown"]


@dataclass(frozen=True, slots=True)
class Held:
    """How many jobs a node holds of one queue. `unknown`: a node of Verk's with a fixed id, which has no heartbeat."""

    node: str
    queue: str
    size: int
    state: State


class Orphans:
    """The lists of the nodes of Exq or Verk. Each look asks Redis."""

    def __init__(self, access: Access, peer: Peer) -> None:
        self._access = access
        self._peer = peer
        self._keys = access.keys

    def __iter__(self) -> Iterator[Held]:
        """Give what all nodes hold, by node and queue; of live ones that are the jobs they run."""
        names = sorted(self._names())
        sizes = self._access.run(Together([ops.size(self._keys, self._peer, *name) for name in names]))
        states = {node: self.state(node) for node, _ in names}
        for (node, queue), size in zip(names, sizes, strict=True):
            yield Held(node, queue, size, states[node])

    def state(self, node: str) -> State:
        """Tell whether a node lives, as far as it says something of itself."""
        if self._peer == "exq":
            lives = any(self._access.run(ops.exq_lives(self._keys, node, now=clock.now())))
            return "alive" if lives else "dead"
        beats, known = self._access.run(ops.verk_lives(self._keys, node))
        return "alive" if beats else "dead" if known else "unknown"

    def adopt(self, node: str, *, force: bool = False) -> dict[str, int]:
        """Give all that a node holds back to the queues, to run next and in order; return how many jobs by queue.

        Bytes that are no job go to the dead set. `force`: though it lives, or says nothing of itself; what it runs
        at this moment then runs twice.

        Raises:
            RedisJobsError: it lives, or may live.
        """
        state = self.state(node)
        if state != "dead" and not force:
            raise _lives(node, state)
        moved = {queue: self._adopt(node, queue, force) for one, queue in sorted(self._names()) if one == node}
        if state == "dead":
            self._access.run(ops.forget(self._keys, self._peer, node))
        return moved

    def _adopt(self, node: str, queue: str, force: bool) -> int:
        held = (self._peer, node, queue)
        moved, remaining = 0, self._access.run(ops.size(self._keys, *held))  # no more: a live node takes new ones
        while remaining > 0:
            raws = self._access.run(ops.newest(self._keys, *held, count=min(STEP, remaining)))
            if not raws:
                break
            moves = [(raw, self._buried(raw, queue)) for raw in raws]
            went = self._access.run(ops.adopt(self._keys, held, moves, dead=self._access.dead, forced=force))
            if went < 0:
                raise _lives(node, "alive")
            moved, remaining = moved + went, remaining - len(raws)
        return moved

    def _buried(self, raw: bytes, queue: str) -> bytes:
        """Return what goes to the dead set for bytes that are no job; nothing for a job."""
        try:
            payload.decode(raw)
        except PayloadError as error:
            return deadletter.wrap(raw, error, queue=queue, at=clock.now(), wire=self._access.wire)
        return b""

    def _names(self) -> set[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        cursor = None
        while cursor != 0:
            cursor, names = self._access.run(ops.scan(self._keys, self._peer, cursor or 0))
            found.update(names)
        return found


def _lives(node: str, state: State) -> RedisJobsError:
    why = "is alive" if state == "alive" else "has no heartbeat, so nobody knows whether it lives"
    return RedisJobsError(f"{node} {why}: stop it and force this, or what it runs runs twice")
