"""Jobs as Resque, resque-scheduler and resque-retry write them (spec: resque.md 1, 2.4).

An item of a queue is a class and its arguments, and nothing else: no jid, no retries, no times. What ours need of
these is taken from elsewhere; the jid is a digest of the bytes, for logs and lists, so that equal items share one.

Must not know: Redis, what a job does, why it failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from redisjobs.errors import PayloadError
from redisjobs.lazy import LazyModule
from redisjobs.wire import payload
from redisjobs.wire.arguments import Json
from redisjobs.wire.deadletter import ENVELOPE, ORIGINAL
from redisjobs.wire.payload import Payload

if TYPE_CHECKING:
    import base64
    import hashlib
else:
    base64 = LazyModule("base64")
    hashlib = LazyModule("hashlib")

ACTIVE_JOB = "ActiveJob::QueueAdapters::ResqueAdapter::JobWrapper"
_SHOWN = 200


class _Item(msgspec.Struct, rename={"name": "class"}, gc=False):
    name: str
    args: list[Any] | None = None


class Failure(msgspec.Struct, rename={"error_class": "exception", "message": "error"}):
    """One element of the failed list, in the order of Resque's fields."""

    failed_at: str
    payload: msgspec.Raw
    error_class: str
    message: str
    backtrace: list[str]
    worker: str
    queue: str


class _Record(msgspec.Struct):
    payload: msgspec.Raw
    queue: Any = ""


_record = msgspec.json.Decoder(_Record)
_decoder = msgspec.json.Decoder(_Item)
_encoder = msgspec.json.Encoder()


def decode(raw: bytes) -> Payload:
    """Read an item of a queue.

    Raises:
        PayloadError: no JSON, no object, or a class or arguments that are none.
    """
    try:
        str(raw, "utf-8")  # the decoder does not look into fields that it passes over
        item = _decoder.decode(raw)
    except UnicodeDecodeError as error:
        raise PayloadError("payload", f"not UTF-8 at byte {error.start}", raw) from None
    except (msgspec.DecodeError, RecursionError):
        item = _slowly(raw)
    return Payload(_class_name(item.name), item.args or [], jid(raw))


def jid(raw: bytes) -> str:
    """Return what an item is called in logs and lists: 24 digits of its digest."""
    return hashlib.sha1(raw, usedforsecurity=False).hexdigest()[:24]


def encode(name: str, args: Json) -> bytes:
    """Write an item of a queue; `args` went through `arguments.check`."""
    return payload.encode({"class": name, "args": args})


def delayed(item: bytes, queue: str) -> bytes:
    """Return an item of a queue as it waits for its moment: with the queue that it goes to."""
    return payload.change(item, {"queue": queue})


def promoted(item: bytes) -> tuple[str, bytes]:
    """Return the queue of a delayed item, and the item as it stands there.

    Raises:
        PayloadError: it is no job, or names no queue.
    """
    decode(item)
    queue = payload.fields(item).get("queue")
    if not isinstance(queue, str) or not queue:
        raise PayloadError("queue", "missing; nobody can tell where this goes", item)
    return queue, payload.change(item, {}, drop=("queue",))


def failure(
    item: bytes, *, error: tuple[str, str], backtrace: Sequence[str], worker: str, queue: str, at: float
) -> bytes:
    """Write a record for the failed list; `error` is its class and its message.

    What Resque's page cannot show as a job travels in an envelope, as in the dead set of Sidekiq.
    """
    moment = datetime.fromtimestamp(at, UTC).strftime("%Y/%m/%d %H:%M:%S UTC")
    return _encoder.encode(Failure(moment, msgspec.Raw(_shown(item)), *error, list(backtrace), worker, queue))


def working(item: bytes, *, queue: str, at: float) -> bytes:
    """Write what a worker runs, since when (Unix seconds)."""
    moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _encoder.encode({"queue": queue, "run_at": moment, "payload": msgspec.Raw(_shown(item))})


def original(record: Mapping[str, Any]) -> bytes | None:
    """Return the item that a record's envelope holds; None if it has none."""
    members = record.get("payload")
    if not isinstance(members, dict) or members.get("class") != ENVELOPE:
        return None
    try:
        return base64.b64decode(members.get(ORIGINAL, ""), validate=True)
    except (TypeError, ValueError):
        return None


def item_of(record: bytes) -> bytes:
    """Return the item that a record is about, of a failure or of a run, to the byte; empty if it says none."""
    return bytes(_read(record).payload)


def queue_of(record: bytes) -> str:
    """Return the queue that a record names; empty if none."""
    queue = _read(record).queue
    return queue if isinstance(queue, str) else ""


def retry_name(name: str, args: Sequence[Json]) -> str:
    """Return what resque-retry calls a job in its keys: the class and, if it has arguments, a digest of them.

    Ruby's text of a hash differs between its versions; jobs with one are counted apart from Ruby's.
    """
    joined = "-".join(_text(arg) for arg in args)
    if not joined:
        return "".join(name.split())
    digest = hashlib.sha1(joined.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    return "".join(f"{name}:{digest}".split())


def _read(record: bytes) -> _Record:
    try:
        return _record.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Record(msgspec.Raw(b""))


def _slowly(raw: bytes) -> _Item:
    """Read what the fast decoder refuses: integers of any length; or say what is wrong."""
    members = payload.fields(raw)
    name, args = members.get("class"), members.get("args")
    if not isinstance(name, str):
        raise PayloadError("class", "missing" if "class" not in members else "not a string", raw)
    if args is not None and not isinstance(args, list):
        raise PayloadError("args", "not an array", raw)
    return _Item(name, args)


def _class_name(name: str) -> str:
    """Return the class that Resque looks for: `send-mail` is SendMail."""
    if "-" not in name:
        return name
    return "".join(part[:1].upper() + part[1:] for part in name.split("-"))


def _shown(item: bytes) -> bytes:
    """Return an item as Resque's pages can show it: itself, or an envelope with it inside."""
    try:
        read = decode(item)
        if read.name != ACTIVE_JOB or (read.args and isinstance(read.args[0], dict)):
            return item
    except PayloadError:
        pass
    text = item[:_SHOWN].decode("utf-8", "replace")
    return _encoder.encode({"class": ENVELOPE, "args": [text], ORIGINAL: base64.b64encode(item).decode()})


def _text(value: Json) -> str:
    """Return a value as Ruby's `join` writes it."""
    if isinstance(value, list):
        return "-".join(_text(item) for item in value)
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else _encoder.encode(value).decode()
