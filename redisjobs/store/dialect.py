"""Dialects: what Sidekiq and Resque write otherwise. The keys of an app decide which of them is spoken.

What only differs in the end of a queue that the next job stands at, both share; see `Keys.next_end`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from msgspec import Struct, field, structs

from redisjobs.config import DeadSetConfig
from redisjobs.lazy import LazyModule
from redisjobs.store.keys import Keys
from redisjobs.store.op import Arg, Op, Steps
from redisjobs.store.ops import queues
from redisjobs.store.ops.queues import Producer
from redisjobs.store.resque_keys import ResqueKeys, is_pattern
from redisjobs.wire import arguments, elixir, jobdata, payload
from redisjobs.wire.arguments import Json
from redisjobs.wire.dialects import DialectName
from redisjobs.wire.payload import Payload
from redisjobs.wire.times import Wire

if TYPE_CHECKING:
    from redisjobs.store.ops import leases, processes, resque, sets
    from redisjobs.store.ops.leases import Lot, Settlement
    from redisjobs.wire import resque as items
else:  # a producer needs none of them
    leases = LazyModule("redisjobs.store.ops.leases")
    processes = LazyModule("redisjobs.store.ops.processes")
    resque = LazyModule("redisjobs.store.ops.resque")
    sets = LazyModule("redisjobs.store.ops.sets")
    items = LazyModule("redisjobs.wire.resque")


class Beat(Struct, frozen=True):
    """What a process says of itself at a heartbeat: fields of its hash, and by thread what runs.

    `items` are the queue, the bytes and the start (Unix seconds) of what runs, in the same order.
    """

    fields: Mapping[str, Arg]
    work: Mapping[str, bytes]
    queues: Sequence[str]
    ttl_s: float
    items: Sequence[tuple[str, bytes, float]] = ()
    slots: int = 1


class Dialect(Protocol):
    """How jobs are written, where they go, and how a process says that it lives.

    `needs_lots`: there are equal jobs, so that what is settled is known by the lot that it was sent in.
    """

    needs_lots: ClassVar[bool]

    def spelled(self, name: str) -> str:
        """Return what a job is called there."""
        ...

    def decode(self, raw: bytes) -> Payload:
        """Read a job; raises PayloadError."""
        ...

    def encode(self, fields: dict[str, Any]) -> bytes:
        """Write a job whose arguments were checked; its `jid` may be set anew. Raises PayloadError."""
        ...

    def encode_many(
        self,
        name: str,
        calls: Sequence[list[Json]],
        jids: Sequence[str],
        fields: Mapping[str, Json],
        stamps: Mapping[str, Json],
    ) -> tuple[Sequence[str], list[bytes]]:
        """Write a job for each list of arguments; return their jids and bytes. Raises PayloadError."""
        ...

    def push(self, queue: str, jobs: Sequence[bytes], *, producer: Producer) -> Op[bool]:
        """Put jobs into a queue; see `queues.push`."""
        ...

    def schedule(self, jobs: Iterable[tuple[str, str, bytes]], *, producer: Producer, before: int) -> Op[bool]:
        """Store jobs for later: each is when (see `queues.schedule`), its queue and its bytes."""
        ...

    def settle(
        self, settlements: Sequence[Settlement], *, identity: str, dead: DeadSetConfig, lot: Lot | None = None
    ) -> Op[list[Settlement]]:
        """Move finished jobs to where they belong; see `leases.settle`."""
        ...

    def beat(self, identity: str, beat: Beat) -> Steps[None]:
        """Write that a process lives and what it runs."""
        ...

    def leave(self, identity: str) -> list[Any]:
        """Return the requests that take a process off the registry."""
        ...

    def forget(self, gone: Sequence[str]) -> list[Any]:
        """Return the requests that take identities without a heartbeat off the registry."""
        ...

    def sizes(self) -> list[Op[int]]:
        """Return the requests that count the jobs to be tried again, those that wait and those that were given up."""
        ...


class Sidekiq(Struct, frozen=True):
    """Sidekiq's."""

    needs_lots: ClassVar[bool] = False

    keys: Keys

    decode = staticmethod(payload.decode)  # as it is: it is called for each job

    def spelled(self, name: str) -> str:
        """See `Dialect`."""
        return elixir.spelled(name) if self.keys.wire in elixir.ELIXIR else name

    def encode(self, fields: dict[str, Any]) -> bytes:
        """See `Dialect`."""
        raw = payload.encode(fields)
        return payload.change(raw, {}, wire="verk") if self.keys.wire == "verk" else raw

    def encode_many(
        self,
        name: str,
        calls: Sequence[list[Json]],
        jids: Sequence[str],
        fields: Mapping[str, Json],
        stamps: Mapping[str, Json],
    ) -> tuple[Sequence[str], list[bytes]]:
        """See `Dialect`."""
        return jids, payload.encode_many(name, calls, jids, fields, stamps, self.keys.wire)

    def push(self, queue: str, jobs: Sequence[bytes], *, producer: Producer) -> Op[bool]:
        """See `Dialect`."""
        return queues.push(self.keys, queue, jobs, producer=producer)

    def schedule(self, jobs: Iterable[tuple[str, str, bytes]], *, producer: Producer, before: int) -> Op[bool]:
        """See `Dialect`."""
        pairs = [(when, raw) for when, _, raw in jobs]
        return queues.schedule(self.keys, pairs, producer=producer, before=before)

    def settle(
        self, settlements: Sequence[Settlement], *, identity: str, dead: DeadSetConfig, lot: Lot | None = None
    ) -> Op[list[Settlement]]:
        """See `Dialect`."""
        return leases.settle(self.keys, settlements, identity=identity, dead=dead)

    def beat(self, identity: str, beat: Beat) -> Steps[None]:
        """See `Dialect`."""
        yield from processes.beat(
            self.keys, identity, fields=beat.fields, work=beat.work, queues=beat.queues, ttl_s=beat.ttl_s
        )

    def leave(self, identity: str) -> list[Any]:
        """See `Dialect`."""
        return [processes.leave(self.keys, identity)]

    def forget(self, gone: Sequence[str]) -> list[Any]:
        """See `Dialect`."""
        return [processes.forget(self.keys, gone)]

    def sizes(self) -> list[Op[int]]:
        """See `Dialect`."""
        return [sets.size(key) for key in (self.keys.retry, self.keys.schedule, self.keys.dead)]


