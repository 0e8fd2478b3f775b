"""What may stand in a job's arguments, and how Ruby would print it.

Arguments are plain JSON and come back equal: what would not is refused here, with the path to it. Ruby's printer is
followed to the letter, because Ruby finds a member of a sorted set again by printing it anew (sidekiq.md 1.6, 3.8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import chain
from math import isfinite
from typing import Any, TypeAlias

import msgspec

from redisjobs.errors import PayloadError

Json: TypeAlias = Any
"""None, bool, int, float, str, list of these, dict from str to these."""

MAX_DEPTH = 100  # Ruby's parser refuses more; the payload's own object and `args` are two of them

_ATOMS = frozenset({int, str, bool, type(None)})
_REMEDY = {
    "datetime": "pass its ISO string",
    "date": "pass its ISO string",
    "time": "pass its ISO string",
    "timedelta": "pass its seconds",
    "Decimal": "pass its string",
    "UUID": "pass its string",
    "bytes": "pass text, or base64",
    "bytearray": "pass text, or base64",
    "tuple": "pass a list",
    "set": "pass a list",
    "frozenset": "pass a list",
}


def check(args: Sequence[Json]) -> list[Json]:
    """Return the arguments as a list that `msgspec` prints as Ruby would.

    Raises:
        PayloadError: something is not plain JSON; its `field` is the path, such as `args[1]["when"]`.
    """
    plain = True
    for value in args:
        kind = type(value)
        if kind not in _ATOMS or (kind is int and not -(2**63) <= value < 2**63):
            plain = False
            break
    if plain:
        return list(args)
    return [_checked(value, f"args[{at}]", 3) for at, value in enumerate(args)]


def check_all(calls: Sequence[list[Json]]) -> Sequence[list[Json]]:
    """Return each call's arguments as `check` does, as a rule with one look at all of them. Raises as `check`."""
    if len(calls) == 1:
        return [check(calls[0])]
    values = list(chain.from_iterable(calls))
    if _ATOMS.issuperset(map(type, values)):
        numbers = [value for value in values if type(value) is int]
        if not numbers or (min(numbers) >= -(2**63) and max(numbers) < 2**63):
            return calls
    return [check(args) for args in calls]


def check_field(name: str, value: Json) -> Json:
    """Return the value of another field of a payload, as `check` returns arguments. Raises as `check`."""
    return _checked(value, name, 2)


def explain_text(members: Mapping[str, Json]) -> PayloadError:
    """Return the error for text that UTF-8 cannot carry, after the encoder refused a payload."""
    for name, value in members.items():
        path = _find_surrogate(value, name)
        if path:
            return PayloadError(path, "a lone surrogate is not text; clean the string first")
    return PayloadError("payload", "text that is not valid Unicode; clean the string first")


def _checked(value: Json, path: str, depth: int) -> Json:
    kind = type(value)
    if kind is int:
        return value if -(2**63) <= value < 2**64 else msgspec.Raw(_digits(value).encode())
    if kind in _ATOMS:
        return value
    if kind is float:
        if not isfinite(value):
            raise PayloadError(path, f"{value} is not JSON; pass null or a string")
        return value if value == 0 or 1e-4 <= abs(value) < 1e16 else msgspec.Raw(ruby_float(value).encode())
    if kind is list or kind is dict:
        if depth > MAX_DEPTH:
            raise PayloadError(path, f"nested deeper than {MAX_DEPTH} levels, which Ruby's parser refuses")
        if kind is list:
            return [_checked(item, f"{path}[{at}]", depth + 1) for at, item in enumerate(value)]
        return {_key(key, path): _checked(item, f'{path}["{key}"]', depth + 1) for key, item in value.items()}
    raise PayloadError(path, _refusal(value))


def _key(key: Any, path: str) -> str:
    if type(key) is not str:
        raise PayloadError(path, f"the key {key!r} is {_article(type(key).__name__)}; JSON keys are strings")
    return key


def _refusal(value: Any) -> str:
    kind = type(value)
    for base in (bool, int, float, str, list, dict):
        if isinstance(value, base):
            return (
                f"{kind.__qualname__} is a subclass of {base.__name__} and would come back as "
                f"{_article(base.__name__)}; pass {base.__name__}(...)"
            )
    remedy = _REMEDY.get(kind.__name__, "pass strings, numbers, booleans, null, lists and objects of them")
    return f"{kind.__name__} is not JSON; {remedy}"


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _digits(value: int) -> str:
    # str() refuses more than 4,300 digits; Decimal prints any number of them, exactly
    return str(value) if value.bit_length() < 14_000 else format(Decimal(value), "f")


def ruby_float(value: float) -> str:
    """Print a float that needs an exponent as Ruby does: `1.0e+20`, `1.0e-07`."""
    mantissa, _, exponent = repr(value).partition("e")
    if not exponent:  # Python and Ruby change to exponents at the same sizes
        return mantissa
    if "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}e{exponent[0]}{exponent[1:].zfill(2)}"


def _find_surrogate(value: Json, path: str) -> str | None:
    if isinstance(value, str):
        return path if any("\ud800" <= char <= "\udfff" for char in value) else None
    if isinstance(value, list):
        found = (_find_surrogate(item, f"{path}[{at}]") for at, item in enumerate(value))
    elif isinstance(value, dict):
        found = (
            _find_surrogate(key, path) or _find_surrogate(item, f'{path}["{ascii(key)[1:-1]}"]')
            for key, item in value.items()
        )
    else:
        return None
    return next((hit for hit in found if hit), None)
