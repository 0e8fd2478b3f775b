"""A few plain pages in place of the web UI's, until that is there: for what is to look at them."""

from __future__ import annotations

from html import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from redisjobs import RedisJobs

STYLE = (
    "body{font:14px sans-serif;overflow-wrap:anywhere}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#8bf}}"
)
POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; frame-ancestors 'none'"
FRAME = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><link rel="icon" href="data:,">'
    '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/style.css"></head>'
    '<body><main><h1>{title}</h1><p><a href="/">Dashboard</a></p><ul>{items}</ul></main></body></html>'
)


def web(app: RedisJobs) -> Starlette:
    """Return an ASGI app that shows an app's numbers, its queues and its dead jobs."""

    def page(title: str, items: list[str]) -> Response:
        shown = "".join(f"<li>{escape(item)}</li>" for item in items)
        text = FRAME.format(title=escape(title), items=shown)
        return HTMLResponse(text.encode("utf-8", "replace"), headers={"content-security-policy": POLICY})

    def dashboard(_: Request) -> Response:
        stats = app.stats
        return page(
            "Dashboard", [f"processed {stats.processed}", *(f"{one.name} {one.size}" for one in stats.summaries)]
        )

    def queue(request: Request) -> Response:
        name = request.path_params["name"]
        return page(f"Queue {name}", [f"{one.jid} {one.name} {one.args}"[:2_000] for one in app.queue(name).page()])

    def dead(_: Request) -> Response:
        return page("Dead", [f"{one.name} {one.error_class} {one.error_message}"[:2_000] for one in app.dead.page()])

    def style(_: Request) -> Response:
        return Response(STYLE, media_type="text/css")

    routes = [("/", dashboard), ("/queues/{name}", queue), ("/dead", dead), ("/style.css", style)]
    return Starlette(routes=[Route(path, endpoint) for path, endpoint in routes])
