"""arq: no result kept, 10 ms between two looks at the queue (0.5 s by default), many jobs read at a time."""

from __future__ import annotations

import asyncio
from typing import Any

from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from stamps import THREADS, URL, stamp

settings = RedisSettings.from_dsn(URL)
quiet = {"version": 1, "disable_existing_loggers": False, "root": {"level": "WARNING"}}
pools: list[ArqRedis] = []  # made when there is a loop


async def noop(ctx: dict[str, Any], index: int) -> None:
    """Do nothing."""


async def latency(ctx: dict[str, Any], index: int, sent_at: float) -> None:
    stamp(index, sent_at)


class Worker:
    """What `arq` reads."""

    functions = (noop, latency)
    redis_settings = settings
    max_jobs = THREADS
    poll_delay = 0.01
    queue_read_limit = 100
    keep_result = 0


async def fill(jobs: int) -> None:
    pool = await create_pool(settings)
    for start in range(0, jobs, 100):
        await asyncio.gather(*(pool.enqueue_job("noop", index) for index in range(start, min(start + 100, jobs))))
    await pool.aclose()


async def push(index: int, sent_at: float) -> None:
    if not pools:
        pools.append(await create_pool(settings))
    await pools[0].enqueue_job("latency", index, sent_at)
