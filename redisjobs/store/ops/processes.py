"""Ops on the registry of processes, as Ruby's pages read it (spec: sidekiq.md 2.3, 2.4, 3.10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from redisjobs.store.keys import Keys
from redisjobs.store.op import Arg, Op, Together, command, texts

SIGNALS_TTL_S = 60
_MOST_CANCELS = 1000
ABILITIES = "redisjobs"
"""The field that only ours write: Ruby asks for fields by their names, and not for this one."""
INFO_FIELDS = ("info", "concurrency", "busy", "beat", "quiet", "rss", "rtt_us")


def beat(
    keys: Keys,
    identity: str,
    *,
    fields: Mapping[str, Arg],
    work: Mapping[str, bytes],
    queues: Sequence[str],
    ttl_s: float,
) -> Together:
    """Write that a process lives and what it runs. Safe to send twice: everything is set, nothing added."""
    ttl_ms = int(ttl_s * 1000)
    ops: list[Op[Any]] = []
    for key in (keys.work(identity), keys.workers(identity)):  # generations 7 and 8; generation 6
        ops.append(command("UNLINK", key))
        if work:
            ops.append(command("HSET", key, *(part for item in work.items() for part in item)))
            ops.append(command("PEXPIRE", key, ttl_ms))
    if queues:
        ops.append(command("SADD", keys.lease_queues, *queues))
    for colon in _colons(keys):
        key = colon + keys.process(identity)
        ops.append(command("SADD", colon + keys.processes, identity))
        ops.append(command("HSET", key, *(part for item in fields.items() for part in item)))
        ops.append(command("PEXPIRE", key, ttl_ms))
    return Together(ops, atomic=True)


def have_colons(keys: Keys) -> bool:
    """Tell whether Exq's nodes are registered beside us under keys with a colon: it puts one before no namespace too.

    The keys are those of the registry, of info and of signals, and no others (exq.md 2.2).
    """
    return keys.wire == "exq" and not keys.namespace


def addresses(keys: Keys, identity: str) -> list[str]:
    """Return what a process of ours is called where its info and signals are, so that Exq's pages find it too."""
    return [colon + identity for colon in _colons(keys)]


def signal_for(keys: Keys, identity: str) -> Op[str | None]:
    """Take the name of a signal that was left for a process, None if there is none. See `addresses`.

    Sent twice it takes two signals, and the first is lost with its answer: whoever left it sees no effect.
    """
    return command(
        "RPOP", keys.signals(identity), decode=lambda name: name.decode("utf-8", "replace") if name else None
    )


def cancels_for(keys: Keys, identity: str) -> Op[list[tuple[str, str]]]:
    """Take the thread and jid of each run that a process is to end.

    Sent twice it takes them twice, and those of the first time are lost with its answer; see `signal_for`.
    """
    return command("RPOP", keys.cancels(identity), _MOST_CANCELS, decode=_runs)


def leave(keys: Keys, identity: str) -> Together:
    """Take a process off the registry. Safe to send twice: the second finds nothing."""
    gone = [keys.work(identity), keys.workers(identity), keys.cancels(identity)]
    for name in addresses(keys, identity):
        gone += (keys.process(name), keys.signals(name))
    lists: list[Op[Any]] = [command("SREM", colon + keys.processes, identity) for colon in _colons(keys)]
    return Together((*lists, command("UNLINK", *gone)), atomic=True)


def silences(keys: Keys, identities: Sequence[str], *, ttl_s: float) -> Together:
    """Ask for each identity how long ago it beat, in seconds by Redis' clock; None if its heartbeat ran out.

    `ttl_s`: how long a heartbeat lasts. Safe to send twice: it only reads.
    """

    def silence(left_ms: int) -> float | None:
        if left_ms == -2:  # no such key
            return None
        return max(0.0, ttl_s - left_ms / 1000) if left_ms >= 0 else 0.0

    return Together([command("PTTL", keys.process(identity), decode=silence) for identity in identities])


