"""The payload of a job: one JSON object, as Sidekiq writes it (spec: sidekiq.md 1).

Decoding keeps what a run needs and nothing more; changing a payload keeps every byte of the fields that are not
changed, known or not, so that what other programs put into a job survives every move.

Must not know: Redis, what a job does, why it failed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from redisjobs.errors import PayloadError
from redisjobs.lazy import LazyModule
from redisjobs.wire import arguments, backtrace, elixir, times
from redisjobs.wire.arguments import MAX_DEPTH, Json
from redisjobs.wire.times import Wire

if TYPE_CHECKING:
    import json
else:
    json = LazyModule("json")


class Payload(msgspec.Struct, rename={"name": "class"}, gc=False):
    """What a run needs of a job at once. All the other fields are in the bytes; see `fields`."""

    name: str
    args: list[Any]
    jid: str
    retry_count: Any = None
    log_level: Any = None
    timeout: Any = None
    max_retry_count: Any = msgspec.UNSET
    processor: Any = msgspec.UNSET

    @property
    def attempt(self) -> int:
        """Which run this is, from 1: `retry_count` is missing before the first failure and 0 after it.

        Exq and Verk count the failures instead; see `elixir.counts_failures`.
        """
        if not isinstance(self.retry_count, int):
            return 1
        counts_failures = self.max_retry_count is not msgspec.UNSET or self.processor is None
        return self.retry_count + (1 if counts_failures else 2)


_NEEDED: dict[str, type] = {"class": str, "args": list, "jid": str, "queue": str}
_WANTED: dict[type, str] = {str: "a string that is not empty", list: "a list"}

_DEEP_BYTES = 2 * MAX_DEPTH
"""No payload that is shorter has so many brackets that it could be nested too deeply."""

_decoder = msgspec.json.Decoder(Payload)
_object = msgspec.json.Decoder(dict[str, Any])
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder()


def new_jid() -> str:
    """Return 24 hexadecimal digits, as Ruby's clients make them."""
    return os.urandom(12).hex()


def new_jids(count: int) -> list[str]:
    """Return `count` jids for the price of one look at the random device."""
    digits = os.urandom(12 * count).hex()
    return [digits[at : at + 24] for at in range(0, len(digits), 24)]


def decode(raw: bytes) -> Payload:
    """Read a job.

    Raises:
        PayloadError: no JSON, no object, or a field that a run needs is missing or odd.
    """
    if len(raw) > _DEEP_BYTES and raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and depth(raw) > MAX_DEPTH:
        raise PayloadError("payload", f"nested deeper than {MAX_DEPTH} levels", raw)
    try:
        str(raw, "utf-8")  # the decoder does not look into fields that it passes over
        return _decoder.decode(raw)
    except UnicodeDecodeError as error:
        raise PayloadError("payload", f"not UTF-8 at byte {error.start}", raw) from None
    except msgspec.ValidationError as error:
        if "out of range" in str(error):
            return _decode_wide(raw)
        listed = elixir.listed(raw)
        if listed is not None:
            return decode(listed)
        raise _shape_error(raw, msgspec.json.decode, error) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise PayloadError("payload", f"not JSON: {error}", raw) from None


def fields(raw: bytes) -> dict[str, Any]:
    """Read all fields of a payload.

    Raises:
        PayloadError: no JSON object.
    """
    try:
        return _object.decode(raw)
    except msgspec.ValidationError as error:
        if "out of range" in str(error):
            found = _loads_wide(raw)
            if isinstance(found, dict):
                return found
        raise PayloadError("payload", f"not a JSON object: {error}", raw) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadError("payload", f"not JSON: {error}", raw) from None


