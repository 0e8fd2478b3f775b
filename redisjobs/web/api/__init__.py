"""The JSON API: what the pages show and do, for programs. Described by `openapi.json`; errors are problem+json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from redisjobs.web.api import bulk, jobs, metrics, processes, queues, sets, stats, tasks, transfer
from redisjobs.web.api.endpoint import JSON, V1, Endpoint

if TYPE_CHECKING:
    from redisjobs.web.site import Site

_MODULES = (stats, queues, sets, bulk, tasks, jobs, transfer, processes, metrics)
DESCRIPTION = Path(__file__).parent / "openapi.json"
ENDPOINTS: tuple[Endpoint, ...] = tuple(one for module in _MODULES for one in module.ENDPOINTS)


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes of the API."""
    return [Route(f"{V1}/openapi.json", _described, methods=["GET"]), *(one.route(site) for one in ENDPOINTS)]


def _described(request: Request) -> Response:
    return Response(DESCRIPTION.read_bytes(), media_type=JSON)
