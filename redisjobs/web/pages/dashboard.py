"""The dashboard: how much is done, how much waits, and what is wrong."""

from __future__ import annotations

from starlette.responses import Response

from redisjobs.inspector import Stats
from redisjobs.web.pages.path import Path
from redisjobs.web.view import View


def show(view: View) -> Response:
    """Show all figures as of now."""
    return view.page("dashboard.html", stats=Stats(view.access))


LOOKS = (Path("/", show),)
ACTS: tuple[Path, ...] = ()
