"""SAQ: no result kept (ttl=-1)."""

from __future__ import annotations

import asyncio
from typing import Any

from saq import Job, Queue
from stamps import THREADS, URL, stamp

queue = Queue.from_url(URL, name="bench")


async def noop(ctx: dict[str, Any], *, index: int) -> None:
    """Do nothing."""


async def latency(ctx: dict[str, Any], *, index: int, sent_at: float) -> None:
    stamp(index, sent_at)


settings = {"queue": queue, "functions": [noop, latency], "concurrency": THREADS}


async def fill(jobs: int) -> None:
    await queue.connect()
    for start in range(0, jobs, 100):
        some = range(start, min(start + 100, jobs))
        await asyncio.gather(*(queue.enqueue(Job("noop", kwargs={"index": index}, ttl=-1)) for index in some))
    await queue.disconnect()


async def push(index: int, sent_at: float) -> None:
    await queue.enqueue(Job("latency", kwargs={"index": index, "sent_at": sent_at}, ttl=-1))
