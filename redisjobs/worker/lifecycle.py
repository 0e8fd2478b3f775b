"""Lifecycle: the user's functions for the moments of a worker's life, and what they opened at its start.

Must not know: jobs, Redis.
Always holds: what a `startup` function opened before its `yield` is closed by resuming it, once, the last first.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Generator
from typing import Any

from redisjobs.events import Events
from redisjobs.worker.executors.coroutines import LoopThread

log = logging.getLogger("redisjobs")

Report = Callable[[BaseException, dict[str, Any]], None]


class Lifecycle:
    """Calls the functions of one worker's events. `report` tells the error handlers."""

    def __init__(self, events: Events, loop: LoopThread, report: Report) -> None:
        self._events = events
        self._loop = loop
        self._report = report
        self._opened: list[Generator[Any, Any, Any]] = []

    def open(self, worker: object) -> Any:
        """Call the `startup` functions; return the state that jobs see: what the last one that yields any yields.

        Raises:
            Exception: what one of them raised; what the others opened is closed again.
        """
        state = None
        try:
            for handler in self._events.handlers("startup"):
                made = handler(worker)
                if inspect.isasyncgen(made):
                    made = _sync_generator(made, self._loop)
                elif inspect.iscoroutine(made):
                    made = self._loop.run(made)
                if isinstance(made, Generator):
                    yielded = next(made, None)
                    state = state if yielded is None else yielded
                    self._opened.append(made)
        except BaseException:
            self.close()
            raise
        return state

    def close(self) -> None:
        """Resume the `startup` functions that yielded, the last first."""
        while self._opened:
            try:
                next(self._opened.pop(), None)
            except Exception as error:  # user code
                log.error("a startup function failed when resumed at shutdown", exc_info=error)
                self._report(error, {"context": "shutdown"})

    def emit(self, event: str, worker: object) -> None:
        """Call the functions of another moment; what they raise is told and stops nothing."""
        for error in self._events.emit(event, worker):
            log.error("a function for %s failed", event, exc_info=error)
            self._report(error, {"context": event})


def _sync_generator(made: Any, loop: LoopThread) -> Generator[Any, None, None]:
    """Run an async generator of one yield step by step, on the jobs' event loop."""
    yield loop.run(anext(made))
    loop.run(anext(made, None))
