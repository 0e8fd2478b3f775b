"""wire/payload.py: reading a job, and changing one without touching what is not changed."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisjobs.errors import PayloadError
from redisjobs.wire import arguments, backtrace, payload
from tests.support.builders import JID, a_payload

pytestmark = pytest.mark.quick

RUBY8 = (  # as Sidekiq 8.1.7 wrote it
    b'{"retry":true,"queue":"default","backtrace":3,"tags":["a","b"],"args":[1],"class":"Boom",'
    b'"jid":"b017d294a19a0bd63da9cdc6","created_at":1795489145699,"enqueued_at":1795489145699,'
    b'"error_message":"boom \xe2\x98\x83","error_class":"ArgumentError","failed_at":1795489145944,"retry_count":0}'
)
RUBY6 = (  # as Sidekiq 6.4.1 wrote it
    b'{"retry":true,"queue":"default","class":"No::Such","args":[],"custom":{"x":1},"jid":"5d55201e4a5424f9c1ac9294",'
    b'"created_at":1795489264.1954203,"enqueued_at":1795489284.654708,"error_class":"NameError",'
    b'"failed_at":1795489264.5415416,"retry_count":1,"retried_at":1795489284.6572788}'
)


def nested(levels: int) -> Any:
    return json.loads("[" * levels + "]" * levels)


# -- decode ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "name", "args", "jid", "attempt"),
    [
        (RUBY8, "Boom", [1], "b017d294a19a0bd63da9cdc6", 2),
        (RUBY6, "No::Such", [], "5d55201e4a5424f9c1ac9294", 3),
        (a_payload(), "Mail", [], JID, 1),
    ],
)
def test_a_job_of_ruby_is_read(raw: bytes, name: str, args: list[Any], jid: str, attempt: int) -> None:
    found = payload.decode(raw)

    assert (found.name, found.args, found.jid, found.attempt) == (name, args, jid, attempt)


@pytest.mark.parametrize("count", ["0", None, [], True, 1.5], ids=repr)
def test_an_odd_retry_count_is_no_reason_to_refuse_a_job(count: Any) -> None:
    assert payload.decode(a_payload(retry_count=count)).attempt >= 1


@pytest.mark.parametrize(
    ("raw", "field", "problem"),
    [
        (b"", "payload", "not JSON"),
        (b" ", "payload", "not JSON"),
        (b"{", "payload", "not JSON"),
        (b"hello", "payload", "not JSON"),
        (a_payload()[:-1], "payload", "not JSON"),
        (a_payload() + b"x", "payload", "not JSON"),
        (b"null", "payload", "not an object but null"),
        (b"[]", "payload", "not an object but []"),
        (b"2", "payload", "not an object but 2"),
        (b'"x"', "payload", 'not an object but "x"'),
        (b"{}", "class", "missing"),
        (a_payload(class_=...), "class", "missing"),
        (a_payload(class_=None), "class", "not a string"),
        (a_payload(args=...), "args", "missing"),
        (a_payload(args={}), "args", "not an array"),
        (a_payload(args=None), "args", "not an array"),
        (a_payload(args="x"), "args", "not an array"),
        (a_payload(jid=...), "jid", "missing"),
        (a_payload(jid=None), "jid", "not a string"),
        (a_payload(jid=7), "jid", "not a string"),
        (b'{"class":"A","args":[],"jid":"1","x":"\xff"}', "payload", "not UTF-8 at byte 38"),
        (b'{"class":"A","args":["\xed\xa0\x80"],"jid":"1"}', "payload", "not UTF-8 at byte 22"),
        (b'{"class":"A","args":["\\ud800"],"jid":"1"}', "payload", "not JSON"),
        (b'{"class":"A","args":[NaN],"jid":"1"}', "payload", "not JSON"),
        (b'{"class":"A","args":[1e999],"jid":"1"}', "payload", "out of range"),
        (a_payload(args=nested(100)), "payload", "nested deeper than 100 levels"),
        (b"[" * 200_000, "payload", "nested deeper than 100 levels"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_what_is_no_job_is_refused_with_the_field_and_the_bytes(raw: bytes, field: str, problem: str) -> None:
    with pytest.raises(PayloadError, match=re.escape(problem)) as caught:
        payload.decode(raw)

    assert caught.value.field == field
    assert caught.value.raw == raw


def test_a_hundred_levels_are_read() -> None:
    """The payload itself is the first."""
    assert payload.decode(a_payload(args=nested(99))).args == nested(99)


def test_a_payload_of_ten_megabytes_is_read() -> None:
    assert payload.decode(a_payload(args=["x" * 10_000_000])).args == ["x" * 10_000_000]


@pytest.mark.parametrize("digits", [4299, 4301, 20_000])
def test_a_wide_integer_anywhere_does_not_hide_what_is_missing(digits: int) -> None:
    """The slow reader for wide integers is as strict about the shape as the fast one."""
    wide = b"9" * digits
    whole = a_payload(args=["HERE"]).replace(b'"HERE"', wide)
    assert payload.decode(whole).args == [10**digits - 1]

    for raw in (
        whole.replace(b'"jid"', b'"JID"'),
        b'{"class":"A","jid":"1","args":{"x":' + wide + b"}}",
        b"[" + wide + b"]",
    ):
        with pytest.raises(PayloadError):
            payload.decode(raw)


def test_the_last_of_two_equal_keys_counts_as_it_does_in_ruby() -> None:
    raw = b'{"class":"A","class":"B","args":[1],"args":[2],"jid":"1"}'

    assert payload.decode(raw).name == "B"
    assert payload.fields(raw) == {"class": "B", "args": [2], "jid": "1"}


# -- fields ---------------------------------------------------------------------------------------------------------


def test_fields_are_all_there_in_their_order() -> None:
    assert list(payload.fields(RUBY6)) == list(json.loads(RUBY6))
    assert payload.fields(RUBY6) == json.loads(RUBY6)


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"{", b'"x"', b'{"a":"\xff"}', b"[" * 100_000, b"9" * 5000])
def test_fields_of_what_is_no_object_are_refused(raw: bytes) -> None:
    with pytest.raises(PayloadError) as caught:
        payload.fields(raw)

    assert caught.value.raw == raw


# -- change ---------------------------------------------------------------------------------------------------------


def test_what_is_not_changed_keeps_its_bytes() -> None:
    """Numbers in a form of their own, escapes and white space within a value survive."""
    raw = (
        b'{ "class" : "A", "args":[ 1 , 1e2, 1.50, "\\u00e9\\/" ], "jid":"1", '
        b'"custom": {"b":1, "a":18446744073709551616123}, "retry_count":0}'
    )

    found = payload.change(raw, {"retry_count": 1, "error_message": "é"})

    assert b'"args":[ 1 , 1e2, 1.50, "\\u00e9\\/" ]' in found
    assert b'"custom":{"b":1, "a":18446744073709551616123}' in found
    assert list(json.loads(found)) == ["class", "args", "jid", "custom", "retry_count", "error_message"]
    assert json.loads(found)["retry_count"] == 1
    assert json.loads(found)["error_message"] == "é"


def test_a_field_is_dropped_and_one_that_is_not_there_is_no_error() -> None:
    raw = a_payload(at=12.5)

    assert payload.change(raw, {}, drop=("at", "never")) == a_payload()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=6), st.booleans())
def test_every_other_field_survives_a_change_byte_for_byte(fields: dict[str, Any], ascii_only: bool) -> None:
    raw = json.dumps(fields, ensure_ascii=ascii_only).encode()
    parts = {name: json.dumps(value, ensure_ascii=ascii_only).encode() for name, value in fields.items()}

    found = payload.change(raw, {"queue": "other"}, drop=("jid",))

    rest = {name: part for name, part in parts.items() if name not in ("queue", "jid")}
    assert all(part in found for part in rest.values())
    wanted = {**{name: value for name, value in fields.items() if name != "jid"}, "queue": "other"}
    assert json.loads(found) == wanted
    assert list(json.loads(found)) == list(wanted)


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"{", b'"x"', b"[" * 100_000])
def test_what_is_no_object_cannot_be_changed(raw: bytes) -> None:
    with pytest.raises(PayloadError) as caught:
        payload.change(raw, {"queue": "other"})

    assert caught.value.raw == raw


# -- jids, depth ----------------------------------------------------------------------------------------------------


def test_jids_are_24_hexadecimal_digits_and_differ() -> None:
    jids = [payload.new_jid(), *payload.new_jids(1000)]

    assert len(set(jids)) == 1001
    assert all(re.fullmatch("[0-9a-f]{24}", jid) for jid in jids)
    assert payload.new_jids(0) == []


@pytest.mark.parametrize(
    ("raw", "depth"),
    [
        (b"", 0),
        (b"1", 0),
        (b"[]", 1),
        (b"[[],[]]", 2),
        (b'{"a":[{}]}', 3),
        (b'["[[[["]', 1),
        (b'["\\"[[[", []]', 2),
        (b'["\\\\", [[]]]', 3),
        (b"[" * 1000, 1000),
        (b'["never closed [[[', 1),
    ],
)
def test_depth_is_counted_without_what_stands_in_quotes(raw: bytes, depth: int) -> None:
    assert payload.depth(raw) == depth


# -- what Ruby cannot take ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"tags": ["a"], "created_at": 1732406400123, "enqueued_at": 1732406400.5},
        {"tags": None, "created_at": None, "enqueued_at": None, "error_backtrace": None},
        {"error_backtrace": backtrace.pack(["a.rb:1"], "sidekiq8")},
        {"error_backtrace": backtrace.pack([], "sidekiq6")},
    ],
)
def test_a_job_that_ruby_can_take_is_left_alone(members: dict[str, Any]) -> None:
    assert payload.mended(members, at=1.5, wire="sidekiq8") == {}


def test_what_ruby_cannot_take_is_put_into_a_form_that_it_can() -> None:
    odd = {"tags": "mail", "created_at": "today", "enqueued_at": True, "error_backtrace": "@@@", "other": "x"}

    assert payload.mended(odd, at=1.5, wire="sidekiq8") == {
        "tags": ["mail"],
        "created_at": 1500,
        "enqueued_at": 1500,
        "error_backtrace": backtrace.pack(["@@@"], "sidekiq8"),
    }
    lines = {"error_backtrace": ["a.rb:1", 2]}
    assert payload.mended(lines, at=1.5, wire="sidekiq6") == {
        "error_backtrace": backtrace.pack(["a.rb:1", "2"], "sidekiq6")
    }


# -- many at once ---------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    calls=st.lists(st.lists(JSON, max_size=3), max_size=5),
    name=st.text(min_size=1),
    fields=st.dictionaries(st.sampled_from(["queue", "tags", "x"]), JSON, min_size=1),
    at=st.integers(0, 2**53) | st.floats(0, 1e12),
)
def test_many_are_written_as_each_would_be_by_itself(
    calls: list[list[Any]], name: str, fields: dict[str, Any], at: float
) -> None:
    fields = {field: arguments.check_field(field, value) for field, value in fields.items()}
    jids = payload.new_jids(len(calls))
    stamps = {"created_at": at, "enqueued_at": at}

    raws = payload.encode_many(name, calls, jids, fields, stamps)

    assert raws == [
        payload.encode({**fields, "args": arguments.check(args), "class": name, "jid": jid, **stamps})
        for args, jid in zip(calls, jids, strict=True)
    ]


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, True])
def test_numbers_of_any_size_are_written_exactly_among_many(number: int) -> None:
    calls = [[1], [number], [10**5000]]

    raws = payload.encode_many("X", calls, ["a", "b", "c"], {"queue": "q"}, {"created_at": 1})

    assert [payload.decode(raw).args for raw in raws] == calls


@pytest.mark.parametrize(
    ("calls", "path"),
    [
        ([["a"], ["b", "\ud800"]], "args[1]"),
        ([["a"], [{"k": ["\udfff"]}]], 'args[0]["k"][0]'),
        ([["a"], [(1,)]], "args[0]"),
        ([[1], [float("nan")]], "args[0]"),
    ],
)
def test_one_bad_argument_among_many_is_named(calls: list[list[Any]], path: str) -> None:
    with pytest.raises(PayloadError) as caught:
        payload.encode_many("X", calls, ["a", "b"], {"queue": "q"}, {"created_at": 1})

    assert caught.value.field == path
