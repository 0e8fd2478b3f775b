"""What only Resque has: the failed list, what resque-scheduler enqueues again and again, and Ruby's workers.

Failures are found and moved by their bytes, never by their place: two who look at once never take the wrong one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import msgspec

from redisjobs import clock
from redisjobs.errors import PayloadError, RedisJobsError
from redisjobs.inspector.access import Access
from redisjobs.inspector.entries import JobEntry, ResqueEntry
from redisjobs.inspector.pages import PAGE, walk
from redisjobs.store.ops import resque as ops
from redisjobs.store.resque_keys import ResqueKeys
from redisjobs.wire import payload
from redisjobs.wire import resque as items

_FORM = "%Y/%m/%d %H:%M:%S"


@dataclass(frozen=True, repr=False)
class FailedEntry(JobEntry):
    """One failure: `raw` is the record, what it says of the job are the job's own properties."""

    @cached_property
    def job(self) -> ResqueEntry:
        """The job, with the bytes that it had in its queue."""
        found = items.original(self.payload or {})
        return ResqueEntry(found if found is not None else items.item_of(self.raw), self._text("queue"))

    @cached_property
    def problem(self) -> PayloadError | None:
        """Why the job could not be run at all, or the record is none; None else."""
        if self.payload is None:
            return PayloadError("payload", "not a JSON object", self.raw)
        return self.job.problem

    @cached_property
    def id(self) -> str:
        """What to ask for this failure by: a digest of its bytes. It changes when the job is put back."""
        return items.jid(self.raw)

    @property
    def jid(self) -> str:
        """The job's."""
        return self.job.jid

    @property
    def name(self) -> str:
        """The job's name on the wire."""
        return self.job.name

    @property
    def display_name(self) -> str:
        """The name that people know."""
        return self.job.display_name

    @property
    def args(self) -> list[Any]:
        """The job's arguments."""
        return self.job.args

    @property
    def display_args(self) -> list[Any]:
        """The arguments that people know."""
        return self.job.display_args

    @property
    def error_class(self) -> str:
        """The class of the error."""
        return self._text("exception")

    @property
    def error_message(self) -> str:
        """The text of the error."""
        return self._text("error")

    @property
    def backtrace(self) -> list[str]:
        """The lines of the backtrace."""
        found = self._field("backtrace")
        return [str(line) for line in found] if isinstance(found, list) else []

    @property
    def worker(self) -> str:
        """The id of the worker that ran it."""
        return self._text("worker")

    @property
    def failed_at(self) -> float | None:
        """When it failed, Unix seconds. Names of zones mean nothing for certain: all are taken for UTC."""
        return _seconds(self._text("failed_at"))

    @property
    def retried_at(self) -> float | None:
        """When it was put back last; None if never."""
        return _seconds(self._text("retried_at"))


class FailedList:
    """The failures, the newest first. Putting a job back leaves its failure there, as Resque does."""

    title = "the failed list"

    def __init__(self, access: Access) -> None:
        self._access = access
        self._keys = resque_keys(access)

    @property
    def size(self) -> int:
        """How many there are."""
        return self._access.run(ops.failed_size(self._keys))

    def __len__(self) -> int:
        return self.size

    def __bool__(self) -> bool:  # an empty list is a list
        return True

    def page(self, offset: int = 0, limit: int = PAGE) -> list[FailedEntry]:
        """Return some, the newest first."""
        return self._page(offset, limit)[1]

    def __iter__(self) -> Iterator[FailedEntry]:
        """Give all, the newest first, a page per round trip."""
        return (entry for entry in walk(self._page, grows_in_front=True) if entry.raw)

    def find(self, entry_id: str) -> FailedEntry | None:
        """Return the failure of an `id`; None if it is not here. Cost: O(length of the list)."""
        return next((entry for entry in self if entry.id == entry_id), None)

    def requeue(self, failure: str | FailedEntry, *, queue: str | None = None) -> bool:
        """Put the job back into its queue, or another one; False if the failure is not here any more.

        Raises:
            PayloadError: its record says neither job nor queue.
        """
        entry = self.find(failure) if isinstance(failure, str) else failure
        if entry is None:
            return False
        target = queue or entry.queue
        if not target:
            raise PayloadError("queue", "the failure names none", entry.raw)
        moment = datetime.fromtimestamp(clock.now(), UTC).strftime(f"{_FORM} UTC")
        noted = payload.change(entry.raw, {"retried_at": moment})
        return self._access.run(ops.requeue(self._keys, target, entry.raw, noted, entry.job.raw))

    def requeue_all(self) -> int:
        """Put back the jobs of all failures that were not put back before; return how many."""
        waiting = [entry for entry in self if entry.retried_at is None and entry.payload is not None and entry.queue]
        return sum(self.requeue(entry) for entry in reversed(waiting))

    def delete(self, failure: str | FailedEntry) -> bool:
        """Delete a failure; False if it is not here any more."""
        entry = self.find(failure) if isinstance(failure, str) else failure
        return entry is not None and self._access.run(ops.remove_failure(self._keys, entry.raw)) > 0

    def clear(self) -> int:
        """Delete all; return how many."""
        return int(self._access.run(ops.clear_failures(self._keys))[0])

    def _page(self, start: int, count: int) -> tuple[int, list[FailedEntry]]:
        if count <= 0:
            return self.size, []
        size, raws = self._access.run(ops.failures(self._keys, start=-start - count, stop=-start - 1))
        return size, [FailedEntry(raw) for raw in reversed(raws)]


