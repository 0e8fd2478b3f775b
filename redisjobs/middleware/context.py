"""What middleware and running code may know of a job, and ask of it."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Any

from redisjobs.errors import RedisJobsError
from redisjobs.store.keys import Keys
from redisjobs.store.op import Op
from redisjobs.wire import jobdata, times
from redisjobs.wire import payload as wire_payload
from redisjobs.wire.jobdata import ActiveJobData
from redisjobs.wire.payload import Payload

_LEVELS = {"debug": 10, "info": 20, "warn": 30, "warning": 30, "error": 40, "fatal": 50}


def job_logger(level: Any = None) -> logging.Logger:
    """Return the logger of jobs: `redisjobs.job`, or below it one of a level that the payload asks for."""
    if level is None or not isinstance(level, str) or level not in _LEVELS:
        return _log
    logger = logging.getLogger(f"redisjobs.job.{level}")
    logger.setLevel(_LEVELS[level])
    return logger


_log = logging.getLogger("redisjobs.job")


class JobContext:
    """One run of one job. `current_job()` returns it to the code that runs."""

    __slots__ = ("_fields", "_payload", "keys", "ops", "queue", "raw", "state")

    def __init__(self, payload: Payload, raw: bytes, queue: str, keys: Keys, state: Any) -> None:
        self._payload = payload
        self._fields: dict[str, Any] | None = None
        self.raw = raw
        self.queue = queue
        self.keys = keys
        self.state = state
        self.ops: list[Op[Any]] = []

    @property
    def jid(self) -> str:
        """The job's id."""
        return self._payload.jid

    @property
    def name(self) -> str:
        """The job's name on the wire: `class` in the payload, or of ActiveJob the class inside."""
        return self._payload.name

    @property
    def args(self) -> list[Any]:
        """The arguments as they stand on the wire."""
        return self._payload.args

    @property
    def attempt(self) -> int:
        """Which run this is, from 1."""
        return self._payload.attempt

    @property
    def payload(self) -> dict[str, Any]:
        """All fields of the payload, unknown ones too. A copy: changing it changes nothing."""
        if self._fields is None:
            self._fields = wire_payload.fields(self.raw)
        return dict(self._fields)

    @property
    def active_job(self) -> ActiveJobData:
        """What Rails says of a job of ActiveJob: its `job_id`, `locale`, `executions` and so on; empty of another."""
        return jobdata.read(self.args if self.payload.get("class") in jobdata.WRAPPERS else [], self.jid)

    @property
    def enqueued_at(self) -> float | None:
        """When the job was put into its queue, Unix seconds."""
        return times.seconds(self.payload.get("enqueued_at"))

    @property
    def created_at(self) -> float | None:
        """When the job was made, Unix seconds."""
        return times.seconds(self.payload.get("created_at"))

    @property
    def logger(self) -> logging.Logger:
        """A logger whose lines carry `jid`, `class` and `queue`, at the level that the job asks for."""
        return job_logger(self._payload.log_level)

    def tried(self, retries: int) -> None:
        """Note how often the job was tried again, where its payload does not say so: 0 at its first run."""
        self._payload.retry_count = retries - 1

    def on_settle(self, op: Op[Any]) -> None:
        """Have an Op sent in the transaction that settles this run, whatever its outcome. It may be sent twice."""
        self.ops.append(op)


running: ContextVar[JobContext | None] = ContextVar("redisjobs_running", default=None)
"""The job that this thread or task runs."""


def current_job() -> JobContext:
    """Return the job that is running here.

    Raises:
        RedisJobsError: no job is running in this thread or task.
    """
    context = running.get()
    if context is None:
        raise RedisJobsError("no job is running in this thread or task; current_job() is for the code of jobs")
    return context
