"""The bytes of one connection: all of them, and none waited for longer than the time limit."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from redisjobs.store.stream import Stream
from tests.support.eventually import eventually

pytestmark = pytest.mark.quick

LIMIT_S = 0.1


class Cooperative(socket.socket):
    """A socket of a library that has taken over how sockets wait."""


@pytest.fixture(params=[socket.socket, Cooperative], ids=["plain", "cooperative"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    made = request.param(fileno=ours.detach())
    with made, theirs:
        yield made, theirs


def test_silence_ends_with_the_time_limit(ends: tuple[socket.socket, socket.socket]) -> None:
    stream = Stream(ends[0], LIMIT_S)

    with pytest.raises(TimeoutError):
        stream.receive()


def test_who_takes_nothing_is_given_up(ends: tuple[socket.socket, socket.socket]) -> None:
    stream = Stream(ends[0], LIMIT_S)

    with pytest.raises(TimeoutError):
        stream.send(bytes(16 * 1024 * 1024))


def test_small_messages_wait_for_room_and_are_given_up_if_there_is_none(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    stream = Stream(ends[0], LIMIT_S)

    with pytest.raises(TimeoutError):
        for _ in range(10_000):
            stream.send(b"message " * 1_000)


def test_small_messages_that_there_is_little_room_for_arrive_whole(ends: tuple[socket.socket, socket.socket]) -> None:
    ends[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 5_000)
    stream, theirs = Stream(ends[0], 30.0), ends[1]
    messages = [b"%d " % number * 1_999 for number in range(200)]
    received = bytearray()

    def read() -> None:
        while len(received) < sum(map(len, messages)):
            received.extend(theirs.recv(1_000))

    reader = threading.Thread(target=read)
    reader.start()
    for message in messages:
        stream.send(message)
    reader.join(30)

    assert received == b"".join(messages)


def test_where_nobody_reads_any_more_it_is_told(ends: tuple[socket.socket, socket.socket]) -> None:
    stream = Stream(ends[0], 30.0)
    ends[1].close()

    with pytest.raises(ConnectionError):
        for _ in range(3):
            stream.send(b"message")


def test_after_the_socket_is_closed_nothing_is_written_to_what_has_its_number_now() -> None:
    ours, theirs = socket.socketpair()
    stream, number = Stream(ours, 30.0), ours.fileno()
    ours.close()
    anothers, end = socket.socketpair()
    with theirs, anothers, end:
        assert anothers.fileno() == number

        with pytest.raises(OSError, match="Bad file descriptor"):
            stream.send(b"message")


def test_a_message_larger_than_the_buffers_arrives_whole(ends: tuple[socket.socket, socket.socket]) -> None:
    stream, theirs = Stream(ends[0], 30.0), ends[1]
    sent = bytes(range(256)) * 32 * 1024
    received = bytearray()

    def read() -> None:
        while len(received) < len(sent):
            received.extend(theirs.recv(1 << 16))

    reader = threading.Thread(target=read)
    reader.start()
    stream.send(sent)
    reader.join(30)

    assert received == sent


@pytest.mark.parametrize("eager", [True, False])
def test_an_answer_is_read_whether_or_not_it_is_looked_for(
    ends: tuple[socket.socket, socket.socket], eager: bool
) -> None:
    stream, theirs = Stream(ends[0], 30.0), ends[1]
    for number in range(100):
        stream.send(b"%d" % number)
        theirs.sendall(theirs.recv(100))
        assert stream.receive(eager=eager) == b"%d" % number


def test_the_end_is_no_bytes_and_makes_it_stale(ends: tuple[socket.socket, socket.socket]) -> None:
    stream = Stream(ends[0], 30.0)
    ends[1].close()

    assert stream.receive() == b""
    eventually(lambda: stream.stale)  # not at once: one used just now is not looked at
