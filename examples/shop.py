"""A small shop's background jobs: the app that the README, the demo and the Docker image use.

Run a worker for it:  redisjobs worker examples.shop:app -q critical,3 -q default -q mailers
"""

from __future__ import annotations

import asyncio
import time

from redisjobs import Discard, RedisJobs, current_job

app = RedisJobs()


@app.job(queue="critical", name="Shop::Charge")
def charge(order_id: int, cents: int) -> None:
    """Fast, and first in line."""
    current_job().logger.info("charged", extra={"order": order_id, "cents": cents})


@app.job(queue="mailers", retry=5, name="Shop::Mail")
def mail(user_id: int, *, subject: str = "hi") -> None:
    """Takes keywords: they travel as one object at the end of the arguments."""
    time.sleep(0.05)


@app.job(name="Shop::Report")
def report(days: int) -> None:
    """Slow."""
    time.sleep(0.3)


@app.job(name="Shop::Search")
async def index(product_id: int) -> None:
    """A coroutine, in the same worker."""
    await asyncio.sleep(0.05)


@app.job(name="Shop::Flaky", retry_in=lambda count, error, payload: 1)
def flaky(order_id: int) -> None:
    """Fails once, then works: a retry costs nobody any sleep."""
    if current_job().attempt == 1:
        raise ConnectionError("the warehouse did not answer")


@app.job(name="Shop::Broken", retry=0, backtrace=20, tags=["demo"])
def broken(order_id: int) -> None:
    """Fails for good: no retry is left, so it goes to the dead set."""
    raise ValueError(f"order {order_id} has no lines")


@app.job(name="Shop::Outdated")
def outdated(order_id: int) -> None:
    """Finds out that there is nothing to do."""
    raise Discard("the order was cancelled")
