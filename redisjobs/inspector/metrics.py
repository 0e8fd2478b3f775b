"""Metrics: how often, how long and how badly each class ran, from the sums that workers of Sidekiq 7, 8 and ours keep.

Generations 7 and 8 count under keys of their own; ours count for both where a Sidekiq 7 may look, and note what stands
twice. Percentiles are read off a histogram of 26 buckets: as exact as a bucket is wide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import Literal, NamedTuple

from msgspec import Struct

from redisjobs import clock
from redisjobs.inspector.access import Access
from redisjobs.store.op import Together
from redisjobs.store.ops import metrics as ops
from redisjobs.wire.metrics import LIMITS_MS, Generation

Window = Literal["1h", "8h", "24h", "72h"]
Order = Literal["executions", "failures", "total", "mean", "p95"]

_TRIP = 100  # moments in one trip
_MANY = 500  # histograms in one command
_GENERATIONS: tuple[Generation, ...] = (8, 7)
_LIMITS_S = (0.0, *(limit / 1000 for limit in LIMITS_MS))


class Span(NamedTuple):
    """How far back a window looks: so many steps of so many seconds."""

    steps: int
    step_s: int

    @property
    def long(self) -> bool:
        """Whether its sums are those of ten minutes, which have no histograms."""
        return self.step_s > 60


WINDOWS: dict[str, Span] = {"1h": Span(60, 60), "8h": Span(480, 60), "24h": Span(144, 600), "72h": Span(432, 600)}


class Step(Struct, frozen=True):
    """The runs that ended in one step of time, which began at `at` (Unix seconds); see `ClassRuns`."""

    at: int
    executions: int = 0
    failures: int = 0
    total_s: float = 0.0


class ClassRuns(Struct, frozen=True):
    """The runs of one class: all of them, those that failed, and the seconds that the others took.

    `histogram`: how many that did not fail took less than each of `LIMITS_MS`, and how many longer; None where that is
    not kept, or was not asked for. `series`: the same step by step, the oldest first.
    """

    name: str
    executions: int
    failures: int
    total_s: float
    series: Sequence[Step]
    histogram: tuple[int, ...] | None = None

    @property
    def mean_s(self) -> float | None:
        """How long a run that did not fail took on average; None if there is none."""
        ended = self.executions - self.failures
        return self.total_s / ended if ended > 0 else None

    def percentile(self, share: float) -> float | None:
        """Return about how many seconds this share of the runs took at most; None if there is no histogram of any.

        Interpolated inside a bucket. Beyond the last limit, 335 s, all that is known is that limit.
        """
        return percentile(self.histogram, share) if self.histogram is not None else None

    @property
    def p50_s(self) -> float | None:
        """What half of the runs took at most, about."""
        return self.percentile(0.5)

    @property
    def p95_s(self) -> float | None:
        """What 95 % of the runs took at most, about."""
        return self.percentile(0.95)

    @property
    def p99_s(self) -> float | None:
        """What 99 % of the runs took at most, about."""
        return self.percentile(0.99)


class Mark(Struct, frozen=True):
    """A deploy: when (Unix seconds, whole minutes), and what it was called."""

    at: int
    label: str


class Runs(Struct, frozen=True):
    """The runs of all classes in a window, from `since` to `until` (Unix seconds), and the deploys in it."""

    window: str
    since: int
    until: int
    step_s: int
    jobs: Sequence[ClassRuns]
    marks: Sequence[Mark]

    def top(self, by: Order = "total", count: int = 10) -> list[ClassRuns]:
        """Return the first few: most run, most failing, most time in total, slowest on average or by the percentile.

        Classes that have none of that are left out.
        """
        values: dict[str, Callable[[ClassRuns], float | None]] = {
            "executions": lambda job: job.executions,
            "failures": lambda job: job.failures,
            "total": lambda job: job.total_s,
            "mean": lambda job: job.mean_s,
            "p95": lambda job: job.p95_s,
        }
        value = values[by]
        ranked = sorted((job for job in self.jobs if value(job)), key=lambda job: (-(value(job) or 0), job.name))
        return ranked[:count]


class Sum(Struct):
    """What was counted of one class in one step: runs, failed ones too; failures; milliseconds of what did not fail.

    `generations`: who counted it. `twice`: what of its histogram stands under the keys of both.
    """

    p: int = 0
    f: int = 0
    ms: int = 0
    generations: tuple[Generation, ...] = ()
    twice: dict[int, int] = {}


Sums = dict[str, Sum]


class Metrics:
    """Reads, and notes deploys. Each look asks anew."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def runs(self, window: Window = "1h", *, detailed: int = 50, now: float | None = None) -> Runs:
        """Return the runs of all classes up to now, the most run first.

        `detailed`: of so many of them with histograms, which are further requests.

        Raises:
            ValueError: there is no such window.

        Cost: about a round trip for a hundred steps, and one for each class with histograms.
        """
        return self._runs(window, None, detailed, now)

    def job(self, name: str, window: Window = "1h", *, now: float | None = None) -> ClassRuns:
        """Return the runs of one class, if only that there were none. Raises as `runs`."""
        return self._runs(window, name, 1, now).jobs[0]

    def marks(self, since: float, until: float) -> list[Mark]:
        """Return the deploys between two moments (Unix seconds), the oldest first; those of 90 days are kept."""
        first, last = _utc(since).date(), _utc(until).date()
        days = [_utc(since) + timedelta(days=back) for back in range((last - first).days + 1)]
        found = [
            Mark(int(at.timestamp()), label.decode("utf-8", "replace"))
            for day in self._access.run(ops.marks(self._access.keys, days))
            for field, label in day.items()
            if (at := _moment(field)) is not None
        ]
        return sorted((mark for mark in found if since <= mark.at <= until), key=lambda mark: mark.at)

    def mark(self, label: str, at: float | None = None) -> None:
        """Note a deploy, now or at a moment (Unix seconds). Of one minute the first stays."""
        self._access.run(ops.mark(self._access.keys, clock.now() if at is None else at, label))

    def _runs(self, window: str, name: str | None, detailed: int, now: float | None) -> Runs:
        if window not in WINDOWS:
            raise ValueError(f"there is no window {window!r}; there are: {', '.join(WINDOWS)}")
        span = WINDOWS[window]
        until = clock.now() if now is None else now
        last = int(until // span.step_s) * span.step_s
        steps = [last - back * span.step_s for back in reversed(range(span.steps))]
        sums = read_sums(self._access, steps, name, long=span.long)
        names = {found for one in sums for found in one} if name is None else {name}
        jobs = sorted((_class(found, steps, sums) for found in names), key=lambda job: (-job.executions, job.name))
        if not span.long:
            jobs = [self._detailed(job, steps, sums) if at < detailed else job for at, job in enumerate(jobs)]
        return Runs(window, steps[0], int(until), span.step_s, jobs, self.marks(steps[0], until))

    def _detailed(self, job: ClassRuns, steps: Sequence[int], sums: Sequence[Sums]) -> ClassRuns:
        """Add the histogram of all its minutes."""
        counts = [0] * len(_LIMITS_S)
        found = {step: one[job.name] for step, one in zip(steps, sums, strict=True) if job.name in one}
        for generation in _GENERATIONS:
            minutes = [_utc(step) for step, one in found.items() if generation in one.generations]
            for start in range(0, len(minutes), _MANY):
                some = minutes[start : start + _MANY]
                read = self._access.run(ops.histograms(self._access.keys, job.name, some, generation))
                counts = [sum(column) for column in zip(counts, *read, strict=True)]
        for one in found.values():
            for at, count in one.twice.items():
                counts[at] = max(0, counts[at] - count)
        return ClassRuns(job.name, job.executions, job.failures, job.total_s, job.series, tuple(counts))


def read_sums(access: Access, steps: Iterable[int], name: str | None = None, *, long: bool = False) -> list[Sums]:
    """Return what was counted in each of some minutes, or ten minutes if `long`, by their first second; of all or one.

    Cost: a round trip for a hundred steps.
    """
    moments = [_utc(step) for step in steps]
    each = 1 if long else 3
    found: list[Sums] = []
    for start in range(0, len(moments), _TRIP):
        some = moments[start : start + _TRIP]
        wanted: Together = ops.runs(access.keys, some, name, long=long)
        replies = [reply if isinstance(reply, dict) else {} for reply in access.gather(wanted.ops)]
        found += [_sums(replies[at : at + each]) for at in range(0, len(replies), each)]
    return found


def percentile(histogram: Sequence[int], share: float) -> float | None:
    """Return the seconds that this share of what a histogram counts took at most; None if it counts nothing."""
    wanted = share * sum(histogram)
    if wanted <= 0:
        return None
    at, below = next(
        (at, upto - histogram[at]) for at, upto in enumerate(accumulate(histogram)) if upto >= wanted and histogram[at]
    )
    if at == len(LIMITS_MS):
        return _LIMITS_S[at]
    return _LIMITS_S[at] + (_LIMITS_S[at + 1] - _LIMITS_S[at]) * (wanted - below) / histogram[at]


def _sums(replies: Sequence[Mapping[str, int]]) -> Sums:
    """Add up what generation 8 and 7 counted, less what stands in both."""
    sums: Sums = {}
    for at, reply in enumerate(replies):
        sign = 1 if at < len(_GENERATIONS) else -1
        own = _GENERATIONS[at : at + 1]
        for field, count in reply.items():
            name, kind = _split(field)
            one = sums.get(name)
            if one is None:
                one = sums[name] = Sum()
            if kind == "p":
                one.p += sign * count
                one.generations += own
            elif kind == "f":
                one.f += sign * count
            elif kind == "ms":
                one.ms += sign * count
            elif kind.isdecimal() and int(kind) < len(_LIMITS_S):
                one.twice[int(kind)] = count
    sums.pop("", None)
    return sums


@lru_cache(maxsize=10_000)  # each minute has the same fields
def _split(field: str) -> tuple[str, str]:
    """Return the class and the kind of a field; no class if it is none of ours."""
    name, _, kind = field.rpartition("|")
    return name, kind


def _class(name: str, steps: Sequence[int], sums: Sequence[Sums]) -> ClassRuns:
    none = Sum()
    found = [(step, one.get(name, none)) for step, one in zip(steps, sums, strict=True)]
    series = [Step(step, one.p, one.f, one.ms / 1000) for step, one in found]
    return ClassRuns(
        name,
        sum(one.p for _, one in found),
        sum(one.f for _, one in found),
        sum(one.ms for _, one in found) / 1000,
        series,
    )


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _moment(field: bytes) -> datetime | None:
    try:
        found = datetime.fromisoformat(field.decode())
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
