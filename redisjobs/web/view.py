"""View: one request, as pages see it: what was asked for and sent, who asks, and how to answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from redisjobs.inspector import Access
from redisjobs.inspector.query import Query
from redisjobs.web.accounts import User
from redisjobs.web.guard import CSRF_FIELD, check_token
from redisjobs.web.problems import RefusedError

if TYPE_CHECKING:
    from redisjobs.web.site import Site

log = logging.getLogger("redisjobs.web")

NOTICE_COOKIE = "redisjobs_notice"
SURE = "sure"
_MOST_NOTICE = 400


class View:
    """One request. `fields` is what was posted. Texts of both may hold surrogates: names of queues are any bytes."""

    def __init__(self, site: Site, request: Request, fields: Sequence[tuple[str, str]] = ()) -> None:
        self.site = site
        self.request = request
        self.fields = fields
        self.user: User = request.state.user

    # -- what was asked for -------------------------------------------------------------------------------------

    @property
    def access(self) -> Access:
        """The Redis that is looked at."""
        return self.site.access

    @cached_property
    def params(self) -> dict[str, str]:
        """What stands behind the question mark; of a name that is given twice the last."""
        return dict(parse(self.request.scope["query_string"]))

    @property
    def notice(self) -> str:
        """What the last page that this browser posted to has to tell; see `go`."""
        return unquote(self.request.cookies.get(NOTICE_COOKIE, ""))

    def number(self, name: str, default: int, *, least: int = 0, most: int = 1_000_000_000) -> int:
        """Return a parameter that is a number; what is none counts as the default."""
        text = self.params.get(name, "")
        return min(most, max(least, int(text))) if text.isdecimal() and len(text) < 16 else default

    def query(self, asked: Mapping[str, str]) -> Query:
        """Read what to look for, in what pages show; raises QueryError."""
        return Query.of(asked).covered(self.site.redaction)

    def part(self, name: str) -> str:
        """Return a named part of the path."""
        return str(self.request.path_params[name])

    def field(self, name: str, default: str = "") -> str:
        """Return what was posted under a name, the last if it was more than once."""
        return dict(self.fields).get(name, default)

    def listed(self, name: str) -> list[str]:
        """Return all that was posted under a name."""
        return [value for known, value in self.fields if known == name]

    def check_token(self) -> None:
        """Refuse what was not posted by one of our pages; see `guard.check_token`."""
        check_token(self.request, self.field(CSRF_FIELD))

    # -- how to answer ------------------------------------------------------------------------------------------

    def url(self, path: str, **params: Any) -> str:
        """Return the address of one of our paths; parameters that are empty are left out."""
        root: str = self.request.scope.get("root_path", "")
        kept = {name: str(value) for name, value in params.items() if value not in ("", None)}
        query = urlencode(kept, errors="surrogateescape", quote_via=quote)
        return f"{quote(root + path, safe='/:@,+-_.~', errors='surrogateescape')}{'?' if query else ''}{query}"

    def page(self, template: str, status: int = 200, **given: Any) -> Response:
        """Fill a template."""
        response = Response(
            self.site.render(self, template, notice=self.notice, **given), status, media_type="text/html"
        )
        if self.notice:
            response.delete_cookie(NOTICE_COOKIE, path=self._root)
        return response

    def go(self, path: str, notice: str = "", **params: Any) -> Response:
        """Send the browser to one of our paths, where it shows the notice once."""
        response = RedirectResponse(self.url(path, **params), 303)
        if notice:
            told = quote(notice[:_MOST_NOTICE], errors="surrogateescape")
            response.set_cookie(NOTICE_COOKIE, told, max_age=60, path=self._root, httponly=True, samesite="strict")
        return response

    @property
    def sure(self) -> bool:
        """Whether what was posted was asked about already."""
        return self.field(SURE) == "1"

    def ask(self, question: str, button: str, *, details: Sequence[str] = (), back: str = "/") -> Response:
        """Ask before something is done: a page whose button posts the same again, with `sure` set."""
        kept = [(name, value) for name, value in self.fields if name not in (CSRF_FIELD, SURE)]
        return self.page("ask.html", question=question, button=button, details=details, kept=kept, back=back)

    def note(self, action: str, **facts: Any) -> None:
        """Write a line about what somebody did."""
        log.info("action", extra={"action": action, "who": self.user.name, "from": self.client, **facts})

    @property
    def client(self) -> str:
        """The address that the request came from."""
        return self.request.client.host if self.request.client else ""

    @property
    def _root(self) -> str:
        return self.request.scope.get("root_path") or "/"


def parse(query: bytes) -> list[tuple[str, str]]:
    """Read names and values as forms send them; bytes that are no UTF-8 become surrogate escapes.

    Raises:
        RefusedError: there are more than a thousand.
    """
    try:
        return parse_qsl(
            query.decode("latin-1"), keep_blank_values=True, errors="surrogateescape", max_num_fields=1_000
        )
    except ValueError:
        raise RefusedError(400, "too many fields", "Select fewer, or act on all that match.") from None


def chosen(params: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Return those of some names that have a value."""
    return {name: params[name] for name in names if params.get(name)}
