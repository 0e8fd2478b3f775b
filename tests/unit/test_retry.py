"""jobs/retry.py: what becomes of a failed job, as Sidekiq 6, 7 and 8 have it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from redisjobs.errors import ChildDiedError
from redisjobs.jobs.options import JobOptions
from redisjobs.jobs.outcome import Discard, Kill, Retry, Snooze
from redisjobs.jobs.retry import Failure, RetryPolicy, class_of, lines_of, message_of
from redisjobs.wire import backtrace, payload
from redisjobs.wire.times import Wire
from tests.support.builders import CREATED_MS, a_payload

pytestmark = pytest.mark.quick

NOW = 1_732_406_500.25
WIRES: tuple[Wire, ...] = ("sidekiq8", "sidekiq7", "sidekiq6")
NONE = JobOptions()


def least(_: int) -> int:
    return 0


def most(below: int) -> int:
    return below - 1


def decide(
    fields: dict[str, Any],
    error: BaseException | None = None,
    options: JobOptions = NONE,
    *,
    wire: Wire = "sidekiq8",
    jitter: Callable[[int], int] = least,
    max_retries: int = 25,
    queue: str = "fetched",
) -> Failure:
    members = json.loads(a_payload(**fields))
    return RetryPolicy(wire, max_retries, jitter).decide(members, queue, error or ValueError("boom"), options, NOW)


# -- the fields -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wire", "stamp"), [("sidekiq8", 1_732_406_500_250), ("sidekiq7", NOW), ("sidekiq6", NOW)])
def test_the_first_failure_is_count_zero_and_failed_at(wire: Wire, stamp: float) -> None:
    failure = decide({}, wire=wire)

    assert failure.where == "retry"
    assert failure.changes == {
        "queue": "fetched",
        "error_message": "boom",
        "error_class": "ValueError",
        "retry_count": 0,
        "failed_at": stamp,
    }
    assert type(failure.changes["failed_at"]) is type(stamp)
    assert not failure.died


@pytest.mark.parametrize(("wire", "stamp"), [("sidekiq8", 1_732_406_500_250), ("sidekiq7", NOW), ("sidekiq6", NOW)])
def test_later_ones_count_on_and_stamp_retried_at(wire: Wire, stamp: float) -> None:
    failure = decide({"retry_count": 3, "failed_at": CREATED_MS}, wire=wire)

    assert failure.changes["retry_count"] == 4
    assert failure.changes["retried_at"] == stamp
    assert "failed_at" not in failure.changes


def test_a_retry_goes_to_its_own_queue_or_to_the_one_it_was_fetched_from() -> None:
    """Not to the payload's: Ruby has it so."""
    assert decide({"queue": "written"}).changes["queue"] == "fetched"
    assert decide({"queue": "written", "retry_queue": "slow"}).changes["queue"] == "slow"
    assert decide({"retry_queue": ""}).changes["queue"] == "fetched"
    assert decide({"retry_queue": 7}).changes["queue"] == "fetched"


@pytest.mark.parametrize("value", ["yesterday", None, True, [], {}])
def test_a_failed_at_that_is_no_time_is_written_anew(value: Any) -> None:
    """Ruby's job page raises on it."""
    failure = decide({"retry_count": 1, "failed_at": value})

    assert failure.changes["failed_at"] == 1_732_406_500_250
    assert failure.changes["retried_at"] == 1_732_406_500_250


@pytest.mark.parametrize(
    ("count", "written"), [("3", 0), (None, 0), (True, 0), ([], 0), (2.0, 3), (-1, 0), (-7, 0), (-0.5, 0)]
)
def test_an_odd_retry_count_loses_no_job(count: Any, written: int) -> None:
    """Ruby's server loses a job whose count is a string."""
    failure = decide({"retry_count": count}, jitter=most)

    assert failure.where == "retry"
    assert failure.changes["retry_count"] == written
    assert type(failure.changes["retry_count"]) is int


@pytest.mark.parametrize("retry", [10**400, 10**9, True])
@pytest.mark.parametrize("count", [10**12, 10**399, 1.7e308])
def test_a_monstrous_count_gives_a_delay_that_redis_takes(count: float, retry: int) -> None:
    failure = decide({"retry_count": count, "retry": retry, "retry_for": 10**9}, jitter=most)

    assert failure.where == "retry"
    assert 0 < failure.delay_s < 1e12
    assert json.loads(json.dumps(failure.changes)) == failure.changes


