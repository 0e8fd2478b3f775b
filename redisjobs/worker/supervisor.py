"""Supervisor: keeps N worker processes running, and says how they are.

It has no thread, no event loop and no connection to Redis, so that it may fork at any time. The app is imported
before the first fork and shared by all children. What the code on disk has become since it cannot know: children of
a roll (USR2) are started as fresh interpreters, and from the first roll that succeeds on, all are.

Always holds: who has to go (a roll, a limit) goes when its successor is ready, so there are never fewer than N takers
but for those that died. At most one successor is on its way.
"""

from __future__ import annotations

import gc
import logging
import os
import selectors
import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from msgspec import Struct

from redisjobs import clock, config
from redisjobs.config import WorkerConfig
from redisjobs.worker import children
from redisjobs.worker.channel import Channel
from redisjobs.worker.children import Child, ForkedError
from redisjobs.worker.figures import figures
from redisjobs.worker.notify import Notifier
from redisjobs.worker.probes import Probes
from redisjobs.worker.signals import NAMES, STOPPING, Signals
from redisjobs.worker.vitals import Vitals

log = logging.getLogger("redisjobs")

_TURN_S = 1.0
_STOP_MARGIN_S = 15.0  # for what a worker does after its jobs' time is over, Redis being away at worst
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_YOUNG_S = 30.0  # who dies older than this is replaced at once


class _Slot(Struct):
    """One of the N places: who works there, who is to follow, and how starting went."""

    current: Child | None = None
    successor: Child | None = None
    failures: int = 0
    start_at: float = 0.0


