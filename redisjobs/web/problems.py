"""How errors are told: a page for people, problem+json (RFC 9457) for programs."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from redisjobs.wording import valid

API = "/api/"


class RefusedError(Exception):
    """A request that is not done: the status, what is wrong, and the remedy."""

    def __init__(self, status: int, title: str, remedy: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, title, remedy, headers)
        self.status, self.title, self.remedy, self.headers = status, title, remedy, headers


def for_program(request: Request) -> bool:
    """Tell whether a request asks the API."""
    return path_of(request).startswith(API)


def path_of(request: Request) -> str:
    """Return the path below the place that this is mounted at."""
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", ""))


def refuse(request: Request, refusal: RefusedError) -> Response:
    """Return the answer to a request that came no further than the guard."""
    if for_program(request):
        return problem(refusal)
    page = _PAGE.format(title=escape(refusal.title.capitalize()), remedy=escape(refusal.remedy))
    return Response(page, refusal.status, refusal.headers, "text/html")


def problem(refusal: RefusedError, **more: object) -> Response:
    """Return an error as a program reads it."""
    found = {"type": "about:blank", "status": refusal.status, "title": refusal.title, "detail": refusal.remedy, **more}
    return Response(msgspec.json.encode(valid(found)), refusal.status, refusal.headers, "application/problem+json")


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><main><h1>{title}</h1><p>{remedy}</p></main></html>
"""
