"""Interruption: an error raised in another thread; and the watchdog, which raises JobTimeout where a job runs too long.

Must not know: jobs, what becomes of one that failed.
Always holds: the error arises inside the run that it is for and nowhere else, however close the end of that is.
It does so because whoever holds a run's lock decides: who interrupts takes it to raise, and only if it is free; the run
takes it when it is over, for good, and then takes back what was raised and has not arrived.
"""

from __future__ import annotations

import math
import select
import threading
from collections.abc import Callable
from typing import TypeVar

from redisjobs import clock
from redisjobs.errors import JobTimeout
from redisjobs.lazy import LazyModule
from redisjobs.worker.bell import Bell

T = TypeVar("T")

ctypes = LazyModule("ctypes")  # it is large


def interrupt(thread_id: int, error: type[BaseException] | None) -> None:
    """Have an error raised in a thread at its next step in Python; None takes back one that has not arrived."""
    wanted = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), wanted)


class Interruption:
    """What may be raised in the run that goes on in a thread."""

    def __init__(self, thread_id: int, error: type[BaseException]) -> None:
        self._thread_id = thread_id
        self._error = error
        self._fired = False
        self._lock = threading.RLock()  # the end of a run may be interrupted, and is then done again

    def fire(self) -> None:
        """Raise the error in the thread, once, unless the run is over."""
        if self._lock.acquire(blocking=False):
            try:
                if not self._fired:
                    self._fired = True
                    interrupt(self._thread_id, self._error)
            finally:
                self._lock.release()

    def end(self) -> None:
        """See to it that nothing is raised any more. In the thread itself; it may be done twice."""
        self._lock.acquire()
        if self._fired:
            interrupt(self._thread_id, None)


class _Run(Interruption):
    """One limited run in this thread."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(threading.get_ident(), JobTimeout)
        self.until = clock.monotonic() + timeout_s


class Watchdog:
    """Watches the threads of one worker. Its own is started with the first run that has a limit."""

    def __init__(self) -> None:
        self._runs: dict[int, _Run] = {}
        self._wakes_at = math.inf
        self._bell: Bell | None = None  # no Event: an error that arises inside one leaves it locked
        self._starting = threading.Lock()
        self._stopped = False

    def limited(self, timeout_s: float, call: Callable[[], T]) -> T:
        """Call; raise JobTimeout in it if it has not returned after `timeout_s` seconds.

        Best effort: code that waits in C goes on until it is back; where the error is swallowed (by the code, or by
        Python because it arose in a finalizer) it goes on for ever; a lock that is just being taken may stay locked.
        """
        bell = self._bell or self._start()
        run = _Run(timeout_s)
        try:
            try:
                self._runs[threading.get_ident()] = run
                if run.until < self._wakes_at:
                    bell.ring()
                return call()
            finally:
                self._end(run)
        except BaseException as error:
            self._end(run)  # anew: what arose may have cut the first one short; nothing can come after this one
            if isinstance(error, JobTimeout) and error.timeout_s is None:
                error.timeout_s = timeout_s
            raise

    def stop(self) -> None:
        """End the thread."""
        self._stopped = True
        if self._bell is not None:
            self._bell.ring()

    def _end(self, run: _Run) -> None:
        run.end()
        self._runs.pop(threading.get_ident(), None)

    def _start(self) -> Bell:
        with self._starting:
            if self._bell is None:
                bell = Bell()
                threading.Thread(target=self._loop, args=(bell,), name="redisjobs-watchdog", daemon=True).start()
                self._bell = bell
            return self._bell

    def _loop(self, bell: Bell) -> None:
        poll = select.poll()
        poll.register(bell, select.POLLIN)
        while not self._stopped:
            self._wakes_at = math.inf  # whoever begins from here on rings, for the look below may miss him
            now, next_at = clock.monotonic(), math.inf
            for run in list(self._runs.values()):
                if run.until <= now:
                    run.fire()
                else:
                    next_at = min(next_at, run.until)
            self._wakes_at = next_at
            poll.poll(None if next_at == math.inf else max(0.0, next_at - clock.monotonic()) * 1000)
            bell.silence()
        bell.close()
