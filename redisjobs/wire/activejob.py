"""The arguments of Rails' ActiveJob: what Ruby's values are here, and how they stand in JSON (spec: sidekiq.md 6.3).

What Python has not gets a class of its own, which goes back as what it was; so does a value whose serializer is
known to the Rails application only.

Must not know: the payload around the arguments, Redis, what a job does with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex

from redisjobs.errors import DeserializationError, PayloadError
from redisjobs.lazy import LazyModule
from redisjobs.wire.times import Wire

if TYPE_CHECKING:
    import zoneinfo
    from urllib import parse as urls
else:
    zoneinfo = LazyModule("zoneinfo")
    urls = LazyModule("urllib.parse")

_SERIALIZERS = "ActiveJob::Serializers::"
_SERIALIZED, _GLOBAL_ID = "_aj_serialized", "_aj_globalid"
_SYMBOL_KEYS, _KEYWORDS, _INDIFFERENT = "_aj_symbol_keys", "_aj_ruby2_keywords", "_aj_hash_with_indifferent_access"
_RESERVED = frozenset((_SERIALIZED, _GLOBAL_ID, _SYMBOL_KEYS, _KEYWORDS, _INDIFFERENT))
_FRACTION = re.compile(r"\.(\d{1,9})")


class Symbol(str):
    """A Ruby symbol. It equals its text, so that a hash with symbol keys is read by plain text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Symbol({str.__repr__(self)})"


class Keywords(dict[str, Any]):
    """Ruby's keyword arguments, where they stand among the others."""


class IndifferentHash(dict[str, Any]):
    """A hash of Rails that takes text and symbols for the same key, such as permitted parameters."""


class RubyTime(datetime):
    """An aware datetime that also knows what else Ruby's had. What is computed from it is as plain as any datetime.

    `kind` is the class in Ruby, `time_zone` the name of its zone, if it has one.
    """

    kind: Literal["Time", "DateTime", "TimeWithZone"] = "Time"
    time_zone: str | None = None
    _below_microsecond: int = 0

    @property
    def nanosecond(self) -> int:
        """The fraction of the second, in nanoseconds."""
        return self.microsecond * 1000 + self._below_microsecond

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        """Copy, and pickle, with what it knows besides."""
        reduced: Any = super().__reduce_ex__(protocol)
        return (*reduced[:2], vars(self))


class Duration(timedelta):
    """A duration of Rails: `1.month` is one month, and so many seconds on average; those are what it equals.

    `value` is the seconds as Ruby has them, `parts` what it is made of: `{"months": 1}`.
    """

    value: int | float
    parts: dict[str, int | float]

    def __new__(cls, value: int | float, parts: Mapping[str, int | float]) -> Duration:
        """Make it of Ruby's own numbers."""
        made = super().__new__(cls, seconds=value)
        made.value, made.parts = value, dict(parts)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy, and pickle, with Ruby's own numbers."""
        return Duration, (self.value, self.parts)


@dataclass(frozen=True)
class Range:
    """A Ruby range; `None` at an end: it has none there."""

    begin: Any
    end: Any
    exclude_end: bool = False


@dataclass(frozen=True)
class Module:
    """A Ruby class or module, by its name."""

    name: str


@dataclass(frozen=True)
class GlobalID:
    """A record of a Rails application, by reference. `id` is text; of a composite key, a tuple of texts."""

    app: str
    model: str
    id: str | tuple[str, ...]
    params: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def parse(cls, uri: str) -> GlobalID:
        """Read `gid://app/Model/1`.

        Raises:
            ValueError: it is none.
        """
        parts = urls.urlsplit(str(uri))
        model, *ids = [urls.unquote_plus(part) for part in parts.path.split("/")[1:]]
        if parts.scheme != "gid" or not parts.netloc or not model or not ids or "" in ids:
            raise ValueError(f"{uri!r:.200} is no gid://app/Model/id")
        return cls(parts.netloc, model, ids[0] if len(ids) == 1 else tuple(ids), dict(urls.parse_qsl(parts.query)))

    @property
    def uri(self) -> str:
        """As it stands on the wire."""
        ids = (self.id,) if isinstance(self.id, str) else self.id
        path = "/".join([self.app, self.model, *(urls.quote_plus(each) for each in ids)])
        return f"gid://{path}" + (f"?{urls.urlencode(self.params)}" if self.params else "")


@dataclass(frozen=True)
class Serialized:
    """A value of a serializer that is the application's own: its class in Ruby, and the fields as they stand."""

    serializer: str
    fields: Mapping[str, Any]


# -- reading ----------------------------------------------------------------------------------------------------------


