"""A socket in front of Redis that can lose an answer: the request arrives, and nobody hears what became of it."""

from __future__ import annotations

import socket
import threading
from pathlib import Path


class LossyProxy:
    """Passes bytes on, between a Unix socket of its own and Redis'.

    `lose(word)`: the next answer that delivers a job, on a connection that asked with this word in its last request,
    is swallowed, and that connection is closed.
    """

    def __init__(self, redis_socket: str, folder: Path) -> None:
        self.socket = str(folder / "proxy.sock")
        self.lost: list[bytes] = []
        self._target = redis_socket
        self._word: bytes | None = None
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.socket)
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def lose(self, word: str) -> None:
        """Swallow one answer; see the class."""
        self._word = word.encode()

    def close(self) -> None:
        """End it and all connections through it."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._open:
                _shut(one)
        for thread in self._threads:
            thread.join(5)
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(self._target)
            except OSError:
                near.close()
                far.close()
                continue
            asked: list[bytes] = [b""]
            with self._lock:
                self._open += [near, far]
            for source, target, back in ((near, far, False), (far, near, True)):
                thread = threading.Thread(target=self._pump, args=(source, target, asked, back), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pump(self, source: socket.socket, target: socket.socket, asked: list[bytes], back: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                if not back:
                    asked[0] = data
                elif self._swallows(asked[0], data):
                    self.lost.append(data)
                    break
                target.sendall(data)
        except OSError:
            pass
        _shut(source)
        _shut(target)

    def _swallows(self, request: bytes, reply: bytes) -> bool:
        with self._lock:
            if self._word is None or self._word not in request or b'"jid"' not in reply:
                return False
            self._word = None
            return True


def _shut(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
