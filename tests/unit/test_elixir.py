"""Exq's and Verk's forms of a payload: read whoever wrote it, written as they have it (spec: exq.md 10, verk.md 9)."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from redisjobs import RedisJobs
from redisjobs.errors import PayloadError, UnknownJobError
from redisjobs.jobs.job import Job
from redisjobs.jobs.options import JobOptions
from redisjobs.jobs.registry import Registry
from redisjobs.jobs.retry import RetryPolicy
from redisjobs.wire import backtrace, deadletter, elixir, payload
from redisjobs.wire.times import Wire
from tests.support.elixir import EXQ_JOB, EXQ_RETRY, VERK_JOB, VERK_RETRY

pytestmark = pytest.mark.quick

NOW = 1_732_500_000.25


def raw_of(members: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({name: value for name, value in {**members, **changes}.items() if value is not ...}).encode()


def failed(raw: bytes, wire: Wire, **options: Any) -> tuple[str, dict[str, Any], float]:
    """Return where a job goes that fails, its payload then, and after how many seconds."""
    policy = RetryPolicy(wire, jitter=lambda n: n - 1)
    failure = policy.decide(payload.fields(raw), "mail", ValueError("boom"), JobOptions(**options), NOW)
    changed = payload.change(raw, failure.changes, drop=("at",), wire=wire)
    return failure.where, msgspec.json.decode(changed), failure.delay_s


# -- reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", ["[1,2]", "[]", ' [{"a":[]}, "\\u00e9"] ', "[12345678901234567890123, 1.50]"])
def test_arguments_that_are_a_text_are_the_list_that_stands_in_it(args: str) -> None:
    read = payload.decode(raw_of(VERK_JOB, args=args))

    assert read.args == json.loads(args)
    assert read.jid == VERK_JOB["jid"]


@pytest.mark.parametrize("args", ["", "1", "{}", "[1", '"[]"', "null", {"a": 1}, None])
def test_a_text_that_is_no_list_is_no_arguments(args: Any) -> None:
    with pytest.raises(PayloadError, match=r"^args"):
        payload.decode(raw_of(VERK_JOB, args=args))


def test_an_empty_object_is_an_empty_list_in_a_job_of_verk_only() -> None:
    """Its mover makes one of the other; in anybody else's job it is a mistake."""
    assert payload.decode(raw_of(VERK_JOB, args={})).args == []
    with pytest.raises(PayloadError, match=r"^args"):
        payload.decode(raw_of(EXQ_JOB, args={}))


@pytest.mark.parametrize("field", ["class", "jid"])
def test_a_null_where_a_run_needs_a_text_is_named(field: str) -> None:
    with pytest.raises(PayloadError, match=rf"^{field}"):
        payload.decode(raw_of(VERK_JOB, **{field: None}))


def test_lists_nested_too_deep_inside_the_text_are_refused() -> None:
    with pytest.raises(PayloadError, match="nested deeper"):
        payload.decode(raw_of(VERK_JOB, args="[" * 200 + "]" * 200))


@pytest.mark.parametrize(
    ("members", "attempt"),
    [
        (VERK_JOB, 1),
        (VERK_RETRY, 2),
        ({**VERK_RETRY, "retry_count": 2}, 3),
        (EXQ_JOB, 1),
        (EXQ_RETRY, 2),
        ({**EXQ_RETRY, "retry_count": None}, 1),
        ({**EXQ_JOB, "retry_count": 0}, 2),  # Sidekiq's
    ],
)
def test_failures_are_counted_as_the_writer_counted_them(members: dict[str, Any], attempt: int) -> None:
    assert payload.decode(raw_of(members)).attempt == attempt
    assert elixir.failures(members) == attempt - 1


def test_a_backtrace_that_is_text_is_read_by_lines() -> None:
    assert backtrace.unpack(VERK_RETRY["error_backtrace"]) == ["(app) lib/example_worker.ex:5: ExampleWorker.perform/2"]


