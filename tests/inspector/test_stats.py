"""Stats: what Ruby and our workers counted."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from redisjobs.errors import WrongTypeError
from redisjobs.inspector import Access, Day, Stats
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


def test_an_empty_redis_has_nothing(access: Access) -> None:
    stats = Stats(access)

    assert (stats.processed, stats.failed, stats.retries, stats.scheduled, stats.dead) == (0, 0, 0, 0, 0)
    assert (stats.enqueued, stats.processes, stats.busy, stats.default_queue_latency_s) == (0, 0, 0, 0.0)
    assert (stats.queues, stats.problems) == ({}, [])


def test_everything_is_counted(redis: RealRedis, access: Access) -> None:
    now = time.time()
    redis.seed(
        {
            "stat:processed": "12",
            "stat:failed": "3",
            "queues": {"default", "low", "empty"},
            "queue:default": [a_payload(), a_payload(enqueued_at=now - 90)],
            "queue:low": ["junk", "junk", "junk"],
            "retry": {"a": 1.0},
            "schedule": {"a": 1.0, "b": 2.0},
            "dead": {"a": 1.0, "b": 2.0, "c": 3.0},
            "processes": {"p:1:a", "p:2:b", "gone:3:c"},
            "p:1:a": {"info": "{}", "busy": "4"},
            "p:2:b": {"info": "{}", "busy": "1"},
        }
    )

    stats = Stats(access)

    assert (stats.processed, stats.failed, stats.retries, stats.scheduled, stats.dead) == (12, 3, 1, 2, 3)
    assert (stats.enqueued, stats.processes, stats.busy) == (5, 2, 5)
    assert list(stats.queues.items()) == [("low", 3), ("default", 2), ("empty", 0)]
    assert stats.default_queue_latency_s == pytest.approx(90, abs=5)


def test_what_is_no_number_counts_as_none(redis: RealRedis, access: Access) -> None:
    redis.seed({"stat:processed": "many", "stat:failed": "7"})

    assert (Stats(access).processed, Stats(access).failed) == (0, 7)


def test_a_wrong_queue_does_not_hide_the_others(redis: RealRedis, access: Access) -> None:
    redis.seed({"queues": {"bad", "good"}, "queue:bad": "x", "queue:good": ["job"]})

    stats = Stats(access)

    assert stats.queues == {"good": 1, "bad": 0}
    assert len(stats.problems) == 1
    assert "'queue:bad' is a string" in stats.problems[0]


def test_a_wrong_counter_is_named(redis: RealRedis, access: Access) -> None:
    redis.seed({"stat:failed": ["a", "list"]})

    with pytest.raises(WrongTypeError, match="'stat:failed' is a list, not a string"):
        _ = Stats(access).processed


def test_the_days_are_those_of_utc_today_first(redis: RealRedis, access: Access) -> None:
    today = datetime.now(UTC).date()
    yesterday = today - timedelta(days=1)
    redis.seed({f"stat:processed:{today}": "5", f"stat:failed:{today}": "2", f"stat:processed:{yesterday}": "9"})

    assert Stats(access).history(3) == [
        Day(str(today), 5, 2),
        Day(str(yesterday), 9, 0),
        Day(str(today - timedelta(days=2)), 0, 0),
    ]
    assert len(Stats(access).history(1825)) == 1825
    for days in (0, -1, 1826):
        with pytest.raises(ValueError, match="1 to 1825"):
            Stats(access).history(days)


def test_reset_sets_totals_to_zero_and_keeps_the_days(redis: RealRedis, access: Access) -> None:
    redis.seed({"stat:processed": "5", "stat:failed": "2", "stat:failed:2024-11-24": "2"})

    Stats(access).reset(["failed"])
    assert redis.dump() == {"stat:processed": "5", "stat:failed": "0", "stat:failed:2024-11-24": "2"}
    Stats(access).reset()
    assert redis.dump() == {"stat:processed": "0", "stat:failed": "0", "stat:failed:2024-11-24": "2"}
    with pytest.raises(ValueError, match="no counter is called 'dead'"):
        Stats(access).reset(["dead"])


def test_stats_stay_as_they_were_when_first_looked_at(redis: RealRedis, access: Access) -> None:
    """So that figures that are shown together belong together."""
    stats = Stats(access)
    redis.seed({"stat:processed": "5"})

    assert stats.processed == 5
    redis.seed({"stat:processed": "6"})
    assert stats.processed == 5
    assert Stats(access).processed == 6
