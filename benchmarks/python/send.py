"""Enqueue with a Python peer's own client.

python send.py MODULE fill JOBS        no-ops, as fast as it can; prints its seconds and CPU seconds
python send.py MODULE pace JOBS        one each 10 ms, with the time at which it was sent
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
import time
from typing import Any

EVERY_S = 0.01


async def run(result: Any) -> None:
    """Wait for what a coroutine function returned."""
    if inspect.isawaitable(result):
        await result


async def pace(module: Any, jobs: int) -> None:
    """Send by the clock: a late job does not delay the next."""
    begin = time.perf_counter()
    for index in range(jobs):
        await asyncio.sleep(max(0.0, begin + index * EVERY_S - time.perf_counter()))
        await run(module.push(index, time.time()))


async def main() -> None:
    name, way, jobs = sys.argv[1:]
    module = importlib.import_module(name)
    began, cpu = time.perf_counter(), time.process_time()
    await (run(module.fill(int(jobs))) if way == "fill" else pace(module, int(jobs)))
    print(time.perf_counter() - began, time.process_time() - cpu)


asyncio.run(main())
