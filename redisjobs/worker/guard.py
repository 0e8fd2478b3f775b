"""Guard: watches over a worker process from a thread of its own, and says how it is to whoever wants to know.

That is the supervisor whose child it is; or else probers, a service manager, and itself, as to the limits that it
drains and ends at. And it ends the process, not in good order, when a loop that talks to Redis stands still.

Must not know: Redis. It reads what the worker's parts note down, so that nothing can keep it waiting.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import select
import sys
import threading
from collections.abc import Sequence
from typing import Any, Protocol

from redisjobs import clock, config
from redisjobs.config import WorkerConfig
from redisjobs.worker.bell import Bell
from redisjobs.worker.channel import Channel
from redisjobs.worker.figures import figures
from redisjobs.worker.heartbeat import rss_kib
from redisjobs.worker.notify import Notifier
from redisjobs.worker.probes import Probes
from redisjobs.worker.signals import thread_dump
from redisjobs.worker.vitals import Vitals

log = logging.getLogger("redisjobs")

STALLED = 70
"""The exit status of a process whose loop stood still; of all that sysexits.h has, software error fits best."""
ORPHANED = 71

_EVERY_S = 1.0
_DUMP_S = 3.0


class Loop(Protocol):
    """A loop that is watched."""

    name: str
    turned_at: float
    turns: int
    count: int

    def figures(self) -> tuple[int, int, int]:
        """How many jobs run, how many are held, running or not, and how many runs failed."""
        ...


class Guarded(Protocol):
    """What a guard asks of the worker, and tells it."""

    @property
    def identity(self) -> str:
        """The worker's identity."""
        ...

    def loops(self) -> Sequence[Loop]:
        """The loops that must turn; none before the start and after the end."""
        ...

    @property
    def outages(self) -> int:
        """How often Redis did not answer."""
        ...

    def not_ready(self) -> tuple[str, ...]:
        """Why no jobs are taken, if none are."""
        ...

    def told(self, signal: str) -> None:
        """Somebody tells it a signal."""
        ...


