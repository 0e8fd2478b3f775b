"""Move queues and sets from one place to another: another namespace, database or server.

Always holds: a job is at the source until it is at the target. Within one server it is never in both. Between two
servers a job of a queue is leased at the source while it is copied, so that no worker there runs it meanwhile; one
that is copied when all ends may be in both, until the next run. What workers hold is theirs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property

from redisjobs.errors import RedisJobsError
from redisjobs.inspector.access import Access
from redisjobs.inspector.work import WorkSet
from redisjobs.store import place
from redisjobs.store.opening import hash_tag
from redisjobs.store.ops import leases, moves, queues, server, sets
from redisjobs.store.ops.queues import Producer

SETS = ("schedule", "retry", "dead")
_MEMBERS = 100  # of a set, in one trip to another server
_NO_POISON = 1_000_000


class Move:
    """From one place to another. Each part can be moved again: it goes on with what is still there.

    The store of the source must have no patience: see `moves.take`. That of the target had better have some.

    Raises:
        RedisJobsError: both are the same place, or one has Resque's queues.
    """

    def __init__(self, source: Access, target: Access) -> None:
        self._source = source
        self._target = target
        if source.keys.next_end != moves.NEXT_END or target.keys.next_end != moves.NEXT_END:
            raise RedisJobsError("Resque's queues have their other end in front, and cannot be moved by this")
        if self._dbs == moves.HERE and source.keys == target.keys:
            raise RedisJobsError("the source and the target are the same: name another namespace, database or server")

    def queue_names(self) -> list[str]:
        """Return the queues of the source, with those of which an interrupted move holds the rest."""
        known: list[str] = self._source.store.run(queues.names(self._source.keys))
        leased: list[str] = self._source.store.run(leases.leased_queues(self._source.keys))
        return sorted({*known, *(name for name in leased if any(map(moves.is_mover, self._owners(name))))})

    def size(self, part: str) -> int:
        """Count what a set has."""
        return self._source.store.run(sets.size(_key(self._source, part)))

    def queue_size(self, name: str) -> int:
        """Count what waits in a queue, and what an interrupted move holds of it."""
        owners = [owner for owner in self._owners(name) if moves.is_mover(owner)]
        return self._source.store.run(queues.size(self._source.keys, name)) + self._held(name, owners)

    def queue(self, name: str) -> Iterator[int]:
        """Move a queue in order, behind what the target has; a paused one stays paused. Yields how many went."""
        keys = self._source.keys
        if name in self._source.store.run(queues.paused(keys)):
            self._target.store.run(queues.pause(self._target.keys, name))
        self._resume(name)
        if self._dbs is None:
            yield from self._queue_across(name)
            return
        while moved := self._source.store.run(moves.queue(keys, self._target.keys, name, self._dbs)):
            yield moved

    def members(self, part: str) -> Iterator[int]:
        """Move a set, scores and all. Yields how many went."""
        source_key, target_key = _key(self._source, part), _key(self._target, part)
        if self._dbs is None:
            yield from self._members_across(source_key, target_key)
            return
        while moved := self._source.store.run(moves.shift_set(source_key, target_key, self._dbs)):
            yield moved

    def left(self, names: Sequence[str]) -> int:
        """Count the jobs of queues that workers of the source hold or run: they end there."""
        count = 0
        known: set[str] = set()
        for name in names:
            owners = [owner for owner in self._owners(name) if not moves.is_mover(owner)]
            count += self._held(name, owners)
            known.update(owners)
        running = WorkSet(self._source)  # Ruby's workers have no leases
        return count + sum(work.queue in names and work.process not in known for work in running)

    def _queue_across(self, name: str) -> Iterator[int]:
        while True:
            mover = moves.mover(os.urandom(8).hex())
            *_, found = self._source.store.run(moves.take(self._source.keys, name, mover))
            if found:
                self._push(name, mover, found[::-1])
            self._source.store.run(moves.drop(self._source.keys, name, mover))
            if not found:
                return
            yield len(found)

    def _push(self, name: str, mover: str, payloads: list[bytes]) -> None:
        self._target.store.run(queues.push(self._target.keys, name, payloads, producer=Producer(mover)))

    def _members_across(self, source_key: str, target_key: str) -> Iterator[int]:
        first = sets.page(source_key, start=0, stop=_MEMBERS - 1, newest_first=False)
        while found := self._source.store.run(first):
            self._target.store.run(moves.add(target_key, found))
            self._source.store.run(sets.remove(source_key, [member for member, _ in found]))
            yield len(found)

    def _resume(self, name: str) -> None:
        """Give back what an interrupted move held of a queue, unless the target has it."""
        keys = self._source.keys
        for mover in filter(moves.is_mover, self._owners(name)):
            if self._target.store.run(moves.stored(self._target.keys, name, mover)):
                self._source.store.run(moves.drop(keys, name, mover))
            else:
                self._source.store.run(leases.recover(keys, name, identity=mover, max_recoveries=_NO_POISON))

    def _owners(self, name: str) -> list[str]:
        return self._source.store.run(leases.owners(self._source.keys, name))

    def _held(self, name: str, owners: Sequence[str]) -> int:
        return sum(self._source.store.run(moves.held(self._source.keys, name, owners))) if owners else 0

    @cached_property
    def _dbs(self) -> tuple[str, str] | None:
        """The databases, if a script can move from one to the other; None if that takes two servers."""
        (one, clustered), (other, _) = (
            self._source.store.run(server.server_id()),
            self._target.store.run(server.server_id()),
        )
        namespaces = (self._source.keys.namespace, self._target.keys.namespace)
        if one != other or (clustered and hash_tag(namespaces[0]) != hash_tag(namespaces[1])):
            return None
        source_db, target_db = (_db(self._source), _db(self._target))
        return (source_db, target_db) if source_db != target_db else moves.HERE


def _db(access: Access) -> str:
    return str(place.read(access.store.config).arguments.get("db") or 0)


def _key(access: Access, part: str) -> str:
    return {"schedule": access.keys.schedule, "retry": access.keys.retry, "dead": access.keys.dead}[part]
