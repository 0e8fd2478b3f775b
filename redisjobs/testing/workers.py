"""A real worker on a real Redis, both of the test's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from redisjobs import RedisJobs


@contextmanager
def worker(app: RedisJobs, queues: Iterable[str] | None = None, *, concurrency: int = 5) -> Iterator[Any]:
    """Run a worker of an app in this process, on a private server that is gone at the end; gives the `Worker`.

    `worker.drain()` waits until its queues are empty and all has run. `queues` are by default those of the app's jobs.

    Raises:
        EmbeddedError: there is no server to start; see the extra `embedded`.
    """
    with app.stand_in(memory=False):
        listed = sorted({job.opts.queue for job in app.registry} | {"default"}) if queues is None else queues
        with app.worker(listed, concurrency) as running:
            yield running
