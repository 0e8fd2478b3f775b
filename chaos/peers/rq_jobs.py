"""RQ: jobs are retried, so that what an abandoned one was is enqueued again by the cleaning."""

from __future__ import annotations

import redis
from rq import Queue, Retry

from chaos.peers.pushing import URL, perform, push_each

if __name__ == "__main__":
    queue = Queue("default", connection=redis.Redis.from_url(URL))
    push_each(lambda number, seconds: queue.enqueue("chaos.peers.pushing.perform", number, seconds, retry=Retry(max=5)))

__all__ = ["perform"]