def decode(value: Any) -> Any:
    """Return what an argument means.

    Raises:
        DeserializationError: it is none that Rails could have written.
    """
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    try:
        return _decode_object(value)
    except (ValueError, TypeError, KeyError, OverflowError, InvalidOperation) as error:
        raise DeserializationError(f"{type(error).__name__}: {error}, in {value!r:.200}") from error


def decode_call(arguments: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and the keyword arguments that ActiveJob's `arguments` mean. Raises as `decode`."""
    if not isinstance(arguments, list):
        raise DeserializationError(f"arguments must be an array, not {arguments!r:.80}")
    args = decode(arguments)
    if args and isinstance(args[-1], Keywords):
        return args[:-1], {str(name): value for name, value in args[-1].items()}
    return args, {}


def shown(value: Any) -> Any:
    """Return an argument as people read it: plain JSON, without what is for ActiveJob alone."""
    if isinstance(value, list):
        return [shown(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _GLOBAL_ID in value:
        return value[_GLOBAL_ID]
    plain = {key: shown(item) for key, item in value.items() if key not in _RESERVED}
    return plain["value"] if _SERIALIZED in value and "value" in plain else plain


def current_attributes(payload: Mapping[str, Any], name: str = "cattr") -> dict[str, Any]:
    """Read the CurrentAttributes that Sidekiq put into a payload, in either of its forms; empty if there are none.

    Of a second class the name is `cattr_1`, and so on. Raises as `decode`.
    """
    found = payload.get(name) or {}
    try:
        pairs = [(key, value) for key, value in (found.items() if isinstance(found, dict) else found)]
    except (ValueError, TypeError) as error:
        raise DeserializationError(f"{name} is neither an object nor pairs: {found!r:.200}") from error
    return {str(decode(key)): decode(value) for key, value in pairs}


def _decode_object(value: dict[str, Any]) -> Any:
    if len(value) == 1 and _GLOBAL_ID in value:
        return GlobalID.parse(value[_GLOBAL_ID])
    if _SERIALIZED in value:
        name = value[_SERIALIZED]
        read = _READERS.get(name.removeprefix(_SERIALIZERS)) if isinstance(name, str) else None
        if read is not None:
            return read(value)
        return Serialized(name, {key: item for key, item in value.items() if key != _SERIALIZED})
    members = {key: decode(item) for key, item in value.items() if key not in _RESERVED}
    if value.get(_INDIFFERENT):
        return IndifferentHash(members)
    symbols = value.get(_SYMBOL_KEYS, value.get(_KEYWORDS, []))
    found = {Symbol(key) if key in symbols else key: item for key, item in members.items()}
    return Keywords(found) if _KEYWORDS in value and _SYMBOL_KEYS not in value else found


def _time(kind: Literal["Time", "DateTime", "TimeWithZone"]) -> Callable[[dict[str, Any]], RubyTime]:
    def read(value: dict[str, Any]) -> RubyTime:
        return read_time(value["value"], kind, value.get("time_zone"))

    return read


def read_time(
    text: str, kind: Literal["Time", "DateTime", "TimeWithZone"] = "Time", zone: str | None = None
) -> RubyTime:
    """Read an ISO 8601 moment with an offset; in `zone`, if this machine knows it.

    Raises:
        ValueError, TypeError: it is none.
    """
    plain = datetime.fromisoformat(text)
    if plain.tzinfo is None:
        raise ValueError(f"{text!r} says no offset")
    if zone is not None:
        try:
            plain = plain.astimezone(zoneinfo.ZoneInfo(zone))
        except zoneinfo.ZoneInfoNotFoundError:
            pass
    made = RubyTime(*plain.timetuple()[:6], plain.microsecond, plain.tzinfo, fold=plain.fold)
    fraction = _FRACTION.search(text)
    made.kind, made.time_zone = kind, zone
    made._below_microsecond = int(fraction[1].ljust(9, "0")) % 1000 if fraction else 0
    return made


def _duration(value: dict[str, Any]) -> Duration:
    return Duration(value["value"], {str(decode(name)): count for name, count in value["parts"]})


def _range(value: dict[str, Any]) -> Range:
    return Range(decode(value["begin"]), decode(value["end"]), value["exclude_end"])


_READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "SymbolSerializer": lambda value: Symbol(value["value"]),
    "ModuleSerializer": lambda value: Module(value["value"]),
    "DateSerializer": lambda value: date.fromisoformat(value["value"]),
    "TimeSerializer": _time("Time"),
    "DateTimeSerializer": _time("DateTime"),
    "TimeWithZoneSerializer": _time("TimeWithZone"),
    "DurationSerializer": _duration,
    "RangeSerializer": _range,
    "BigDecimalSerializer": lambda value: Decimal(value["value"]),
}


# -- writing ----------------------------------------------------------------------------------------------------------


def encode(value: Any, path: str, wire: Wire) -> Any:
    """Return an argument as ActiveJob writes it; what it has no form for stays, for `arguments.check` to refuse.

    `sidekiq6` is for Rails 6.1: it has no form for ranges, and passes decimals as text.

    Raises:
        PayloadError: Rails could not read it; its `field` is `path` and what is below.
    """
    kind = type(value)
    if kind is list:
        return [encode(item, f"{path}[{at}]", wire) for at, item in enumerate(value)]
    if isinstance(value, dict):
        return _encode_hash(value, path, wire)
    write = _WRITERS.get(kind)
    return value if write is None else write(value, path, wire)


def _encode_hash(value: Mapping[Any, Any], path: str, wire: Wire) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, item in value.items():
        if not isinstance(key, str) or key in _RESERVED:
            why = "reserved by ActiveJob" if isinstance(key, str) else f"{type(key).__name__}, not text or a Symbol"
            raise PayloadError(path, f"the key {key!r} is {why}")
        members[str(key)] = encode(item, f'{path}["{key}"]', wire)
    if isinstance(value, IndifferentHash):
        members[_INDIFFERENT] = True
    elif isinstance(value, Keywords):
        members[_KEYWORDS] = list(members)
    else:
        members[_SYMBOL_KEYS] = [str(key) for key in value if isinstance(key, Symbol)]
    return members


def _serialized(serializer: str, **fields: Any) -> dict[str, Any]:
    return {_SERIALIZED: f"{_SERIALIZERS}{serializer}", **fields}


def _encode_time(value: datetime, path: str, _: Wire) -> dict[str, Any]:
    offset = value.utcoffset()
    if offset is None:
        raise PayloadError(path, "a datetime without a time zone is no moment in Rails; give it one")
    if offset % timedelta(minutes=1):  # of the days before zones; ISO 8601 has minutes only
        value, offset = value.astimezone(UTC), timedelta(0)
    kind = value.kind if isinstance(value, RubyTime) else "Time"
    zone = (isinstance(value, RubyTime) and value.time_zone) or getattr(value.tzinfo, "key", None)
    nanosecond = value.nanosecond if isinstance(value, RubyTime) else value.microsecond * 1000
    text = f"{value.replace(microsecond=0, tzinfo=None).isoformat()}.{nanosecond:09}"
    text += "Z" if value.tzinfo is UTC and kind != "DateTime" else _offset(offset)
    if zone is not None and kind != "DateTime":
        return _serialized("TimeWithZoneSerializer", value=text, time_zone=zone)
    return _serialized(f"{kind}Serializer", value=text)


def _offset(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _encode_duration(value: timedelta, path: str, wire: Wire) -> dict[str, Any]:
    seconds: int | float
    if isinstance(value, Duration):
        seconds, parts = value.value, value.parts
    else:
        seconds = value.total_seconds() if value.microseconds else int(value.total_seconds())
        parts = {"seconds": seconds}
    pairs = [[Symbol(name), count] for name, count in parts.items()]
    return _serialized("DurationSerializer", value=seconds, parts=encode(pairs, path, wire))


def _encode_range(value: Range, path: str, wire: Wire) -> dict[str, Any]:
    if wire == "sidekiq6":
        raise PayloadError(path, "Rails 6.1 has no form for a range; pass its ends, or set wire= to a later one")
    ends = {end: encode(getattr(value, end), f"{path}.{end}", wire) for end in ("begin", "end")}
    return _serialized("RangeSerializer", **ends, exclude_end=value.exclude_end)


def _encode_decimal(value: Decimal, _: str, wire: Wire) -> Any:
    return str(value) if wire == "sidekiq6" else _serialized("BigDecimalSerializer", value=str(value))


_WRITERS: dict[type, Callable[[Any, str, Wire], Any]] = {
    Symbol: lambda value, path, wire: _serialized("SymbolSerializer", value=str(value)),
    Module: lambda value, path, wire: _serialized("ModuleSerializer", value=value.name),
    GlobalID: lambda value, path, wire: {_GLOBAL_ID: value.uri},
    Serialized: lambda value, path, wire: {_SERIALIZED: value.serializer, **value.fields},
    datetime: _encode_time,
    RubyTime: _encode_time,
    date: lambda value, path, wire: _serialized("DateSerializer", value=value.isoformat()),
    timedelta: _encode_duration,
    Duration: _encode_duration,
    Range: _encode_range,
    Decimal: _encode_decimal,
}
