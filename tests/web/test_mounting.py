"""The web UI inside other apps: it is reached below their path, and its links lead there again."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
import fastapi
import flask
import httpx
import pytest
from django.conf import settings as django_settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.urls import path as django_path
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from redisjobs import RedisJobs
from redisjobs.errors import ConfigError
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis, free_port
from tests.support.site import Site

ROOT = Path(__file__).parents[2]

urlpatterns = [django_path("own", lambda request: HttpResponse("their own"))]


def in_starlette(app: RedisJobs) -> Any:
    own = Route("/own", lambda request: PlainTextResponse("their own"))
    return Starlette(routes=[Mount("/ops/jobs", app.web()), own])


def in_fastapi(app: RedisJobs) -> Any:
    host = fastapi.FastAPI()
    host.mount("/ops/jobs", app.web())
    host.get("/own")(lambda: "their own")
    return host


def in_django(app: RedisJobs) -> Any:
    set_up_django()
    return app.web().below("/ops/jobs", ASGIHandler())


def in_flask(app: RedisJobs) -> Any:
    host = flask.Flask("host")
    host.route("/own")(lambda: "their own")
    host.wsgi_app = app.web().wsgi_below("/ops/jobs", host.wsgi_app)  # type: ignore[method-assign]
    return host


def in_django_wsgi(app: RedisJobs) -> Any:
    set_up_django()
    return app.web().wsgi_below("/ops/jobs", WSGIHandler())


def set_up_django() -> None:
    if not django_settings.configured:
        django_settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x" * 50, USE_TZ=True)
        django.setup()


class Silent(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served(host: Any, *, wsgi: bool) -> Iterator[str]:
    if not wsgi:
        site = Site(host)
        yield site.url
        site.close()
        return
    with make_server("127.0.0.1", 0, host, handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(30)


HOSTS = [in_starlette, in_fastapi, in_django, in_flask, in_django_wsgi]


@pytest.mark.parametrize("mounted", HOSTS)
def test_pages_links_and_forms_work_below_the_path_of_another_app(
    app: RedisJobs, mounted: Callable[[RedisJobs], Any]
) -> None:
    app.push("Mail", ["a"], queue="mail")
    with served(mounted(app), wsgi=mounted in (in_flask, in_django_wsgi)) as url, httpx.Client(timeout=60) as client:
        page = client.get(f"{url}/ops/jobs/queues")

        assert page.status_code == 200, page.text
        links = re.findall(r'(?:href|src|action)="(/[^"]*)"', page.text)
        assert links
        assert [link for link in links if not link.startswith("/ops/jobs/")] == []
        style = next(link for link in links if "style.css" in link)
        assert client.get(url + style).status_code == 200
        assert client.get(f"{url}/ops/jobs/queue?name=mail").text.count("Mail")
        [cookie] = [one for one in client.cookies.jar if one.name == "redisjobs_csrf"]
        assert cookie.path == "/ops/jobs"

        sent = client.post(f"{url}/ops/jobs/queue/pause?name=mail", data={"csrf": cookie.value})
        assert (sent.status_code, sent.headers["location"]) == (303, "/ops/jobs/queues")
        assert app.queue("mail").paused
        assert client.get(f"{url}/ops/jobs/queues").text.count("is paused")

        assert client.get(f"{url}/ops/jobs/", follow_redirects=True).status_code == 200
        assert client.get(f"{url}/ops/jobs", follow_redirects=True).status_code == 200
        assert "their own" in client.get(f"{url}/own").text


@pytest.mark.parametrize("path", ["jobs", "/jobs/", "", "/"])
def test_a_path_that_cannot_be_served_below_is_refused(app: RedisJobs, path: str) -> None:
    with pytest.raises(ConfigError, match="/jobs"):
        app.web().below(path, PlainTextResponse("own"))


# -- the server's end -------------------------------------------------------------------------------------------------

HOST = """
import os
from redisjobs import RedisJobs
from starlette.applications import Starlette
from starlette.routing import Mount

host = Starlette(routes=[Mount("/jobs", RedisJobs(os.environ["REDIS_URL"]).web())])
"""


def test_a_server_that_waits_for_all_answers_ends_soon_though_somebody_listens(
    redis: RealRedis, tmp_path: Path
) -> None:
    """As a server under development does at each reload."""
    (tmp_path / "served.py").write_text(HOST)
    port = free_port()
    words = [sys.executable, "-m", "uvicorn", "served:host", "--port", str(port), "--log-level", "warning"]
    server = subprocess.Popen(words, cwd=tmp_path, env={**os.environ, "REDIS_URL": redis.url, "PYTHONPATH": str(ROOT)})
    try:
        eventually(lambda: _answers(port), 30)
        with httpx.stream("GET", f"http://127.0.0.1:{port}/jobs/live", timeout=30) as answer:
            lines = answer.iter_lines()
            next(line for line in lines if line.startswith("data: "))
            server.terminate()
            assert server.wait(20) == -signal.SIGTERM
    finally:
        server.kill()
        server.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
