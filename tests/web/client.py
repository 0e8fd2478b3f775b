"""Ask the web UI as a browser does: cookies kept, forms posted with the token of the page, redirects followed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from html import unescape
from typing import Any

from httpx import ASGITransport, AsyncClient, Cookies, Response

from redisjobs import RedisJobs

Fields = Mapping[str, str | Sequence[str]]


class Browser:
    """Somebody who looks at the pages of an app."""

    def __init__(self, app: RedisJobs, **settings: Any) -> None:
        self.cookies = Cookies()
        self._web = app.web(**settings)

    def get(self, path: str, **params: str) -> Response:
        """Look at a page."""
        return self.ask("GET", path, params=params or None)

    def post(self, path: str, fields: Fields | None = None, **more: Any) -> Response:
        """Send a form of our pages, and follow where it leads."""
        files = more.pop("files", None)
        data = {"csrf": self.token, **(fields or {}), **more}
        return self.ask("POST", path, data=data, files=files)

    def sure(self, path: str, fields: Fields | None = None, **more: Any) -> Response:
        """Send a form, see that it asks, and say yes."""
        asked = self.post(path, fields, **more)
        assert 'name="sure"' in asked.text, asked.text
        kept: dict[str, list[str]] = {}
        for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', asked.text):
            kept.setdefault(unescape(name), []).append(unescape(value))
        return self.ask("POST", str(asked.url), data=kept)

    @property
    def token(self) -> str:
        """What our forms send along."""
        if "redisjobs_csrf" not in self.cookies:
            self.get("/tasks")
        return self.cookies["redisjobs_csrf"]

    def ask(self, method: str, path: str, **what: Any) -> Response:
        """Send any request."""
        return asyncio.run(self._ask(method, path, what))

    async def _ask(self, method: str, path: str, what: Mapping[str, Any]) -> Response:
        transport = ASGITransport(self._web)
        client = AsyncClient(
            transport=transport, base_url="http://localhost", cookies=self.cookies, follow_redirects=True
        )
        async with client:
            response = await client.request(method, path, **what)
            self.cookies = client.cookies
        return response


def notice(page: Response) -> str:
    """Return what a page says about the act before."""
    found = re.search(r'<p class="notice" role="status">(.*?)</p>', page.text, re.DOTALL)
    return unescape(found[1]) if found else ""
