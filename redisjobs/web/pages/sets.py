"""The retry, scheduled and dead sets: look, filter, and act on what was chosen or on all that match."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from redisjobs.inspector import DeadSet, JobSet, RetrySet, ScheduledSet
from redisjobs.web.pages.path import Path
from redisjobs.web.view import View

PER_PAGE = 50
SETS: dict[str, type[JobSet]] = {"retries": RetrySet, "scheduled": ScheduledSet, "dead": DeadSet}


def _show(name: str) -> Callable[[View], Response]:
    def show(view: View) -> Response:
        found = SETS[name](view.access)
        start = view.number("start", 0)
        return view.page("set.html", name=name, jobs=found, start=start, entries=found.page(start, PER_PAGE))

    return show


LOOKS = tuple(Path(f"/{name}", _show(name)) for name in SETS)
ACTS: tuple[Path, ...] = ()
