"""Failures in groups: what is one bug is one group."""

from __future__ import annotations

from typing import Any

import pytest

from redisjobs.inspector import Access, DeadSet, RetrySet
from redisjobs.inspector.errors import ErrorGroup, group, shape
from redisjobs.inspector.query import Query
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("", ""),
        ("timeout after 30 s", "timeout after <n> s"),
        ("timeout after 2.5s at 10:31:07", "timeout after <n>s at <n>"),
        ("Couldn't find User with 'id'=17", "Couldn't find User with <text>=<n>"),
        ('key "a \\" b" is missing', "key <text> is missing"),
        ("undefined method `name' for nil:NilClass", "undefined method <text> for nil:NilClass"),
        ("undefined local variable `x`", "undefined local variable <text>"),
        ("don't and can't", "don't and can't"),
        ("<Object at 0x7fb145fdb870>", "<Object at <hex>>"),
        ("declined (request req_1a2b)", "declined (request req_<hex>)"),
        ("declined (request req_9f3)", "declined (request req_<hex>)"),
        ("bad face of cafe, 3rd of 1234", "bad face of cafe, <n>rd of <n>"),
        ("jid b4a577edbccf1d805744efa9 gone", "jid <hex> gone"),
        ("deadbeef is a word, decade too", "deadbeef is a word, decade too"),
        ("no 3F2504E0-4F89-11D3-9A0C-0305E82C3301.", "no <uuid>."),
        ("\n  first line 1\nsecond line", "first line <n>"),
        ("connection to 10.0.0.7:5432 refused", "connection to <n> refused"),
        ("ключ 5", "ключ <n>"),
    ],
)
def test_messages_of_one_kind_have_one_shape(message: str, wanted: str) -> None:
    assert shape(message) == wanted


def test_no_message_takes_long() -> None:
    """Only its beginning counts."""
    assert len(shape('"' + "\\" * 10_000_000)) <= 400
    assert shape("'" * 1_000_000) != ""


def a_failed(at: int, error: str, message: str, **fields: Any) -> bytes:
    return a_payload(jid=f"j{at}", error_class=error, error_message=message, retry_count=1, **fields)


def test_jobs_that_failed_alike_are_one_group(redis: RealRedis, access: Access) -> None:
    timeouts = [
        a_failed(at, "Timeout", f"after {at} s", failed_at=1_700_000_000_000 + at, retried_at=1_700_000_100_000 + at)
        for at in range(150)
    ]
    others = [a_failed(500 + at, "KeyError", f"'k{at}'", class_="Report", failed_at=1_700_000_000.5) for at in range(5)]
    redis.seed({"retry": {raw: 2e9 + at for at, raw in enumerate(timeouts)}})
    redis.seed({"dead": {raw: 1.8e9 + at for at, raw in enumerate([*others, a_failed(900, "Timeout", "after 1 s")])}})

    found = group([RetrySet(access), DeadSet(access)], Query())

    assert (found.looked, found.total, found.partial) == (156, 156, False)
    [most, rest] = found.groups
    assert (most.error_class, most.message, most.count) == ("Timeout", "after <n> s", 151)
    assert (most.first_at, most.last_at) == (1_700_000_000.0, 1.8e9 + 5)
    assert (dict(most.jobs), dict(most.places)) == ({"Mail": 151}, {"retries": 150, "dead": 1})
    assert most.sample.jid == "j900"
    assert (rest.error_class, rest.message, rest.count, dict(rest.jobs)) == ("KeyError", "<text>", 5, {"Report": 5})
    assert (rest.first_at, rest.last_at) == (1_700_000_000.5, 1_700_000_000.5)


def test_what_is_no_job_and_what_never_failed_have_groups_as_well(redis: RealRedis, access: Access) -> None:
    redis.seed({"dead": {b"junk": 1e9, b"{}": float("inf"), a_payload(jid="j1"): 1.5e9}})

    found = group([DeadSet(access)], Query())

    assert {one.error_class for one in found.groups} == {"(malformed)", "(no error)"}
    assert sum(one.count for one in found.groups) == 3


def test_only_what_matches_is_grouped(redis: RealRedis, access: Access) -> None:
    redis.seed({"dead": {a_failed(at, f"E{at % 2}", "", class_=f"C{at}"): 1e9 + at for at in range(4)}})

    assert [one.count for one in group([DeadSet(access)], Query.parse("class=C1")).groups] == [1]
    assert [one.count for one in group([DeadSet(access)], Query(since=1e9 + 2)).groups] == [1, 1]


def test_it_ends_when_its_time_is_up_and_says_so(redis: RealRedis, access: Access) -> None:
    redis.seed({"dead": {a_failed(at, "E", ""): 1e9 + at for at in range(300)}})
    redis.seed({"retry": {a_failed(at, "E", ""): 1e9 + at for at in range(300)}})

    found = group([RetrySet(access), DeadSet(access)], Query(), budget_s=0)

    [one] = found.groups
    assert isinstance(one, ErrorGroup)
    assert found.partial
    assert (found.looked, found.total, one.count) == (200, 600, 200)  # at least one slice of each
