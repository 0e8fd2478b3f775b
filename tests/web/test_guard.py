"""Who is let in, who may act, and what a browser is told to refuse."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest

from redisjobs import RedisJobs
from redisjobs.errors import ConfigError
from redisjobs.web import Account, User, hash_password
from tests.web.client import Client, words

Serve = Callable[..., Client]
HASH = hash_password("open sesame")


def asked(app: Any, address: str, *, headers: dict[str, str] | None = None, path: str = "/queues") -> httpx.Response:
    """Ask an ASGI app as somebody at an address does."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(address, 4321))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path, headers=headers)

    return anyio.run(ask)


def accounts(*texts: str) -> list[Account]:
    return [Account.parse(text) for text in texts]


# -- who is let in ------------------------------------------------------------------------------------------------


def test_without_accounts_only_this_machine_is_let_in(app: RedisJobs) -> None:
    assert asked(app.web(), "127.0.0.1").status_code == 200
    assert asked(app.web(), "::1").status_code == 200

    sent_away = asked(app.web(), "192.0.2.7")
    assert sent_away.status_code == 403
    assert "--auth" in sent_away.text


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_a_proxy_on_this_machine_is_not_this_machine(app: RedisJobs, header: str) -> None:
    assert asked(app.web(), "127.0.0.1", headers={header: "192.0.2.7"}).status_code == 403


def test_a_name_that_somebody_made_point_here_is_refused(app: RedisJobs) -> None:
    assert asked(app.web(), "127.0.0.1", headers={"Host": "evil.example:8700"}).status_code == 421
    assert asked(app.web(), "127.0.0.1", headers={"Host": "[::1]:8700"}).status_code == 200


def test_the_names_it_is_served_under_can_be_said(app: RedisJobs) -> None:
    web = app.web(host_guards=True, hosts=["jobs.example"])

    assert asked(web, "192.0.2.7", headers={"Host": "jobs.example"}).status_code == 200
    assert asked(web, "192.0.2.7", headers={"Host": "other.example"}).status_code == 421


def test_a_password_is_asked_for_and_known(app: RedisJobs, serve: Serve) -> None:
    client = serve(app.web(accounts=accounts(f"ann:{HASH}", f"bob:view:{HASH}")))

    refused = client.get("/queues")
    assert (refused.status_code, refused.headers["www-authenticate"][:5]) == (401, "Basic")
    assert client.get("/queues", auth=("ann", "wrong")).status_code == 401
    assert client.get("/queues", auth=("eve", "open sesame")).status_code == 401
    assert client.get("/queues", headers={"Authorization": b"Basic \xff"}).status_code == 401
    assert "ann" in client.get("/queues", auth=("ann", "open sesame")).text
    assert client.get("/api/v1/nothing").headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "text", ["ann", "ann:hash", "ann:boss:HASH", ":HASH", "ann:scrypt$2$8$1$zz$!!", "ann:HASH:more:more"]
)
def test_what_is_no_account_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(ConfigError, match="--hash-password"):
        Account.parse(text.replace("HASH", HASH))


@pytest.mark.parametrize(
    ("answer", "status"),
    [(True, 200), ("operate", 200), ("view", 200), (User("ann"), 200), (False, 403), (None, 403), ("boss", 403)],
    ids=str,
)
def test_a_hook_says_who_may_come_in(app: RedisJobs, answer: Any, status: int) -> None:
    assert asked(app.web(authorize=lambda request: answer), "192.0.2.7").status_code == status


def test_a_hook_may_wait(app: RedisJobs) -> None:
    async def authorize(request: Any) -> Any:
        return User("ann") if request.headers.get("x-key") == "1" else None

    assert asked(app.web(authorize=authorize), "192.0.2.7", headers={"X-Key": "1"}).status_code == 200
    assert asked(app.web(authorize=authorize), "192.0.2.7").status_code == 403


# -- who may act --------------------------------------------------------------------------------------------------