# -- names ----------------------------------------------------------------------------------------------------------


def registry(wire: Wire, *names: str) -> Registry:
    found = Registry(wire)
    for name in names:
        found.add(Job(lambda: None, name, JobOptions(), None))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("wire", elixir.ELIXIR)
@pytest.mark.parametrize("registered", ["Elixir.My.Worker", "My.Worker", "My::Worker"])
@pytest.mark.parametrize("asked", ["Elixir.My.Worker", "My.Worker", "My::Worker"])
def test_a_job_is_found_by_each_spelling_of_its_name(wire: Wire, registered: str, asked: str) -> None:
    assert registry(wire, registered).find(asked).name == registered


def test_an_exact_name_wins() -> None:
    found = registry("exq", "My::Worker", "My.Worker", "Elixir.My.Worker")

    assert [found.find(job.name).name for job in found] == ["My::Worker", "My.Worker", "Elixir.My.Worker"]


def test_beside_ruby_only_the_exact_name_counts() -> None:
    with pytest.raises(UnknownJobError):
        registry("sidekiq8", "My::Worker").find("My.Worker")


# -- failing --------------------------------------------------------------------------------------------------------


def test_a_job_of_exq_fails_into_the_entry_that_exq_would_write() -> None:
    where, entry, delay_s = failed(raw_of(EXQ_JOB), "exq")

    assert where == "retry"
    assert entry == {
        **EXQ_RETRY,
        "queue": "mail",
        "error_class": "ValueError",
        "error_message": "boom",
        "failed_at": NOW,
        "retried_at": NOW,
    }
    assert delay_s == 1 + 15 + 29 * 2


def test_a_job_of_verk_fails_into_the_entry_that_verk_would_write() -> None:
    where, entry, delay_s = failed(raw_of(VERK_JOB), "verk", backtrace=True)

    assert where == "retry"
    assert entry == {
        **VERK_JOB,
        "queue": "mail",
        "error_class": "ValueError",
        "error_message": "boom",
        "failed_at": int(NOW),
        "retry_count": 1,
        "retry": 25,
    }
    assert delay_s == 1 + 15 + 29 * 2


def test_a_second_failure_under_verk_stamps_retried_at_in_whole_seconds() -> None:
    _, entry, delay_s = failed(raw_of(VERK_RETRY), "verk")

    assert (entry["failed_at"], entry["retried_at"], entry["retry_count"]) == (1714566601, int(NOW), 2)
    assert delay_s == 16 + 15 + 29 * 3


@pytest.mark.parametrize("wire", elixir.ELIXIR)
def test_fields_of_others_stay_and_milliseconds_become_seconds(wire: Wire) -> None:
    """What Sidekiq 8 wrote: Exq's and Verk's pages raise over its times."""
    ruby = raw_of(EXQ_JOB, enqueued_at=1_714_566_600_500, retry=True, bid="b1", wrapped="Mail", cattr={"a": [1]})

    _, entry, _ = failed(ruby, wire)

    assert entry["enqueued_at"] == (1_714_566_600.5 if wire == "exq" else 1_714_566_600)
    assert (entry["bid"], entry["wrapped"], entry["cattr"]) == ("b1", "Mail", {"a": [1]})
    assert entry["retry"] == 25


@pytest.mark.parametrize("wire", elixir.ELIXIR)
@pytest.mark.parametrize("count", [..., None, 0, 3])
def test_fields_that_are_added_do_not_change_how_often_a_job_failed(wire: Wire, count: Any) -> None:
    """Which fields there are says whose count it is: Sidekiq's 0 is one failure."""
    ruby = payload.fields(raw_of(EXQ_JOB, retry_count=count))

    changes = payload.mended(ruby, at=NOW, wire=wire)

    assert elixir.counts_failures(changes)
    assert elixir.failures({**ruby, **changes}) == elixir.failures(ruby)


