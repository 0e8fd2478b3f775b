"""Busy: the processes and what they run."""

from __future__ import annotations

from starlette.responses import Response

from redisjobs.web.pages.path import Path
from redisjobs.web.view import View


def show(view: View) -> Response:
    """Show it."""
    return view.page("busy.html")


LOOKS = (Path("/busy", show),)
ACTS: tuple[Path, ...] = ()
