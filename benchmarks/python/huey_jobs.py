"""Huey: threads, blocking pop, no results."""

from __future__ import annotations

from huey import RedisHuey
from stamps import URL, stamp

huey = RedisHuey("bench", url=URL, results=False)


@huey.task()
def noop(index: int) -> None:
    """Do nothing."""


@huey.task()
def latency(index: int, sent_at: float) -> None:
    stamp(index, sent_at)


def fill(jobs: int) -> None:
    for index in range(jobs):
        noop(index)


def push(index: int, sent_at: float) -> None:
    latency(index, sent_at)
