"""Children: how a supervisor makes worker processes, hears of them and ends them.

Two ways to make one. A fork shares the memory of all that the parent has imported. A fresh interpreter imports it
anew: where a fork is unsafe, because threads are alive that would be missing in the child with the locks they hold;
and where the code on disk has changed since.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from redisjobs import clock
from redisjobs.lazy import LazyModule
from redisjobs.worker.channel import Channel, Listening
from redisjobs.worker.signals import NAMES, Signals, numbers
from redisjobs.worker.vitals import Vitals

ctypes = LazyModule("ctypes")  # it is large

_PR_SET_PDEATHSIG = 1


class ForkedError(BaseException):
    """Raised in a child that was just forked, to leave behind all that its parent was doing."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.channel = channel


class Child:
    """One worker process as its supervisor sees it. `generation` is the roll that it was started for."""

    def __init__(self, pid: int, end: socket.socket, generation: int) -> None:
        self.pid = pid
        self.generation = generation
        self.started_at = self.heard_at = clock.monotonic()
        self.kill_at: float | None = None  # monotonic seconds; None: it was not told to end
        self.vitals = Vitals()
        self.channel = Listening(end)

    @property
    def ready(self) -> bool:
        """Whether it takes jobs."""
        return self.vitals.ready and self.kill_at is None

    def stuck(self, patience_s: float) -> tuple[str, ...]:
        """Why it does not live, if it does not; so long it may say nothing at all."""
        silent_s = clock.monotonic() - self.heard_at
        return self.vitals.stuck or ((f"nothing heard for {silent_s:.0f} s",) if silent_s > patience_s else ())

    def fileno(self) -> int:
        """Return what a selector waits on: readable is that there is something to `hear`."""
        return self.channel.fileno()

    def hear(self) -> None:
        """Take over what it says of itself. Raises EOFError when it will say nothing more."""
        latest = self.channel.latest()
        if latest is not None:
            self.vitals, self.heard_at = latest, clock.monotonic()

    def signal(self, name: str) -> None:
        """Send it a signal."""
        try:
            os.kill(self.pid, getattr(signal, f"SIG{name}"))
        except ProcessLookupError:
            pass

    def end(self, within_s: float) -> None:
        """Have it stop; `overdue` when that time is over."""
        if self.kill_at is None:
            self.kill_at = clock.monotonic() + within_s
            self.signal("TERM")

    @property
    def overdue(self) -> bool:
        """Whether it should have ended by now."""
        return self.kill_at is not None and clock.monotonic() > self.kill_at

    def ended(self) -> int | None:
        """Return its exit status, minus the number of the signal that killed it; None while it runs."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # somebody else in this process took it
            return 0
        return os.waitstatus_to_exitcode(status) if pid else None


def forkable() -> bool:
    """Tell whether this process may fork: it has but one thread, those of C libraries counted where that can be."""
    tasks = Path("/proc/self/task")
    return threading.active_count() == 1 and (not tasks.is_dir() or len(list(tasks.iterdir())) == 1)


def fork(generation: int, signals: Signals) -> Child:
    """Make a child that goes on from here.

    Raises:
        ForkedError: this is the child.
    """
    ours, theirs = socket.socketpair()
    parent, system = os.getpid(), ctypes.CDLL(None)  # loaded here, so that all share it
    signals.hold_back()
    try:
        pid = os.fork()
    except OSError:
        signals.let_in()
        raise
    if pid == 0:
        ours.close()
        os.setpgid(0, 0)  # Ctrl-C is for the supervisor, who tells all its children
        end_with(parent, system)
        raise ForkedError(Channel(theirs))
    signals.let_in()
    theirs.close()
    return Child(pid, ours, generation)


def spawn(generation: int, command: Callable[[int], list[str]], environment: Mapping[str, str]) -> Child:
    """Make a child that runs a command, which is told the number of its end of the channel.

    It too lets signals in when it is ready for them: TSTP and TTIN would have it stand still for good.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.set_inheritable(True)
        words = [sys.executable, *command(theirs.fileno())]
        pid = os.posix_spawn(sys.executable, words, environment, setpgroup=0, setsigmask=numbers(NAMES))
    return Child(pid, ours, generation)


def end_with(parent: int, system: Any = None, number: int = signal.SIGTERM) -> None:
    """Have the system signal this process when its parent dies, where it can; elsewhere a closed pipe must do."""
    if sys.platform == "linux":
        (system or ctypes.CDLL(None)).prctl(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # it died just before
            os.kill(os.getpid(), number)
