"""Run jobs in a worker of this process, and look at what it left."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from redisjobs import RedisJobs
from redisjobs.store.drive import drive
from redisjobs.store.stores import BlockingStore
from redisjobs.worker.poller import Poller
from tests.support.real_redis import RealRedis

FAR_S = 60.0
"""A bound of the poller's pause that no test comes near."""

_OF_EVERY_RUN = ("queues", "lease-queues", "pushed:*", "stat:*:*")


def work_off(app: RedisJobs, concurrency: int = 2, **settings: Any) -> None:
    """Run what stands in the queues, in a worker that lives just so long."""
    with app.worker(concurrency=concurrency, **{"timeout_s": 5, **settings}) as worker:
        assert worker.drain()


def left(redis: RealRedis) -> dict[str, Any]:
    """Return the whole database, less what every run leaves: names of queues, counters of the day, guards of pushes."""
    return redis.dump(_OF_EVERY_RUN)


def members(redis: RealRedis, key: str) -> list[dict[str, Any]]:
    """Return the payloads of a queue or a set, decoded."""
    return [msgspec.json.decode(raw) for raw in redis.value(key) or ()]


def due(redis: RealRedis, *raws: str | bytes) -> dict[Any, float]:
    """Return members of a set that are due, the first longest of all."""
    now = redis.now()
    return {raw: now - len(raws) + at for at, raw in enumerate(raws)}


def only(redis: RealRedis, key: str) -> tuple[dict[str, Any], float]:
    """Return the one member of a set, decoded, and its score."""
    [(raw, score)] = redis.value(key).items()
    return msgspec.json.decode(raw), score


class Most:
    """Counts how many are inside at once, and remembers the most there ever were."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._now -= 1


class Lines(logging.Handler):
    """Keeps the records that pass its filters."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        self.records.append(record)


@contextmanager
def listening(handler: logging.Handler, name: str = "") -> Iterator[None]:
    """Have a handler hear a logger for the length of a block."""
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def turn(app: RedisJobs) -> None:
    """Move what is due, as a worker of ours does all the time."""
    store = BlockingStore(app.redis)
    drive(Poller(app.worker_parts(app.worker().settings), FAR_S).once(), store)
    store.close()


def failing(app: RedisJobs, name: str, **options: Any) -> list[tuple[Any, ...]]:
    """Register a job that fails; return the list of its calls."""
    calls: list[tuple[Any, ...]] = []

    @app.job(name=name, **options)
    def work(*args: Any) -> None:
        calls.append(args)
        raise ValueError("boom")

    return calls
