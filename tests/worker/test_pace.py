"""How many jobs a fetcher holds ahead of free slots, from how fast they went."""

from __future__ import annotations

import pytest

from redisjobs.worker.pace import MOST, WINDOW_S, Pace

pytestmark = pytest.mark.quick

START = 1000.0


def finishing(pace: Pace, *, rate: float, for_s: float, start: float = START, every_s: float = 0.001) -> None:
    """Have a busy pool finish jobs at a rate, looked at every so many seconds."""
    turns = round(for_s / every_s)
    for turn in range(turns + 1):
        pace.finished(round(rate * every_s), start + turn * every_s)


def test_at_first_it_holds_just_the_slots() -> None:
    assert Pace(10).target == 10


def test_one_sample_tells_nothing_yet() -> None:
    pace = Pace(10)

    pace.finished(1000, START)

    assert pace.target == 10


def test_two_looks_too_near_tell_nothing_yet() -> None:
    """A clock read twice within a turn makes any rate."""
    pace = Pace(10)
    pace.finished(100, START)

    pace.finished(100, START)
    pace.finished(100, START + 0.0001)

    assert pace.target == 10


@pytest.mark.parametrize("rate", [1_000, 10_000, 40_000])
def test_of_short_jobs_it_holds_what_is_finished_in_20_ms(rate: int) -> None:
    pace = Pace(5)

    finishing(pace, rate=rate, for_s=0.1)

    assert pace.target == pytest.approx(rate * WINDOW_S, rel=0.2)
    assert WINDOW_S == 0.02


def test_of_long_jobs_it_holds_just_the_slots() -> None:
    pace = Pace(10)

    for turn in range(20):
        pace.finished(10, START + turn)  # ten slots, a second each

    assert pace.target == 10


@pytest.mark.parametrize("lasts_s", [0.0201, 0.022, 0.025, 0.03, 0.039, 0.041, 0.05, 0.2])
@pytest.mark.parametrize("apart_s", [0.0, 0.0001, 0.0019])
def test_jobs_longer_than_the_window_never_lead_to_a_lease_ahead(lasts_s: float, apart_s: float) -> None:
    """Started together they end together, and a burst of ends is no rate."""
    pace = Pace(10)
    ends = sorted(START + turn * lasts_s + slot * apart_s for turn in range(40) for slot in range(10))

    targets = set()
    for end in ends:
        pace.finished(1, end)
        targets.add(pace.target)

    assert targets == {10}


def test_jobs_that_get_longer_are_believed_at_once() -> None:
    pace = Pace(10)
    finishing(pace, rate=40_000, for_s=0.1)

    for turn in range(3):
        pace.finished(10, START + 0.1 + turn * 0.05)

    assert pace.target == 10


def test_it_never_holds_more_than_a_bound() -> None:
    pace = Pace(10)

    finishing(pace, rate=10_000_000, for_s=0.1)

    assert pace.target == MOST == 1000


def test_it_follows_a_change_within_some_samples() -> None:
    pace = Pace(5)
    finishing(pace, rate=40_000, for_s=0.1)

    finishing(pace, rate=5_000, for_s=0.1, start=START + 0.1)

    assert pace.target == pytest.approx(5_000 * WINDOW_S, rel=0.2)


def test_one_outlier_does_not_throw_it_off() -> None:
    pace = Pace(5)
    finishing(pace, rate=10_000, for_s=0.1)

    finishing(pace, rate=30_000, for_s=0.04, start=START + 0.1)

    assert 150 < pace.target < 500


def test_a_pause_is_not_counted_as_slow_work() -> None:
    """The pool had nothing to do: that says nothing of how long jobs are."""
    pace = Pace(5)
    finishing(pace, rate=10_000, for_s=0.1)
    before = pace.target

    pace.pause()
    assert pace.target == before
    pace.finished(10, START + 60)
    finishing(pace, rate=10_000, for_s=0.1, start=START + 60)

    assert pace.target == pytest.approx(before, rel=0.02)


def test_without_a_pause_idle_time_counts() -> None:
    pace = Pace(5)
    finishing(pace, rate=10_000, for_s=0.1)

    pace.finished(10, START + 60)

    assert pace.target == 5


def test_a_stall_brings_it_back_to_the_slots_at_once() -> None:
    pace = Pace(5)
    finishing(pace, rate=10_000, for_s=0.1)

    pace.stalled()

    assert pace.target == 5


def test_after_a_stall_it_measures_afresh() -> None:
    """What was known is forgotten, not averaged with what is seen now."""
    pace = Pace(5)
    finishing(pace, rate=50_000, for_s=0.1)
    pace.stalled()
    assert pace.target == 5

    pace.finished(10, START + 60)
    pace.finished(225, START + 60.044)

    assert pace.target == pytest.approx(100, abs=1)


def test_there_is_always_room_for_every_slot() -> None:
    assert Pace(2000).target == 2000