@pytest.mark.parametrize(
    ("tags", "changed"), [("urgent", ["urgent"]), (7, ["7"]), ({"a": 1}, ["{'a': 1}"]), (["a"], ...), (None, ...)]
)
def test_tags_that_are_no_array_become_one(tags: Any, changed: Any) -> None:
    """Ruby's poller takes such a job out of the retry set and then refuses to push it."""
    assert decide({"tags": tags}).changes.get("tags", ...) == changed


@pytest.mark.parametrize(
    ("wanted", "lines"), [(True, 2), (1, 1), (2, 2), (100, 2), (False, 0), (0, 0), (None, 0), (-1, 0), ("all", 0)]
)
def test_a_backtrace_is_kept_as_far_as_it_is_wanted(wanted: Any, lines: int) -> None:
    failure = decide({"backtrace": wanted}, raised())

    if lines:
        found = backtrace.unpack(failure.changes["error_backtrace"])
        assert len(found) == lines
        assert found[0].endswith("in `inner'")
    else:
        assert "error_backtrace" not in failure.changes


@pytest.mark.parametrize("wire", WIRES)
def test_a_change_of_a_payload_with_unknown_fields_keeps_them(wire: Wire) -> None:
    raw = a_payload(custom={"x": [1.50, 2**70]}, bid="b1")

    again = json.loads(payload.change(raw, decide({}, wire=wire).changes))

    assert (again["custom"], again["bid"]) == ({"x": [1.5, 2**70]}, "b1")


# -- the delay ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "base"), [(0, 15), (1, 16), (2, 31), (3, 96), (9, 6576), (24, 331_791)])
@pytest.mark.parametrize("wire", WIRES)
def test_the_delay_is_the_fourth_power_and_15_and_a_jitter(count: int, base: int, wire: Wire) -> None:
    before = {} if count == 0 else {"retry_count": count - 1, "failed_at": CREATED_MS}

    shortest = decide(before, wire=wire, jitter=least).delay_s
    longest = decide(before, wire=wire, jitter=most).delay_s

    assert shortest == base
    # 8: any number below 10 * (count + 1); 6 and 7: a multiple of count + 1, at most nine times
    assert longest == base + (10 * (count + 1) - 1 if wire == "sidekiq8" else 9 * (count + 1))


def test_the_jitter_is_random_by_default() -> None:
    members = json.loads(a_payload(retry_count=9, failed_at=CREATED_MS))
    policy = RetryPolicy()

    delays = {policy.decide(members, "q", ValueError(), NONE, NOW).delay_s for _ in range(200)}

    assert len(delays) > 20
    assert all(10_015 <= delay < 10_015 + 110 for delay in delays)


def test_the_delays_of_25_retries_take_about_20_days() -> None:
    total = sum(decide({"retry_count": n - 1} if n else {}).delay_s for n in range(25))

    assert 20 < total / 86_400 < 21


# -- exhaustion -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retry", "runs"),
    [
        (True, 26),
        ("yes", 26),
        (2.5, 26),
        ([], 26),
        (None, 26),
        (..., 26),
        (0, 1),
        (1, 2),
        (5, 6),
        (-1, 1),
    ],
    ids=repr,
)
@pytest.mark.parametrize("wire", WIRES)
def test_n_retries_are_n_and_one_runs_and_then_the_dead_set(retry: Any, runs: int, wire: Wire) -> None:
    fields: dict[str, Any] = {"retry": retry}
    for run in range(1, runs + 1):
        failure = decide(fields, wire=wire)
        assert failure.where == ("retry" if run < runs else "dead"), f"run {run}"
        assert failure.died is (run == runs)
        fields |= failure.changes

    assert fields["retry_count"] == runs - 1


@pytest.mark.parametrize("wire", WIRES)
def test_true_means_as_many_as_the_app_says(wire: Wire) -> None:
    assert decide({"retry_count": 1}, max_retries=3, wire=wire).where == "retry"
    assert decide({"retry_count": 2}, max_retries=3, wire=wire).where == "dead"


