"""Endpoint: one thing that a program can ask for, with what it takes and gives; and how it is asked and answered.

The same table of endpoints makes the routes and their description, so that neither says what the other does not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from redisjobs.errors import OptionError, PayloadError, QueryError, TransferError, did_you_mean
from redisjobs.web import forms, guard
from redisjobs.web.problems import RefusedError
from redisjobs.web.view import View
from redisjobs.wording import valid

if TYPE_CHECKING:
    from redisjobs.web.site import Site

V1 = "/api/v1"
JSON = "application/json"
LINES = "application/jsonl"

P = TypeVar("P", bound=Struct)
B = TypeVar("B")


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Call(Generic[P, B]):
    """One request: `params` is what stood behind the question mark, `body` what was sent."""

    def __init__(self, view: View, params: P, body: B) -> None:
        self.view = view
        self.access = view.access
        self.params = params
        self.body = body


class Endpoint(Struct, frozen=True, kw_only=True):
    """A method of a path. `respond` gets a `Call`; what it returns is of the type `answer`, or a response of its own.

    `media` is what is answered where that is no JSON, `takes` what is sent; without `body` nothing is sent.
    """

    method: str
    path: str
    summary: str
    respond: Callable[[Any], Any]
    answer: type[Struct] | None = None
    params: type[Struct] = Nothing
    body: type[Struct] | None = None
    status: int = 200
    media: str = JSON
    takes: str = JSON

    def route(self, site: Site) -> Route:
        """Return the route of this."""
        return Route(V1 + self.path, self._endpoint(site), methods=[self.method])

    def _endpoint(self, site: Site) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            sent = b""
            if request.method not in ("GET", "HEAD"):
                _check(request, self.takes if self._has_body else "")
                sent = await forms.body(request)
            return await run_in_threadpool(self._answer, View(site, request), sent)

        return endpoint

    @property
    def _has_body(self) -> bool:
        return self.body is not None or self.takes != JSON

    def _answer(self, view: View, sent: bytes) -> Response:
        params = _params(view, self.params)
        body = sent if self.body is None else _body(sent, self.body)
        try:
            found = self.respond(Call(view, params, body))
        except (QueryError, TransferError, PayloadError, OptionError) as error:
            raise RefusedError(400, "this cannot be read", str(error)) from None
        if isinstance(found, Response):
            return found
        return answered(found, self.status)


def answered(found: Struct, status: int = 200) -> Response:
    """Return an answer as JSON; bytes that are no UTF-8, as names of queues may have, stand in it as `\\xff`."""
    try:
        written = msgspec.json.encode(found)
    except UnicodeEncodeError:
        written = msgspec.json.encode(valid(msgspec.to_builtins(found)))
    return Response(written, status, media_type=JSON)


def _check(request: Request, takes: str) -> None:
    """Refuse what no program of ours would send.

    Raises:
        RefusedError: its type is another, or it is of a browser's page that did not send the token.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if takes and kind != takes:
        raise RefusedError(415, "another type of content", f"Send it with the header Content-Type: {takes}.")
    if guard.from_browser(request):
        try:
            guard.check_token(request, request.headers.get(guard.CSRF_HEADER, ""))
        except RefusedError:
            remedy = "Programs send neither cookies nor Origin; pages of ours send the header X-CSRF-Token."
            raise RefusedError(403, "no token", remedy) from None


def _params(view: View, kind: type[P]) -> P:
    try:
        return msgspec.convert(view.params, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _unfit("the parameters", error, kind, view.params) from None


def _body(sent: bytes, kind: type[B]) -> B:
    try:
        return msgspec.json.decode(sent or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise _unfit("what was sent", error, kind, ()) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(400, "no JSON", f"{error}; send one JSON object, in UTF-8.") from None


def _unfit(what: str, error: msgspec.ValidationError, kind: Any, given: Any) -> RefusedError:
    known = [field.encode_name for field in msgspec.structs.fields(kind)]
    unknown = next((name for name in given if name not in known), "")
    near = did_you_mean(unknown, known) if unknown else ""
    listed = f"There are: {', '.join(known)}." if known else "There are none."
    return RefusedError(400, f"{what} cannot be read", f"{error}{near}. {listed} See {V1}/openapi.json.")
