"""Metrics: how often, how long and how badly each class ran; and the deploys."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from redisjobs import clock
from redisjobs.errors import QueryError
from redisjobs.inspector import ClassRuns, Mark, Metrics, Step
from redisjobs.inspector.metrics import Window
from redisjobs.web.api.endpoint import Call, Endpoint
from redisjobs.web.api.shapes import checked
from redisjobs.wire.metrics import LIMITS_MS

_DAY_S = 86_400
_LONGEST_S = 90 * _DAY_S


class Over(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The time up to now."""

    window: Window = "1h"


class OverClass(Over, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which class, over which time."""

    name: Annotated[str, Meta(description="The class, in place of the one in the path.")] = ""


class ClassInfo(Struct, kw_only=True):
    """The runs of one class: failures are runs too, the seconds are those of the others.

    Percentiles are null where no histograms are kept (windows of more than 8 h), or beyond the first fifty classes.
    """

    name: str
    executions: int
    failures: int
    total_s: float
    mean_s: float | None
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None


class AllClasses(Struct, kw_only=True):
    """The runs of all classes from `since` to `until`, the most run first, and the deploys in that time."""

    window: str
    since: int
    until: int
    step_s: int
    classes: list[ClassInfo]
    marks: list[Mark]


class Bucket(Struct, kw_only=True):
    """Runs that took less than `below_ms`, and no less than the bucket before; null: all that took longer."""

    below_ms: float | None
    count: int


class OneClass(ClassInfo, kw_only=True):
    """The same of one class, step by step, the oldest first, and its histogram, which is null in long windows."""

    series: list[Step]
    histogram: list[Bucket] | None


class Between(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From when to when, Unix seconds; the last day if nothing is said. Deploys of 90 days are kept."""

    since: float | None = None
    until: float | None = None


class Marks(Struct, kw_only=True):
    """Deploys, the oldest first."""

    marks: list[Mark]


class NewMark(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A deploy, now or at a moment (Unix seconds). Of one minute the first stays."""

    label: Annotated[str, Meta(min_length=1, max_length=500)]
    at: Annotated[float, Meta(ge=0, lt=1e11)] | None = None


class Noted(Struct, kw_only=True):
    """The deploy as it was noted."""

    at: float
    label: str


def everything(call: Call[Over, bytes]) -> AllClasses:
    """Give the runs of all classes."""
    runs = Metrics(call.access).runs(call.params.window)
    return AllClasses(
        window=runs.window,
        since=runs.since,
        until=runs.until,
        step_s=runs.step_s,
        classes=[ClassInfo(**_figures(job)) for job in runs.jobs],
        marks=list(runs.marks),
    )


def one(call: Call[OverClass, bytes]) -> OneClass:
    """Give the runs of one class, if only that there were none."""
    runs = Metrics(call.access).job(call.params.name or call.view.part("class"), call.params.window)
    limits = (*LIMITS_MS, None)
    counts = None if runs.histogram is None else zip(limits, runs.histogram, strict=True)
    return OneClass(
        **_figures(runs),
        series=list(runs.series),
        histogram=None if counts is None else [Bucket(below_ms=limit, count=count) for limit, count in counts],
    )


def marks(call: Call[Between, bytes]) -> Marks:
    """Give deploys."""
    until = clock.now() if call.params.until is None else call.params.until
    since = until - _DAY_S if call.params.since is None else call.params.since
    if not 0 <= since <= until < 1e11 or until - since > _LONGEST_S:
        raise QueryError("since, until: Unix seconds, the first before the last, and no more than 90 days between them")
    return Marks(marks=Metrics(call.access).marks(since, until))


def mark(call: Call[Struct, NewMark]) -> Noted:
    """Note a deploy."""
    at = clock.now() if call.body.at is None else call.body.at
    Metrics(call.access).mark(checked(call.body.label, "label"), at)
    call.view.note("mark deploy", label=call.body.label)
    return Noted(at=at, label=call.body.label)


def _figures(runs: ClassRuns) -> dict[str, Any]:
    names = ("name", "executions", "failures", "total_s", "mean_s", "p50_s", "p95_s", "p99_s")
    return {name: getattr(runs, name) for name in names}


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/metrics",
        summary="See how often, how long and how badly each class ran",
        respond=everything,
        params=Over,
        answer=AllClasses,
    ),
    Endpoint(
        method="GET",
        path="/metrics/{class:path}",
        summary="See the same of one class, step by step, with its histogram",
        respond=one,
        params=OverClass,
        answer=OneClass,
    ),
    Endpoint(method="GET", path="/marks", summary="List deploys", respond=marks, params=Between, answer=Marks),
    Endpoint(
        method="POST", path="/marks", summary="Note a deploy", respond=mark, body=NewMark, answer=Noted, status=201
    ),
)