def test_false_means_gone_without_hook_and_without_a_dead_entry() -> None:
    asked = []
    options = JobOptions(on_exhausted=lambda *_: asked.append(1), retry_in=lambda *_: asked.append(2))

    failure = decide({"retry": False}, options=options)

    assert (failure.where, failure.died, asked) == ("gone", True, [])


def test_a_payload_that_says_nothing_takes_the_jobs_own_option() -> None:
    assert decide({"retry": ...}, options=JobOptions(retry=0)).where == "dead"
    assert decide({"retry": None}, options=JobOptions(retry=False)).where == "gone"
    assert decide({"retry": True}, options=JobOptions(retry=False)).where == "retry"


def test_dead_false_leaves_no_dead_entry_but_calls_the_handlers() -> None:
    failure = decide({"retry": 0, "dead": False})

    assert (failure.where, failure.died) == ("gone", True)


@pytest.mark.parametrize("dead", [None, 0, "false", []])
def test_only_exactly_false_means_no_dead_entry(dead: Any) -> None:
    assert decide({"retry": 0, "dead": dead}).where == "dead"


def test_retry_for_counts_from_the_first_failure_and_never_ends_at_it() -> None:
    assert decide({"retry_for": 1}).where == "retry"
    assert decide({"retry_for": 0.001, "created_at": 1}).where == "retry"


@pytest.mark.parametrize("failed_at", [NOW - 100, int((NOW - 100) * 1000), int(NOW - 100)])
@pytest.mark.parametrize("wire", WIRES)
def test_retry_for_is_over_when_the_time_is_whoever_wrote_it(failed_at: float, wire: Wire) -> None:
    fields = {"retry_count": 1, "failed_at": failed_at}

    assert decide({**fields, "retry_for": 99}, wire=wire).where == "dead"
    assert decide({**fields, "retry_for": 102}, wire=wire).where == "retry"


@pytest.mark.parametrize(("wire", "where"), [("sidekiq8", "retry"), ("sidekiq7", "dead")])
def test_retry_for_takes_the_place_of_the_count_in_8_and_stands_beside_it_in_7(wire: Wire, where: str) -> None:
    fields = {"retry": 2, "retry_count": 5, "failed_at": NOW - 10, "retry_for": 3600}

    assert decide(fields, wire=wire).where == where


@pytest.mark.parametrize("value", [None, False, 0, "3600", [], True])
def test_a_retry_for_that_is_no_number_of_seconds_is_as_none(value: Any) -> None:
    assert decide({"retry_for": value, "retry": 1, "retry_count": 0, "failed_at": 1.5}).where == "dead"
    assert decide({"retry_for": value, "retry": 2, "retry_count": 0, "failed_at": 1.5}).where == "retry"


def test_retry_for_without_failed_at_loses_no_job() -> None:
    """Ruby 7 and 8 lose it."""
    assert decide({"retry_for": 10, "retry_count": 3}).where == "retry"


# -- retry_in -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "delay_s"),
    [(60, 60), (0.5, 0.5), (0, 15), (-5, 15), (None, 15), (True, 15), ("60", 15), (math.nan, 15), ([], 15)],
    ids=repr,
)
def test_retry_in_gives_the_delay_and_what_is_none_the_usual_one(answer: Any, delay_s: float) -> None:
    assert decide({}, options=JobOptions(retry_in=lambda *_: answer)).delay_s == delay_s


def test_a_delay_of_its_own_gets_the_jitter_too() -> None:
    options = JobOptions(retry_in=lambda *_: 60)

    assert decide({}, options=options, jitter=most).delay_s == 69
    assert decide({"retry_count": 1}, options=options, jitter=most, wire="sidekiq7").delay_s == 60 + 9 * 3


def test_an_endless_delay_of_its_own_is_cut() -> None:
    assert decide({}, options=JobOptions(retry_in=lambda *_: math.inf)).delay_s < 1e12


def test_retry_in_is_told_the_new_count_the_error_and_the_payload() -> None:
    told: list[Any] = []
    error = KeyError("x")

    decide({"retry_count": 3, "x": 1}, error, JobOptions(retry_in=lambda *args: told.extend(args)))

    count, seen, members = told
    assert (count, seen) == (4, error)
    assert (members["retry_count"], members["x"], members["error_class"]) == (4, 1, "KeyError")


