"""How bulk work of the web UI goes on, told through Redis: whichever web process is asked can show or stop it."""

from __future__ import annotations

from collections.abc import Sequence

from redisjobs.store.keys import Keys
from redisjobs.store.op import Op, Together, command

TTL_S = 3600
_STOP = ":stop"


def tell(keys: Keys, task: str, told: bytes) -> Together:
    """Write how far a task is; the last reply is not None if it is to stop. Safe to send twice: it writes the same."""
    return Together(
        [
            command("HSET", keys.web_tasks, task, told),
            command("EXPIRE", keys.web_tasks, TTL_S),
            command("HGET", keys.web_tasks, task + _STOP),
        ]
    )


def stop(keys: Keys, task: str) -> Op[int]:
    """Have a task stop after its step. Safe to send twice: it writes the same."""
    return command("HSET", keys.web_tasks, task + _STOP, 1, decode=int)


def told(keys: Keys) -> Op[dict[str, bytes]]:
    """Read what all tasks told. Safe to send twice: it only reads."""
    return command("HGETALL", keys.web_tasks, decode=_tasks)


def forget(keys: Keys, tasks: Sequence[str]) -> Op[int]:
    """Drop what some tasks told. Safe to send twice: the second finds nothing."""
    return command("HDEL", keys.web_tasks, *(name for task in tasks for name in (task, task + _STOP)), decode=int)


def _tasks(reply: Sequence[bytes]) -> dict[str, bytes]:
    read = {name.decode("utf-8", "replace"): value for name, value in zip(reply[::2], reply[1::2], strict=True)}
    return {name: value for name, value in read.items() if not name.endswith(_STOP)}
