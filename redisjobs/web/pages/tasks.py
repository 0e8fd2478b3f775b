"""Bulk work that goes on: how far it got, and how to stop it."""

from __future__ import annotations

from starlette.responses import Response

from redisjobs.web.pages.path import Path
from redisjobs.web.view import View


def show(view: View) -> Response:
    """Show it."""
    return view.page("tasks.html")


LOOKS = (Path("/tasks", show),)
ACTS: tuple[Path, ...] = ()
