"""Endings: where a job goes whose run did not simply end well, and in what bytes; for each dialect.

Pure: nothing is sent. What is counted here of attempts was read before the run (attempts.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from redisjobs import clock
from redisjobs.errors import PayloadError
from redisjobs.jobs.options import JobOptions
from redisjobs.jobs.outcome import Retry
from redisjobs.jobs.retry import POISON, Failure, RetryPolicy, lines_of
from redisjobs.store.ops import resque as ops
from redisjobs.store.ops.leases import FAILED, NO_RUN, PROCESSED, Lease, Settlement
from redisjobs.store.resque_keys import ResqueKeys
from redisjobs.wire import deadletter, payload
from redisjobs.wire import resque as items
from redisjobs.wire.payload import Payload
from redisjobs.wire.times import stamp
from redisjobs.worker.wiring import Wiring

_POISON_HINT = "Look for a crash of the interpreter or memory running out"


class Failed(NamedTuple):
    """What becomes of a failed job, and its fields for those who are told of it."""

    settlement: Settlement
    failure: Failure
    members: dict[str, Any]


class Endings(Protocol):
    """Where jobs go; `grave` is what people call the place of those that were given up."""

    grave: str

    def failed(self, lease: Lease, read: Payload, error: BaseException, options: JobOptions) -> Failed:
        """Of one that raised; raises PayloadError if its bytes are no job after all."""
        ...

    def snoozed(self, lease: Lease, delay_s: float) -> Settlement:
        """Of one that asked to be run later."""
        ...

    def again(self, lease: Lease, raw: bytes, delay_s: float) -> Settlement:
        """Of one that ended well, and is followed by another one in its place; `raw` has Sidekiq's form."""
        ...

    def malformed(self, lease: Lease, error: PayloadError) -> Settlement:
        """Of bytes that are no job."""
        ...

    def poisoned(self, lease: Lease, reason: str) -> Settlement:
        """Of one whose processes died again and again."""
        ...


def endings(wiring: Wiring) -> Endings:
    """Return those of the dialect that the keys are of."""
    if isinstance(wiring.keys, ResqueKeys):
        return ResqueEndings(wiring.policy, wiring.keys, wiring.keys.worker_id(wiring.identity))
    return SidekiqEndings(wiring.policy)


class SidekiqEndings:
    """The retry, schedule and dead sets."""

    grave = "the dead set"

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy

    def failed(self, lease: Lease, read: Payload, error: BaseException, options: JobOptions) -> Failed:
        """See `Endings`."""
        members = payload.fields(lease.raw)
        failure = self._policy.decide(members, lease.queue, error, options, clock.now())
        changed = payload.change(lease.raw, failure.changes, drop=("at",), wire=self._policy.wire)
        return Failed(Settlement(lease, failure.where, FAILED, changed, failure.delay_s), failure, members)

    def snoozed(self, lease: Lease, delay_s: float) -> Settlement:
        """Return it to the schedule as it came, but for what Ruby's poller would lose it over."""
        members = payload.fields(lease.raw)
        changes = payload.mended(members, at=clock.now(), wire=self._policy.wire)
        if members.get("queue") != lease.queue:
            changes["queue"] = lease.queue
        if not changes and "at" not in members and isinstance(members.get("args"), list):
            return Settlement(lease, "schedule", NO_RUN, lease.raw, delay_s)
        raw = payload.change(lease.raw, changes, drop=("at",), wire=self._policy.wire)
        return Settlement(lease, "schedule", NO_RUN, raw, delay_s)

    def again(self, lease: Lease, raw: bytes, delay_s: float) -> Settlement:
        """See `Endings`."""
        return Settlement(lease, "schedule", PROCESSED, raw, delay_s)

    def malformed(self, lease: Lease, error: PayloadError) -> Settlement:
        """See `Endings`."""
        buried = deadletter.wrap(lease.raw, error, queue=lease.queue, at=clock.now(), wire=self._policy.wire)
        return Settlement(lease, "dead", NO_RUN, buried)

    def poisoned(self, lease: Lease, reason: str) -> Settlement:
        """See `Endings`."""
        now = clock.now()
        told: dict[str, Any] = {
            "queue": lease.queue,
            "error_class": POISON,
            "error_message": f"{reason}. {_POISON_HINT}",
            "failed_at": stamp(now, self._policy.wire),
        }
        try:
            payload.decode(lease.raw)
            mended = payload.mended(payload.fields(lease.raw), at=now, wire=self._policy.wire)
            buried = payload.change(lease.raw, mended | told, drop=("at",), wire=self._policy.wire)
        except PayloadError as error:
            return self.malformed(lease, error)
        return Settlement(lease, "dead", NO_RUN, buried)


