"""Bytes that are no job, kept in the dead set so that no Ruby page breaks and no byte is lost.

Bytes that Ruby's parser refuses may stand there bare: every generation's pages show them. Everything else that is no
job (`null`, `[]`, a job without a jid, bytes that are no UTF-8) would crash a page or be lost by a retry from there
(spec: sidekiq.md 7), so it travels in an envelope: a well-formed job that carries the original in base64.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from redisjobs.errors import PayloadError
from redisjobs.wire import elixir, payload
from redisjobs.wire.arguments import MAX_DEPTH
from redisjobs.wire.times import Wire, stamp

ENVELOPE = "redisjobs.Malformed"
ORIGINAL = "redisjobs_original"

_SHOWN = 200


def wrap(raw: bytes, problem: PayloadError, *, queue: str, at: float, wire: Wire) -> bytes:
    """Return what to put into the dead set for bytes that are no job: themselves, or an envelope."""
    # whose pages crash over bytes that are no JSON, and who drop fields that they do not know
    is_elixir = wire in elixir.ELIXIR
    if not is_elixir and _stands_bare(raw):
        return raw
    original = base64.b64encode(raw).decode()
    envelope = payload.encode(
        {
            "retry": 0,  # whose retry from a page fails, goes back here; `false` would be dropped
            "queue": queue,
            "class": ENVELOPE,
            "args": [raw[:_SHOWN].decode("utf-8", "replace"), *([original] if is_elixir else [])],
            "jid": payload.new_jid(),
            "created_at": stamp(at, wire),
            "error_class": "redisjobs.PayloadError",
            "error_message": f"{problem.field}: {problem.problem}. The bytes as they came: "
            "`redisjobs dead show JID`; back to their queue: `redisjobs dead retry JID`",
            "failed_at": stamp(at, wire),
            "retry_count": 0,
            ORIGINAL: original,
        }
    )
    if not is_elixir:
        return envelope
    told = payload.mended(payload.fields(envelope), at=at, wire=wire)
    if wire == "verk":
        told["max_retry_count"] = 0
    return payload.change(envelope, told, wire=wire)


def unwrap(members: dict[str, Any]) -> bytes | None:
    """Return the original bytes of an envelope; None if these fields are none."""
    if members.get("class") != ENVELOPE:
        return None
    args = elixir.list_in(members.get("args"))
    original = members.get(ORIGINAL, args[1] if isinstance(args, list) and len(args) == 2 else None)
    if not isinstance(original, str):
        return None
    try:
        return base64.b64decode(original, validate=True)
    except ValueError:  # not base64, or not even ASCII
        return None


def _stands_bare(raw: bytes) -> bool:
    """Tell whether Ruby's parser refuses these bytes, and its pages can print them."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    if payload.depth(raw) > MAX_DEPTH:
        return True
    try:
        msgspec.json.decode(raw)
    except msgspec.ValidationError:  # a number too large: Ruby reads it
        return False
    except (msgspec.DecodeError, RecursionError):
        return b"\\u" not in raw and bool(raw.strip())  # lone surrogates: some of Ruby's parsers take them
    return False
