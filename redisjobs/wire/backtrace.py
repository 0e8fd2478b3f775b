"""Error backtraces, packed as Sidekiq packs them: JSON array, zlib, base64 (spec: sidekiq.md 1.4); Verk's are text.

Ruby's pages join the lines without escaping them, so they are escaped here and `<module>` stays visible there.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import TYPE_CHECKING, Any

import msgspec

from redisjobs.lazy import LazyModule
from redisjobs.wire.times import Wire

if TYPE_CHECKING:
    import html
else:
    html = LazyModule("html")

_MOST_BYTES = 8 << 20


def pack(lines: list[str], wire: Wire) -> str:
    """Pack lines into the text of an `error_backtrace` field."""
    if wire == "verk":
        return "".join(f"{line}\n" for line in lines)
    escaped = [html.escape(line, quote=False) for line in lines]
    packed = zlib.compress(msgspec.json.encode(escaped))
    if wire == "sidekiq6":  # MIME: a newline after each 60 characters and at the end
        text = base64.b64encode(packed).decode()
        return "".join(f"{text[at : at + 60]}\n" for at in range(0, len(text), 60))
    return base64.b64encode(packed).decode()


def unpack(field: Any) -> list[str]:
    """Return the lines of an `error_backtrace` field, of any generation; what cannot be read gives no lines."""
    if isinstance(field, list):  # generation 6 also takes the bare array
        return [str(line) for line in field]
    packed = _lines(field)
    if packed is None and isinstance(field, str) and "\n" in field:  # Verk's
        return [line.strip() for line in field.splitlines() if line.strip()]
    return [html.unescape(line) for line in packed or ()]


def is_shown(field: Any, wire: Wire) -> bool:
    """Tell whether the pages of a wire can show an `error_backtrace` field."""
    return isinstance(field, str) if wire == "verk" else _lines(field) is not None


def _lines(field: Any) -> list[str] | None:
    if not isinstance(field, str):
        return None
    try:
        return msgspec.json.decode(_inflated(base64.b64decode(field)), type=list[str])
    except (binascii.Error, zlib.error, msgspec.DecodeError, ValueError):
        return None


def _inflated(packed: bytes) -> bytes:
    """Return what was packed; anybody may have written it, to be a thousand times as long."""
    stream = zlib.decompressobj()
    text = stream.decompress(packed, _MOST_BYTES)
    if not stream.eof:
        raise ValueError("cut off, or longer than any backtrace is")
    return text
