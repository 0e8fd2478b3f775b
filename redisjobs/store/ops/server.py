"""Ops that ask about the server, a connection or a key, and nothing about jobs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from redisjobs.store.op import Arg, Op, Together, command


def ping() -> Op[Any]:
    """Ask for an answer, to time it. Safe to send twice: it only asks."""
    return command("PING")


def kinds(names: Iterable[Arg]) -> Together:
    """Read the type of each key, `none` where there is no such key. Safe to send twice: it only reads."""
    return Together([command("TYPE", name, decode=_text) for name in names])


def client_id() -> Op[int]:
    """Ask for the number of the connection that this is sent on. Safe to send twice: it only asks."""
    return command("CLIENT", "ID", decode=int)


def server_id() -> Op[tuple[str, bool]]:
    """Read what tells a server from all others, and whether it is of a cluster. Safe to send twice: it only reads."""
    return command("INFO", "server", decode=_server_id)


def connected_names() -> Op[set[str]]:
    """Read the names of all connections, as their processes gave them. Safe to send twice: it only reads.

    Cost: O(connections) of the server.
    """
    return command("CLIENT", "LIST", "TYPE", "normal", decode=_connection_names)


def unblock(client_ids: Sequence[int]) -> Together:
    """End the blocked waits of other connections. Safe to send twice: the second finds none that waits."""
    return Together([command("CLIENT", "UNBLOCK", number) for number in client_ids])


def _text(reply: bytes | str) -> str:
    return reply.decode() if isinstance(reply, bytes) else reply


def _server_id(reply: bytes) -> tuple[str, bool]:
    told = dict(line.partition(":")[::2] for line in reply.decode("utf-8", "replace").splitlines())
    return told["run_id"], "cluster" in (told.get("redis_mode"), told.get("server_mode"))


def _connection_names(reply: bytes) -> set[str]:
    fields = (field for line in reply.splitlines() for field in line.split())
    return {field[5:].decode("utf-8", "replace") for field in fields if field.startswith(b"name=")} - {""}