class ResqueEndings:
    """The failed list, and the delayed jobs of resque-scheduler.

    Resque tries nothing again, so that is done only for a job that asks for a number of retries. How often it was
    tried stands under the keys of resque-retry; where that is not known, since the run was ended from outside, it is
    not tried again.
    """

    grave = "the failed list"

    def __init__(self, policy: RetryPolicy, keys: ResqueKeys, worker: str) -> None:
        self._policy = policy
        self._keys = keys
        self._worker = worker

    def failed(self, lease: Lease, read: Payload, error: BaseException, options: JobOptions) -> Failed:
        """See `Endings`."""
        asks = wants_retries(options)
        members = {**payload.fields(lease.raw), "jid": read.jid, "queue": lease.queue, "dead": options.dead}
        members["retry"] = options.retry if options.retry is False or (asks and read.retry_count is not None) else 0
        if asks:
            members |= {"retry_count": read.retry_count, "retry_queue": options.retry_queue}
        failure = self._policy.decide(members, lease.queue, error, options, clock.now())
        cause = error.__cause__ if isinstance(error, Retry) and error.__cause__ else error
        told = (failure.changes["error_class"], failure.changes["error_message"])
        record = self._record(lease, *told, lines_of(cause))
        settlement = Settlement(lease, failure.where, FAILED, record)
        job = items.retry_name(read.name, read.args) if asks else ""
        if failure.where == "retry":
            kept = ops.note_failure(self._keys, job, record, ttl_s=2 * failure.delay_s)
            waiting = items.delayed(lease.raw, failure.changes["queue"])
            settlement = Settlement(lease, "retry", FAILED, waiting, failure.delay_s, (kept,))
        elif asks:
            settlement = Settlement(lease, failure.where, FAILED, record, 0.0, (self._forget(job),))
        return Failed(settlement, failure, members)

    def snoozed(self, lease: Lease, delay_s: float) -> Settlement:
        """See `Endings`."""
        return Settlement(lease, "schedule", NO_RUN, items.delayed(lease.raw, lease.queue), delay_s)

    def again(self, lease: Lease, raw: bytes, delay_s: float) -> Settlement:
        """See `Endings`; what Resque has no place for is left out."""
        members = payload.fields(raw)
        item = items.encode(members["class"], members["args"])
        return Settlement(lease, "schedule", PROCESSED, items.delayed(item, members["queue"]), delay_s)

    def malformed(self, lease: Lease, error: PayloadError) -> Settlement:
        """See `Endings`."""
        return self._buried(lease, "redisjobs.PayloadError", f"{error.field}: {error.problem}")

    def poisoned(self, lease: Lease, reason: str) -> Settlement:
        """See `Endings`."""
        return self._buried(lease, POISON, f"{reason}. {_POISON_HINT}")

    def _buried(self, lease: Lease, kind: str, message: str) -> Settlement:
        return Settlement(lease, "dead", NO_RUN, self._record(lease, kind, message, []))

    def _record(self, lease: Lease, kind: str, message: str, lines: list[str]) -> bytes:
        return items.failure(
            lease.raw, error=(kind, message), backtrace=lines, worker=self._worker, queue=lease.queue, at=clock.now()
        )

    def _forget(self, job: str) -> Any:
        return ops.forget_attempts(self._keys, job)


def wants_retries(options: JobOptions) -> bool:
    """Tell whether a job is tried again on Resque: if it gives a number; `True`, the default, is what Resque does."""
    return not isinstance(options.retry, bool) and options.retry > 0