def change(raw: bytes, changes: Mapping[str, Json], *, drop: Sequence[str] = (), wire: Wire | None = None) -> bytes:
    """Return the payload with some fields set and some dropped; the bytes of all others stay as they are.

    With a `wire`, `args` are put into its form: see `elixir.formed`.

    Raises:
        PayloadError: no JSON object.
    """
    try:
        members: dict[str, Any] = dict(_members.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadError("payload", f"not a JSON object: {error}", raw) from None
    if wire is not None and "args" in members:
        members["args"] = elixir.formed(members["args"], wire)
    members.update(changes)
    for name in drop:
        members.pop(name, None)
    return _encoder.encode(members)


def check(members: dict[str, Json]) -> None:
    """Check the fields of a payload that others may have changed, in place; `args` are for `arguments.check`.

    Raises:
        PayloadError: a field that every job needs is missing or odd, or one is not plain JSON.
    """
    for name, wanted in _NEEDED.items():
        if not isinstance(members.get(name), wanted) or members[name] == "":
            raise PayloadError(name, f"must be {_WANTED[wanted]}, not {members.get(name)!r:.80}")
    if "retry" not in members:
        raise PayloadError("retry", "missing; without it Ruby drops a job that fails")
    tags = members.get("tags")
    if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        raise PayloadError("tags", f"must be a list of strings, not {tags!r:.80}")
    for name in members.keys() - {"args"}:
        members[name] = arguments.check_field(name, members[name])


def mended(members: Mapping[str, Json], *, at: float, wire: Wire) -> dict[str, Json]:
    """Return new values for the fields that the wire's pages and pollers cannot take as they are; most jobs have none.

    Ruby's poller loses a member of a set whose `tags` are no array; a page raises over times that are no numbers, and
    over a backtrace that is not packed (spec: sidekiq.md 7). What was there is kept where it is text to read.
    """
    changes: dict[str, Json] = {}
    tags = members.get("tags")
    if tags is not None and not isinstance(tags, list):
        changes["tags"] = [str(tags)]
    for name in ("created_at", "enqueued_at"):
        if members.get(name) is not None and times.seconds(members[name]) is None:
            changes[name] = times.stamp(at, wire)
    trace = members.get("error_backtrace")
    if trace is not None and not backtrace.is_shown(trace, wire):
        lines = backtrace.unpack(trace) or [trace]
        changes["error_backtrace"] = backtrace.pack([str(line) for line in lines], wire)
    if wire in elixir.ELIXIR:
        changes |= elixir.mended({**members, **changes}, at=at, wire=wire)
    return changes


def encode(members: Mapping[str, Json]) -> bytes:
    """Write a payload whose `args` went through `arguments.check`.

    Raises:
        PayloadError: text that UTF-8 cannot carry, or a field of a kind that JSON has not.
    """
    try:
        return _encoder.encode(members)
    except UnicodeEncodeError:
        raise arguments.explain_text(members) from None
    except (TypeError, ValueError) as error:
        raise PayloadError("payload", str(error)) from None


def encode_many(
    name: str,
    calls: Sequence[list[Json]],
    jids: Sequence[str],
    fields: Mapping[str, Json],
    stamps: Mapping[str, Json],
    wire: Wire = "sidekiq8",
) -> list[bytes]:
    """Write a payload for each list of arguments, as `encode` writes `fields`, the job's own and `stamps`.

    What they have in common is written once: it is most of them. Neither of the mappings may be empty.

    Raises:
        PayloadError: one of the arguments is not plain JSON, or text that UTF-8 cannot carry.
    """
    calls = arguments.check_all(calls)
    if len(calls) == 1 and wire != "verk":
        return [encode({**fields, "args": calls[0], "class": name, "jid": jids[0], **stamps})]
    try:
        head = _encoder.encode(fields)[:-1] + b',"args":'
        middle = b',"class":' + _encoder.encode(name) + b',"jid":"'
        end = b'",' + _encoder.encode(stamps)[1:]
        texts = map(_encoder.encode, calls)
        if wire == "verk":
            texts = map(_encoder.encode, map(bytes.decode, texts))
        return [b"".join((head, args, middle, jid.encode(), end)) for args, jid in zip(texts, jids, strict=True)]
    except (UnicodeEncodeError, TypeError, ValueError):
        for args in calls:
            encode({**fields, "args": args, "class": name})  # raises for the one that it was
        raise


def depth(raw: bytes) -> int:
    """Count how deep arrays and objects are nested, without parsing: text in quotes is passed over."""
    deepest = level = 0
    quoted = escaped = False
    for byte in raw:
        if quoted:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                quoted = False
        elif byte == 0x22:
            quoted = True
        elif byte in (0x5B, 0x7B):
            level += 1
            deepest = max(deepest, level)
        elif byte in (0x5D, 0x7D):
            level -= 1
    return deepest


def _shape_error(raw: bytes, load: Callable[[bytes], Any], error: msgspec.ValidationError) -> PayloadError:
    """Name the field that is missing or odd, in the words of the wire."""
    try:
        found = load(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return PayloadError("payload", f"not JSON: {error}", raw)
    if not isinstance(found, dict):
        return PayloadError("payload", f"not an object but {raw.strip()[:40].decode('utf-8', 'replace')}", raw)
    for field, kind, wanted in (("class", str, "a string"), ("args", list, "an array"), ("jid", str, "a string")):
        if field not in found:
            return PayloadError(field, "missing", raw)
        if not isinstance(found[field], kind):
            return PayloadError(field, f"not {wanted}", raw)
    return PayloadError("payload", str(error), raw)


def _decode_wide(raw: bytes) -> Payload:
    """Read a payload with an integer of more than 4,300 digits, which the fast decoder refuses."""
    try:
        return msgspec.convert(_loads_wide(raw), Payload)
    except msgspec.ValidationError as error:
        raise _shape_error(raw, _loads_wide, error) from None


def _loads_wide(raw: bytes) -> Any:
    def integer(digits: str) -> int:
        return int(digits) if len(digits) < 4000 else int(Decimal(digits))

    def real(digits: str) -> float:
        value = float(digits)
        if value in (float("inf"), float("-inf")):
            raise PayloadError("payload", f"the number {digits[:40]} is out of range", raw)
        return value

    try:
        return json.loads(raw, parse_int=integer, parse_float=real)
    except (ValueError, RecursionError) as error:
        raise PayloadError("payload", f"not JSON: {error}", raw) from None
