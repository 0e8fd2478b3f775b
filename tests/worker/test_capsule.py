"""The order in which a capsule takes from its queues: strict, weighted, random (spec: sidekiq.md 3.2)."""

from __future__ import annotations

import random
from collections import Counter
from itertools import permutations

import pytest

from redisjobs.config import CapsuleConfig
from redisjobs.worker.capsule import Capsule

pytestmark = pytest.mark.quick

TURNS = 6000
ROUGHLY = 0.03
"""More than four standard deviations of a share in so many turns."""


def a_capsule(seed: int = 1, **weights: int) -> Capsule:
    return Capsule(CapsuleConfig("default", tuple(weights.items()), 3), random.Random(seed))


def shares(capsule: Capsule, place: int = 0) -> dict[str, float]:
    """Return how often each queue stands at a place of the order."""
    found = Counter(capsule.order()[place] for _ in range(TURNS))
    return {queue: count / TURNS for queue, count in found.items()}


def test_a_capsule_is_what_its_settings_say() -> None:
    capsule = Capsule(CapsuleConfig("mailers", (("mail", 2), ("pdf", 1)), 7))

    assert (capsule.name, capsule.concurrency, capsule.queues) == ("mailers", 7, ["mail", "pdf"])


def test_without_weights_the_order_is_strict() -> None:
    capsule = a_capsule(high=0, middle=0, low=0)

    assert {tuple(capsule.order()) for _ in range(100)} == {("high", "middle", "low")}


@pytest.mark.parametrize("weight", [0, 1, 5])
def test_a_single_queue_is_always_the_first(weight: int) -> None:
    assert a_capsule(only=weight).order() == ["only"]


@pytest.mark.parametrize("weights", [{"a": 0, "b": 0}, {"a": 1, "b": 1, "c": 1}, {"a": 7, "b": 0, "c": 1, "d": 100}])
def test_every_order_has_every_queue_once(weights: dict[str, int]) -> None:
    capsule = a_capsule(**weights)

    assert all(sorted(capsule.order()) == sorted(weights) for _ in range(200))


def test_equal_weights_make_every_order_equally_likely() -> None:
    capsule = a_capsule(a=1, b=1, c=1)

    found = Counter(tuple(capsule.order()) for _ in range(TURNS))

    for order in permutations("abc"):
        assert found[order] / TURNS == pytest.approx(1 / 6, abs=ROUGHLY)


def test_the_first_is_drawn_by_weight() -> None:
    assert shares(a_capsule(high=6, middle=3, low=1)) == {
        "high": pytest.approx(0.6, abs=ROUGHLY),
        "middle": pytest.approx(0.3, abs=ROUGHLY),
        "low": pytest.approx(0.1, abs=ROUGHLY),
    }


def test_the_next_are_drawn_by_weight_among_those_left() -> None:
    """By lot without putting back: second is `low` after `high` 0.6 * 1/4 and after `middle` 0.3 * 1/7."""
    found = shares(a_capsule(high=6, middle=3, low=1), place=1)

    assert found["low"] == pytest.approx(0.6 / 4 + 0.3 / 7, abs=ROUGHLY)
    assert found["middle"] == pytest.approx(0.6 * 3 / 4 + 0.1 * 3 / 9, abs=ROUGHLY)


def test_among_weights_none_counts_as_one_so_that_no_queue_starves() -> None:
    assert shares(a_capsule(named=3, unnamed=0))["unnamed"] == pytest.approx(0.25, abs=ROUGHLY)


def test_the_same_lots_give_the_same_orders() -> None:
    one, same, other = a_capsule(1, a=1, b=1, c=1), a_capsule(1, a=1, b=1, c=1), a_capsule(2, a=1, b=1, c=1)
    orders = [[capsule.order() for _ in range(20)] for capsule in (one, same, other)]

    assert orders[0] == orders[1] != orders[2]


def test_two_capsules_draw_apart() -> None:
    """Workers that drew alike would all run to the same queue."""
    config = CapsuleConfig("default", tuple((name, 1) for name in "abcdef"), 3)
    one, other = Capsule(config), Capsule(config)

    assert [one.order() for _ in range(20)] != [other.order() for _ in range(20)]
