"""Which Redis an app uses: the one it named, else the environment's, else the private server of this machine.

Always holds: nothing is looked up or started before somebody asks for the URL, and then once.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from redisjobs import config
from redisjobs.lazy import LazyModule

if TYPE_CHECKING:
    from pathlib import Path

    from redisjobs.store import embedded
else:
    embedded = LazyModule("redisjobs.store.embedded")


class Location:
    """Where an app's Redis is. `data_folder` is that of the private server, should one be needed."""

    def __init__(self, url: str | None, data_folder: Path | None) -> None:
        self.server: embedded.EmbeddedServer | None = None
        self._url = url
        self._data_folder = data_folder
        self._lock = threading.RLock()

    @property
    def url(self) -> str:
        """The URL; starts the private server, or joins it, if nothing else was named.

        Raises:
            EmbeddedError: no private server could be started.
        """
        with self._lock:
            if self._url is None:
                self._url = config.redis_url()
            if self._url is None:
                self.server = embedded.start(self._data_folder)
                self._url = self.server.url
            return self._url

    def leave(self) -> bool:
        """Let go of the private server; tell whether there was one. The next `url` looks anew."""
        with self._lock:
            if self.server is None:
                return False
            self.server.close()
            self.server, self._url = None, None
            return True
