"""`enqueue`: what is typed arrives as it is, or nothing is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Cli
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


def pushed(redis: RealRedis, queue: str = "default") -> dict[str, Any]:
    """Return the only job of a queue."""
    (raw,) = redis.value(f"queue:{queue}")
    return json.loads(raw)


def test_a_job_is_pushed_and_its_jid_printed(cli: Cli, redis: RealRedis) -> None:
    ran = cli("enqueue", "Ruby::Worker", '[1, {"to": "mé"}, null]', "--queue", "low")

    job = pushed(redis, "low")
    assert (ran.status, ran.out) == (0, f"{job['jid']}\n")
    assert (job["class"], job["args"], job["queue"], job["retry"]) == (
        "Ruby::Worker",
        [1, {"to": "mé"}, None],
        "low",
        True,
    )
    assert redis.value("queues") == {"low"}


def test_every_option_arrives(cli: Cli, redis: RealRedis) -> None:
    line = "enqueue A --retry 3 --retry-queue slow --retry-for 60 --backtrace 10 --tag a --tag b --no-dead --json"

    ran = cli(*line.split())

    job = pushed(redis)
    assert ran.json == {"jid": job["jid"], "class": "A", "queue": "default"}
    assert {name: job[name] for name in ("retry", "retry_queue", "retry_for", "backtrace", "tags", "dead")} == {
        "retry": 3,
        "retry_queue": "slow",
        "retry_for": 60,
        "backtrace": 10,
        "tags": ["a", "b"],
        "dead": False,
    }


@pytest.mark.parametrize(("text", "retry"), [("true", True), ("False", False), ("0", 0), ("25", 25)])
def test_retry_is_a_number_or_a_truth(cli: Cli, redis: RealRedis, text: str, retry: object) -> None:
    cli("enqueue", "A", "--retry", text)

    assert pushed(redis)["retry"] is retry or pushed(redis)["retry"] == retry


def test_arguments_are_read_from_standard_input(cli: Cli, redis: RealRedis) -> None:
    cli("enqueue", "A", "-", stdin='["é", 12345678901234567890123]\n'.encode())

    assert pushed(redis)["args"] == ["é", 12345678901234567890123]


def test_integers_of_any_size_arrive_exactly(cli: Cli, redis: RealRedis) -> None:
    digits = "1234567890" * 500

    assert cli("enqueue", "A", f"[{digits}]").status == 0

    assert f'"args":[{digits}]' in redis.value("queue:default")[0]


def test_a_job_is_scheduled_some_seconds_ahead(cli: Cli, redis: RealRedis) -> None:
    before = redis.now()

    cli("enqueue", "A", "--in", "90")

    ((_, score),) = redis.value("schedule").items()
    assert before + 90 <= score <= redis.now() + 90


@pytest.mark.parametrize("moment", ["2211624000", "2040-01-31T12:00:00Z"])
def test_a_job_is_scheduled_at_a_moment(cli: Cli, redis: RealRedis, moment: str) -> None:
    cli("enqueue", "A", "--at", moment)

    ((_, score),) = redis.value("schedule").items()
    assert score == 2_211_624_000
    assert redis.value("queues") is None


@pytest.mark.parametrize("options", [["--in", "0"], ["--in", "-5"], ["--at", "0"], ["--at", "2001-01-01"]])
def test_what_is_not_in_the_future_is_now(cli: Cli, redis: RealRedis, options: list[str]) -> None:
    assert cli("enqueue", "A", *options).status == 0

    assert pushed(redis)["class"] == "A"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["A", "{}"], "a JSON array, such as '[{}]'"),
        (["A", '"text"'], "a JSON array"),
        (["A", "null"], "a JSON array"),
        (["A", "[1"], "no JSON"),
        (["A", ""], "no JSON"),
        (["A", "[NaN]"], "NaN is not JSON"),
        (["A", "[-Infinity]"], "-Infinity is not JSON"),
        (["A", '["\\ud800"]'], "lone surrogate"),
        (["A", "[1e999]"], "inf is not JSON"),
        (["A", "[" * 5000 + "]" * 5000], "Error: "),  # too deep for the parser, or for us: CPython's limits differ
        (["A", "[" * 150 + "]" * 150], "nested deeper than 100"),
        (["A", f'["{"x" * 2_000_000}"]'], "max_payload_bytes"),
        (["", "[]"], "the name of a job"),
        (["A", "--queue", ""], "the name of a queue"),
        (["A", "--queue", "\udcff"], "UTF-8"),
        (["A", "--retry", "yes"], "--retry 'yes'"),
        (["A", "--retry", "-1"], "--retry '-1'"),
        (["A", "--retry-for", "1e10"], "retry_for"),
        (["A", "--at", "tomorrow"], "--at 'tomorrow'"),
        (["A", "--at", "nan"], "no moment"),
        (["A", "--at", "1e300"], "no moment"),
        (["A", "--in", "nan"], "no delay"),
        (["A", "--in", "inf"], "no delay"),
        (["A", "--in", "1", "--at", "2"], "exclude each other"),
        (["A", "[]", "[]"], "unexpected extra argument"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_wrong_is_refused_and_nothing_sent(cli: Cli, redis: RealRedis, words: list[str], told: str) -> None:
    ran = cli("enqueue", *words)

    assert ran.status == 2
    assert told in ran.err
    assert len(ran.err) < 1000
    assert redis.client.dbsize() == 0


@pytest.mark.parametrize("raw", [b"\xff\xfe", b'["\xff"]', b"[\x00]", b""])
def test_standard_input_that_is_no_json_is_refused(cli: Cli, redis: RealRedis, raw: bytes) -> None:
    assert cli("enqueue", "A", "-", stdin=raw).status == 2
    assert redis.client.dbsize() == 0


@pytest.mark.parametrize("name", ["with space", "a:b", "grün", "x" * 10_000])
def test_a_queue_may_have_any_name(cli: Cli, redis: RealRedis, name: str) -> None:
    assert cli("enqueue", "A", "--queue", name).status == 0

    assert pushed(redis, name)["queue"] == name


def test_a_wrong_key_is_named_and_left_alone(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"queue:default": "x"})

    ran = cli("enqueue", "A")

    assert ran.status == 1
    assert "'queue:default' is a string, not a list" in ran.err
    assert redis.dump() == {"queue:default": "x"}
