"""wire/arguments.py: what may stand in `args`, what is refused and where, and how Ruby would print it."""

from __future__ import annotations

import json
import uuid
from collections import OrderedDict, defaultdict, namedtuple
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisjobs.errors import PayloadError
from redisjobs.wire import arguments, payload
from redisjobs.wire.arguments import check, ruby_float

pytestmark = pytest.mark.quick


class Colour(IntEnum):
    RED = 1


class Name(StrEnum):
    ANNA = "anna"


class Text(str):
    __slots__ = ()


class Meters(float):
    __slots__ = ()


Point = namedtuple("Point", "x y")
NOON = datetime(2024, 11, 24, 12, tzinfo=UTC)


def written(args: list[Any]) -> bytes:
    return payload.encode({"args": check(args)})


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("args", "path", "problem"),
    [
        ([1, {"when": NOON}], 'args[1]["when"]', "datetime is not JSON; pass its ISO string"),
        ([date(2024, 11, 24)], "args[0]", "date is not JSON; pass its ISO string"),
        ([time(12)], "args[0]", "time is not JSON; pass its ISO string"),
        ([timedelta(1)], "args[0]", "timedelta is not JSON; pass its seconds"),
        ([Decimal("1.5")], "args[0]", "Decimal is not JSON; pass its string"),
        ([uuid.UUID(int=1)], "args[0]", "UUID is not JSON; pass its string"),
        ([[b"x"]], "args[0][0]", "bytes is not JSON; pass text, or base64"),
        ([bytearray(b"x")], "args[0]", "bytearray is not JSON; pass text, or base64"),
        ([(1, 2)], "args[0]", "tuple is not JSON; pass a list"),
        ([{"a": [{"b": (1,)}]}], 'args[0]["a"][0]["b"]', "tuple is not JSON; pass a list"),
        ([{1, 2}], "args[0]", "set is not JSON; pass a list"),
        ([frozenset()], "args[0]", "frozenset is not JSON; pass a list"),
        ([float("nan")], "args[0]", "nan is not JSON; pass null or a string"),
        ([{"a": float("inf")}], 'args[0]["a"]', "inf is not JSON; pass null or a string"),
        ([float("-inf")], "args[0]", "-inf is not JSON; pass null or a string"),
        ([1, {2: 3}], "args[1]", "the key 2 is an int; JSON keys are strings"),
        ([{None: 3}], "args[0]", "the key None is a NoneType; JSON keys are strings"),
        ([{"a": {b"k": 3}}], 'args[0]["a"]', "the key b'k' is a bytes; JSON keys are strings"),
        ([{Text("a"): 3}], "args[0]", "the key 'a' is a Text; JSON keys are strings"),
        ([Colour.RED], "args[0]", "Colour is a subclass of int and would come back as an int; pass int(...)"),
        ([Name.ANNA], "args[0]", "Name is a subclass of str and would come back as a str; pass str(...)"),
        ([Text("x")], "args[0]", "Text is a subclass of str and would come back as a str; pass str(...)"),
        ([Meters(1)], "args[0]", "Meters is a subclass of float and would come back as a float; pass float(...)"),
        ([OrderedDict()], "args[0]", "OrderedDict is a subclass of dict and would come back as a dict; pass dict(...)"),
        ([defaultdict()], "args[0]", "defaultdict is a subclass of dict and would come back as a dict; pass dict(...)"),
        (
            [Point(1, 2)],
            "args[0]",
            "Point is not JSON; pass strings, numbers, booleans, null, lists and objects of them",
        ),
        ([object], "args[0]", "type is not JSON; pass strings, numbers, booleans, null, lists and objects of them"),
        ([object()], "args[0]", "object is not JSON; pass strings, numbers, booleans, null, lists and objects of them"),
        ([1j], "args[0]", "complex is not JSON; pass strings, numbers, booleans, null, lists and objects of them"),
    ],
    ids=lambda value: repr(value).partition(" at 0x")[0][:40],
)
def test_what_is_no_plain_json_is_refused_with_its_path(args: list[Any], path: str, problem: str) -> None:
    with pytest.raises(PayloadError) as caught:
        check(args)

    assert (caught.value.field, caught.value.problem) == (path, problem)
    assert str(caught.value) == f"{path}: {problem}"


@pytest.mark.parametrize(
    ("args", "path"),
    [
        (["\ud800"], "args[0]"),
        ([1, {"a": ["x\udfff"]}], 'args[1]["a"][0]'),
        ([{"\udc80": 1}], "args[0]"),
    ],
)
def test_a_lone_surrogate_is_refused_with_its_path(args: list[Any], path: str) -> None:
    with pytest.raises(PayloadError) as caught:
        written(args)

    assert caught.value.field == path
    assert "surrogate" in caught.value.problem
    str(caught.value).encode()  # the message itself can be printed


