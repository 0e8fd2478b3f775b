"""One job, wherever it is now."""

from __future__ import annotations

from starlette.responses import Response

from redisjobs.web.pages.path import Path
from redisjobs.web.view import View


def show(view: View) -> Response:
    """Show it."""
    return view.page("job.html")


LOOKS = (Path("/jobs/{jid:path}", show),)
ACTS: tuple[Path, ...] = ()
