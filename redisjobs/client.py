"""Client: from a name and arguments to a stored job.

A push is: client middleware, payload, one script. What a producer sends again after a lost answer is stored once.
Written once as Steps; the methods for threads and those for coroutines (`a...`) run the same ones.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import count as counter
from typing import Any

from msgspec import Struct, field

from redisjobs import clock
from redisjobs.errors import PayloadError, PayloadTooLargeError
from redisjobs.jobs.job import NOW, When
from redisjobs.middleware.chain import Chain
from redisjobs.store.dialect import Dialect, dialect
from redisjobs.store.drive import adrive, drive
from redisjobs.store.keys import Keys
from redisjobs.store.op import Steps
from redisjobs.store.ops.queues import Producer
from redisjobs.store.shards import On, Shards, Stores
from redisjobs.wire import arguments, elixir, payload
from redisjobs.wire.times import Wire, stamp

log = logging.getLogger("redisjobs")

BATCH = 1000  # jobs in one script: Lua passes some thousands of arguments on at most
_STOCKED = 100  # jids


class Push(Struct):
    """One job on its way to Redis, as client middleware sees it; `fields` may be changed until it hands over."""

    fields: dict[str, Any]
    when: When = NOW
    shard: str = ""
    """The server that the job names; if none, the queue decides."""

    @property
    def name(self) -> str:
        """The job's name on the wire."""
        return str(self.fields["class"])

    @property
    def jid(self) -> str:
        """The job's id."""
        return str(self.fields["jid"])

    @property
    def queue(self) -> str:
        """The queue it goes to, now or when it is due."""
        return str(self.fields["queue"])

    @property
    def args(self) -> list[Any]:
        """The arguments, as they stand on the wire."""
        return self.fields["args"]  # type: ignore[no-any-return]


class ClientConfig(Struct, frozen=True):
    """How payloads are written: in whose form, how large they may be, and what `retry=True` means."""

    wire: Wire = "sidekiq8"
    max_payload_bytes: int = 1024 * 1024
    warn_payload_bytes: int = 64 * 1024
    max_retries: int = 25


class _Stock(Struct):
    """Producers that nobody uses at the moment, and jids that no job has yet; a new process makes its own."""

    producers: deque[Producer] = field(default_factory=deque)
    jids: list[str] = field(default_factory=list)
    pid: int = 0
    base: str = ""
    numbers: Any = None

    def producer(self) -> Producer:
        if self.pid != os.getpid():
            self._renew()
        try:
            return self.producers.pop()
        except IndexError:
            return Producer(f"{self.base}-{next(self.numbers)}")

    def new_jids(self, count: int) -> list[str]:
        """Return `count` jids; a single one was made before: a look at the random device lets go of the GIL."""
        if count != 1:
            return payload.new_jids(count)
        if self.pid != os.getpid():
            self._renew()
        try:
            return [self.jids.pop()]
        except IndexError:
            one, *others = payload.new_jids(_STOCKED)
            self.jids.extend(others)
            return [one]

    def _renew(self) -> None:
        self.producers, self.jids = deque(), []
        self.base, self.numbers = payload.new_jid(), counter()
        self.pid = os.getpid()  # the last, lest another thread takes what is the parent's


