"""A child process from the inside: it runs the jobs that its parent sends, one after the other.

It has what a worker has, but for leases, heartbeat and signals: the app and its middleware, a Redis store of its own,
and what the `startup` functions opened.
"""

from __future__ import annotations

import logging
from itertools import count
from typing import Any

from msgspec import structs

from redisjobs.store.ops.leases import Settlement
from redisjobs.store.stores import AsyncStore, BlockingStore
from redisjobs.worker.executors.coroutines import LoopThread
from redisjobs.worker.heartbeat import rss_kib
from redisjobs.worker.lifecycle import Lifecycle
from redisjobs.worker.pipe import End, Hello, Order, Pipe, end_of
from redisjobs.worker.processor import Processor
from redisjobs.worker.wiring import Wiring

log = logging.getLogger("redisjobs")


class ChildWorker:
    """What the `startup` and `shutdown` functions get in a child: `identity` and `settings` are its worker's."""

    def __init__(self, wiring: Wiring, hello: Hello, pipe: Pipe) -> None:
        self.identity = hello.identity
        self.settings = hello.settings
        self.state: Any = None
        self._pipe = pipe
        self._loop = LoopThread()
        self._store = BlockingStore(wiring.redis)
        self._astore = AsyncStore(wiring.redis)
        wiring = structs.replace(wiring, identity=hello.identity)
        self._processor = Processor(wiring, self._store, self._astore, hello.settings, None)
        self._lifecycle = Lifecycle(wiring.events, self._loop, self._processor.report)

    def open(self) -> None:
        """Call the `startup` functions.

        Raises:
            Exception: what one of them raised.
        """
        self.state = self._processor.state = self._lifecycle.open(self)

    def work(self) -> None:
        """Run what is sent, until the pipe ends or this child is to be replaced."""
        for number in count(1):
            order = self._pipe.receive(Order)
            if order is None:
                return
            end = self._run(order, number)
            self._pipe.send(end)
            if end.last:
                return

    def close(self) -> None:
        """Call the `shutdown` functions, close what `startup` opened."""
        self._lifecycle.emit("shutdown", self)
        self._lifecycle.close()
        self._loop.stop(self._astore.close)
        self._store.close()

    def _run(self, order: Order, number: int) -> End:
        prepared = self._processor.prepare(order.lease)
        settlement = prepared if isinstance(prepared, Settlement) else self._processor.run(prepared)
        last = self._is_last(number)
        try:
            return end_of(settlement, last=last)
        except TypeError as error:
            log.error("what a job asked for with on_settle cannot be sent; the job is settled", exc_info=error)
            return end_of(structs.replace(settlement, ops=()), last=last)

    def _is_last(self, number: int) -> bool:
        most, most_bytes = self.settings.child_max_jobs, self.settings.child_max_rss
        return (most is not None and number >= most) or (most_bytes is not None and rss_kib() * 1024 > most_bytes)
