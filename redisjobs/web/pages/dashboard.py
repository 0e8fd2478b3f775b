"""The dashboard: how much is done, how much waits, and what is wrong; live where the browser can."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from redisjobs import clock
from redisjobs.errors import RedisJobsError, StoreError, StoreUnavailableError
from redisjobs.inspector import Stats
from redisjobs.inspector.doctor import Finding, Report
from redisjobs.inspector.server import Server
from redisjobs.web.pages.history import RANGES, periods, unit
from redisjobs.web.pages.path import Path
from redisjobs.web.problems import RefusedError
from redisjobs.web.pulse import EVERY_S
from redisjobs.web.texts import TEXTS
from redisjobs.web.view import View

if TYPE_CHECKING:
    from redisjobs.web.site import Site

MOST_READERS = 100
STREAM_S = 60.0
"""How long a stream goes on. Browsers come back at once, but for who may not look any more."""
_BUDGET_S = 0.1
_DEFAULT = "1m"
_TABLED = 15  # beats
_SHOWN_QUEUES = 12


def show(view: View) -> Response:
    """Show all figures as of now."""
    pulse = view.site.pulse
    beat = pulse.beat()
    chosen = view.params.get("range", _DEFAULT)
    days = RANGES.get(chosen, RANGES[_DEFAULT])
    return view.page(
        "dashboard.html",
        beat=beat,
        past=pulse.past,
        tabled=pulse.past[: -_TABLED - 1 : -1],
        ranges=RANGES,
        chosen=chosen if chosen in RANGES else _DEFAULT,
        unit=unit(days),
        periods=periods(Stats(view.access).history(days)),
        server=_server(view),
        queues=pulse.queues,
        shown=_SHOWN_QUEUES,
        report=view.site.alerts.report(_BUDGET_S),
        alike=_alike,
        every_s=EVERY_S,
    )


def alerts(view: View) -> Response:
    """Show what the doctor finds, as a part of the dashboard that its script asks for again and again."""
    return _part(view, "alerts.html", report=view.site.alerts.report(10 * _BUDGET_S), alike=_alike)


def latencies(view: View) -> Response:
    """Show the queues whose jobs wait longest: another such part."""
    view.site.pulse.beat()
    return _part(view, "latencies.html", queues=view.site.pulse.queues, shown=_SHOWN_QUEUES)


def live_json(view: View) -> Response:
    """Give the figures of now to a browser that has no stream."""
    return Response(msgspec.json.encode(view.site.pulse.beat()), media_type="application/json")


def live(site: Site) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that streams the figures: server-sent events, a beat each."""
    turn = anyio.Lock()  # one thread at a time for all readers
    readers = 0

    async def beat() -> str:
        async with turn:
            try:
                found = await run_in_threadpool(site.pulse.beat)
            except RedisJobsError:
                return "event: away\ndata: {}\n\n"
        return f"data: {msgspec.json.encode(found).decode()}\n\n"

    async def beats() -> AsyncIterator[str]:
        nonlocal readers
        readers += 1
        try:
            until = clock.monotonic() + STREAM_S
            yield "retry: 1000\n\n"
            while clock.monotonic() < until and not _server_ends():
                yield await beat()
                await anyio.sleep(EVERY_S)
        finally:
            readers -= 1

    async def endpoint(request: Request) -> Response:
        if not site.live or readers >= MOST_READERS:
            raise RefusedError(503, TEXTS.no_stream, TEXTS.no_stream_remedy)
        return _Stream(
            beats(), media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"}
        )

    return endpoint


class _Stream(StreamingResponse):
    """A stream that a server can break off when it ends, without an error in its log."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except anyio.get_cancelled_exc_class():
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def _server_ends() -> bool:
    """Tell whether uvicorn was told to end, if it is our server: it waits for open answers, and tells them nothing."""
    handler = signal.getsignal(signal.SIGTERM)
    return bool(getattr(getattr(handler, "__self__", None), "should_exit", False))


def _part(view: View, template: str, **given: Any) -> Response:
    """Fill a template that is no whole page, and so shows no notice."""
    return Response(view.site.render(view, template, **given), media_type="text/html")


def _alike(report: Report) -> list[list[Finding]]:
    """Return problems and warnings, the worst first; those that one remedy helps against together."""
    found: dict[tuple[str, str, str], list[Finding]] = {}
    for one in (*report.of("problem"), *report.of("warning")):
        found.setdefault((one.level, one.check, one.remedy), []).append(one)
    return list(found.values())


def _server(view: View) -> Server | None:
    """Return what Redis tells of itself; None if this user may not ask."""
    try:
        return Server.look(view.access)
    except StoreUnavailableError:
        raise
    except StoreError:
        return None


LOOKS = (Path("/", show), Path("/alerts", alerts), Path("/latencies", latencies), Path("/live.json", live_json))
ACTS: tuple[Path, ...] = ()
STREAMS = (("/live", live),)
