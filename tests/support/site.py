"""An ASGI app, served for real."""

from __future__ import annotations

import socket
import threading
from typing import Any

import uvicorn

from tests.support.eventually import eventually


class Site:
    """An ASGI app on a free port of the loopback, served by uvicorn in a thread."""

    def __init__(self, asgi: Any) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(asgi, log_level="warning", timeout_graceful_shutdown=2))
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}, name="test-site", daemon=True
        )
        self._thread.start()
        eventually(lambda: self._server.started, 30, "the site has not started")

    def close(self) -> None:
        """End it."""
        self._server.should_exit = True
        self._thread.join(30)
        self._listener.close()
