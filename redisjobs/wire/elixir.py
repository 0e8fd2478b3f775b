"""Payloads as Exq and Verk write and read them, where that is not Sidekiq's way (spec: exq.md 1, verk.md 1).

Verk writes `args` as JSON inside JSON, and both count failures from 1. Whoever wrote a payload is known by its fields,
so all of them are read, whatever is written.

Must not know: Redis, what a job does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from redisjobs.wire import times
from redisjobs.wire.times import Wire

ELIXIR: tuple[Wire, ...] = ("exq", "verk")

_EXQ_FIELDS = ("error_class", "error_message", "failed_at", "finished_at", "processor", "retried_at")
_VERK_FIELDS = (
    "created_at",
    "enqueued_at",
    "error_backtrace",
    "error_message",
    "failed_at",
    "finished_at",
    "max_retry_count",
    "retried_at",
)
_MOMENTS = ("created_at", "enqueued_at", "failed_at", "retried_at")

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])
_encode = msgspec.json.Encoder().encode


def spelled(name: str) -> str:
    """Return a job's name as both spell a module: dots, and no `Elixir.` in front."""
    return name.removeprefix("Elixir.").replace("::", ".")


def listed(raw: bytes) -> bytes | None:
    """Return a payload whose `args` are a text, as Verk's are, with the list that stands in it; None if it has none.

    In a job of Verk's an empty object is an empty list: its mover makes that of one.
    """
    try:
        members: dict[str, Any] = dict(_members.decode(raw))
        args = members["args"]
        members["args"] = formed(args, "exq")
        if "max_retry_count" in members and bytes(args).translate(None, b" \t\r\n") == b"{}":
            members["args"] = msgspec.Raw(b"[]")
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if members["args"] is args else _encode(members)


def formed(args: msgspec.Raw, wire: Wire) -> msgspec.Raw:
    """Return the bytes of `args` as a wire has them: a text for Verk, a list for all others. What is odd stays."""
    first = bytes(args).lstrip()[:1]
    if wire == "verk":
        return msgspec.Raw(_encode(bytes(args).decode())) if first == b"[" else args
    if first != b'"':
        return args
    try:
        inner = msgspec.json.decode(args, type=str).encode()
        _list.decode(inner)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return args
    return msgspec.Raw(inner)


def list_in(args: Any) -> Any:
    """Return decoded `args` as the list that stands in their text, if one does; else as they are."""
    if not isinstance(args, str):
        return args
    try:
        return msgspec.json.decode(args, type=list)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return args


def counts_failures(members: Mapping[str, Any]) -> bool:
    """Tell whether `retry_count` is the number of failures, as both write it; Sidekiq's is one less."""
    return "max_retry_count" in members or members.get("processor", "") is None


def failures(members: Mapping[str, Any]) -> int:
    """Return how often a job failed, whoever counted."""
    known = members.get("retry_count")
    if isinstance(known, bool) or not isinstance(known, int | float) or not 0 <= known < float("inf"):
        return 0
    return int(known) if counts_failures(members) else int(known) + 1


def retry_of(members: Mapping[str, Any]) -> Any:
    """Return how many retries a payload asks for: Verk's own field, if it says a number, else everybody's."""
    verks = members.get("max_retry_count")
    return verks if isinstance(verks, int) and not isinstance(verks, bool) else members.get("retry")


def retries(retry: Any, max_retries: int) -> int:
    """Return `retry` as a number: the only form that both understand."""
    if isinstance(retry, bool) or not isinstance(retry, int):
        return 0 if retry is False else max_retries
    return retry


def dressed(members: Mapping[str, Any], wire: Wire, max_retries: int) -> dict[str, Any]:
    """Return the fields of a new job with all that a wire has besides. Exq and Verk know of no retry that is no number.

    `retry=False` is to leave no trace: for them it means 0, and `dead` says the rest to us.
    """
    count = retries(members["retry"], max_retries)
    found = {**members, "retry": count}
    if members["retry"] is False:
        found["dead"] = False
    if wire == "verk":
        nothing = dict.fromkeys(name for name in _VERK_FIELDS if name not in _MOMENTS[:2])
        found = {**nothing, "retry_count": 0, **found, "max_retry_count": count}
    return found


def mended(members: Mapping[str, Any], *, at: float, wire: Wire) -> dict[str, Any]:
    """Return new values for the fields of a used job that a wire cannot take as they are, and for those it misses.

    Pages of both raise over milliseconds, Exq's telemetry over a missing `enqueued_at`.
    """
    names = _EXQ_FIELDS if wire == "exq" else _VERK_FIELDS
    changes: dict[str, Any] = {name: None for name in names if name not in members}
    for name in _MOMENTS:
        value = members.get(name)
        moment = times.seconds(value)
        if moment is not None and (moment != value or (wire == "verk" and not isinstance(value, int))):
            changes[name] = times.stamp(moment, wire)
    if times.seconds(members.get("enqueued_at")) is None:
        changes["enqueued_at"] = times.stamp(at, wire)
    if not counts_failures(members):  # with the fields that are new it does
        changes["retry_count"] = failures(members)
    return changes
