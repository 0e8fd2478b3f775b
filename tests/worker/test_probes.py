"""The HTTP server for probes: what it answers, and that nobody can keep it busy."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from redisjobs.errors import ConfigError
from redisjobs.worker.probes import Probes

pytestmark = pytest.mark.quick


def answer(path: str) -> tuple[bool, dict[str, Any]] | str | None:
    if path == "/text":
        return "figure 1\n"
    return {"/yes": (True, {"so": True}), "/no": (False, {"so": False})}.get(path)


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    """Where a server answers by `answer`."""
    server = Probes(("127.0.0.1", 0), answer)
    host, _, port = server.address.rpartition(":")
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            server.turn(0.05)

    thread = threading.Thread(target=serve)
    thread.start()
    yield host, int(port)
    ended.set()
    thread.join()
    server.close()


def asked(address: tuple[str, int], method: str, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.request(method, path)
    response = connection.getresponse()
    read = response.status, response.read()
    connection.close()
    return read


def sent(address: tuple[str, int], request: bytes) -> bytes:
    """Send bytes; return all that comes until the other side closes."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(request)
        read = b""
        while more := connection.recv(4096):
            read += more
        return read


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/yes", 200, {"so": True}),
        ("GET", "/no", 503, {"so": False}),
        ("GET", "/yes?verbose=1", 200, {"so": True}),
        ("GET", "/other", 404, {}),
        ("POST", "/yes", 405, {}),
    ],
)
def test_it_answers_with_a_status_and_the_reasons(
    address: tuple[str, int], method: str, path: str, status: int, body: object
) -> None:
    found, read = asked(address, method, path)

    assert (found, msgspec.json.decode(read)) == (status, body)


def test_figures_are_plain_text(address: tuple[str, int]) -> None:
    answer = sent(address, b"GET /text HTTP/1.1\r\n\r\n")

    assert b"Content-Type: text/plain; version=0.0.4" in answer
    assert answer.endswith(b"\r\n\r\nfigure 1\n")


def test_a_head_has_no_body(address: tuple[str, int]) -> None:
    assert asked(address, "HEAD", "/no") == (503, b"")


@pytest.mark.parametrize("request_", [b"nonsense\r\n\r\n", b"\xff\xfe\r\n\r\n", b"GET /yes\r\n\r\n", b"x" * 4096])
def test_what_is_no_request_is_refused(address: tuple[str, int], request_: bytes) -> None:
    assert sent(address, request_).startswith(b"HTTP/1.1 400 ")


def test_a_request_may_come_in_pieces(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        for piece in (b"GET /y", b"es HTTP/1.1\r\nHost: x\r", b"\n\r\n"):
            connection.sendall(piece)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_who_says_nothing_is_hung_up_on_and_keeps_nobody_waiting(address: tuple[str, int]) -> None:
    silent = [socket.create_connection(address, timeout=10) for _ in range(80)]
    try:
        assert asked(address, "GET", "/yes")[0] == 200
        assert [one.recv(10) for one in silent] == [b""] * len(silent)
    finally:
        for one in silent:
            one.close()


def test_an_address_in_use_is_told(address: tuple[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"health = 127.0.0.1:.*name another"):
        Probes(address, answer)
