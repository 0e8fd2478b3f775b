"""Processor: one lease from bytes to outcome: decode, middleware, perform, and what follows from how it ended.

It decides and never writes: the Settlement it returns is the Fetcher's to send.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import structs

from redisjobs import clock
from redisjobs.config import WorkerConfig
from redisjobs.errors import JobCancelled, JobInterrupted, JobTimeout, PayloadError, UnknownJobError
from redisjobs.jobs.job import Job
from redisjobs.jobs.options import JobOptions
from redisjobs.jobs.outcome import Again, Discard, Kill, Outcome, Release, Retry, Snooze
from redisjobs.jobs.registry import Registry
from redisjobs.jobs.retry import message_of, users_traceback
from redisjobs.middleware.context import JobContext, job_logger, running
from redisjobs.store.dialect import dialect
from redisjobs.store.drive import adrive, drive
from redisjobs.store.ops.leases import Lease, Settlement, done, released
from redisjobs.store.stores import AsyncStore, BlockingStore
from redisjobs.wire import jobdata
from redisjobs.wire.payload import Payload
from redisjobs.worker import logs
from redisjobs.worker.attempts import chain_of
from redisjobs.worker.endings import endings
from redisjobs.worker.unique import unlocking
from redisjobs.worker.watchdog import Watchdog
from redisjobs.worker.watched import Notes
from redisjobs.worker.wiring import Wiring
from redisjobs.worker.work import COROUTINE, PROCESS, THREAD, Work

log = logging.getLogger("redisjobs")

_NO_OPTIONS = JobOptions()
_INTERRUPTS = (JobInterrupted, asyncio.CancelledError)


class Processor:
    """Runs leases. One for all threads and coroutines of a worker, and one in each child; it keeps nothing of a job.

    `watchdog` is for the limits of threads; None where a job that runs too long is killed from outside.
    """

    def __init__(
        self,
        wiring: Wiring,
        store: BlockingStore,
        astore: AsyncStore,
        settings: WorkerConfig,
        watchdog: Watchdog | None,
    ) -> None:
        self.state: Any = None
        self.interrupting = False
        self.watched: Notes | None = None
        """Where starts and ends are noted, while somebody watches."""
        self._registry = wiring.registry
        self._chain = chain_of(wiring)
        self._decode = dialect(wiring.keys).decode
        self._endings = endings(wiring)
        self._events = wiring.events
        self._keys = wiring.keys
        self._has_locks = wiring.keys.wire == "exq"
        self._store = store
        self._astore = astore
        self._job_log = settings.job_log
        self._max_wait_s = settings.heartbeat_ttl_s * 0.75
        self._watchdog = watchdog
        usual = PROCESS if settings.executor == "process" else THREAD
        self._kinds = {None: usual, "thread": THREAD, "process": PROCESS}

    def prepare(self, lease: Lease) -> Work | Settlement:
        """Read a lease; return what to run, or where it goes if it cannot be run here."""
        try:
            read = self._decode(lease.raw)
            job = find(self._registry, read)
        except PayloadError as error:
            return self._malformed(lease, error)
        except UnknownJobError as error:
            return self._unlocking(self._failed(lease, read, None, error))
        return Work(lease, read, job, COROUTINE if job.is_async else self._kinds[job.opts.executor])

    def run(self, work: Work) -> Settlement:
        """Run a job in this thread. Never raises, whatever job and payload are like."""
        if self.watched is not None:
            self.starts(work)
        try:
            settlement = self._unlocking(self._run(work))
        except Exception as error:
            settlement = self._stumbled(work.lease, error)
        if self.watched is not None:
            self.ends(work, settlement)
        return settlement

    async def arun(self, work: Work) -> Settlement:
        """See `run`: an async job, on the event loop."""
        if self.watched is not None:
            self.starts(work)
        try:
            settlement = self._unlocking(await self._arun(work))
        except Exception as error:
            settlement = self._stumbled(work.lease, error)
        if self.watched is not None:
            self.ends(work, settlement)
        return settlement

    def starts(self, work: Work) -> None:
        """Note that a job starts, in its thread or task, if somebody watches."""
        if (notes := self.watched) is not None:  # it may end at any moment
            notes.started(work)

    def ends(self, work: Work, settlement: Settlement) -> None:
        """Note where a job goes, in its thread or task, if somebody watches."""
        if (notes := self.watched) is not None:
            notes.ended(work, settlement)

    def failed(self, work: Work, error: BaseException) -> Settlement:
        """Return where a job goes whose run was ended from outside. Never raises."""
        return self._unlocking(self._failed(work.lease, work.payload, work.job, _failure(work, error)))

    def _unlocking(self, settlement: Settlement) -> Settlement:
        return unlocking(settlement, self._keys) if self._has_locks else settlement

    def _run(self, work: Work) -> Settlement:
        lease, read, job = work.lease, work.payload, work.job
        if clock.monotonic() - lease.since > self._max_wait_s:
            return released(lease)  # it may be another's by now: we slept through our heartbeats
        context = JobContext(read, lease.raw, lease.queue, self._keys, self.state)
        token = running.set(context)
        started = self._started(read, lease)
        try:
            try:  # each look at one of these flags comes behind a write of the other: who cancels does it vice versa
                work.inside = True
                if work.cancelled:
                    raise JobCancelled
                args, kwargs = job.signature.from_list(read.args)
                if read.timeout is None and job.timeout_s is None and not len(self._chain):
                    result = job.function(*args, **kwargs)
                else:
                    result = self._performed(work, context, lambda: _call(job.function, args, kwargs))
            finally:
                work.inside = False
                if work.interruption is not None:
                    work.interruption.end()
        except BaseException as error:
            return self._ended(work, context, started, error)
        else:
            if not isinstance(result, Outcome) and not context.ops:
                if started:
                    self._log_end(read, "done", started)
                return done(lease)
            return self._ended(work, context, started, result if isinstance(result, Outcome) else None)
        finally:
            running.reset(token)

    def _performed(self, work: Work, context: JobContext, call: Callable[[], Any]) -> Any:
        """Call the job with all that goes around it: its middleware, and its limit around both."""

        def perform() -> Any:
            return drive(self._chain.wrap(context), self._store, call)

        timeout_s = work.timeout_s
        if timeout_s is None or self._watchdog is None:
            return perform()
        return self._watchdog.limited(timeout_s, perform)

    async def _arun(self, work: Work) -> Settlement:
        lease, read, job = work.lease, work.payload, work.job
        if clock.monotonic() - lease.since > self._max_wait_s:
            return released(lease)
        context = JobContext(read, lease.raw, lease.queue, self._keys, self.state)
        token = running.set(context)
        started = self._started(read, lease)
        try:
            args, kwargs = job.signature.from_list(read.args)
            if len(self._chain):
                running_job = adrive(
                    self._chain.wrap(context), self._astore, lambda: _acall(job.function, args, kwargs)
                )
            else:
                running_job = job.function(*args, **kwargs)
            if (read.timeout is None and job.timeout_s is None) or (timeout_s := work.timeout_s) is None:
                result = await running_job
            else:
                result = await _limited(timeout_s, running_job)
        except BaseException as error:
            return self._ended(work, context, started, error)
        else:
            return self._ended(work, context, started, result if isinstance(result, Outcome) else None)
        finally:
            running.reset(token)

    def _ended(self, work: Work, context: JobContext, started: float, end: BaseException | None) -> Settlement:
        """Return where a job goes that ended otherwise than by simply returning; `end` is an Outcome or an error."""
        lease, read, job = work.lease, work.payload, work.job
        settlement: Settlement
        if end is None or isinstance(end, Discard):
            self._log_end(read, "done", started)
            settlement = done(lease)
        elif isinstance(end, Again):
            self._log_end(read, "done", started)
            settlement = self._endings.again(lease, end.payload, end.delay_s)
        elif isinstance(end, Snooze):
            self._log_end(read, "snooze", started)
            settlement = self._endings.snoozed(lease, end.delay_s)
        elif isinstance(end, Release) or (self.interrupting and isinstance(end, _INTERRUPTS) and not work.cancelled):
            self._log_end(read, "interrupted", started)
            settlement = released(lease)
        else:
            settlement = self._failed(lease, read, job, _failure(work, end), started)
        if not context.ops:
            return settlement
        return structs.replace(settlement, ops=(*settlement.ops, *context.ops))

    def _failed(
        self, lease: Lease, read: Payload, job: Job[Any, Any] | None, error: BaseException, started: float = 0.0
    ) -> Settlement:
        """Return where a job goes that raised an error; never raises itself, whatever the payload is like."""
        try:
            return self._fail(lease, read, job, error, started)
        except Exception as problem:
            return self._stumbled(lease, problem)

    def _fail(
        self, lease: Lease, read: Payload, job: Job[Any, Any] | None, error: BaseException, started: float
    ) -> Settlement:
        options = job.opts if job is not None else _NO_OPTIONS
        try:
            settlement, failure, members = self._endings.failed(lease, read, error, options)
        except PayloadError as problem:
            return self._malformed(lease, problem)
        self._log_end(read, "fail", started, error, failure.where, failure.delay_s)
        about = {"context": "job failed", "jid": read.jid, "job": members, "queue": lease.queue}
        if not isinstance(error, Retry | Kill | JobCancelled):
            self.report(error, about)
        if failure.died:
            for problem_in_handler in self._events.emit("death", {**members, **failure.changes}, error):
                self.report(problem_in_handler, {**about, "context": "death handler failed"})
        return settlement

    def _stumbled(self, lease: Lease, error: Exception) -> Settlement:
        """Bury a job that we cannot even fail in good order: one payload must never stop a worker."""
        log.error("a job could not be settled in good order", exc_info=error, extra={"raw": repr(lease.raw[:200])})
        return self._malformed(lease, PayloadError("payload", f"{type(error).__name__}: {error}", lease.raw))

    def _malformed(self, lease: Lease, error: PayloadError) -> Settlement:
        log.error(
            "malformed payload, moved to %s",
            self._endings.grave,
            extra={"queue": lease.queue, "field": error.field, "problem": error.problem, "raw": repr(lease.raw[:200])},
        )
        self.report(error, {"context": "malformed payload", "queue": lease.queue})
        return self._endings.malformed(lease, error)

    def report(self, error: BaseException, about: dict[str, Any]) -> None:
        """Tell the error handlers; what fails in them is only logged."""
        for problem in self._events.emit("error", error, about):
            log.error("error handler failed", exc_info=problem)

    def _started(self, read: Payload, lease: Lease) -> float:
        """Write the start line; return the moment (monotonic), 0 if jobs are not logged."""
        if not self._job_log:
            return 0.0
        logger = job_logger(read.log_level)
        if not logger.isEnabledFor(logging.INFO):
            return 0.0
        logs.write(logger, logging.INFO, "start", {"attempt": read.attempt} if read.attempt > 1 else {})
        return clock.monotonic()

    def _log_end(
        self,
        read: Payload,
        how: str,
        started: float,
        error: BaseException | None = None,
        where: str = "",
        delay_s: float = 0.0,
    ) -> None:
        """Write the line of a job's end; failures are written even where jobs are not logged."""
        logger = job_logger(read.log_level)
        extra: dict[str, Any] = {"jid": read.jid, "class": read.name}
        if started:
            extra["elapsed"] = round(clock.monotonic() - started, 3)
        if error is None:
            if started:
                logs.write(logger, logging.INFO, how, extra)
            return
        extra |= {"attempt": read.attempt, "next": _NEXT[where]}
        if where == "retry":
            extra["retry_in_s"] = round(delay_s, 1)
        quiet = isinstance(error, Retry | Kill | UnknownJobError)
        extra["error"] = f"{type(error).__name__}: {message_of(error)}"
        users = None if quiet else users_traceback(error)
        trace = None if users is None else (type(error), error, users)
        logger.warning(how, extra=extra, exc_info=trace)


