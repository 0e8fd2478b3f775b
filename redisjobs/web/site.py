"""Web: the ASGI app. It joins guard, pages, API and static files, and answers errors."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from redisjobs.errors import RedisJobsError, StoreUnavailableError
from redisjobs.inspector import Access, Stats
from redisjobs.inspector.redact import Redaction
from redisjobs.web import api, forms, pages, render
from redisjobs.web.guard import CSRF_FIELD, Guard
from redisjobs.web.mounting import Below, WsgiBelow, as_wsgi
from redisjobs.web.problems import RefusedError, for_program, path_of, problem
from redisjobs.web.pulse import Alerts, Pulse
from redisjobs.web.settings import Settings
from redisjobs.web.tabs import Tab
from redisjobs.web.texts import TEXTS
from redisjobs.web.view import View

_STATIC = Path(__file__).parent / "static"
Respond = Callable[[View], Response]


class Site:
    """What all requests share."""

    def __init__(self, access: Access, settings: Settings) -> None:
        self.access = access
        self.settings = settings
        self.live = settings.live
        self.redaction = Redaction(settings.redact, settings.sensitive)
        self.pulse = Pulse(access)
        self.alerts = Alerts(access)
        self.environment = render.environment([tab.templates for tab in settings.tabs])

    def render(self, view: View, template: str, **given: Any) -> str:
        """Fill a template with what a page gives and what all pages have."""
        path = path_of(view.request)
        return self.environment.get_template(template).render(
            view=view,
            url=view.url,
            path=path,
            csrf=view.request.state.csrf,
            csrf_field=CSRF_FIELD,
            tabs=self.settings.tabs,
            title=self.settings.title,
            sizes=self._sizes,
            **given,
        )

    def _sizes(self) -> Stats | None:
        """Return the sizes that stand in the navigation; None if Redis does not say."""
        found = Stats(self.access)
        try:
            found.retries  # noqa: B018  asks
        except RedisJobsError:
            return None
        return found


class Web(Starlette):
    """The web UI of one Redis, as an ASGI app: serve it alone, or mount it in another.

    Raises:
        ConfigError: a pattern of `redact` is none.
    """

    def __init__(self, access: Access, settings: Settings) -> None:
        self.site = Site(access, settings)
        super().__init__(
            routes=[*self._pages(), *self._tabs(), Mount("/static", StaticFiles(directory=_STATIC), name="static")],
            middleware=[Middleware(Guard, settings=settings)],
            exception_handlers={
                RefusedError: self._refused,
                HTTPException: self._missing,
                RedisJobsError: self._failed,
            },
        )

    def wsgi(self) -> Any:
        """Return this as a WSGI app, for Flask, or Django under WSGI. Pages ask again where they would listen."""
        self.site.live = False
        return as_wsgi(self)

    def below(self, path: str, other: ASGIApp) -> ASGIApp:
        """Return an ASGI app that serves this below a path, and the other app elsewhere: for Django, which mounts none.

        Raises:
            ConfigError: the path does not begin with a slash, or ends with one.
        """
        return Below(path, self, other)

    def wsgi_below(self, path: str, other: Any) -> Any:
        """See `below` and `wsgi`: the same of WSGI apps."""
        return WsgiBelow(path, self.wsgi(), other)

    def _pages(self) -> list[BaseRoute]:
        return [
            *(self._route(*look) for look in pages.LOOKS),
            *(self._route(*act, method="POST") for act in pages.ACTS),
            *(Route(path, stream(self.site), methods=["GET"]) for path, stream in pages.STREAMS),
            *api.routes(self.site),
        ]

    def _tabs(self) -> list[BaseRoute]:
        tabs = self.site.settings.tabs
        return [
            *(self._route(f"/{tab.path}", _shown(tab)) for tab in tabs),
            *(
                self._route(f"/{tab.path}/{name}", _acted(tab, name), method="POST")
                for tab in tabs
                for name in tab.actions
            ),
        ]

    def _route(self, path: str, respond: Respond, *, method: str = "GET") -> Route:
        route = Route(path, self._answer(respond), methods=[method])
        route.path_regex = re.compile(route.path_regex.pattern, re.DOTALL)  # a jid may have a newline
        return route

    def _answer(self, respond: Respond) -> Callable[[Request], Awaitable[Response]]:
        """Return an endpoint that reads what was sent, and has a thread answer: the inspector waits for Redis."""

        async def endpoint(request: Request) -> Response:
            fields = await forms.read(request) if request.method == "POST" else ()
            view = View(self.site, request, fields)
            if request.method == "POST":
                view.check_token()
            return await run_in_threadpool(respond, view)

        return endpoint

    async def _refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)
        return await self._told(request, error)

    async def _missing(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        title = TEXTS.no_page if error.status_code == 404 else error.detail.lower()
        return await self._told(request, RefusedError(error.status_code, title, TEXTS.no_page_remedy, error.headers))

    async def _failed(self, request: Request, error: Exception) -> Response:
        away = isinstance(error, StoreUnavailableError)
        title = TEXTS.redis_away if away else TEXTS.not_done
        return await self._told(request, RefusedError(503 if away else 409, title, str(error)))

    async def _told(self, request: Request, refusal: RefusedError) -> Response:
        if for_program(request):
            return problem(refusal)
        view = View(self.site, request)
        return await run_in_threadpool(view.page, "error.html", refusal.status, refusal=refusal)


def _shown(tab: Tab) -> Respond:
    def respond(view: View) -> Response:
        template, given = tab.respond(view)
        return view.page(template, here=lambda name: view.url(f"/{tab.path}/{name}"), **given)

    return respond


def _acted(tab: Tab, name: str) -> Respond:
    def respond(view: View) -> Response:
        said = tab.actions[name](view)
        view.note(f"{tab.path}/{name}")
        return view.go(f"/{tab.path}", said)

    return respond