class Resque(Struct, frozen=True):
    """Resque's: what it has no place for is not written."""

    needs_lots: ClassVar[bool] = True

    keys: ResqueKeys
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def spelled(self, name: str) -> str:
        """See `Dialect`: Rails has a wrapper for each adapter."""
        return items.ACTIVE_JOB if name in jobdata.WRAPPERS else name

    def decode(self, raw: bytes) -> Payload:
        """See `Dialect`."""
        return items.decode(raw)

    def encode(self, fields: dict[str, Any]) -> bytes:
        """See `Dialect`."""
        raw = items.encode(fields["class"], fields["args"])
        fields["jid"] = items.jid(raw)
        return raw

    def encode_many(
        self,
        name: str,
        calls: Sequence[list[Json]],
        jids: Sequence[str],
        fields: Mapping[str, Json],
        stamps: Mapping[str, Json],
    ) -> tuple[Sequence[str], list[bytes]]:
        """See `Dialect`."""
        raws = [items.encode(name, args) for args in arguments.check_all(calls)]
        return [items.jid(raw) for raw in raws], raws

    def push(self, queue: str, jobs: Sequence[bytes], *, producer: Producer) -> Op[bool]:
        """See `Dialect`."""
        return resque.push(self.keys, queue, jobs, producer=producer)

    def schedule(self, jobs: Iterable[tuple[str, str, bytes]], *, producer: Producer, before: int) -> Op[bool]:
        """See `Dialect`."""
        waiting = [(when, items.delayed(raw, queue)) for when, queue, raw in jobs]
        return resque.schedule(self.keys, waiting, producer=producer)

    def settle(
        self, settlements: Sequence[Settlement], *, identity: str, dead: DeadSetConfig, lot: Lot | None = None
    ) -> Op[list[Settlement]]:
        """See `Dialect`; the failed list is as long as it gets, as Resque has it."""
        return resque.settle(self.keys, settlements, identity=identity, lot=lot)

    def beat(self, identity: str, beat: Beat) -> Steps[None]:
        """See `Dialect`: for us and, in Resque's form, for it; there each job that may run at once is a worker."""
        named = [name for name in beat.queues if not is_pattern(name)]  # those of patterns are noted as they are found
        yield from Sidekiq(self.keys).beat(identity, structs.replace(beat, queues=named))
        moment = yield from resque.server_time()
        working = [items.working(raw, queue=queue, at=at) for queue, raw, at in beat.items]
        slots = max(beat.slots, len(working))
        work = {
            self.keys.worker_id(identity, slot): working[slot - 1] if slot <= len(working) else b""
            for slot in range(1, slots + 1)
        }
        yield from resque.beat(self.keys, moment, self.started, work)

    def leave(self, identity: str) -> list[Any]:
        """See `Dialect`."""
        return [resque.leave(self.keys, [identity]), *Sidekiq(self.keys).leave(identity)]

    def forget(self, gone: Sequence[str]) -> list[Any]:
        """See `Dialect`."""
        return [resque.leave(self.keys, gone), *Sidekiq(self.keys).forget(gone)]

    def sizes(self) -> list[Op[int]]:
        """See `Dialect`: those to be tried again wait among all others."""
        return [sets.size(self.keys.retry), resque.waiting(self.keys), resque.failed_size(self.keys)]


def dialect(keys: Keys) -> Dialect:
    """Return what is spoken where keys are called so."""
    return Resque(keys) if isinstance(keys, ResqueKeys) else Sidekiq(keys)


def listening(keys: Keys, queues: Iterable[str]) -> Keys:
    """Return what keys are called for a worker that was told to take from these queues."""
    return keys.listening(queues) if isinstance(keys, ResqueKeys) else keys


def keys_of(name: DialectName, namespace: str, wire: Wire) -> Keys:
    """Return what keys are called in a dialect."""
    return ResqueKeys(namespace) if name == "resque" else Keys(namespace, wire)