def test_who_may_only_look_gets_no_buttons_and_cannot_post(app: RedisJobs, serve: Serve) -> None:
    app.push("Mail", queue="mail")
    for settings in ({"read_only": True}, {"authorize": lambda request: "view"}):
        client = serve(app.web(**settings))

        assert "<button class" not in client.text("/queues")
        assert client.post("/queue/pause?name=mail").status_code == 403
    assert not app.queue("mail").paused


def test_only_our_own_forms_are_heard(app: RedisJobs, client: Client) -> None:
    app.push("Mail", queue="mail")

    assert client.http.post("/queue/pause?name=mail", data={}).status_code == 403
    assert client.http.post("/queue/pause?name=mail", data={"csrf": "x" * 43}).status_code == 403
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert client.post("/queue/pause?name=mail", headers=headers).status_code == 403, headers
    assert not app.queue("mail").paused

    mine = {"Origin": client.site.url, "Sec-Fetch-Site": "same-origin"}
    assert client.post("/queue/pause?name=mail", headers=mine).status_code == 303
    assert app.queue("mail").paused


def test_looking_changes_nothing(app: RedisJobs, client: Client) -> None:
    app.push("Mail", queue="mail")

    assert client.get("/queue/pause?name=mail").status_code == 405
    assert client.get("/queue/clear?name=mail").status_code == 405


def test_each_action_is_written_down_with_who_did_it(
    app: RedisJobs, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app.push("Mail", queue="mail")
    client = serve(app.web(authorize=lambda request: User("ann")))

    with caplog.at_level(logging.INFO, "redisjobs.web"):
        client.post("/queue/pause?name=mail")

    [line] = [record.__dict__ for record in caplog.records if record.message == "action"]
    assert {name: line[name] for name in ("action", "who", "from", "queue")} == {
        "action": "pause queue",
        "who": "ann",
        "from": "127.0.0.1",
        "queue": "mail",
    }


def test_what_deletes_asks_first(app: RedisJobs, client: Client) -> None:
    app.push("Mail", queue="mail")

    asks = client.post("/queue/clear?name=mail")
    assert "Clear the queue mail, with 1 job?" in words(asks.text)
    assert app.queue("mail").size == 1

    assert "1 job deleted" in client.act("/queue/clear?name=mail", sure="1")
    assert app.queue("mail").size == 0


# -- what browsers are told ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/queues", "/nothing", "/static/style.css", "/api/v1/nothing"])
def test_every_answer_is_kept_from_being_misused(client: Client, path: str) -> None:
    headers = client.get(path).headers

    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"


def test_no_page_is_kept_by_a_cache(client: Client) -> None:
    assert client.get("/queues").headers["cache-control"] == "no-store"


def test_a_notice_is_shown_once_and_as_text(app: RedisJobs, client: Client) -> None:
    name = "<script>alert(1)</script>"
    app.push("Mail", queue=name)

    told = client.act("/queue/pause?name=%3Cscript%3Ealert(1)%3C/script%3E")

    assert "&lt;script&gt;alert(1)&lt;/script&gt; is paused" in told
    assert "is paused" not in client.text("/queues")


# -- what goes wrong ----------------------------------------------------------------------------------------------


def test_a_redis_that_is_away_is_said_with_what_it_was(serve: Serve) -> None:
    client = serve(RedisJobs("redis://127.0.0.1:1").web())

    away = client.get("/queues")
    assert away.status_code == 503
    assert "Redis does not answer" in words(away.text)
    assert client.get("/api/v1/nothing").json()["status"] == 404


def test_a_page_that_is_none_says_so(client: Client) -> None:
    missing = client.get("/nothing")

    assert missing.status_code == 404
    assert "There is no such page" in words(missing.text)


def test_too_much_at_once_is_refused(client: Client) -> None:
    sent = client.http.post("/queue/pause?name=mail", data={"csrf": client.token, "more": "x" * (65 << 20)})

    assert sent.status_code == 413
