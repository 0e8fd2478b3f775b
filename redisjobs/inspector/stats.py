"""The counters and sizes of everything, as of one moment, and the counters of past days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from redisjobs import clock
from redisjobs.inspector.access import Access
from redisjobs.inspector.processes import ProcessSet
from redisjobs.inspector.queues import QueueSummary, summaries
from redisjobs.store.dialect import dialect
from redisjobs.store.op import Together
from redisjobs.store.ops import stats as ops

MAX_DAYS = 5 * 365  # how long a day's counters are kept


@dataclass(frozen=True, slots=True)
class Day:
    """The runs of one day (UTC): all, and how many of them failed."""

    date: str
    processed: int
    failed: int


class _Sizes(NamedTuple):
    processed: int
    failed: int
    retries: int
    scheduled: int
    dead: int


class Stats:
    """Asks Redis when first looked at, then stays as it was; make another for fresh figures."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @property
    def processed(self) -> int:
        """Runs of all time; one that failed is a run too."""
        return self._sizes.processed

    @property
    def failed(self) -> int:
        """Runs of all time that failed."""
        return self._sizes.failed

    @property
    def retries(self) -> int:
        """Failed jobs that wait for their next run."""
        return self._sizes.retries

    @property
    def scheduled(self) -> int:
        """Jobs that wait for their moment."""
        return self._sizes.scheduled

    @property
    def dead(self) -> int:
        """Jobs that were given up."""
        return self._sizes.dead

    @property
    def queues(self) -> dict[str, int]:
        """The size of each queue, the longest first."""
        return {queue.name: queue.size for queue in sorted(self.summaries, key=lambda queue: -queue.size)}

    @cached_property
    def summaries(self) -> list[QueueSummary]:
        """All queues, by name."""
        return summaries(self._access)

    @property
    def enqueued(self) -> int:
        """Jobs in all queues together."""
        return sum(queue.size for queue in self.summaries)

    @property
    def default_queue_latency_s(self) -> float:
        """How long the next job of the queue `default` has waited."""
        return next((queue.latency_s for queue in self.summaries if queue.name == "default"), 0.0)

    @property
    def processes(self) -> int:
        """Worker processes that live, Ruby's too."""
        return len(self._processes)

    @property
    def busy(self) -> int:
        """Jobs that run at this moment, as of the last heartbeats."""
        return sum(process.busy for process in self._processes)

    @property
    def problems(self) -> list[str]:
        """What could not be read, and counts as zero: keys of queues that hold something else."""
        return [queue.problem for queue in self.summaries if queue.problem]

    def history(self, days: int = 30) -> list[Day]:
        """Return the runs of the last days (UTC), today first.

        Raises:
            ValueError: not from 1 to 1,825 days: older ones are not kept.
        """
        if not 1 <= days <= MAX_DAYS:
            raise ValueError(f"{days} days: counters are kept for 1 to {MAX_DAYS}")
        today = datetime.fromtimestamp(clock.now(), UTC).date()
        dates = [(today - timedelta(days=back)).isoformat() for back in range(days)]
        counts = self._access.run(ops.days(self._access.keys, dates))
        return [Day(date, *pair) for date, *pair in zip(dates, counts[::2], counts[1::2], strict=True)]

    def reset(self, names: Sequence[str] = ops.NAMES) -> None:
        """Set the counters of all time to 0, or only one of `processed` and `failed`; those of days stay.

        Raises:
            ValueError: another name.
        """
        unknown = sorted(set(names) - set(ops.NAMES))
        if unknown:
            raise ValueError(f"no counter is called {unknown[0]!r}; there are: {', '.join(ops.NAMES)}")
        if names:
            self._access.run(ops.reset(self._access.keys, names))

    @cached_property
    def _sizes(self) -> _Sizes:
        keys = self._access.keys
        return _Sizes(*self._access.run(Together([*ops.totals(keys).ops, *dialect(keys).sizes()])))

    @cached_property
    def _processes(self) -> ProcessSet:
        return ProcessSet(self._access)
