"""One process that enqueues no-ops with redisjobs; its Ruby twin is benchmarks/ruby/producer.rb.

    python -m benchmarks.producer WAY JOBS THREADS

It warms up, writes a line, waits for one, enqueues, and writes the seconds and CPU seconds that this took.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks.apps import app, noop

WARM_UP = 1_000
COROUTINES = 100


def many(jobs: int, _threads: int) -> None:
    noop.enqueue_many([(index,) for index in range(jobs)])


def one(jobs: int, _threads: int) -> None:
    for index in range(jobs):
        noop.enqueue(index)


def threads(jobs: int, threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, [jobs // threads] * threads, [1] * threads))


def coroutines(jobs: int, _threads: int) -> None:
    async def some(count: int) -> None:
        for index in range(count):
            await noop.aenqueue(index)

    async def main() -> None:
        await asyncio.gather(*(some(jobs // COROUTINES) for _ in range(COROUTINES)))
        await app.aclose()

    asyncio.run(main())


WAYS: dict[str, Callable[[int, int], None]] = {"many": many, "one": one, "threads": threads, "coroutines": coroutines}


def main() -> None:
    run, jobs, threads = WAYS[sys.argv[1]], int(sys.argv[2]), int(sys.argv[3])
    run(WARM_UP, threads)
    print("ready", flush=True)
    sys.stdin.readline()
    began, cpu = time.perf_counter(), time.process_time()
    run(jobs, threads)
    print(time.perf_counter() - began, time.process_time() - cpu, flush=True)


if __name__ == "__main__":
    main()
