"""RQ: no result kept, many enqueued in one pipeline; its worker is SimpleWorker, which forks no child per job."""

from __future__ import annotations

from redis import Redis
from rq import Queue
from stamps import URL, stamp

queue = Queue("bench", connection=Redis.from_url(URL))


def noop(index: int) -> None:
    """Do nothing."""


def latency(index: int, sent_at: float) -> None:
    stamp(index, sent_at)


def fill(jobs: int) -> None:
    for start in range(0, jobs, 1000):
        some = range(start, min(start + 1000, jobs))
        queue.enqueue_many([Queue.prepare_data(noop, (index,), result_ttl=0) for index in some])


def push(index: int, sent_at: float) -> None:
    queue.enqueue(latency, index, sent_at, result_ttl=0)
