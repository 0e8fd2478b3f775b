"""The JSON API: what the pages show and do, for programs. Described by `openapi.json`; errors are problem+json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import BaseRoute

if TYPE_CHECKING:
    from redisjobs.web.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes of the API."""
    return []