def find(registry: Registry, read: Payload) -> Job[Any, Any]:
    """Return the job of a payload, which is named after the class inside if it is one of ActiveJob.

    Raises:
        UnknownJobError: there is none.
    """
    if read.name not in jobdata.WRAPPERS:
        return registry.find(read.name)
    read.name = jobdata.job_class(read.args) or read.name
    return registry.find_active(read.name)


def _failure(work: Work, error: BaseException) -> BaseException:
    """Return what a run failed with: if it was cancelled, with that, whatever its code made of it."""
    return JobCancelled().with_traceback(error.__traceback__) if work.cancelled else error


_NEXT = {"retry": "retry", "dead": "dead set", "gone": "dropped"}


async def _limited(timeout_s: float, running_job: Awaitable[Any]) -> Any:
    """Wait for a job; cancel it after `timeout_s` seconds and raise JobTimeout, from where it was then."""
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            return await running_job
    except TimeoutError as error:
        if not limit.expired():
            raise
        where = error.__cause__ or error
        raise JobTimeout(timeout_s).with_traceback(where.__traceback__) from None


def _call(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Call a job inside its middleware; an Outcome that it returns or raises is what the middleware gets."""
    try:
        return function(*args, **kwargs)
    except Outcome as outcome:
        return outcome


async def _acall(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    """See `_call`."""
    try:
        return await function(*args, **kwargs)
    except Outcome as outcome:
        return outcome