def test_arguments_are_a_list_again_where_ruby_takes_over_and_keep_their_bytes() -> None:
    raw = raw_of(VERK_JOB, args="[1.50, 12345678901234567890123]")

    where, _, _ = failed(raw, "sidekiq8")
    changed = payload.change(raw, {}, wire="sidekiq8")

    assert where == "retry"
    assert b'"args":[1.50, 12345678901234567890123]' in changed


def test_arguments_are_a_text_for_verk_so_that_its_mover_harms_no_empty_list_or_large_number() -> None:
    changed = payload.change(raw_of(EXQ_JOB, args=[[], 12345678901234567]), {}, wire="verk")

    assert msgspec.json.decode(changed)["args"] == "[[], 12345678901234567]"


@pytest.mark.parametrize(
    ("members", "wire", "runs"),
    [
        ({**VERK_JOB, "max_retry_count": 2}, "verk", 3),
        ({**VERK_JOB, "max_retry_count": 2}, "sidekiq8", 3),
        ({**VERK_JOB, "max_retry_count": 0, "retry": True}, "verk", 1),
        ({**VERK_JOB, "max_retry_count": None, "retry": 1}, "verk", 2),
        ({**EXQ_JOB, "retry": 2}, "exq", 3),
        ({**EXQ_JOB, "retry": 2}, "sidekiq7", 3),
        ({**EXQ_JOB, "retry": 0}, "exq", 1),
        ({**EXQ_JOB, "retry": True}, "exq", 26),
    ],
)
def test_so_many_runs_and_then_the_dead_set_however_the_limit_is_written(
    members: dict[str, Any], wire: Wire, runs: int
) -> None:
    raw, where, count = raw_of(members), "retry", 0

    while where == "retry":
        where, entry, _ = failed(raw, wire)
        raw, count = raw_of(entry), count + 1

    assert (where, count) == ("dead", runs)


@pytest.mark.parametrize("wire", elixir.ELIXIR)
def test_no_retry_and_no_trace_is_as_the_writer_meant_it(wire: Wire) -> None:
    dressed = elixir.dressed({"retry": False, "queue": "q"}, wire, 25)

    assert (dressed["retry"], dressed["dead"]) == (0, False)
    assert failed(raw_of(EXQ_JOB, **dressed), wire)[0] == "gone"
    assert failed(raw_of(EXQ_JOB, retry=False), wire)[0] == "gone"


# -- what is no job -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", elixir.ELIXIR)
@pytest.mark.parametrize("raw", [b"no json", b"[]", b"null", b'{"class":"A","queue":null}', b"\xff", b""])
def test_bytes_that_are_no_job_are_buried_as_a_job_that_both_can_show(raw: bytes, wire: Wire) -> None:
    """Their pages crash over a member that is no JSON, or has no jid, or fractions of numbers elsewhere."""
    buried = deadletter.wrap(raw, PayloadError("payload", "odd", raw), queue="mail", at=NOW, wire=wire)

    read = payload.decode(buried)
    fields = payload.fields(buried)
    assert deadletter.unwrap(fields) == raw
    assert read.jid
    assert fields["queue"] == "mail"
    assert isinstance(fields["args"], str) == (wire == "verk")
    assert type(fields["enqueued_at"]) is (int if wire == "verk" else float)


# -- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"wire": "exq"}, "exq:retry"),
        ({"wire": "exq", "namespace": "shop"}, "shop:retry"),
        ({"wire": "exq", "namespace": ""}, "retry"),
        ({"wire": "verk"}, "retry"),
        ({"wire": "exq", "shards": {"b": "redis://b"}}, "exq:retry"),
    ],
)
def test_the_namespace_is_exqs_own_unless_another_is_given(settings: Any, key: str) -> None:
    app = RedisJobs("redis://a", **settings)

    assert app.keys.retry == key
    assert [app.shard(name).keys for name in app.config.shards] == [app.keys for _ in app.config.shards]
