"""errors.py: the tree, and that errors cross processes whole."""

from __future__ import annotations

import pickle
import re

import pytest

from redisjobs import errors
from redisjobs.errors import (
    JobCancelled,
    JobInterrupted,
    JobTimeout,
    PayloadError,
    PayloadTooLargeError,
    RedisJobsError,
    UnknownJobError,
)
from redisjobs.jobs.outcome import Discard, Kill, Outcome, Release, Retry, Snooze

pytestmark = pytest.mark.quick

ALL = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, BaseException)]
INTERRUPTS = (JobInterrupted, JobTimeout, JobCancelled)


def test_there_is_one_tree_and_its_picture_is_complete() -> None:
    drawn = re.findall(r"^[│├└─ ]*(\w+)", str(errors.__doc__).partition("\n\n")[2], re.MULTILINE)

    assert sorted(drawn) == sorted(kind.__name__ for kind in ALL)
    assert all(issubclass(kind, RedisJobsError) for kind in ALL if kind not in INTERRUPTS)


def test_an_interrupt_passes_where_exceptions_are_caught() -> None:
    assert not any(issubclass(kind, Exception) for kind in INTERRUPTS)


@pytest.mark.parametrize(
    "error",
    [
        PayloadError("args[0]", "no JSON", b"raw"),
        PayloadTooLargeError("args", "too large"),
        UnknownJobError("Mail"),
        errors.StoreUnavailableError("away"),
        errors.ChildDiedError("by SIGSEGV"),
        JobTimeout(2.5),
        JobCancelled(),
        Retry(5),
        Retry(),
        Snooze(2.5),
        Discard("why"),
        Kill("why"),
        Release(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_crosses_processes_whole(error: BaseException) -> None:
    again = pickle.loads(pickle.dumps(error))

    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_bytes_are_shown_only_as_far_as_they_fit_a_line() -> None:
    text = str(PayloadError("payload", "not JSON", b"x" * 1000))

    assert len(text) < 200
    assert str(PayloadError("args[0]", "no JSON")) == "args[0]: no JSON"


def test_outcomes_are_no_errors_of_ours() -> None:
    """`except RedisJobsError` in a job must not swallow its own Retry."""
    assert not issubclass(Outcome, RedisJobsError)