@pytest.mark.parametrize("answer", [Kill, Kill("enough")])
def test_retry_in_may_kill(answer: Any) -> None:
    told = []
    options = JobOptions(retry_in=lambda *_: answer, on_exhausted=lambda *_: told.append(1))

    failure = decide({}, options=options)

    assert (failure.where, failure.died, told) == ("dead", True, [1])
    assert decide({"dead": False}, options=options).where == "gone"


@pytest.mark.parametrize("answer", [Discard, Discard("no use")])
def test_retry_in_may_discard(answer: Any) -> None:
    told = []
    options = JobOptions(retry_in=lambda *_: answer, on_exhausted=lambda *_: told.append(1))

    failure = decide({}, options=options)

    assert (failure.where, failure.died, told) == ("gone", True, [])


def test_a_failing_retry_in_is_logged_and_the_usual_delay_taken(caplog: pytest.LogCaptureFixture) -> None:
    failure = decide({}, options=JobOptions(retry_in=lambda *_: 1 / 0))

    assert (failure.where, failure.delay_s) == ("retry", 15)
    assert "retry_in failed" in caplog.text


def test_retry_in_is_not_asked_when_all_is_over() -> None:
    asked = []

    decide({"retry": 0}, options=JobOptions(retry_in=lambda *_: asked.append(1)))

    assert asked == []


# -- on_exhausted ---------------------------------------------------------------------------------------------------


def test_on_exhausted_is_told_the_payload_as_it_dies_and_the_error() -> None:
    told: list[Any] = []
    error = ValueError("last")

    decide({"retry": 0}, error, JobOptions(on_exhausted=lambda *args: told.extend(args)))

    members, seen = told
    assert seen is error
    assert (members["retry_count"], members["error_message"], members["class"]) == (0, "last", "Mail")


@pytest.mark.parametrize("answer", [Discard, Discard("never mind")])
def test_on_exhausted_may_skip_the_dead_set(answer: Any) -> None:
    failure = decide({"retry": 0}, options=JobOptions(on_exhausted=lambda *_: answer))

    assert (failure.where, failure.died) == ("gone", True)


@pytest.mark.parametrize("answer", [None, "discard", True, Kill])
def test_any_other_answer_changes_nothing(answer: Any) -> None:
    assert decide({"retry": 0}, options=JobOptions(on_exhausted=lambda *_: answer)).where == "dead"


def test_a_failing_on_exhausted_is_logged_and_the_job_buried(caplog: pytest.LogCaptureFixture) -> None:
    failure = decide({"retry": 0}, options=JobOptions(on_exhausted=lambda *_: 1 / 0))

    assert (failure.where, failure.died) == ("dead", True)
    assert "on_exhausted failed" in caplog.text


# -- what a job raises on purpose -----------------------------------------------------------------------------------


def test_a_retry_with_a_delay_is_taken_at_its_word() -> None:
    failure = decide({"retry_count": 3}, Retry(7), jitter=most)

    assert (failure.where, failure.delay_s, failure.changes["retry_count"]) == ("retry", 7, 4)
    assert decide({}, Retry(timedelta(minutes=2))).delay_s == 120
    assert decide({}, Retry(0)).delay_s == 0


def test_a_retry_without_one_gets_the_usual_delay_and_is_not_asked_for() -> None:
    asked = []

    failure = decide({}, Retry(), JobOptions(retry_in=lambda *_: asked.append(1)))

    assert (failure.where, failure.delay_s, asked) == ("retry", 15, [])


def test_a_retry_exhausts_as_any_failure() -> None:
    assert decide({"retry": 0}, Retry(7)).where == "dead"
    assert decide({"retry": False}, Retry(7)).where == "gone"


def test_a_retry_shows_the_error_that_it_was_raised_from() -> None:
    try:
        try:
            raise KeyError("cause")
        except KeyError as error:
            raise Retry(7) from error
    except Retry as caught:
        changes = decide({}, caught).changes

    assert (changes["error_class"], changes["error_message"]) == ("KeyError", "'cause'")
    assert decide({}, Retry(7)).changes["error_message"] == "the job asked to run again in 7 s"


