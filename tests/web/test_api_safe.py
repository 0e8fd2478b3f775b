"""Who may ask the API for what, and what is refused; errors are problem+json."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeAlias

import httpx
import pytest
from a2wsgi import WSGIMiddleware
from starlette.applications import Starlette
from starlette.routing import Mount

from redisjobs import RedisJobs
from tests.support.builders import JID, a_payload
from tests.support.real_redis import RealRedis
from tests.web.api import SPEC, V1, Api
from tests.web.client import Client

Serve: TypeAlias = Callable[..., Client]

ACTS = [
    (method.upper(), path.removeprefix(V1))
    for path, operations in SPEC["paths"].items()
    for method in operations
    if method != "get"
]


def filled(path: str) -> str:
    return (
        path.replace("{jid}", JID)
        .replace("{queue}", "default")
        .replace("{key}", "0:x")
        .replace("{", "")
        .replace("}", "")
    )


@pytest.fixture
def seeded(redis: RealRedis) -> dict[str, Any]:
    redis.seed({"retry": {a_payload(): 1.0}, "dead": {a_payload(jid="d"): 1.0}})
    redis.seed({"queues": {"default"}, "queue:default": [a_payload(jid="q")]})
    return redis.dump()


@pytest.mark.parametrize(("method", "path"), ACTS)
def test_a_page_of_another_site_does_nothing(
    api: Api, redis: RealRedis, seeded: dict[str, Any], method: str, path: str
) -> None:
    headers = {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}

    api.refused(403, method, filled(path), {}, headers=headers)

    assert redis.dump() == seeded


@pytest.mark.parametrize(("method", "path"), ACTS)
def test_a_browser_without_our_token_does_nothing(
    client: Client, redis: RealRedis, seeded: dict[str, Any], method: str, path: str
) -> None:
    kind = "application/jsonl" if path == "/import" else "application/json"
    headers = {"sec-fetch-site": "same-origin", "content-type": kind, "cookie": f"redisjobs_csrf={client.token}"}

    for more in ({}, {"x-csrf-token": "odd"}):
        found = client.http.request(method, V1 + filled(path), content=b"{}", headers={**headers, **more})
        assert found.status_code == 403 and found.json()["title"] == "no token"

    assert redis.dump() == seeded


def test_a_page_of_ours_acts_with_the_token(client: Client, app: RedisJobs) -> None:
    headers = {"sec-fetch-site": "same-origin", "x-csrf-token": client.token}

    assert client.http.post(f"{V1}/queues/default/pause", headers=headers).status_code == 200
    assert app.queue("default").paused


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain", ""])
def test_what_a_form_could_send_is_refused(client: Client, redis: RealRedis, seeded: dict[str, Any], kind: str) -> None:
    for path in ("/retries/bulk", "/jobs", "/import", "/marks"):
        found = httpx.post(
            f"{client.site.url}{V1}{path}",
            content=b'{"action":"delete","all":true}',
            headers={"content-type": kind} if kind else {},
        )
        assert found.status_code == 415 and "Content-Type: application/json" in found.json()["detail"]

    assert redis.dump() == seeded


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "class"),
        (b"{", "no JSON"),
        (b"[]", "object"),
        (b'{"class":"\xff"}', "no JSON"),
        (b'{"class":"Mail","args":' + b"[" * 10_000, "no JSON"),
        (b'{"class":"Mail","clas":1}', "clas"),
        (b'{"class":1}', "$.class"),
    ],
)
def test_a_body_that_cannot_be_read_is_told(api: Api, redis: RealRedis, body: bytes, said: str) -> None:
    problem = api.refused(400, "POST", "/jobs", content=body, headers={"content-type": "application/json"})

    assert said in f"{problem['title']} {problem['detail']}"
    assert redis.dump() == {}


def test_too_much_at_once_is_refused(api: Api) -> None:
    body = b" " * ((64 << 20) + 1)

    api.refused(413, "POST", "/jobs", content=body, headers={"content-type": "application/json"})


def test_nothing_is_there_but_what_is_described(api: Api) -> None:
    api.refused(404, "GET", "/nothing")
    api.refused(405, "POST", "/stats")


@pytest.mark.parametrize("wsgi", [False, True])
def test_it_is_there_where_the_pages_are_mounted(app: RedisJobs, serve: Serve, redis: RealRedis, wsgi: bool) -> None:
    redis.seed({"dead": {a_payload(): 1.0}})
    web = app.web()
    mounted = WSGIMiddleware(web.wsgi()) if wsgi else web
    api = Api(serve(Starlette(routes=[Mount("/ops", mounted)])))

    for path, status in (("/stats", 200), ("/dead/export", 200), ("/nothing", 404), ("/openapi.json", 200)):
        found = api.http.get(f"/ops{V1}{path}")
        assert found.status_code == status, found.text
        assert "json" in found.headers["content-type"]
    json = {"class": "Mail"}
    api.http.cookies.clear()
    assert api.http.post(f"/ops{V1}/jobs", json=json).status_code == 201


def test_who_is_not_let_in_gets_a_problem(app: RedisJobs, serve: Serve) -> None:
    api = Api(serve(app.web(authorize=lambda request: None)))

    api.refused(403, "GET", "/stats")


def test_a_key_of_another_type_is_a_problem(api: Api, redis: RealRedis) -> None:
    redis.client.set("retry", "text")

    assert "retry" in api.refused(409, "GET", "/retries")["detail"]


def test_each_act_leaves_a_line_with_who(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "redisjobs.web"):
        api.post("/queues/default/pause")
        api.post("/jobs", {"class": "Mail"})
        api.ask("GET", "/dead/export")

    told = [(line.action, line.who) for line in caplog.records if line.message == "action"]  # type: ignore[attr-defined]
    assert told == [("pause queue", "local"), ("enqueue", "local"), ("export dead", "local")]


def test_errors_whose_text_is_no_unicode_are_told(api: Api) -> None:
    problem = api.refused(409, "POST", "/queues/-/bulk?name=%FF", {"action": "retry", "all": True})

    assert "\\xff" in problem["detail"]