class Guard:
    """Watches while it is entered. `channel` leads to the supervisor, None if there is none.

    Raises:
        ConfigError: on entering: the address for probes cannot be listened to.
    """

    def __init__(self, worker: Guarded, settings: WorkerConfig, channel: Channel | None) -> None:
        self.vitals = Vitals()
        self._worker = worker
        self._settings = settings
        self._channel = channel
        self._every_s = min(_EVERY_S, (config.watchdog_s() or 60.0) / 2, settings.stall_exit_s / 4)
        self._notifier = Notifier(None if channel else config.notify_socket(), self._every_s)
        self._stalls: dict[str, tuple[float, float]] = {}  # loop -> when it turned last, for how long we saw it stand
        self._looked_at = clock.monotonic()
        self._told_limit = False
        self._bell = Bell()
        self._ended = threading.Event()
        self._probes: Probes | None = None
        self._threads = [threading.Thread(target=self._watch, name="redisjobs-guard", daemon=True)]

    def __enter__(self) -> Guard:
        if self._settings.health is not None and self._channel is None:
            self._probes = Probes(self._settings.health, self._answer)
            log.info("probes are answered", extra={"address": self._probes.address})
            self._threads.append(threading.Thread(target=self._serve, name="redisjobs-probes", daemon=True))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._bell.ring()
        for thread in self._threads:
            thread.join(_EVERY_S * 2)
        self._bell.close()
        if self._probes is not None:
            self._probes.close()

    def look(self) -> None:
        """Look at once: something has changed."""
        self._bell.ring()

    def stopping(self) -> None:
        """Say that the process is about to end."""
        self._notifier.stopping()

    def _watch(self) -> None:
        while not self._ended.is_set():
            try:
                self._turn()
            except Exception:  # this thread must outlive its bugs
                log.exception("guard failed")
            poll = select.poll()
            poll.register(self._bell, select.POLLIN)
            if self._channel is not None:
                poll.register(self._channel, select.POLLIN)
            poll.poll(self._every_s * 1000)
            self._bell.silence()

    def _turn(self) -> None:
        loops = self._worker.loops()
        longest_s = self._look(loops)
        self.vitals = self._vitals(loops)
        if self._channel is not None:
            self._channel.tell(self.vitals)
            if self._channel.broken:
                self._orphaned()
        else:
            self._notifier.beat(self.vitals, _status(self.vitals))
            if self.vitals.over and not self._told_limit:
                self._told_limit = True
                log.warning("over a limit: drains and ends", extra={"limit": self.vitals.over})
                self._worker.told("TERM")
        if longest_s >= self._settings.stall_exit_s:
            _die(longest_s)

    def _look(self, loops: Sequence[Loop]) -> float:
        """Return for how long the loop that stands longest has stood still.

        Only time in which we were awake counts: none in which the whole process was stopped, had no processor, or
        waited for C code that lets no other thread run.
        """
        now = clock.monotonic()
        awake_s = min(now - self._looked_at, 2 * self._every_s)
        self._looked_at = now
        stalls = {}
        for loop in loops:
            turned_at, stood_s = self._stalls.get(loop.name, (loop.turned_at, 0.0))
            stalls[loop.name] = (loop.turned_at, stood_s + awake_s if turned_at == loop.turned_at else 0.0)
        self._stalls = stalls
        return max((stood_s for _, stood_s in stalls.values()), default=0.0)

    def _vitals(self, loops: Sequence[Loop]) -> Vitals:
        patience_s = self._settings.stall_exit_s / 2
        stuck = [f"{name}: no turn for {s:.0f} s" for name, (_, s) in self._stalls.items() if s >= patience_s]
        jobs, rss = sum(loop.count for loop in loops) or self.vitals.jobs, rss_kib()
        running, held, failed = map(sum, zip(*(loop.figures() for loop in loops), strict=True)) if loops else (0, 0, 0)
        return Vitals(
            identity=self._worker.identity,
            stuck=tuple(stuck),
            not_ready=self._worker.not_ready(),
            jobs=jobs,
            failed=failed or self.vitals.failed,
            running=running,
            waiting=max(0, held - running),
            turns=sum(loop.turns for loop in loops) or self.vitals.turns,
            redis_errors=self._worker.outages,
            rss_kib=rss,
            over=self._over(jobs, rss),
        )

    def _over(self, jobs: int, rss: int) -> str:
        settings = self._settings
        if settings.max_memory is not None and rss * 1024 > settings.max_memory:
            return f"{rss // 1024} MiB of {settings.max_memory // 1024**2}"
        if settings.max_jobs is not None and jobs >= settings.max_jobs:
            return f"{jobs} jobs of {settings.max_jobs}"
        return ""

    def _orphaned(self) -> None:
        if not self._worker.loops() and "starting" in self._worker.not_ready():
            os._exit(ORPHANED)  # nothing was taken, and whatever the start is waiting for may never come
        log.warning("the supervisor is gone: stopping")
        assert self._channel is not None
        self._channel.close()
        self._channel = None
        self._worker.told("TERM")

    def _serve(self) -> None:
        assert self._probes is not None
        while not self._ended.is_set():
            self._probes.turn(0.5)

    def _answer(self, path: str) -> tuple[bool, dict[str, Any]] | str | None:
        vitals = self.vitals
        if path == "/metrics":
            return figures({os.getpid(): vitals})
        if path == "/livez":
            return vitals.live, {"live": vitals.live, "problems": vitals.stuck}
        if path == "/readyz":
            return vitals.ready, {"ready": vitals.ready, "problems": vitals.stuck + vitals.not_ready}
        return None


def _status(vitals: Vitals) -> str:
    state = ", ".join(vitals.stuck + vitals.not_ready) or "running"
    return f"{state}; {vitals.jobs} jobs done, {vitals.rss_kib // 1024} MiB"


def _die(stood_s: float) -> None:
    """End this process at once. What it holds is recovered by others, as after a crash."""
    dump = threading.Thread(target=_dump, args=(stood_s,), daemon=True)  # the log may be what all wait for
    dump.start()
    dump.join(_DUMP_S)
    if dump.is_alive():
        faulthandler.dump_traceback(sys.__stderr__ or 2)
    os._exit(STALLED)


def _dump(stood_s: float) -> None:
    log.critical("a loop that talks to Redis stands still: this process ends", extra={"stood_s": round(stood_s)})
    for thread, stack in thread_dump().items():
        log.critical("thread %s\n%s", thread, stack)
