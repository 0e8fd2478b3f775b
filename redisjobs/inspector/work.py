"""What the workers run at this moment, Ruby's and ours, as of their last heartbeats (spec: sidekiq.md 2.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from redisjobs.errors import WrongTypeError
from redisjobs.inspector.access import Access
from redisjobs.inspector.entries import JobEntry
from redisjobs.inspector.processes import addresses
from redisjobs.store.ops import processes as ops
from redisjobs.wire import times


@dataclass(frozen=True)
class Work:
    """One job that runs: in which process and thread, since when (Unix seconds), and the job."""

    process: str
    thread: str
    run_at: float
    entry: JobEntry

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
        identities = [address.removeprefix(":") for address in addresses(self._access)]
        if not identities:
            return []
        told = self._access.gather([op(keys, identity) for identity in identities for op in (ops.work, ops.workers)])
        found = []
        for identity, new, old in zip(identities, told[::2], told[1::2], strict=True):
            running = new or old  # generation 6 writes the old key only; ours write both
            if not isinstance(running, WrongTypeError):
                found += [
                    work for thread, raw in running.items() if (work := _work(self._access, identity, thread, raw))
                ]
        return sorted(found, key=lambda work: work.run_at)


def _work(access: Access, identity: str, thread: bytes, raw: bytes) -> Work | None:
    """Read one; None for what tells nothing, such as the empty texts that some Ruby processes write."""
    try:
        told = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    job = told.get("payload")
    job_raw = job.encode() if isinstance(job, str) else msgspec.json.encode(job)
    queue = told.get("queue")
    entry = access.entry(job_raw, queue if isinstance(queue, str) else "")
    return Work(identity, thread.decode("utf-8", "replace"), times.seconds(told.get("run_at")) or 0.0, entry)
