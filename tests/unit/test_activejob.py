"""ActiveJob's arguments: what Ruby recorded means the right things, and goes back meaning the same."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from redisjobs.active_job import (
    Duration,
    GlobalID,
    IndifferentHash,
    Module,
    Range,
    RubyTime,
    Serialized,
    Symbol,
    current_attributes,
)
from redisjobs.errors import DeserializationError, PayloadError
from redisjobs.wire import activejob, arguments, jobdata
from redisjobs.wire.activejob import Keywords
from redisjobs.wire.times import Wire

pytestmark = pytest.mark.quick

GOLDEN = sorted((Path(__file__).parents[1] / "interop" / "golden").glob("activejob-*.jsonl"))
PREFIX = "ActiveJob::Serializers::"


def recorded(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def back(value: Any, wire: Wire = "sidekiq8") -> Any:
    """Write a value and read it again, as it is on the wire."""
    [written] = arguments.check([activejob.encode(value, "args[0]", wire)])
    return activejob.decode(msgspec.json.decode(msgspec.json.encode(written)))


def serialized(name: str, **fields: Any) -> dict[str, Any]:
    return {"_aj_serialized": f"{PREFIX}{name}", **fields}


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_what_rails_recorded_means_what_it_was_given(file: Path) -> None:
    (now, later) = recorded(file)

    args, keywords = activejob.decode_call(jobdata.arguments(now["args"]))

    wanted: list[Any] = ["sym", {"a": 1, "b": 2}, timedelta(days=3), date(2026, 1, 1), datetime(1970, 1, 1, tzinfo=UTC)]
    assert args == wanted + ([] if "rails6" in file.name else [Range(1, 3), Decimal("1.5")])
    assert [type(key) for key in args[1]] == [Symbol, str]
    assert keywords == {"since": "x"}
    assert now["class"] in jobdata.WRAPPERS
    assert jobdata.job_class(now["args"]) == "ReportJob"
    assert (jobdata.read(later["args"], "j").scheduled_at is None) is ("rails6" in file.name)


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_what_rails_recorded_is_written_as_it_was(file: Path) -> None:
    """But for the text of a decimal: Ruby has two, by what else is loaded."""
    wire: Wire = "sidekiq6" if "rails6" in file.name else "sidekiq8"
    found = jobdata.arguments(recorded(file)[0]["args"])

    again = [activejob.encode(activejob.decode(value), "", wire) for value in found]

    assert json.dumps(again, sort_keys=True) == json.dumps(found, sort_keys=True).replace("0.15e1", "1.5")


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_a_new_job_has_the_fields_of_rails(file: Path) -> None:
    theirs = recorded(file)[0]["args"][0]

    ours = jobdata.new(
        {"job_class": "ReportJob", "queue_name": "mailers"}, [1], now=1_795_489_354.25, due_at=None, wire="sidekiq8"
    )

    assert ours.keys() >= theirs.keys()
    assert {name: type(value) for name, value in ours.items() if name in theirs} == {
        name: type(value) for name, value in theirs.items()
    }
    assert ours["enqueued_at"] == "2026-11-24T03:02:34.250000000Z"


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 7, 2**70, 1.5, "é", [], [[Symbol("a")]], Symbol("sym"), Module("Shop::Order")),
        *({}, {"a": {Symbol("b"): Symbol("c")}}, IndifferentHash(a=1), Keywords(since=date(2024, 11, 1))),
        *(date(1, 1, 1), Decimal("0.10"), Decimal("-1E-30"), Decimal("Infinity"), Decimal("-0")),
        *(Duration(2_629_746, {"months": 1}), Duration(0.5, {"seconds": 0.5}), timedelta(days=-3, microseconds=1)),
        *(Range(1, None), Range(date(2024, 1, 1), date(2025, 1, 1), exclude_end=True)),
        *(GlobalID("shop", "Blog::Post", "1"), GlobalID("shop", "Line", ("1", "a/b c"), {"expires": "2 h"})),
        Serialized("MoneySerializer", {"cents": 100, "inner": {"_aj_symbol_keys": []}}),
        *(datetime(2024, 2, 29, tzinfo=UTC), datetime(999, 1, 1, 1, 2, 3, 4, timezone(timedelta(hours=-3)))),
        *(datetime(2024, 10, 27, 2, 30, fold=fold, tzinfo=ZoneInfo("Europe/Berlin")) for fold in (0, 1)),
    ],
    ids=repr,
)
def test_each_value_comes_back_equal_and_of_its_kind(value: Any) -> None:
    again = back(value)

    assert again == value
    assert isinstance(again, type(value))
    assert not isinstance(value, datetime) or again.utcoffset() == value.utcoffset()


@pytest.mark.parametrize(
    "stored",
    [
        serialized("TimeSerializer", value="2024-02-29T01:02:03.123456789+05:30"),
        serialized("TimeSerializer", value="2024-02-29T01:02:03.000000001Z"),
        serialized("DateTimeSerializer", value="2024-02-29T01:02:03.999999999+00:00"),
        serialized("TimeWithZoneSerializer", value="2024-07-01T12:00:00.000000007+02:00", time_zone="Europe/Berlin"),
        serialized("TimeWithZoneSerializer", value="2024-07-01T12:00:00.000000007+02:00"),
        serialized("TimeWithZoneSerializer", value="2024-07-01T12:00:00.000000000+02:00", time_zone="Moon/Tranquility"),
    ],
)
def test_a_time_keeps_its_class_its_zone_and_its_nanoseconds(stored: dict[str, Any]) -> None:
    assert activejob.encode(activejob.decode(stored), "", "sidekiq8") == stored


def test_a_time_that_is_computed_is_a_plain_one() -> None:
    time = activejob.decode(
        serialized("TimeWithZoneSerializer", value="2024-07-01T12:00:00.000000007+02:00", time_zone="Europe/Berlin")
    )

    later = time + timedelta(hours=1)

    assert isinstance(time, RubyTime)
    assert (time.nanosecond, later.nanosecond, later - time) == (7, 0, timedelta(hours=1))
    assert activejob.encode(later, "", "sidekiq8")["time_zone"] == "Europe/Berlin"


def test_a_time_of_before_zones_is_written_in_utc() -> None:
    old = datetime(1890, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))

    assert back(old).utcoffset() == timedelta(0)
    assert back(old) == old


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
@pytest.mark.parametrize(
    "value",
    [
        *(Symbol("a"), Duration(60, {"minutes": 1}), GlobalID("shop", "Order", "7")),
        activejob.read_time("2024-07-01T12:00:00.000000007+02:00", "TimeWithZone", "Europe/Berlin"),
    ],
    ids=repr,
)
def test_values_can_be_copied(value: Any, copied: Any) -> None:
    assert copied(value) == value
    assert activejob.encode(copied(value), "", "sidekiq8") == activejob.encode(value, "", "sidekiq8")


def test_a_hash_with_symbol_keys_is_read_by_text_and_by_symbol() -> None:
    read = activejob.decode({"a": 1, "_aj_symbol_keys": ["a"]})

    assert (read["a"], read[Symbol("a")], read) == (1, 1, {"a": 1})


def test_a_record_can_be_a_key() -> None:
    assert {GlobalID("shop", "Order", "7"): 1}[GlobalID("shop", "Order", "7")] == 1


def test_keywords_are_those_at_the_end_only() -> None:
    keywords = {"a": 1, "_aj_ruby2_keywords": ["a"]}
    plain = {"a": 1, "_aj_symbol_keys": ["a"]}

    assert activejob.decode_call([keywords, keywords]) == ([{"a": 1}], {"a": 1})
    assert activejob.decode_call([plain]) == ([{"a": 1}], {})
    assert activejob.decode_call([]) == ([], {})


@pytest.mark.parametrize(
    "stored",
    [
        {"_aj_globalid": "http://shop/Order/1"},
        {"_aj_globalid": "gid://shop/Order"},
        {"_aj_globalid": "gid://shop/Order//"},
        {"_aj_globalid": 7},
        serialized("TimeSerializer", value="yesterday"),
        serialized("TimeSerializer", value="2024-02-29T01:02:03"),
        serialized("TimeSerializer"),
        serialized("DateSerializer", value="99999-01-01"),
        serialized("DateSerializer", value=None),
        serialized("BigDecimalSerializer", value="much"),
        serialized("DurationSerializer", value="1/3", parts=[]),
        serialized("DurationSerializer", value=1e30, parts=[]),
        serialized("DurationSerializer", value=float("nan"), parts=[]),
        serialized("DurationSerializer", value=1, parts=[1]),
        serialized("RangeSerializer", begin=1),
        serialized("SymbolSerializer"),
        {"a": 1, "_aj_symbol_keys": 7},
    ],
    ids=str,
)
def test_what_rails_cannot_have_written_is_refused_with_what_it_was(stored: Any) -> None:
    with pytest.raises(DeserializationError, match="_aj_"):
        activejob.decode([{"inner": stored, "_aj_symbol_keys": []}])


@pytest.mark.parametrize("stored", [None, "text", {"a": 1}])
def test_arguments_that_are_no_array_are_refused(stored: Any) -> None:
    with pytest.raises(DeserializationError, match="must be an array"):
        activejob.decode_call(stored)


def test_an_unknown_serializer_can_be_read_and_goes_back_as_it_came() -> None:
    stored = {"_aj_serialized": "MoneySerializer", "cents": 100, "at": serialized("DateSerializer", value="2024-01-01")}

    read = activejob.decode(stored)

    assert (read.serializer, read.fields["cents"]) == ("MoneySerializer", 100)
    assert activejob.encode(read, "", "sidekiq8") == stored


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"a": [datetime(2024, 1, 1)]}, r'args\[0\]\["a"\]\[0\]: a datetime without a time zone'),
        ({7: 1}, "the key 7 is int"),
        ({"_aj_serialized": 1}, "reserved by ActiveJob"),
        ({Symbol("_aj_globalid"): 1}, "reserved by ActiveJob"),
    ],
)
def test_what_rails_could_not_read_is_not_written(value: Any, problem: str) -> None:
    with pytest.raises(PayloadError, match=problem):
        activejob.encode(value, "args[0]", "sidekiq8")


@pytest.mark.parametrize("value", [(1, 2), {1}, b"bytes", object(), float("nan")])
def test_what_has_no_form_is_refused_as_everywhere(value: Any) -> None:
    with pytest.raises(PayloadError, match=r"args\[0\]"):
        back([value])


def test_rails_6_gets_a_decimal_as_text_and_no_range() -> None:
    assert activejob.encode(Decimal("1.5"), "", "sidekiq6") == "1.5"
    with pytest.raises(PayloadError, match="no form for a range"):
        activejob.encode(Range(1, 2), "", "sidekiq6")


def test_current_attributes_are_read_in_the_forms_of_all_generations() -> None:
    pairs = [[serialized("SymbolSerializer", value="user_id"), 7]]

    assert current_attributes({"cattr": {"user_id": 7}}) == {"user_id": 7}
    assert current_attributes({"cattr": pairs}) == current_attributes({"cattr_1": pairs}, "cattr_1") == {"user_id": 7}
    assert current_attributes({}) == current_attributes({"cattr": None}) == {}
    with pytest.raises(DeserializationError, match="neither an object nor pairs"):
        current_attributes({"cattr": 7})


@pytest.mark.parametrize(
    "args",
    [[], [None], ["x"], [{}], [{"job_class": 7, "executions": "x", "priority": [], "exception_executions": [1]}]],
)
def test_what_is_no_job_reads_as_an_empty_one(args: list[Any]) -> None:
    read = jobdata.read(args, "j")

    assert (read.job_class, read.executions, read.priority, read.exception_executions) == ("", 1, None, {})
