"""Dramatiq: threads of one process, no results; the middleware is the default one without Prometheus."""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from stamps import URL, stamp

broker = RedisBroker(url=URL)
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name="bench")
def noop(index: int) -> None:
    """Do nothing."""


@dramatiq.actor(queue_name="bench")
def latency(index: int, sent_at: float) -> None:
    stamp(index, sent_at)


def fill(jobs: int) -> None:
    for index in range(jobs):
        noop.send(index)


def push(index: int, sent_at: float) -> None:
    latency.send(index, sent_at)
