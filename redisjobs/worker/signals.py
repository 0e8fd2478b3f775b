"""Signals of the system, as Sidekiq understands them, and the dump of what all threads do."""

from __future__ import annotations

import select
import signal
import sys
import threading
import traceback
from collections import deque
from types import FrameType

from redisjobs.worker.bell import Bell

NAMES = ("TERM", "INT", "TSTP", "TTIN")


class Signals:
    """What the main thread of a worker process is told: by the system while this is entered, and by `put`.

    The system may hand a signal to any thread (it does so after SIGSTOP and SIGCONT), and Python runs its handlers
    in the main thread only, once that wakes up: so that sleeps on a bell, which the arrival of a signal rings.
    What was set before is set again on leaving.
    """

    def __init__(self) -> None:
        self._names: deque[str] = deque()
        self._before: dict[int, object] = {}
        self._cord_before = -1

    def __enter__(self) -> Signals:
        self._bell = Bell()
        self._cord_before = signal.set_wakeup_fd(self._bell.cord, warn_on_full_buffer=False)
        for name in NAMES:
            number = getattr(signal, f"SIG{name}")
            self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        signal.set_wakeup_fd(self._cord_before)
        self._bell.close()

    def put(self, name: str) -> None:
        """Tell the main thread a signal's name, from any thread."""
        self._names.append(name)
        self._bell.ring()

    def wait(self) -> str:
        """Return the next name; sleep until there is one."""
        while not self._names:
            select.select([self._bell], [], [])
            self._bell.silence()
        return self._names.popleft()

    def stop_asked(self) -> bool:
        """Tell whether another TERM or INT came; what else came is forgotten."""
        names = [self._names.popleft() for _ in range(len(self._names))]
        return "TERM" in names or "INT" in names

    def _caught(self, number: int, _: FrameType | None) -> None:
        self._names.append(signal.Signals(number).name.removeprefix("SIG"))


def thread_dump() -> dict[str, str]:
    """Return the stack of each thread by the thread's name."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return {
        names.get(ident, str(ident)): "".join(traceback.format_stack(frame))
        for ident, frame in sys._current_frames().items()
    }
