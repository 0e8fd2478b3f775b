"""jobs/options.py: Sidekiq's options, checked where a job is declared."""

from __future__ import annotations

from typing import Any

import pytest

from redisjobs.errors import OptionError
from redisjobs.jobs.options import JobOptions

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("qeue", "queue"),
        ("retrys", "retry"),
        ("retry_quue", "retry_queue"),
        ("tag", "tags"),
        ("loglevel", "log_level"),
        ("retryin", "retry_in"),
        ("backtraces", "backtrace"),
    ],
)
def test_an_unknown_option_is_an_error_that_names_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(OptionError, match=f"no job option is called '{name}'; did you mean '{nearest}'\\?"):
        JobOptions().merge({name: 1})


def test_an_unknown_option_that_is_near_to_none_lists_all() -> None:
    with pytest.raises(OptionError) as caught:
        JobOptions().merge({"zzz": 1})

    assert "did you mean" not in str(caught.value)
    assert "queue, retry, retry_queue, retry_for, dead" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("queue", ""),
        ("queue", None),
        ("queue", 7),
        ("retry", "yes"),
        ("retry", -1),
        ("retry", 2.5),
        ("retry", None),
        ("retry_queue", ""),
        ("retry_queue", 7),
        ("retry_for", 0),
        ("retry_for", -1),
        ("retry_for", True),
        ("retry_for", 1_000_000_001),
        ("retry_for", float("nan")),
        ("retry_for", "1h"),
        ("dead", None),
        ("dead", 0),
        ("backtrace", -1),
        ("backtrace", "all"),
        ("tags", "urgent"),
        ("tags", [1]),
        ("tags", None),
        ("log_level", "loud"),
        ("log_level", 7),
        ("timeout", 0),
        ("timeout", -1),
        ("timeout", True),
        ("timeout", "5"),
        ("timeout", float("inf")),
        ("timeout", float("nan")),
        ("executor", "fiber"),
        ("executor", True),
        ("retry_in", 5),
        ("on_exhausted", "hook"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_name(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=f"^{name}=.*: must be "):
        JobOptions().merge({name: value})


def test_defaults_say_only_what_ruby_needs() -> None:
    """Ruby drops a failing job whose payload lacks `retry`."""
    assert JobOptions().wire_fields() == {"retry": True, "queue": "default"}


def test_all_options_stand_on_the_wire_in_rubys_order() -> None:
    options = JobOptions().merge(
        {
            "on_exhausted": print,
            "retry_in": len,
            "timeout": 2.5,
            "executor": "process",
            "log_level": "debug",
            "tags": ["a", "b"],
            "backtrace": 3,
            "dead": False,
            "retry_for": 3600.0,
            "retry_queue": "low",
            "queue": "high",
            "retry": 5,
        }
    )

    assert list(options.wire_fields().items()) == [
        ("retry", 5),
        ("queue", "high"),
        ("retry_queue", "low"),
        ("retry_for", 3600),
        ("dead", False),
        ("backtrace", 3),
        ("tags", ["a", "b"]),
        ("log_level", "debug"),
        ("timeout", 2.5),
    ]
    assert type(options.wire_fields()["retry_for"]) is int


@pytest.mark.parametrize("retry", [True, False, 0, 1, 25])
def test_true_and_one_false_and_zero_are_not_mixed_up(retry: bool | int) -> None:
    assert JobOptions().merge({"retry": retry}).wire_fields()["retry"] is retry


def test_half_a_second_to_retry_for_is_not_written_as_none() -> None:
    """`retry_for: 0` would mean "exhausted at once" to Ruby, and "no limit" to us."""
    assert JobOptions().merge({"retry_for": 0.5}).wire_fields()["retry_for"] == 1


def test_merging_leaves_the_first_as_it_was() -> None:
    first = JobOptions().merge({"queue": "a", "tags": ["x"]})

    second = first.merge({"queue": "b"})

    assert (first.queue, second.queue, second.tags) == ("a", "b", ("x",))
    assert first.merge({}) is first


def test_options_take_their_own_copy_of_tags() -> None:
    tags = ["a"]
    options = JobOptions().merge({"tags": tags})

    tags.append("b")

    assert options.wire_fields()["tags"] == ["a"]
