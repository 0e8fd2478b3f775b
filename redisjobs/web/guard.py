"""The guard in front of all pages: which host is asked for, who asks, from where; and what browsers may do with it.

What it lets through has a `User`. Everything that changes something comes from our own pages, or from a program.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import inspect
import ipaddress
import logging
import secrets
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from redisjobs.web.accounts import Account, User
from redisjobs.web.problems import RefusedError, refuse
from redisjobs.web.settings import Authorized, Settings

log = logging.getLogger("redisjobs.web")

CSRF_COOKIE = "redisjobs_csrf"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
HERE = User("local")
_READS = ("GET", "HEAD", "OPTIONS")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """Wraps the app; see above."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._known: dict[bytes, User] = {}  # by a digest of what was sent: hashing a password takes its time
        self._pepper = secrets.token_bytes(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        token = request.cookies.get(CSRF_COOKIE, "")
        fresh = "" if _is_token(token) else secrets.token_urlsafe(32)
        cookie = _cookie(fresh, request)  # now: mounts inside change the root of the scope

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["cache-control"] = "no-store"
                if fresh:
                    headers.append("set-cookie", cookie)
            await send(message)

        scope.setdefault("state", {})["csrf"] = fresh or token
        try:
            _check_host(request, self._settings)
            scope["state"]["user"] = await self._user(request)
            if request.method not in _READS:
                _check_origin(request)
                _check_role(request)
        except RefusedError as refusal:
            log.warning("refused", extra={"reason": refusal.title, "path": request.url.path, "from": _client(request)})
            response: Response = refuse(request, refusal)
            await response(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)

    async def _user(self, request: Request) -> User:
        settings = self._settings
        if settings.authorize is not None:
            found = settings.authorize(request)
            user = _user(await found if inspect.isawaitable(found) else found)
        elif settings.accounts:
            user = await self._signed_in(request.headers)
        elif settings.host_guards or _is_local(request):
            user = HERE
        else:
            raise RefusedError(
                403, "nobody is let in from elsewhere", "Say who may come in: --auth, or app.web(authorize=...)."
            )
        return User(user.name, "view") if settings.read_only else user

    async def _signed_in(self, headers: Headers) -> User:
        sent = headers.get("authorization", "")
        mark = hmac.digest(self._pepper, sent.encode("latin-1", "replace"), hashlib.sha256)
        user = self._known.get(mark)
        if user is None:
            user = await run_in_threadpool(_account, self._settings.accounts, sent)
            if user is None:
                raise RefusedError(
                    401, "sign in", "Give a name and a password.",
                    {"www-authenticate": 'Basic realm="redisjobs", charset="UTF-8"'},
                )  # fmt: skip
            if len(self._known) > 1000:
                self._known.clear()
            self._known[mark] = user
        return user


def check_token(request: Request, sent: str) -> None:
    """Refuse what was posted without the token that our pages have.

    Raises:
        RefusedError: it is missing, or another one.
    """
    token = request.cookies.get(CSRF_COOKIE, "")
    if not (_is_token(token) and hmac.compare_digest(token.encode(), sent.encode("utf-8", "replace"))):
        raise RefusedError(403, "the form is too old", "Go back, load the page again, and try once more.")


def from_browser(request: Request) -> bool:
    """Tell whether a browser's page sent this, or a program."""
    return "sec-fetch-site" in request.headers or "origin" in request.headers or bool(request.headers.get("cookie"))


def _user(found: Authorized) -> User:
    if isinstance(found, User):
        return found
    if found is True or found == "operate":
        return User("authorized")
    if found == "view":
        return User("authorized", "view")
    raise RefusedError(403, "not for you", "The app that this belongs to does not let you in.")


def _account(accounts: Sequence[Account], sent: str) -> User | None:
    scheme, _, encoded = sent.partition(" ")
    try:
        name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:  # no base64, no UTF-8, not even ASCII
        return None
    if scheme.lower() != "basic" or not colon:
        return None
    found = [account for account in accounts if account.user.name == name]
    fits = (found or accounts)[0].fits(password)  # as slow for a name that nobody has
    return found[0].user if found and fits else None


def _check_host(request: Request, settings: Settings) -> None:
    hosts = settings.hosts or (() if settings.guarded else _LOOPBACK_NAMES)
    name = _host_name(request.headers.get("host", ""))
    if hosts and name not in hosts:
        raise RefusedError(421, "not served under this name", "Use a name that this was started for: --host-name.")


def _check_origin(request: Request) -> None:
    """Refuse what another site had a browser send; browsers say so, programs say nothing."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site not in (None, "same-origin", "none"):
        raise RefusedError(403, "sent by another site", "Act on our own pages.")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise RefusedError(403, "sent by another site", "Act on our own pages; a proxy must pass on the Host header.")


def _check_role(request: Request) -> None:
    if not request.state.user.may_operate:
        raise RefusedError(403, "you may look, not act", "Ask for the role `operate`, or that read-only mode ends.")


def _is_local(request: Request) -> bool:
    """Whether somebody on this machine asks, as far as one can tell: proxies speak for others."""
    if any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip")):
        return False
    host = request.client.host if request.client else ""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == ""  # a Unix socket has no address


def _host_name(host: str) -> str:
    """Return the name in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


def _is_token(token: str) -> bool:
    return len(token) == 43 and token.isascii()


def _cookie(token: str, request: Request) -> str:
    path = request.scope.get("root_path") or "/"
    secure = "; Secure" if request.url.scheme == "https" else ""
    return f"{CSRF_COOKIE}={token}; Path={path}; HttpOnly; SameSite=Strict{secure}"


def _client(request: Request) -> str:
    return request.client.host if request.client else ""
