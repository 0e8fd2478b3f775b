"""A job as a sample shows it: of a large one only the end was read, and there stand its name, its jid and its times."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from redisjobs.store.ops.diagnosis import Sample
from redisjobs.wire import times

_FIELD = re.compile(rb'"(class|wrapped|queue|jid|created_at|enqueued_at)":("(?:[^"\\]|\\.)*"|[0-9.eE+-]+)')


class Seen(Struct, frozen=True):
    """One sampled job; what it does not say, or says in a form that is none, is empty or None."""

    where: str
    size_bytes: int
    name: str
    wrapped: str
    queue: str
    jid: str
    created_at: int | float | None
    enqueued_at: int | float | None

    @property
    def since(self) -> float | None:
        """Since when it waits, Unix seconds."""
        return times.seconds(self.enqueued_at if self.enqueued_at is not None else self.created_at)


def seen(where: str, sample: Sample, queue: str = "") -> Seen:
    """Read a sample; `queue` is the one that it stands in."""
    fields = _decoded(sample.raw) if sample.whole else _found(sample.raw)

    def text(name: str) -> str:
        value = fields.get(name)
        return value if isinstance(value, str) else ""

    def number(name: str) -> int | float | None:
        value = fields.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    return Seen(
        where=where,
        size_bytes=sample.size_bytes,
        name=text("class"),
        wrapped=text("wrapped"),
        queue=queue or text("queue"),
        jid=text("jid"),
        created_at=number("created_at"),
        enqueued_at=number("enqueued_at"),
    )


def _decoded(raw: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _found(end: bytes) -> dict[str, Any]:
    fields = {}
    for name, value in _FIELD.findall(end):
        try:
            fields[name.decode()] = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return fields
