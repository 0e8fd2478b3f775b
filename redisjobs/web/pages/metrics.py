"""Metrics: how often and how long each class ran."""

from __future__ import annotations

from starlette.responses import Response

from redisjobs.web.pages.path import Path
from redisjobs.web.view import View


def show(view: View) -> Response:
    """Show it."""
    return view.page("metrics.html")


LOOKS = (Path("/metrics", show),)
ACTS: tuple[Path, ...] = ()
