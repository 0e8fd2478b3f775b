"""Serve the web UI below a path of another app that has no way to mount one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from a2wsgi import ASGIMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from redisjobs.errors import ConfigError


class Below:
    """An ASGI app: what is asked below a path goes to one app, everything else to another, its start and end too."""

    def __init__(self, path: str, inner: ASGIApp, outer: ASGIApp) -> None:
        self._path = checked(path)
        self._inner = inner
        self._outer = outer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        root = scope.get("root_path", "")
        if scope["type"] == "http" and f"{scope['path'].removeprefix(root)}/".startswith(f"{self._path}/"):
            scope = {**scope, "root_path": root + self._path}
            if scope["path"] == scope["root_path"]:
                scope["path"] += "/"
            await self._inner(scope, receive, send)
        else:
            await self._outer(scope, receive, send)


class WsgiBelow:
    """See `Below`: the same of WSGI apps."""

    def __init__(self, path: str, inner: Callable[..., Iterable[bytes]], outer: Callable[..., Iterable[bytes]]) -> None:
        self._path = checked(path)
        self._inner = inner
        self._outer = outer

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """See WSGI."""
        path = environ.get("PATH_INFO", "")
        if not f"{path}/".startswith(f"{self._path}/"):
            return self._outer(environ, start_response)
        rest = path[len(self._path) :] or "/"
        return self._inner(
            {**environ, "SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + self._path, "PATH_INFO": rest}, start_response
        )


def as_wsgi(app: ASGIApp) -> Callable[..., Iterable[bytes]]:
    """Return an ASGI app as a WSGI one, run on a loop in a thread of its own."""
    return ASGIMiddleware(app)  # type: ignore[arg-type]


def checked(path: str) -> str:
    """Return the path that something is to be served below.

    Raises:
        ConfigError: it does not begin with a slash, or ends with one.
    """
    if not path.startswith("/") or path.endswith("/"):
        raise ConfigError(f"path={path!r}: write it as /jobs, with a slash in front and none at the end")
    return path
