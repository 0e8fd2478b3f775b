"""Worker: builds, starts, quiets and stops all that one process needs to run jobs.

```
Worker ── Fetcher (one per capsule) ── Threads, Coroutines, Processes ── Processor
       ├─ Heartbeat, Poller, Reaper, each in a ServiceThread
       └─ signals, lifecycle events
```
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any

from msgspec import structs

from redisjobs import clock
from redisjobs.config import WorkerConfig
from redisjobs.errors import RedisJobsError, StoreError
from redisjobs.service import Service, ServiceThread
from redisjobs.store.connect import shown
from redisjobs.store.dialect import dialect
from redisjobs.store.drive import drive
from redisjobs.store.op import Op, Together
from redisjobs.store.ops import leases, server
from redisjobs.store.stores import AsyncStore, BlockingStore
from redisjobs.worker.abilities import abilities_of
from redisjobs.worker.capsule import Capsule, capsules
from redisjobs.worker.channel import Channel
from redisjobs.worker.executors import Executor
from redisjobs.worker.executors.coroutines import Coroutines, LoopThread
from redisjobs.worker.executors.processes import Child, Processes
from redisjobs.worker.executors.threads import Threads
from redisjobs.worker.fetcher import Fetcher
from redisjobs.worker.guard import Guard
from redisjobs.worker.health import Health
from redisjobs.worker.heartbeat import Heartbeat, new_identity
from redisjobs.worker.lifecycle import Lifecycle
from redisjobs.worker.metrics import Metrics
from redisjobs.worker.origin import Origin, find, in_child
from redisjobs.worker.pipe import Hello
from redisjobs.worker.processor import Processor
from redisjobs.worker.reaper import Reaper
from redisjobs.worker.resque import poller, watches
from redisjobs.worker.signals import STOPPING, Signals, thread_dump
from redisjobs.worker.watchdog import Watchdog
from redisjobs.worker.watched import Watched
from redisjobs.worker.wiring import Wiring
from redisjobs.worker.work import Running

log = logging.getLogger("redisjobs")

_UNWIND_S = 1.0  # that interrupted jobs get for their `finally`
_SERVER_WAIT_S = 3.0
_LOOK_S = 0.01


class Worker:
    """Runs the jobs of an app in this process.

    As a context manager it works in the background of its block; `run` is the whole life of a worker process.

    `beside` are the workers of the app's other servers: they live and end with this one, which alone calls the
    functions of its life. Each has slots of its own, so that one server that is down or slow takes none of the others'.
    """

    def __init__(
        self, wiring: Wiring, settings: WorkerConfig, *, embedded: bool, beside: Sequence[Worker] = ()
    ) -> None:
        self.identity = new_identity()
        self.settings = settings
        self.state: Any = None
        # under its name, so that others know by its connections that it lives (reaper.py)
        named = structs.replace(wiring.redis, client_name=self.identity)
        wiring = structs.replace(wiring, redis=named, identity=self.identity)
        self._wiring = wiring
        self._embedded = embedded
        self._store = BlockingStore(wiring.redis)
        self._astore = AsyncStore(wiring.redis)
        self._health = Health()
        self._loop = LoopThread()
        self._signals: Signals | None = None
        self._services: list[ServiceThread] = []
        self._phase = "new"
        self._watchdog = Watchdog()
        self._processor = Processor(wiring, self._store, self._astore, settings, self._watchdog)
        self._lifecycle = Lifecycle(wiring.events, self._loop, self._processor.report)
        self._capsules = capsules(settings.capsules, patterns=wiring.keys.has_patterns)
        self._watches = watches(wiring, self._capsules)
        self._fetchers: list[Fetcher] = []
        self._executors: list[Executor] = []
        self._watched = Watched(self.identity, wiring.keys, self._store, self._processor)
        self._metrics = Metrics(self.identity, wiring.keys, wiring.policy.wire)
        abilities = partial(abilities_of, wiring.registry, wiring.policy.wire, settings.heartbeat_ttl_s)
        self._heartbeat = Heartbeat(self, wiring.keys, settings, embedded=embedded, abilities=abilities)
        self._beside = beside
        self._main = self
        for other in beside:
            other._main = self

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start everything; jobs run from now on.

        Raises:
            StoreError: Redis does not answer or refuses the login.
            ConfigError: some jobs are for child processes, and those cannot import this app.
            Exception: what a `startup` function raised.
        """
        if self._phase != "new":
            raise RedisJobsError("a worker starts once; make another one")
        if in_child():
            raise RedisJobsError(
                "a child process of a worker starts a worker, most likely because it imported a script: put what that "
                'script does under `if __name__ == "__main__":`'
            )
        if self.settings.executor == "process" or any(job.opts.executor == "process" for job in self._wiring.registry):
            self._origin()
        self._phase = "starting"
        try:
            self._store.run(server.ping())
            opened = self._lifecycle.open(self)
            self.state = self._processor.state = opened if self._main is self else self._main.state
            for watch in self._watches:
                drive(watch.once(), self._store)
            drive(self._heartbeat.once(), self._store)  # before the first lease: reapers must know of who holds one
        except BaseException:
            self._close()
            raise
        self._phase = "running"
        self._fetchers = [self._fetcher(capsule) for capsule in self._capsules]
        self._services = [self._service(service) for service in (self._heartbeat, *self._background())]
        for capsule, fetcher in zip(self._capsules, self._fetchers, strict=True):
            self._start_fetcher(capsule, fetcher)
        for service in self._services:
            service.start()
        self._start_beside()
        log.info(
            "worker started",
            extra={
                "identity": self.identity,
                "redis": shown(self._wiring.redis.url),
                "queues": ",".join(name for capsule in self._capsules for name in capsule.queues),
                "concurrency": self.settings.concurrency,
                "jobs": len(list(self._wiring.registry)),
            },
        )

    def quiet(self) -> None:
        """Take no more jobs, give back what was not started, let the running ones end. There is no way back."""
        if self._phase != "running":
            return
        self._phase = "quiet"
        self._heartbeat.quiet = True
        log.info("quiet: no more jobs are taken", extra={"identity": self.identity})
        for fetcher in self._fetchers:
            fetcher.quiet()
        for other in self._beside:
            other.quiet()
        self._lifecycle.emit("quiet", self)

    def stop(self, timeout_s: float | None = None) -> None:
        """Quiet, wait for running jobs `timeout_s` seconds (the worker's setting if None), give back the rest, end."""
        self._finish(clock.monotonic() + (self.settings.timeout_s if timeout_s is None else timeout_s), lambda: False)

    def drain(self, timeout_s: float = 10.0) -> bool:
        """Wait until this worker's queues are empty and it holds no job; False if that took longer than `timeout_s`.

        For tests and scripts: scheduled jobs and retries still to come are not waited for.
        """
        until = clock.monotonic() + timeout_s
        while any(one.unfinished() for one in (self, *self._beside)):
            if clock.monotonic() >= until:
                return False
            threading.Event().wait(_LOOK_S)
        return True

    def unfinished(self) -> int:
        """Count the jobs that wait in this worker's queues or that it holds."""
        queues = [name for capsule in self._capsules for name in capsule.queues]
        return sum(sum(self._store.run(leases.left(self._wiring.keys, queue, self.identity))) for queue in queues)

    def run(self, channel: Channel | None = None) -> int:
        """Live as a worker process: start, obey signals, stop. Returns the exit status. Only for the main thread.

        `channel` leads to the supervisor whose child this is. A child may hear TERM from more than one side, so there
        only an INT hurries a stop.
        """
        hurrying = STOPPING if channel is None else ("INT",)
        with Signals() as signals, Guard(self, self.settings, channel) as guard:
            self._signals = signals
            self.start()
            guard.look()
            while (name := signals.wait()) not in STOPPING:
                self._obey(name)
                guard.look()
            log.info("stopping", extra={"signal": name, "timeout_s": self.settings.timeout_s})
            guard.stopping()
            self._finish(clock.monotonic() + self.settings.timeout_s, lambda: signals.stop_asked(hurrying))
        return 0

    def __enter__(self) -> Worker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def running(self) -> list[Running]:
        """What runs at this moment."""
        return [one for fetcher in self._fetchers for one in fetcher.running()]

    def beaten(self) -> None:
        """Take note that Redis took a heartbeat; for `Heartbeat`."""
        self._lifecycle.emit("heartbeat", self)

    def watched(self, by_somebody: bool) -> None:
        """Take whether somebody watches starts and ends of jobs; for `Heartbeat`."""
        self._watched.heard(by_somebody)

    def loops(self) -> list[Fetcher]:
        """The loops that must turn, for `Guard`."""
        if self._phase not in ("running", "quiet"):
            return []
        return self._fetchers + [loop for other in self._beside for loop in other.loops()]

    @property
    def outages(self) -> int:
        """How often Redis did not answer, for `Guard`."""
        return self._health.outages + sum(other.outages for other in self._beside)

    def not_ready(self) -> tuple[str, ...]:
        """Why no jobs are taken, if none are, for `Guard`."""
        if self._phase != "running":
            return ("starting" if self._phase == "new" else self._phase,)
        return ("Redis does not answer",) if self._health.away else ()

    def told(self, signal: str) -> None:
        """Take the name of a signal (`TERM`, `INT`, `TSTP`, `TTIN`), from any thread; only `run` obeys any."""
        if self._main._signals is not None:
            self._main._signals.put(signal)

    def cancel(self, tid: str, jid: str) -> None:
        """End the run of a job in a thread or task, if it still goes on; for `Heartbeat`."""
        for executor in self._executors:
            executor.cancel(tid, jid)

    # -- parts --------------------------------------------------------------------------------------------------

    def _fetcher(self, capsule: Capsule) -> Fetcher:
        return Fetcher(
            capsule,
            identity=self.identity,
            wiring=self._wiring,
            store=self._store,
            processor=self._processor,
            health=self._health,
        )

    def _start_fetcher(self, capsule: Capsule, fetcher: Fetcher) -> None:
        name = "" if capsule.name == "default" else capsule.name
        threads = Threads(f"{name}t", capsule.concurrency, self._processor.run, fetcher.finished)
        coroutines = Coroutines(name, capsule.concurrency, self._loop, self._processor.arun, fetcher.finished)
        processes = Processes(f"{name}p", capsule.concurrency, self._child, self._processor, fetcher.finished)
        self._executors += [threads, coroutines, processes]
        fetcher.start(self._metrics, threads, coroutines, processes)

    def _child(self) -> tuple[Child, Hello]:
        wiring, path = self._wiring, [str(place) for place in sys.path]
        return Child(wiring.main_url), Hello(self._origin(), path, self.identity, self.settings, wiring.shard)

    def _origin(self) -> Origin:
        return self._wiring.origin or find(self._wiring.app, self._wiring.registry)

    def _start_beside(self) -> None:
        try:
            for other in self._beside:
                other.start()
        except BaseException:
            self.stop(0.0)
            raise

    def _background(self) -> list[Service]:
        queues = [name for capsule in self._capsules for name in capsule.queues]
        return [
            *self._watches,
            poller(self._wiring, self.settings.max_poll_s),
            self._metrics,
            Reaper(self.identity, self._wiring, self.settings, self._health, queues),
        ]

    def _service(self, service: Service) -> ServiceThread:
        return ServiceThread(service, self._store, self._health, self._service_failed)

    def _service_failed(self, error: Exception, name: str) -> None:
        log.error("%s failed", name, exc_info=error)
        self._processor.report(error, {"context": name})

    # -- stopping -----------------------------------------------------------------------------------------------

    def _finish(self, until: float, hurry: Callable[[], bool]) -> None:
        if self._phase not in ("running", "quiet"):
            return
        self.quiet()
        self._lifecycle.emit("shutdown", self)
        for other in self._beside:
            other._finish(until, hurry)  # before this one, which closes what `startup` functions opened
        while not all(fetcher.wait_idle(0.05) for fetcher in self._fetchers):
            if hurry() or clock.monotonic() >= until:
                break
        self._phase = "stopped"
        left = self.running()
        if left:
            log.warning("jobs still running are given back", extra={"jobs": len(left)})
        for fetcher in self._fetchers:
            fetcher.stop(self._wiring.redis.timeout_s + _SERVER_WAIT_S)
        self._end_executors(bool(left))
        for service in reversed(self._services):
            service.stop(_SERVER_WAIT_S)
        self._leave()
        self._close()
        log.info("stopped", extra={"identity": self.identity})

    def _close(self) -> None:
        self._phase = "stopped"
        self._lifecycle.close()
        self._watchdog.stop()
        self._loop.stop(self._close_async)
        self._watched.stop(_SERVER_WAIT_S)
        self._store.close()

    async def _close_async(self) -> None:
        await self._astore.close()
        if self._wiring.app is not None:
            await self._wiring.app.aclose()  # coroutine jobs pushed through it, on this loop

    def _end_executors(self, interrupt: bool) -> None:
        if interrupt:
            self._processor.interrupting = True
            for executor in self._executors:
                executor.interrupt()
            until = clock.monotonic() + _UNWIND_S
            while any(executor.running() for executor in self._executors) and clock.monotonic() < until:
                threading.Event().wait(_LOOK_S)
        for executor in self._executors:
            executor.stop()

    def _leave(self) -> None:
        """Take ourselves off the registry. Leases that could not be settled stay ours, for others to recover."""
        keys = self._wiring.keys
        goodbyes: list[Op[Any] | Together] = []
        for capsule in self._capsules:
            goodbyes += [leases.disown(keys, queue, self.identity) for queue in capsule.queues]
        goodbyes += dialect(keys).leave(self.identity)
        try:
            drive(self._metrics.once(), self._store)
        except StoreError as error:
            log.warning("the last seconds are missing from the metrics", extra={"error": str(error)})
        for goodbye in goodbyes:
            try:
                self._store.run(goodbye)
            except StoreError as error:
                log.error("not everything of this process could be removed", extra={"error": str(error)})

    def _obey(self, name: str) -> None:
        if name == "TSTP":
            self.quiet()
        elif name == "TTIN":
            for thread, stack in thread_dump().items():
                log.warning("thread %s\n%s", thread, stack)


def build(main: Wiring, shards: Mapping[str, Wiring], settings: WorkerConfig, *, embedded: bool) -> Worker:
    """Return a worker for an app's main server and, beside it, for its shards."""
    shared = {"events": main.events.only("death", "error"), "app": main.app, "main_url": main.main_url}
    beside = [
        Worker(structs.replace(wiring, shard=name, **shared), settings, embedded=embedded)
        for name, wiring in shards.items()
    ]
    return Worker(main, settings, embedded=embedded, beside=beside)
