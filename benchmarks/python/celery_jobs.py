"""Celery: a pool of threads, results ignored, many fetched ahead, no events, no gossip."""

from __future__ import annotations

from celery import Celery
from stamps import URL, stamp

app = Celery("bench", broker=URL)
app.conf.update(
    task_ignore_result=True,
    task_default_queue="bench",
    worker_prefetch_multiplier=100,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


@app.task
def noop(index: int) -> None:
    """Do nothing."""


@app.task
def latency(index: int, sent_at: float) -> None:
    stamp(index, sent_at)


def fill(jobs: int) -> None:
    with app.producer_pool.acquire(block=True) as producer:
        for index in range(jobs):
            noop.apply_async((index,), producer=producer)


def push(index: int, sent_at: float) -> None:
    latency.apply_async((index, sent_at))