def identities(keys: Keys) -> Op[list[str]]:
    """Read the registry. Safe to send twice: it only reads."""
    return command("SMEMBERS", keys.processes, decode=texts)


def exq_nodes(keys: Keys) -> Op[list[str]]:
    """Read the registry that Exq nodes have without a namespace; their names get the colon of their `addresses`.

    Safe to send twice: it only reads.
    """
    return command("SMEMBERS", f":{keys.processes}", decode=lambda reply: [f":{name}" for name in texts(reply)])


def info(keys: Keys, identity: str, fields: Sequence[str] = INFO_FIELDS) -> Op[list[bytes | None]]:
    """Read what a process says of itself: the values of `fields`, in that order; all None if it is gone.

    Safe to send twice: it only reads.
    """
    return command("HMGET", keys.process(identity), *fields)


def work(keys: Keys, identity: str) -> Op[dict[bytes, bytes]]:
    """Read what a process runs, by thread, as generations 7 and 8 write it. Safe to send twice: it only reads."""
    return command("HGETALL", keys.work(identity), decode=_pairs)


def workers(keys: Keys, identity: str) -> Op[dict[bytes, bytes]]:
    """Read what a process runs, by thread, as generation 6 writes it. Safe to send twice: it only reads."""
    return command("HGETALL", keys.workers(identity), decode=_pairs)


def forget(keys: Keys, gone: Sequence[str]) -> Op[int]:
    """Take identities without a heartbeat off the registry. Safe to send twice: they are gone then."""
    return command("SREM", keys.processes, *gone, decode=int)


def signal(keys: Keys, identity: str, name: str) -> Together:
    """Leave a signal for a process; it hears it at its next heartbeat.

    Sent twice it is two signals, and the process obeys the second as the first.
    """
    key = keys.signals(identity)
    return Together((command("LPUSH", key, name), command("EXPIRE", key, SIGNALS_TTL_S)), atomic=True)


def cancel(keys: Keys, identity: str, thread: str, jid: str) -> Together:
    """Have a process of ours end the run of a job in a thread; it hears it at its next heartbeat.

    Safe to send twice: the second finds the run ended.
    """
    key = keys.cancels(identity)
    told = msgspec.json.encode((thread, jid))
    return Together((command("LPUSH", key, told), command("EXPIRE", key, SIGNALS_TTL_S)), atomic=True)


def iterates(keys: Keys, jid: str) -> Op[bool]:
    """Tell whether Ruby wrote down how far a job is that iterates (spec: 2.6); it does so after 5 s, and now and then.

    Safe to send twice: it only reads.
    """
    return command("HGET", keys.iteration(jid), "c", decode=lambda cursor: cursor is not None)


def iteration(keys: Keys, jid: str) -> Op[list[bytes | None]]:
    """Read what Ruby wrote down of a job that iterates: its cursor, its executions, and their seconds.

    Safe to send twice: it only reads.
    """
    return command("HMGET", keys.iteration(jid), "c", "ex", "rt")


def cancel_iteration(keys: Keys, jid: str) -> Op[bool]:
    """Have Ruby end a job that iterates, at its next look; False if it is none, or not known to be one.

    Safe to send twice: the first moment stays.
    """
    return Op("cancel_iteration", keys=(keys.iteration(jid),), decode=bool)


def _runs(reply: Sequence[bytes] | None) -> list[tuple[str, str]]:
    found = []
    for told in reply or ():
        with suppress(msgspec.DecodeError, UnicodeDecodeError):  # somebody else wrote there
            found.append(msgspec.json.decode(told, type=tuple[str, str]))
    return found


def _colons(keys: Keys) -> tuple[str, ...]:
    return ("", ":") if have_colons(keys) else ("",)


def _pairs(reply: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(reply[::2], reply[1::2], strict=True))
