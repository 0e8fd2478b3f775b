"""wire/times.py: the unit of every time field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisjobs.wire import times
from redisjobs.wire.times import Wire

pytestmark = pytest.mark.quick

NOW = 1_732_406_400.123456


@pytest.mark.parametrize(("wire", "written"), [("sidekiq8", 1_732_406_400_123), ("sidekiq7", NOW), ("sidekiq6", NOW)])
def test_a_moment_is_written_in_the_unit_of_its_generation(wire: Wire, written: float) -> None:
    assert times.stamp(NOW, wire) == written
    assert type(times.stamp(NOW, wire)) is type(written)


def test_a_whole_second_is_written_as_a_float_for_the_older_ones() -> None:
    """An integer number of seconds reads as January 1970 in generation 8."""
    assert type(times.stamp(1_732_406_400, "sidekiq7")) is float


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (1_732_406_400_123, 1_732_406_400.123),
        (1_732_406_400.123456, NOW),
        (1_732_406_400, 1_732_406_400.0),
        (1_732_406_400_123.0, 1_732_406_400.123),
        (0, 0.0),
        (None, None),
        (True, None),
        ("1732406400", None),
        ("2024-11-24T00:00:00Z", None),
        ([], None),
        ({}, None),
    ],
    ids=repr,
)
def test_a_moment_is_read_whoever_wrote_it(value: Any, read: float | None) -> None:
    assert times.seconds(value) == read


@given(st.floats(min_value=1e9, max_value=4e9), st.sampled_from(["sidekiq8", "sidekiq7", "sidekiq6"]))
def test_what_is_written_is_read_to_the_millisecond(at: float, wire: Wire) -> None:
    read = times.seconds(times.stamp(at, wire))

    assert read is not None
    assert abs(read - at) <= 0.001
