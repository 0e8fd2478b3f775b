"""What the workers run at this moment, Ruby's and ours, as of their last heartbeats (spec: sidekiq.md 2.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import msgspec

from redisjobs.errors import RedisJobsError, StoreError, StoreUnavailableError, WrongTypeError
from redisjobs.inspector.access import Access
from redisjobs.inspector.entries import JobEntry
from redisjobs.inspector.processes import addresses, is_ours, version_in
from redisjobs.store.op import Op
from redisjobs.store.ops import processes as ops
from redisjobs.wire import times

_HEARS_CANCELS = [7, 3, 3]
"""The first Sidekiq whose jobs that iterate can be cancelled."""


@dataclass(frozen=True)
class Work:
    """One job that runs: in which process and thread, since when (Unix seconds), and the job.

    `version` is what its process tells of itself. `cancellable`: the job can be ended where it runs, as all of ours
    can, and of Ruby's those that iterate, once they have done so for five seconds.
    """

    process: str
    thread: str
    run_at: float
    entry: JobEntry
    version: str
    cancellable: bool
    _access: Access = field(repr=False, compare=False)

    @property
    def queue(self) -> str:
        """The queue it was taken from."""
        return self.entry.queue

    @property
    def jid(self) -> str:
        """The job's id."""
        return self.entry.jid

    @property
    def name(self) -> str:
        """The job's name on the wire."""
        return self.entry.name

    @property
    def args(self) -> list[Any]:
        """The job's arguments."""
        return self.entry.args

    def cancel(self) -> None:
        """Have it end where it runs; that is heard within some seconds, and nothing happens if it has ended by then.

        One of ours goes to the dead set with the error `JobCancelled`, to be retried from there or not: a coroutine is
        cancelled, a child process killed, a thread told so between two steps of Python, which what waits in C hears
        only afterwards. One of Ruby's ends as if it were done.

        Raises:
            RedisJobsError: it cannot be ended so; the text says why.
        """
        keys = self._access.keys
        if is_ours(self.version):
            self._access.run(ops.cancel(keys, self.process, self.thread, self.jid))
        elif not (self.cancellable and self._access.run(ops.cancel_iteration(keys, self.jid))):
            raise RedisJobsError(
                f"{self.jid} cannot be cancelled where it runs: of Ruby's jobs only those that iterate can, under "
                "Sidekiq 7.3.3 or newer, from their fifth second on; all that helps is to stop its process"
            )


class WorkSet:
    """All running jobs, the longest-running first; asks Redis when first looked at."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def __iter__(self) -> Iterator[Work]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self)

    def find(self, jid: str) -> Work | None:
        """Return the run of a job; None if it does not run, or began after the last heartbeat."""
        return next((work for work in self if work.jid == jid), None)

    @cached_property
    def _found(self) -> list[Work]:
        keys = self._access.keys
        there = addresses(self._access)
        if not there:
            return []
        asked: list[Op[Any]] = []
        for address in there:
            identity = address.removeprefix(":")
            asked += (ops.work(keys, identity), ops.workers(keys, identity), ops.info(keys, address, ("info",)))
        told = self._access.gather(asked)
        found = []
        for address, new, old, info in zip(there, told[::3], told[1::3], told[2::3], strict=True):
            running = new or old  # generation 6 writes the old key only; ours write both
            version = "" if isinstance(info, WrongTypeError) else version_in(info[0])
            if not isinstance(running, WrongTypeError):
                whose = (address.removeprefix(":"), version)
                found += [work for thread, raw in running.items() if (work := _work(self._access, whose, thread, raw))]
        return sorted(self._with_iterating(found), key=lambda work: work.run_at)

    def _with_iterating(self, works: list[Work]) -> list[Work]:
        """Return them with those of Ruby's marked that are known to iterate."""
        may = [at for at, work in enumerate(works) if not work.cancellable and _hears_cancels(work.version)]
        if not may:
            return works
        try:
            iterate = self._access.gather([ops.iterates(self._access.keys, works[at].jid) for at in may])
        except StoreUnavailableError:
            raise
        except StoreError:  # no right to read these keys
            return works
        known = {at for at, found in zip(may, iterate, strict=True) if found is True}
        return [replace(work, cancellable=True) if at in known else work for at, work in enumerate(works)]


def _hears_cancels(version: str) -> bool:
    return [int(digits) for digits in re.findall(r"\d{1,9}", version)] >= _HEARS_CANCELS


def _work(access: Access, whose: tuple[str, str], thread: bytes, raw: bytes) -> Work | None:
    """Read one; None for what tells nothing, such as the empty texts that some Ruby processes write."""
    try:
        told = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    identity, version = whose
    job = told.get("payload")
    job_raw = job.encode() if isinstance(job, str) else msgspec.json.encode(job)
    queue = told.get("queue")
    entry = access.entry(job_raw, queue if isinstance(queue, str) else "")
    return Work(
        process=identity,
        thread=thread.decode("utf-8", "replace"),
        run_at=times.seconds(told.get("run_at")) or 0.0,
        entry=entry,
        version=version,
        cancellable=is_ours(version),
        _access=access,
    )