class Recurring:
    """What resque-scheduler enqueues again and again (`persistent_schedules`). To fire it is the scheduler's to do.

    A scheduler that is dynamic reads changes within seconds, others when they start.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._keys = resque_keys(access)

    def __iter__(self) -> Iterator[str]:
        return iter(self.all())

    def all(self) -> dict[str, dict[str, Any]]:
        """Return the configuration of each, by name; what is no JSON object is left out."""
        found = {}
        for name, raw in sorted(self._access.run(ops.recurring(self._keys)).items()):
            try:
                found[name] = payload.fields(raw)
            except PayloadError:
                continue
        return found

    def save(
        self,
        name: str,
        *,
        job: str,
        queue: str,
        when: Mapping[str, str],
        args: Sequence[Any] = (),
        description: str = "",
    ) -> None:
        """Write one: `when` is `{"cron": "0 3 * * *"}` or `{"every": "30s"}`; `job` is a name on the wire.

        Raises:
            ValueError: it does not say when, or says it twice.
        """
        if len(when) != 1 or not when.keys() <= {"cron", "every"}:
            raise ValueError(f"when={when!r}: must have one of cron and every")
        told = {**when, "class": job, "queue": queue, "args": list(args)}
        if description:
            told["description"] = description
        self._access.run(ops.save_recurring(self._keys, name, msgspec.json.encode(told)))

    def delete(self, name: str) -> bool:
        """Delete one; False if there is none of this name."""
        return bool(self._access.run(ops.delete_recurring(self._keys, name))[0])


@dataclass(frozen=True)
class ResqueWorker:
    """One worker on Resque's registry, Ruby's or one of ours; `job` is what it runs, None if it waits.

    What it does not say, or says in a form that is none, is empty.
    """

    id: str
    queues: tuple[str, ...]
    started: str
    heartbeat: str
    job: ResqueEntry | None

    @property
    def is_ours(self) -> bool:
        """Whether it is of this package: a slot for a job in one of `app.processes`."""
        return self.id.partition(":")[0].endswith(".redisjobs")


class Resque:
    """What only Resque has."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._keys = resque_keys(access)

    @property
    def failed(self) -> FailedList:
        """The failures."""
        return FailedList(self._access)

    @property
    def recurring(self) -> Recurring:
        """What resque-scheduler enqueues again and again."""
        return Recurring(self._access)

    @property
    def workers(self) -> list[ResqueWorker]:
        """The workers, Ruby's and ours, by id. Cost: a round trip for each, and one."""
        return [self._worker(worker) for worker in self._access.run(ops.workers(self._keys))]

    @property
    def paused(self) -> bool:
        """Whether no worker takes anything."""
        return self._access.run(ops.paused(self._keys))

    def pause(self) -> None:
        """Have no worker take anything, Ruby's (since 2.3) neither; what runs goes on."""
        self._access.run(ops.pause(self._keys))

    def unpause(self) -> None:
        """Let workers take jobs again."""
        self._access.run(ops.unpause(self._keys))

    def _worker(self, worker: str) -> ResqueWorker:
        started, heartbeat, work = (raw or b"" for raw in self._access.run(ops.told_by(self._keys, worker)))
        job = ResqueEntry(items.item_of(work), items.queue_of(work)) if work else None
        queues = tuple(worker.split(":", 2)[-1].split(","))
        return ResqueWorker(
            worker, queues, started.decode("utf-8", "replace"), heartbeat.decode("utf-8", "replace"), job
        )


def resque_keys(access: Access) -> ResqueKeys:
    """Return the keys of Resque; raises RedisJobsError if they are Sidekiq's."""
    if not isinstance(access.keys, ResqueKeys):
        raise RedisJobsError('only Resque has this; the app needs dialect="resque", the command line --dialect resque')
    return access.keys


def _seconds(text: str) -> float | None:
    try:
        return datetime.strptime(text[:19], _FORM).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
