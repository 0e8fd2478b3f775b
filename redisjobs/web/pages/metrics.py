"""Metrics: how often, how long and how badly each class ran, Ruby's too; deploys; one class alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

from msgspec import Struct
from starlette.responses import Response

from redisjobs import clock, wording
from redisjobs.inspector import ClassRuns, Mark, Metrics, Step
from redisjobs.inspector.metrics import WINDOWS, Window
from redisjobs.web.pages.path import Path
from redisjobs.web.problems import RefusedError
from redisjobs.web.render import took
from redisjobs.web.texts import TEXTS
from redisjobs.web.view import View
from redisjobs.wire.metrics import LIMITS_MS

ORDERS: dict[str, Callable[[ClassRuns], float]] = {
    "executions": lambda job: job.executions,
    "failures": lambda job: job.failures,
    "total": lambda job: job.total_s,
    "mean": lambda job: job.mean_s or 0.0,
    "p50": lambda job: job.p50_s or 0.0,
    "p95": lambda job: job.p95_s or 0.0,
    "p99": lambda job: job.p99_s or 0.0,
}
_TOP = 5
_SHOWN = 200
_ROWS = 48
_MOST_LABEL = 200


class Bucket(Struct, frozen=True):
    """Runs that took from `from_s` to `to_s` seconds, which is None for the last; and how many there are."""

    from_s: float
    to_s: float | None
    count: int


def show(view: View) -> Response:
    """Show all classes."""
    window, by, text = _window(view), view.params.get("by", "executions"), view.params.get("q", "")
    by = by if by in ORDERS else "executions"
    runs = Metrics(view.access).runs(window)
    jobs = [job for job in runs.jobs if text.lower() in job.name.lower()]
    all_steps = _sum(jobs)
    return view.page(
        "metrics.html",
        runs=runs,
        window=window,
        windows=WINDOWS,
        by=by,
        orders=ORDERS,
        q=text,
        jobs=sorted(jobs, key=lambda job: (-ORDERS[by](job), job.name))[:_SHOWN],
        found=len(jobs),
        series=_drawn(all_steps),
        rows=_rows(all_steps),
        marks=_marks(runs.marks),
        whole_s=max((job.total_s for job in jobs), default=0.0),
        failing=runs.top("failures", _TOP),
        slowest=runs.top("mean" if WINDOWS[window].long else "p95", _TOP),
        heaviest=runs.top("total", _TOP),
    )


def show_class(view: View) -> Response:
    """Show one class."""
    window, name = _window(view), view.params.get("name", "")
    metrics = Metrics(view.access)
    job = metrics.job(name, window)
    deploys = metrics.marks(job.series[0].at, clock.now())
    series, buckets = _drawn(job.series), _buckets(job)
    return view.page(
        "class.html",
        job=job,
        deploys_in=deploys,
        marks=_marks(deploys),
        window=window,
        windows=WINDOWS,
        series=series,
        means=[_mean_s(step) for step in series],
        rows=_rows(job.series),
        buckets=buckets,
        ticks=[took(bucket.from_s) for bucket in buckets],
    )


def mark(view: View) -> Response:
    """Note a deploy, now."""
    label = view.field("label").strip()[:_MOST_LABEL]
    if not label:
        raise RefusedError(400, TEXTS.no_label, TEXTS.no_label_remedy)
    Metrics(view.access).mark(label)
    view.note("mark deploy", label=label)
    return view.go("/metrics", TEXTS.at("marked", label=label), window=_window(view))


def _window(view: View) -> Window:
    asked = view.params.get("window", "")
    return next((window for window in get_args(Window) if window == asked), "1h")


def _sum(jobs: Sequence[ClassRuns]) -> list[Step]:
    """Add up the steps of all classes."""
    return [_together(steps) for steps in zip(*(job.series for job in jobs), strict=True)]


def _drawn(series: Sequence[Step]) -> Sequence[Step]:
    """Return the steps that are over: the one that goes on would look like a fall; it counts if it is all there is."""
    over = series[:-1]
    return over if any(step.executions for step in over) else series


def _rows(series: Sequence[Step]) -> list[Step]:
    """Put steps together to as many as one reads in a table, the last first."""
    each = max(1, -(-len(series) // _ROWS))
    return [_together(series[at : at + each]) for at in range(0, len(series), each)][::-1]


def _together(steps: Sequence[Step]) -> Step:
    return Step(
        steps[0].at,
        sum(step.executions for step in steps),
        sum(step.failures for step in steps),
        sum(step.total_s for step in steps),
    )


def _mean_s(step: Step) -> float | None:
    ended = step.executions - step.failures
    return round(step.total_s / ended, 4) if ended > 0 else None


def _marks(marks: Sequence[Mark]) -> list[tuple[int, str]]:
    """Return the deploys as a chart is given them."""
    return [(mark.at, wording.printable(mark.label)) for mark in marks]


def _buckets(job: ClassRuns) -> list[Bucket]:
    """Return the histogram, without what is empty at both ends."""
    counts = job.histogram or ()
    limits = [0.0, *(limit / 1000 for limit in LIMITS_MS), None]
    used = [at for at, count in enumerate(counts) if count]
    if not used:
        return []
    return [Bucket(limits[at] or 0.0, limits[at + 1], counts[at]) for at in range(used[0], used[-1] + 1)]


LOOKS = (Path("/metrics", show), Path("/metrics/class", show_class))
ACTS = (Path("/metrics/mark", mark),)