@pytest.mark.parametrize("fields", [{}, {"retry": False}, {"dead": False}, {"retry_count": 99}])
def test_a_kill_buries_whatever_is_left(fields: dict[str, Any]) -> None:
    failure = decide(fields, Kill("poison"))

    assert (failure.where, failure.died) == ("dead", True)
    assert failure.changes["error_message"] == "poison"


@pytest.mark.parametrize("delay", ["soon", math.nan, math.inf, -1, True, 1e12, [5]], ids=repr)
@pytest.mark.parametrize("kind", [Retry, Snooze])
def test_a_wrong_delay_is_the_jobs_own_error_at_once(kind: Any, delay: Any) -> None:
    with pytest.raises(TypeError, match="a delay is"):
        kind(delay)


# -- what is written about an error ---------------------------------------------------------------------------------


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("x" * 20_000), "x" * 10_000),
        (ValueError("☃" * 20_000), "☃" * 10_000),
        (ValueError("a\ud800b\udfff"), "a\ufffdb\ufffd"),
        (ValueError(), ""),
        (UnreadableError(), "the error's own message could not be read"),
        (KeyError("k"), "'k'"),
    ],
    ids=lambda value: repr(value)[:20] if isinstance(value, str) else type(value).__name__,
)
def test_a_message_is_valid_and_bounded(error: BaseException, message: str) -> None:
    assert message_of(error) == message
    message_of(error).encode()


def test_an_errors_class_has_nothing_that_a_page_would_swallow() -> None:
    class LocalError(Exception):
        pass

    assert class_of(ValueError()) == "ValueError"
    assert class_of(UnreadableError()) == f"{__name__}.UnreadableError"
    assert "<" not in class_of(LocalError())
    assert class_of(LocalError()).endswith(".LocalError")


def test_a_backtrace_starts_where_it_was_raised() -> None:
    lines = lines_of(raised())

    assert [line.rpartition(":")[2] for line in lines] == ["in `inner'", "in `raised'"]
    assert lines[0].startswith(__file__)
    assert lines_of(ValueError("never raised")) == []


def raised() -> ValueError:
    def inner() -> None:
        raise ValueError("boom")

    try:
        inner()
    except ValueError as error:
        return error
    raise AssertionError


# -- children that died ---------------------------------------------------------------------------------------------

HOUR_S = 3600.0


def stamps(*hours_ago: float) -> list[int]:
    """Return moments as a payload of generation 8 has them."""
    return [round((NOW - hours * HOUR_S) * 1000) for hours in hours_ago]


def test_a_child_that_died_is_noted_and_the_job_is_retried_as_any_failure() -> None:
    failure = decide({"crashes": stamps(1)}, ChildDiedError("exit code 3"))

    assert (failure.where, failure.changes["retry_count"]) == ("retry", 0)
    assert failure.changes["crashes"] == [*stamps(1), *stamps(0)]
    assert failure.changes["error_class"] == "redisjobs.errors.ChildDiedError"


def test_the_third_within_three_days_is_poison() -> None:
    failure = decide({"crashes": stamps(71, 1)}, ChildDiedError("exit code 3"))

    assert (failure.where, failure.died) == ("dead", True)
    assert failure.changes["error_class"] == "redisjobs.PoisonPill"
    assert failure.changes["crashes"] == [], "who puts it back has mended something"


def test_what_is_longer_ago_is_forgotten() -> None:
    assert decide({"crashes": stamps(73, 1)}, ChildDiedError("exit code 3")).changes["crashes"] == stamps(1, 0)


@pytest.mark.parametrize("odd", [None, "x", 7, {"a": 1}, ["x", None, {}], [[1]]])
def test_an_odd_memory_of_crashes_loses_no_job(odd: Any) -> None:
    failure = decide({"crashes": odd}, ChildDiedError("exit code 3"))

    assert (failure.where, failure.changes["crashes"]) == ("retry", stamps(0))


def test_an_error_of_the_job_itself_counts_for_nothing() -> None:
    assert "crashes" not in decide({"crashes": stamps(2, 1)}, ValueError()).changes
