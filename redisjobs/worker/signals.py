"""Signals of the system, as Sidekiq understands them, and the dump of what all threads do."""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from collections.abc import Callable
from types import FrameType

NAMES = ("TERM", "INT", "TSTP", "TTIN")


class Signals:
    """Catches TERM, INT, TSTP and TTIN while it is entered; the handlers only pass the name on.

    Only for the main thread. What was set before is set again on leaving.
    """

    def __init__(self, heard: Callable[[str], None]) -> None:
        self._heard = heard
        self._before: dict[int, object] = {}

    def __enter__(self) -> Signals:
        for name in NAMES:
            number = getattr(signal, f"SIG{name}")
            self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _caught(self, number: int, _: FrameType | None) -> None:
        self._heard(signal.Signals(number).name.removeprefix("SIG"))


def thread_dump() -> dict[str, str]:
    """Return the stack of each thread by the thread's name."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return {
        names.get(ident, str(ident)): "".join(traceback.format_stack(frame))
        for ident, frame in sys._current_frames().items()
    }
