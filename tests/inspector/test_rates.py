"""Sampler: what goes into queues and out of them between two looks."""

from __future__ import annotations

import json
from itertools import count
from types import SimpleNamespace

import pytest

from redisjobs import clock
from redisjobs.inspector import Access
from redisjobs.inspector import rates as rates_module
from redisjobs.inspector.rates import QueueRates, Sampler
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


@pytest.fixture(autouse=True)
def each_look_two_seconds_later(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = count(100, 2)
    theirs = SimpleNamespace(monotonic=lambda: float(next(moments)), now=clock.now)  # the store's clock goes on
    monkeypatch.setattr(rates_module, "clock", theirs)


def fill(redis: RealRedis, size: int, taken: int, queue: str = "default") -> None:
    """Have a queue be of a size, after so many jobs of it were taken."""
    redis.client.delete(f"queue:{queue}")
    redis.client.sadd("queues", queue)
    if size:
        redis.client.rpush(f"queue:{queue}", *["job"] * size)
    redis.client.hset("lease-taken", queue, taken)


def test_the_first_look_knows_sizes_only(redis: RealRedis, access: Access) -> None:
    fill(redis, 3, 0)

    rates = Sampler(access).look()

    assert (rates.over_s, rates.queues, rates.processed_s) == (0, {"default": QueueRates("default", 3)}, None)


def test_out_is_what_was_taken_and_in_that_and_the_change_of_size(redis: RealRedis, access: Access) -> None:
    sampler = Sampler(access)
    redis.seed({"stat:processed": "10", "stat:failed": "1"})
    fill(redis, 10, 100)
    sampler.look()
    fill(redis, 30, 140)
    redis.seed({"stat:processed": "50", "stat:failed": "3"})

    rates = sampler.look()

    assert rates.queues["default"] == QueueRates("default", 30, in_s=30, out_s=20, net_s=10)
    assert (rates.over_s, rates.processed_s, rates.failed_s) == (2, 20, 1)


def test_what_was_taken_and_is_noted_later_did_not_come_twice(redis: RealRedis, access: Access) -> None:
    sampler = Sampler(access)
    fill(redis, 0, 0)
    sampler.look()
    for size, taken in ((20, 0), (0, 0), (0, 20)):  # pushed; taken; noted
        fill(redis, size, taken)
        rates = sampler.look()

    assert rates.queues["default"] == QueueRates("default", 0, in_s=20 / 6, out_s=20 / 6, net_s=0)


def test_what_was_deleted_hides_what_comes_for_the_window_only(redis: RealRedis, access: Access) -> None:
    sampler = Sampler(access, window_s=4)
    fill(redis, 1000, 0)
    sampler.look()
    for size in (0, 0, 0, 0):
        fill(redis, size, 0)
        sampler.look()
    fill(redis, 8, 0)

    assert sampler.look().queues["default"].in_s == 2


def test_of_a_queue_that_another_program_takes_from_only_the_net_change_is_told(
    redis: RealRedis, access: Access
) -> None:
    info = {"version": "8.1.7", "queues": ["shared"]}
    redis.seed({"processes": {"ruby:1:a"}, "ruby:1:a": {"info": json.dumps(info)}})
    sampler = Sampler(access)
    fill(redis, 10, 0)
    fill(redis, 10, 0, "shared")
    sampler.look()
    fill(redis, 4, 0, "shared")

    rates = sampler.look()

    assert rates.queues["shared"] == QueueRates("shared", 4, net_s=-3)
    assert rates.queues["default"] == QueueRates("default", 10, in_s=0, out_s=0, net_s=0)