def test_a_hundred_levels_pass_and_one_more_is_refused() -> None:
    """The payload's own object and `args` are the first two levels of Ruby's hundred."""
    raw = written([nested(98)])
    assert payload.depth(raw) == 100

    with pytest.raises(PayloadError, match="nested deeper than 100 levels") as caught:
        check([nested(99)])
    assert caught.value.field == "args[0]" + "[0]" * 98


def test_a_structure_that_contains_itself_is_refused() -> None:
    knot: list[Any] = []
    knot.append({"again": knot})

    with pytest.raises(PayloadError, match="nested deeper"):
        check([knot])


def test_the_arguments_given_are_neither_changed_nor_kept() -> None:
    args = [[1, {"a": 2**70}], "x"]

    found = check(args)

    assert args == [[1, {"a": 2**70}], "x"]
    assert found is not args
    assert check([1, "x"]) == [1, "x"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=5))
def test_every_plain_json_is_written_so_that_the_standard_reader_gives_it_back(args: list[Any]) -> None:
    assert same(json.loads(written(args)), {"args": args})


@given(st.lists(JSON, max_size=5))
def test_every_plain_json_comes_back_equal_from_our_own_reader(args: list[Any]) -> None:
    raw = payload.encode({"args": check(args), "class": "X", "jid": "1"})

    assert same(payload.decode(raw).args, args)
    assert same(payload.fields(raw)["args"], args)


@given(st.integers(min_value=-(2**80), max_value=2**80) | st.integers().map(lambda value: value * 10**40))
def test_an_integer_is_exact_at_any_size(value: int) -> None:
    raw = written([value, [value], {"a": value}])

    assert raw == f'{{"args":[{value},[{value}],{{"a":{value}}}]}}'.encode()


@pytest.mark.parametrize("value", [2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1])
def test_an_integer_at_the_edge_of_a_machine_word_stays_an_integer(value: int) -> None:
    raw = payload.encode({"args": check([value]), "class": "X", "jid": "1"})

    found = payload.decode(raw).args[0]
    assert found == value
    assert type(found) is int


def test_an_integer_of_ten_thousand_digits_comes_back() -> None:
    """Python refuses to print or read more than 4,300 digits by default; a job from Ruby may have them."""
    value = 10**10_000 + 7

    raw = payload.encode({"args": check([value]), "class": "X", "jid": "1"})

    assert payload.decode(raw).args == [value]
    assert payload.fields(raw)["args"] == [value]
    assert raw.startswith(b'{"args":[1000')


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (1732406400.123456, "1732406400.123456"),
        (0.1, "0.1"),
        (0.0001, "0.0001"),
        (0.00001, "1.0e-05"),
        (1e-7, "1.0e-07"),
        (1.5e-7, "1.5e-07"),
        (9999999999999998.0, "9999999999999998.0"),
        (1e15, "1000000000000000.0"),
        (1e16, "1.0e+16"),
        (1e20, "1.0e+20"),
        (-1.25e20, "-1.25e+20"),
        (1e100, "1.0e+100"),
        (5e-324, "5.0e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
    ],
)
def test_a_float_is_printed_as_ruby_prints_it(value: float, text: str) -> None:
    """Recorded from Ruby 3.1: `JSON.generate(value)`. Ruby's pages find a member again by printing it anew."""
    assert written([value, [value]]) == f'{{"args":[{text},[{text}]]}}'.encode()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_printed_for_ruby_is_the_same_float(value: float) -> None:
    assert same(float(ruby_float(value)), value)


@pytest.mark.parametrize("text", ["héllo ☃", "\u2028\u2029", "a/b", "\x00\x1f\x7f", 'q"\\', "😀", "\ufeff", "\uffff"])
def test_text_is_utf8_and_comes_back(text: str) -> None:
    raw = written([text])

    assert json.loads(raw) == {"args": [text]}
    assert "/" not in text or b"\\/" not in raw


@pytest.mark.parametrize(("field", "value"), [("class", "\ud800"), ("tags", ["a", "\udfff"])])
def test_a_lone_surrogate_elsewhere_is_refused_with_the_name_of_its_field(field: str, value: Any) -> None:
    with pytest.raises(PayloadError, match="surrogate") as caught:
        payload.encode({"args": [], field: value})

    assert caught.value.field.startswith(field)


def test_an_error_crosses_processes_whole() -> None:
    import pickle

    error = arguments.explain_text({"args": ["\ud800"]})

    again = pickle.loads(pickle.dumps(error))

    assert (again.field, again.problem, str(again)) == (error.field, error.problem, str(error))


def same(one: Any, other: Any) -> bool:
    """Equal, and of equal types all the way down: 1, 1.0 and True are three things, -0.0 is not 0.0."""
    return repr(one) == repr(other) and one == other
