"""The retry, scheduled and dead sets: their jobs, and their errors in groups."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from redisjobs.inspector import RetrySet, errors, places
from redisjobs.inspector.search import search
from redisjobs.web.api.endpoint import Call, Endpoint
from redisjobs.web.api.shapes import Asked, BudgetS, Job, Jobs, Limit, Listing, Place, finite, job, jobs

PLACES: dict[str, Place] = {"retries": "retry", "scheduled": "schedule", "dead": "dead"}


class AskedErrors(Asked, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which jobs to group, and how many groups."""

    limit: Limit = 200
    budget_s: BudgetS = 0.5


class Group(Struct, kw_only=True):
    """Jobs that failed in one way: the class of the error, and what the messages have in common.

    `jobs` and `places`: how many of each class, and in each set. `sample`: the one that failed last.
    """

    error_class: str
    message: str
    count: int
    first_at: float | None
    last_at: float | None
    jobs: dict[str, int]
    places: dict[str, int]
    sample: Job


class Groups(Struct, kw_only=True):
    """The largest groups, of `groups_total`. `partial`: only `looked` of `total` jobs were looked at."""

    groups: list[Group]
    groups_total: int
    partial: bool
    looked: int
    total: int


def _list(name: str) -> Callable[[Call[Listing, bytes]], Jobs]:
    def respond(call: Call[Listing, bytes]) -> Jobs:
        asked = call.params
        found = search(
            places.place(call.access, name),
            asked.query(call.view),
            limit=asked.limit,
            budget_s=asked.budget_s,
            cursor=asked.cursor,
        )
        return jobs(call.view.site.redaction, found, PLACES[name])

    return respond


def _errors(*names: str) -> Callable[[Call[AskedErrors, bytes]], Groups]:
    def respond(call: Call[AskedErrors, bytes]) -> Groups:
        asked = call.params
        sets = [kind(call.access) for kind in places.SETS if kind.place in names]
        found = errors.group(sets, asked.query(call.view), budget_s=asked.budget_s)
        return Groups(
            groups=[_group(call, one) for one in found.groups[: asked.limit]],
            groups_total=len(found.groups),
            partial=found.partial,
            looked=found.looked,
            total=found.total,
        )

    return respond


def _group(call: Call[AskedErrors, bytes], one: errors.ErrorGroup) -> Group:
    cover = call.view.site.redaction
    return Group(
        error_class=one.error_class,
        message=cover.text(one.message),
        count=one.count,
        first_at=finite(one.first_at),
        last_at=finite(one.last_at),
        jobs=dict(one.jobs.most_common(20)),
        places=dict(one.places),
        sample=job(cover, one.sample, _place(call, one)),
    )


def _place(call: Call[AskedErrors, bytes], one: errors.ErrorGroup) -> Place:
    """Return where the sample of a group is."""
    if len(one.places) == 1:
        return PLACES[next(iter(one.places))]
    return "retry" if RetrySet(call.access).these([one.sample.raw]) else "dead"


ENDPOINTS = (
    *(
        Endpoint(
            method="GET",
            path=f"/{name}",
            summary=f"List {name} jobs, the soonest first, of the dead the newest",
            respond=_list(name),
            params=Listing,
            answer=Jobs,
        )
        for name in PLACES
    ),
    *(
        Endpoint(
            method="GET",
            path=f"/{name}/errors",
            summary=f"Group {name} jobs by what went wrong",
            respond=_errors(name),
            params=AskedErrors,
            answer=Groups,
        )
        for name in PLACES
    ),
    Endpoint(
        method="GET",
        path="/errors",
        summary="Group the jobs of retries and of the dead by what went wrong",
        respond=_errors("retries", "dead"),
        params=AskedErrors,
        answer=Groups,
    ),
)
