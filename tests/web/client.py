"""A program that reads our pages and posts their forms, as a browser without JavaScript does."""

from __future__ import annotations

import re
from typing import Any

import httpx

from redisjobs import RedisJobs
from tests.support.site import Site


class Client:
    """Asks a site. `post` sends the token of our pages along, and does not follow where it is sent to."""

    def __init__(self, asgi: Any, **more: Any) -> None:
        self.site = Site(asgi)
        self.http = httpx.Client(base_url=self.site.url, timeout=60, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        """Read a page, wherever that is."""
        return self.http.get(path, follow_redirects=True, **more)

    def text(self, path: str) -> str:
        """Return the HTML of a page that is there."""
        found = self.get(path)
        assert found.status_code == 200, found.text
        return found.text

    def post(self, path: str, *, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
        """Send a form."""
        return self.http.post(path, data={"csrf": self.token, **fields}, headers=headers)

    def act(self, path: str, **fields: Any) -> str:
        """Send a form, go where that leads, and return the HTML there."""
        sent = self.post(path, **fields)
        assert sent.status_code == 303, sent.text
        return self.text(sent.headers["location"])

    @property
    def token(self) -> str:
        """The token that the pages have in their forms."""
        if "redisjobs_csrf" not in self.http.cookies:
            self.http.get("/static/icon.svg")
        return str(self.http.cookies["redisjobs_csrf"])

    def close(self) -> None:
        """End the site."""
        self.http.close()
        self.site.close()


def words(html: str) -> str:
    """Return what a page says, without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def opened(app: RedisJobs, **settings: Any) -> Client:
    """Serve an app's web UI."""
    return Client(app.web(**settings))