class Supervisor:
    """Runs `settings.processes` workers.

    `command` returns the arguments of a fresh interpreter that becomes a child, given the number of its end of the
    channel; `environment` is what it finds there.
    """

    def __init__(
        self, settings: WorkerConfig, command: Callable[[int], list[str]], environment: Mapping[str, str]
    ) -> None:
        self._settings = settings
        self._command = command
        self._environment = environment
        self._slots = [_Slot() for _ in range(settings.processes)]
        self._children: list[Child] = []
        self._rolls = 0
        self._generation = 0  # of those that are started now; 0: of the code that was imported here
        self._proven = 0  # the last generation of which one was ready
        self._phase = "starting"
        self._status = 0
        self._spawns = False
        self._parent = os.getppid()
        self._follows = settings.follow_parent and not _detached()
        self._turn_s = min(_TURN_S, (config.watchdog_s() or 60.0) / 2)
        self._notifier = Notifier(config.notify_socket(), self._turn_s)
        self._probes: Probes | None = None
        self._signals: Signals
        self._selector: selectors.BaseSelector

    def run(self) -> int | Channel:
        """Run until told to stop; return the exit status. In each forked child: return its channel, soon.

        Raises:
            ConfigError: the address for probes cannot be listened to.
        """
        with ExitStack() as stack:
            self._selector = stack.enter_context(selectors.DefaultSelector())
            stack.callback(self._close_channels)
            if self._settings.health is not None:
                self._probes = Probes(self._settings.health, self._answer)
                stack.callback(self._probes.close)
                self._selector.register(self._probes, selectors.EVENT_READ)
                log.info("probes are answered", extra={"address": self._probes.address})
            self._signals = stack.enter_context(Signals((*NAMES, "USR2", "CHLD")))
            self._selector.register(self._signals, selectors.EVENT_READ)
            gc.collect()
            gc.freeze()  # so that the children's collectors leave the pages alone that all share
            log.info("supervisor started", extra={"pid": os.getpid(), "processes": len(self._slots)})
            try:
                while self._phase != "stopping" or self._children:
                    self._turn()
            except ForkedError as forked:
                return forked.channel
            log.info("supervisor stopped", extra={"status": self._status})
        return self._status

    def _turn(self) -> None:
        for slot in self._slots:
            self._tend(slot)
        self._notifier.beat(self._vitals(), self._text())
        for key, _ in self._selector.select(self._turn_s):
            if isinstance(key.fileobj, Child):
                self._hear(key.fileobj)
        if self._probes is not None:
            self._probes.turn(0)
        for name in self._signals.taken():
            self._obey(name)
        if self._follows and os.getppid() != self._parent and self._phase != "stopping":
            log.warning("the parent of this process is gone: stopping", extra={"parent": self._parent})
            self._stop()
        self._bury()

    # -- what it is told ----------------------------------------------------------------------------------------

    def _obey(self, name: str) -> None:
        if name in STOPPING:
            if self._phase != "stopping":
                log.info("stopping", extra={"signal": name, "timeout_s": self._settings.timeout_s})
                self._stop()
            else:
                self._tell_all("INT")
        elif name == "USR2" and self._phase in ("starting", "running"):
            self._rolls += 1
            self._generation = self._rolls
            log.info("rolling to new processes", extra={"processes": len(self._slots)})
        elif name == "TSTP" and self._phase in ("starting", "running"):
            self._phase = "quiet"
            log.info("quiet: no more jobs are taken")
        if name in ("TSTP", "TTIN"):
            self._tell_all(name)

    def _stop(self) -> None:
        self._phase = "stopping"
        self._notifier.stopping()
        for child in self._children:
            self._end(child)

    def _tell_all(self, name: str) -> None:
        for child in self._children:
            child.signal(name)

    # -- its children -------------------------------------------------------------------------------------------

    def _tend(self, slot: _Slot) -> None:
        """Fill a slot; replace who has to go; let the successor that is ready take over."""
        current, successor = slot.current, slot.successor
        if successor is not None and (current is None or successor.ready):
            slot.current, slot.successor = successor, None
            if current is not None:
                self._end(current)
            return
        if successor is not None and successor.generation != self._generation:
            self._end(successor)  # for a roll that another has overtaken
        if self._phase not in ("starting", "running") or clock.monotonic() < slot.start_at:
            return
        try:
            if current is None:
                slot.current = self._start()
            elif successor is None and self._has_to_go(current) and not any(one.successor for one in self._slots):
                slot.successor = self._start()
        except OSError as error:  # no room for one more process
            slot.start_at = clock.monotonic() + _LONGEST_PAUSE_S
            log.error("no process could be started", extra={"error": str(error), "again_in_s": _LONGEST_PAUSE_S})

    def _has_to_go(self, child: Child) -> bool:
        if child.generation != self._generation:
            return True
        if child.vitals.over:
            log.info("over a limit: is replaced", extra={"child": child.pid, "limit": child.vitals.over})
        return bool(child.vitals.over)

    def _start(self) -> Child:
        forks = self._generation == 0 and children.forkable()
        if not forks and self._generation == 0 and not self._spawns:
            self._spawns = True
            log.warning("importing the app has started threads: processes are not forked but started afresh")
        if forks:
            child = children.fork(self._generation, self._signals)
        else:
            child = children.spawn(self._generation, self._command, self._environment)
        self._children.append(child)
        self._selector.register(child, selectors.EVENT_READ)
        log.debug("process started", extra={"child": child.pid, "how": "fork" if forks else "spawn"})
        return child

    def _hear(self, child: Child) -> None:
        try:
            child.hear()
        except EOFError:
            self._selector.unregister(child)
        if child.ready:
            self._proven = max(self._proven, child.generation)
            self._phase = "running" if self._phase == "starting" else self._phase

    def _end(self, child: Child) -> None:
        child.end(self._settings.timeout_s + _STOP_MARGIN_S)

    def _bury(self) -> None:
        for child in list(self._children):
            status = child.ended()
            if status is None:
                if child.overdue:
                    log.error("did not stop in time: is killed", extra={"child": child.pid})
                    child.signal("KILL")
                continue
            self._children.remove(child)
            if child.fileno() in self._selector.get_map():
                self._selector.unregister(child)
            child.channel.close()
            self._mourn(child, status)

    def _close_channels(self) -> None:
        for child in self._children:
            child.channel.close()

    def _mourn(self, child: Child, status: int) -> None:
        told = child.kill_at is not None
        extra: dict[str, Any] = {"child": child.pid, "status": status, "jobs": child.vitals.jobs}
        if told:
            log.info("process ended", extra=extra)
            if status != 0 and self._phase == "stopping" and "starting" not in child.vitals.not_ready:
                self._status = 1
        for slot in self._slots:
            if child not in (slot.current, slot.successor):
                continue
            if child is slot.successor:
                slot.successor = None
            else:
                slot.current = None
            if not told:
                self._count(slot, child)
                extra["again_in_s"] = round(max(0.0, slot.start_at - clock.monotonic()), 1)
                log.error("a process ended unasked", extra=extra)

    def _count(self, slot: _Slot, child: Child) -> None:
        """Note a death that nobody asked for. Who dies young is replaced the later; new code that does so, never."""
        now = clock.monotonic()
        if now - child.started_at < _YOUNG_S:
            slot.start_at = now + min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**slot.failures)
            slot.failures = min(slot.failures + 1, 10)
        else:
            slot.failures, slot.start_at = 0, now
        if child.generation > self._proven:
            log.error("the roll is given up: its first process ended before it was ready", extra={"child": child.pid})
            self._generation = self._proven

    # -- how they are -------------------------------------------------------------------------------------------

    def _vitals(self) -> Vitals:
        """Return how we are altogether: stuck if one is, ready if one is."""
        patience_s = 2 * self._settings.stall_exit_s  # one that only stands still says so, and ends itself before
        stuck = tuple(f"{child.pid}: {why}" for child in self._children for why in child.stuck(patience_s))
        ready = self._phase == "running" and any(child.ready for child in self._children)
        not_ready = () if ready else ("no process is ready" if self._phase == "running" else self._phase,)
        return Vitals(stuck=stuck, not_ready=not_ready, jobs=sum(child.vitals.jobs for child in self._children))

    def _text(self) -> str:
        ready = sum(child.ready for child in self._children)
        return f"{self._phase}: {ready} of {len(self._slots)} processes ready"

    def _answer(self, path: str) -> tuple[bool, dict[str, Any]] | str | None:
        if path == "/metrics":
            return figures({child.pid: child.vitals for child in self._children})
        vitals = self._vitals()
        told = {"children": [{"pid": child.pid, "vitals": child.vitals} for child in self._children]}
        if path == "/livez":
            return vitals.live, {"live": vitals.live, "problems": vitals.stuck, **told}
        if path == "/readyz":
            ready = not vitals.not_ready
            return ready, {"ready": ready, "problems": vitals.not_ready, **told}
        return None


def _detached() -> bool:
    """Tell whether this process was started to outlive its parent: by init, as a session of its own, under nohup."""
    return os.getppid() <= 1 or os.getsid(0) == os.getpid() or signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
