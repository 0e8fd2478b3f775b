"""Signals of the system, as Sidekiq understands them, and the dump of what all threads do."""

from __future__ import annotations

import select
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Sequence
from types import FrameType

from redisjobs.worker.bell import Bell

NAMES = ("TERM", "INT", "TSTP", "TTIN")
STOPPING = ("TERM", "INT")


class Signals:
    """What the main thread of a worker process is told: by the system while this is entered, and by `put`.

    The system may hand a signal to any thread (it does so after SIGSTOP and SIGCONT), and Python runs its handlers
    in the main thread only, once that wakes up: so that sleeps on a bell, which the arrival of a signal rings.
    What was set before is set again on leaving. Signals that were held back are let in on entering.
    """

    def __init__(self, names: Sequence[str] = NAMES) -> None:
        self._heard = numbers(names)
        self._names: deque[str] = deque()
        self._before: dict[int, object] = {}
        self._cord_before = -1
        self._stop_asked = False

    def __enter__(self) -> Signals:
        self._bell = Bell()
        self._cord_before = signal.set_wakeup_fd(self._bell.cord, warn_on_full_buffer=False)
        for number in self._heard:
            self._before[number] = signal.signal(number, self._caught)
        self.let_in()
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

    def fileno(self) -> int:
        """Return what a selector waits on; `taken` silences it."""
        return self._bell.fileno()

    def taken(self) -> list[str]:
        """Return the names that came, without waiting."""
        self._bell.silence()
        return [self._names.popleft() for _ in range(len(self._names))]

    def stop_asked(self, names: Sequence[str] = STOPPING) -> bool:
        """Tell whether one of these came, then or at an earlier look; what else came is forgotten."""
        self._stop_asked |= not set(names).isdisjoint(self.taken())
        return self._stop_asked

    @staticmethod
    def hold_back() -> None:
        """Let none of `NAMES` in, here and in a child forked from now on, which lets them in by a `Signals` of its own.

        Else one that came to the child before it listens would be lost.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers(NAMES))

    def let_in(self) -> None:
        """Let them in again."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._heard)

    def _caught(self, number: int, _: FrameType | None) -> None:
        self._names.append(signal.Signals(number).name.removeprefix("SIG"))


def numbers(names: Sequence[str]) -> list[signal.Signals]:
    """Return signals by their names."""
    return [signal.Signals[f"SIG{name}"] for name in names]


def thread_dump() -> dict[str, str]:
    """Return the stack of each thread by the thread's name."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return {
        names.get(ident, str(ident)): "".join(traceback.format_stack(frame))
        for ident, frame in sys._current_frames().items()
    }
