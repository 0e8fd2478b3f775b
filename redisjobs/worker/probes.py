"""Probes: a small HTTP server that says whether this process lives and is ready, and its figures.

It waits for nobody: one request a connection, small and soon, or the connection is closed.
Must not know: what there is to say.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec

from redisjobs import clock
from redisjobs.errors import ConfigError
from redisjobs.wire.exposition import CONTENT_TYPE

Answer = Callable[[str], tuple[bool, dict[str, Any]] | str | None]
"""From a path to: is it so, and what else there is to say, or figures as a text; None if nothing is at that path."""

_REQUEST_BYTES = 4096
_REQUEST_S = 2.0
_CALLERS = 64
_JSON = "application/json"


class Probes:
    """Answers on `address`, one `turn` at a time.

    Raises:
        ConfigError: the address cannot be listened to.
    """

    def __init__(self, address: tuple[str, int], answer: Answer) -> None:
        self._answer = answer
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        try:
            self._server = socket.create_server(address, family=family)
        except OSError as error:
            raise ConfigError(f"health = {address[0]}:{address[1]}: {error.strerror or error}; name another") from error
        self._server.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._server, selectors.EVENT_READ)
        self._callers: dict[socket.socket, tuple[bytes, float]] = {}  # what was read so far, and until when to wait

    @property
    def address(self) -> str:
        """Where it listens, with the port that was found if 0 was asked for."""
        host, port = self._server.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def fileno(self) -> int:
        """Return what another selector may wait on: readable is that `turn` has something to do."""
        number: int = self._selector.fileno()  # epoll's and kqueue's have one
        return number

    def turn(self, timeout_s: float) -> None:
        """Wait so long at most for callers, and serve those who are there."""
        for key, _ in self._selector.select(timeout_s):
            if key.fileobj is self._server:
                self._accept()
            else:
                self._read(key.fileobj)  # type: ignore[arg-type]
        now = clock.monotonic()
        for caller in [caller for caller, (_, until) in self._callers.items() if now > until]:
            self._hang_up(caller)

    def close(self) -> None:
        """Close everything. In a forked child that closes its copies only."""
        self._selector.close()
        self._server.close()
        for caller in self._callers:
            caller.close()

    def _accept(self) -> None:
        try:
            caller, _ = self._server.accept()
        except OSError:
            return
        caller.setblocking(False)
        if len(self._callers) >= _CALLERS:
            self._hang_up(next(iter(self._callers)))
        self._callers[caller] = (b"", clock.monotonic() + _REQUEST_S)
        self._selector.register(caller, selectors.EVENT_READ)

    def _read(self, caller: socket.socket) -> None:
        if caller not in self._callers:  # hung up in this turn
            return
        before, until = self._callers[caller]
        try:
            more = caller.recv(_REQUEST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        request = before + more
        complete = b"\r\n\r\n" in request or len(request) >= _REQUEST_BYTES
        if more and not complete:
            self._callers[caller] = (request, until)
            return
        if complete:
            self._respond(caller, request)
        self._hang_up(caller)

    def _respond(self, caller: socket.socket, request: bytes) -> None:
        status, body, kind = self._response(request)
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\n"
        head += f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
        try:
            caller.send(head.encode() + (b"" if request.startswith(b"HEAD ") else body))
        except OSError:
            pass

    def _response(self, request: bytes) -> tuple[HTTPStatus, bytes, str]:
        words = request.partition(b"\n")[0].decode("latin-1").split()
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return HTTPStatus.BAD_REQUEST, b"{}", _JSON
        if words[0] not in ("GET", "HEAD"):
            return HTTPStatus.METHOD_NOT_ALLOWED, b"{}", _JSON
        answer = self._answer(words[1].partition("?")[0])
        if answer is None:
            return HTTPStatus.NOT_FOUND, b"{}", _JSON
        if isinstance(answer, str):
            return HTTPStatus.OK, answer.encode(), CONTENT_TYPE
        status = HTTPStatus.OK if answer[0] else HTTPStatus.SERVICE_UNAVAILABLE
        return status, msgspec.json.encode(answer[1]), _JSON

    def _hang_up(self, caller: socket.socket) -> None:
        del self._callers[caller]
        self._selector.unregister(caller)
        caller.close()