class Client:
    """Pushes jobs, by name or as `Job` asks for it. Safe to use from any thread and any event loop."""

    def __init__(
        self, stores: Stores, keys: Keys, chain: Chain[Push], config: ClientConfig, shards: Shards | None = None
    ) -> None:
        self._stores = stores
        self._shards = shards or Shards({}, {})
        self._own = dialect(keys)
        self._chain = chain
        self._config = config
        self._notable_bytes = min(config.warn_payload_bytes, config.max_payload_bytes)
        self._stock = _Stock()

    def push_args(
        self, name: str, calls: Sequence[list[Any]], fields: Mapping[str, Any], when: When = NOW
    ) -> list[str | None]:
        """Push one job per list of arguments; return their jids, None where a client middleware stopped one.

        Raises:
            PayloadError: one of the arguments is not plain JSON, or the job too large. Nothing was sent.
            StoreUnavailableError: Redis did not answer in time. Jobs may or may not have been stored.
        """
        return drive(self._push(name, calls, fields, when), self._shards.store(self._stores))

    async def apush_args(
        self, name: str, calls: Sequence[list[Any]], fields: Mapping[str, Any], when: When = NOW
    ) -> list[str | None]:
        """See `push_args`."""
        return await adrive(self._push(name, calls, fields, when), self._shards.astore(self._stores))

    def _push(
        self, name: str, calls: Sequence[list[Any]], fields: Mapping[str, Any], when: When
    ) -> Steps[list[str | None]]:
        if not isinstance(name, str) or not name:
            raise PayloadError("class", f"the name of a job is a string, not {name!r}")
        now = clock.now()
        if when.at is not None and when.at <= now:
            when = NOW
        shard = ""
        if "shard" in fields:
            fields = dict(fields)
            shard = self._shards.check(fields.pop("shard"))
        target = shard or self._shards.of(fields["queue"])  # unless middleware changes the queue
        spoken = self._dialect(target)
        name = spoken.spelled(name)
        jids: Sequence[str] = self._stock.new_jids(len(calls))
        if len(self._chain):
            members = self._members(name, calls, jids, fields, now)
            return (yield from self._push_wrapped(members, when, shard))
        jids, raws = spoken.encode_many(name, calls, jids, self._dressed(fields), self._stamps(when, now))
        if max(map(len, raws), default=0) > self._notable_bytes:
            for jid, raw in zip(jids, raws, strict=True):
                self._check_size(raw, name, jid)
        queue = fields["queue"] if when is NOW else None
        jobs = raws if when is NOW else _dated(raws, when, fields["queue"])
        for start in range(0, len(jobs), BATCH):
            producer, storing = self._storing(target, queue, jobs[start : start + BATCH], start)
            yield storing
            self._stock.producers.append(producer)  # not after an error: its last push may still be under way
        return list(jids)

    def _members(
        self, name: str, calls: Sequence[list[Any]], jids: Sequence[str], fields: Mapping[str, Any], now: float
    ) -> list[dict[str, Any]]:
        last = {"created_at": stamp(now, self._config.wire)}
        each = zip(calls, jids, strict=True)
        return [{**fields, "args": args, "class": name, "jid": jid, **last} for args, jid in each]

    def _push_wrapped(self, members: list[dict[str, Any]], when: When, shard: str) -> Steps[list[str | None]]:
        """Run each push's middleware until it hands over, store them all, then run each to its end.

        Each hears of its own push only: the jid if it was stored, else the error that kept it from being. The first
        error that one of them raises then is the caller's.
        """
        pushes = [Push(each, when, shard) for each in members]
        waiting: list[tuple[int, Push, Steps[Any]]] = []
        stored: set[int] = set()
        failure: BaseException | None = None
        try:
            for at, push in enumerate(pushes):
                if "tags" in push.fields:  # middleware may add to them; the job's own stay as they are
                    push.fields["tags"] = list(push.fields["tags"])
                steps = self._chain.wrap(push)
                if (yield from _until_handed_over(steps, None)):
                    waiting.append((at, push, steps))
                    payload.check(push.fields)
            yield from self._store_all([push for _, push, _ in waiting], stored)
        except GeneratorExit:  # nobody drives us any more
            raise
        except BaseException as error:
            failure = error
        results: list[str | None] = [None] * len(pushes)
        raised: BaseException | None = None
        for at, push, steps in waiting:
            if id(push) in stored:
                results[at] = push.jid
            try:
                yield from _until_handed_over(steps, results[at] or failure)
            except Exception as error:
                raised = raised or error
        if raised or failure:
            raise raised or failure  # type: ignore[misc]
        return results

    def _store_all(self, pushes: Sequence[Push], stored: set[int]) -> Steps[None]:
        """Store pushes in batches, those of one queue and server together; all are written before one is sent.

        The `id` of each that is stored is added to `stored`: its jid may be another's, if middleware had it so.
        """
        now = clock.now()
        groups: dict[tuple[str, str | None], list[tuple[int, Any]]] = {}
        for push in pushes:
            shard = push.shard or self._shards.of(push.queue)
            raw = self._encode(push, now, self._dialect(shard))
            if push.when is NOW:
                groups.setdefault((shard, push.queue), []).append((id(push), raw))
            else:
                groups.setdefault((shard, None), []).append((id(push), (_due(push.when), push.queue, raw)))
        for (shard, queue), group in groups.items():
            for start in range(0, len(group), BATCH):
                batch = group[start : start + BATCH]
                producer, storing = self._storing(shard, queue, [job for _, job in batch], start)
                yield storing
                self._stock.producers.append(producer)  # see `_push`
                stored.update(number for number, _ in batch)

    def _storing(self, shard: str, queue: str | None, jobs: Sequence[Any], before: int) -> tuple[Producer, Any]:
        """Return what stores a batch: payloads in a queue, or for later (no queue) due, queue and payload."""
        producer = self._stock.producer()
        spoken = self._dialect(shard)
        if queue is None:
            storing = spoken.schedule(jobs, producer=producer, before=before)
        else:
            storing = spoken.push(queue, jobs, producer=producer)
        return producer, On(shard, storing) if shard else storing

    def _stamps(self, when: When, now: float) -> dict[str, Any]:
        """Return the moments that stand at the end of a payload."""
        if when is NOW:
            at = stamp(now, self._config.wire)
            return {"created_at": at, "enqueued_at": at}
        return {"created_at": stamp(now, self._config.wire), **self._enqueued(when, now)}

    def _enqueued(self, when: When, now: float) -> dict[str, Any]:
        """Return `enqueued_at` as the wire has it: of what is not due yet Exq writes when it will be, Verk nothing."""
        wire = self._config.wire
        if when is not NOW and wire not in elixir.ELIXIR:
            return {}
        if when is not NOW and wire == "verk":
            return {"enqueued_at": None}
        return {"enqueued_at": stamp(when.at if when.at is not None else now + (when.delay_s or 0.0), wire)}

    def _dressed(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        wire = self._config.wire
        return elixir.dressed(fields, wire, self._config.max_retries) if wire in elixir.ELIXIR else fields

    def _dialect(self, shard: str) -> Dialect:
        return dialect(self._shards.keys(shard)) if shard else self._own

    def _encode(self, push: Push, now: float, spoken: Dialect) -> bytes:
        fields = {**self._dressed(push.fields), "args": arguments.check(push.args)} | self._enqueued(push.when, now)
        raw = spoken.encode(fields)
        push.fields["jid"] = fields["jid"]
        self._check_size(raw, push.name, push.jid)
        return raw

    def _check_size(self, raw: bytes, name: str, jid: str) -> None:
        if len(raw) > self._config.max_payload_bytes:
            raise PayloadTooLargeError(
                "args",
                f"the payload of {name} has {len(raw):,} bytes, more than max_payload_bytes="
                f"{self._config.max_payload_bytes:,}; store the data elsewhere and pass a reference",
            )
        if len(raw) > self._config.warn_payload_bytes:
            log.warning("large payload", extra={"class": name, "jid": jid, "bytes": len(raw)})


def _until_handed_over(steps: Steps[Any], value: Any) -> Steps[bool]:
    """Run middleware until it hands over (True) or ends (False); an error is raised at its yield."""
    try:
        wanted = steps.throw(value) if isinstance(value, BaseException) else steps.send(value)
        while wanted is not None:
            try:
                reply = yield wanted
            except BaseException as error:
                wanted = steps.throw(error)
            else:
                wanted = steps.send(reply)
    except StopIteration:
        return False
    except BaseException as error:
        if error is value:  # it let the error pass, as it should
            return False
        raise
    return True


def _dated(raws: Sequence[bytes], when: When, queue: str) -> list[tuple[str, str, bytes]]:
    return [(_due(when), queue, raw) for raw in raws]


def _due(when: When) -> str:
    return f"{when.at:.6f}" if when.at is not None else f"+{when.delay_s:.6f}"
