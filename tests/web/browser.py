"""Somebody who looks at our pages and fills their forms, and goes where that leads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import unescape
from typing import Any

from httpx import Response

from tests.web.client import Client

Fields = Mapping[str, str | Sequence[str]]


class Browser:
    """A client that follows, and answers what it is asked with yes."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get(self, path: str, **params: str) -> Response:
        """Look at a page."""
        return self._client.get(path, params=params or None)

    def post(self, path: str, fields: Fields | None = None, *, files: Any = None, **more: str) -> Response:
        """Send a form of our pages."""
        data = {"csrf": self._client.token, **(fields or {}), **more}
        return self._client.http.post(path, data=data, files=files, follow_redirects=True)

    def sure(self, path: str, fields: Fields | None = None, **more: str) -> Response:
        """Send a form, see that it asks, and say yes."""
        asked = self.post(path, fields, **more)
        assert 'name="sure"' in asked.text, asked.text
        kept: dict[str, list[str]] = {}
        for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', asked.text):
            kept.setdefault(unescape(name), []).append(unescape(value))
        return self._client.http.post(asked.url, data=kept, follow_redirects=True)


def notice(page: Response) -> str:
    """Return what a page says about the act before."""
    found = re.search(r'<p class="notice" role="status">(.*?)</p>', page.text, re.DOTALL)
    return unescape(found[1]) if found else ""
