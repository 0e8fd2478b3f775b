"""The job of ActiveJob inside a payload: `args` has one object, and `class` is a wrapper's name (spec: sidekiq.md 6).

Must not know: the form of the arguments in it (`activejob`), where the payload goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from redisjobs.lazy import LazyModule
from redisjobs.wire import activejob
from redisjobs.wire.activejob import RubyTime
from redisjobs.wire.times import Wire

if TYPE_CHECKING:
    import uuid
else:
    uuid = LazyModule("uuid")

_OF_SIDEKIQ_8 = "Sidekiq::ActiveJob::Wrapper"
_OF_RAILS = "ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper"
WRAPPERS = frozenset((_OF_SIDEKIQ_8, _OF_RAILS, "ActiveJob::QueueAdapters::ResqueAdapter::JobWrapper"))
"""What stands in `class` of a payload that carries a job of ActiveJob."""


class ActiveJobData(Struct, frozen=True):
    """What ActiveJob says of a job, as the running job sees it: `executions` counts the run that is under way."""

    job_class: str
    job_id: str
    provider_job_id: str
    queue_name: str
    priority: int | None
    executions: int
    exception_executions: dict[str, int]
    locale: str | None
    timezone: str | None
    enqueued_at: RubyTime | None
    scheduled_at: RubyTime | None


def wrapper(wire: Wire) -> str:
    """Return the class that a generation's Sidekiq looks for: the new one from 8 on, else Rails' own."""
    return _OF_SIDEKIQ_8 if wire == "sidekiq8" else _OF_RAILS


def inside(args: Sequence[Any]) -> dict[str, Any]:
    """Return the job inside a wrapper's `args`; empty if there is none."""
    return args[0] if args and isinstance(args[0], dict) else {}


def job_class(args: Sequence[Any]) -> str:
    """Return the class of the job inside a wrapper's `args`; empty if there is none."""
    return _text(inside(args), "job_class")


def arguments(args: Sequence[Any]) -> Any:
    """Return what stands for the arguments of the job inside a wrapper's `args`."""
    return inside(args).get("arguments")


def read(args: Sequence[Any], jid: str) -> ActiveJobData:
    """Read the job inside a wrapper's `args`, as far as it can be read; ActiveJob's rule: the jid is the provider's."""
    data = inside(args)
    priority, exceptions = data.get("priority"), data.get("exception_executions")
    return ActiveJobData(
        job_class=_text(data, "job_class"),
        job_id=_text(data, "job_id"),
        provider_job_id=jid,
        queue_name=_text(data, "queue_name"),
        priority=priority if isinstance(priority, int) else None,
        executions=_count(data.get("executions")) + 1,
        exception_executions={name: _count(n) for name, n in exceptions.items()}
        if isinstance(exceptions, dict)
        else {},
        locale=_text(data, "locale") or None,
        timezone=_text(data, "timezone") or None,
        enqueued_at=_moment(data.get("enqueued_at")),
        scheduled_at=_moment(data.get("scheduled_at")),
    )


def new(
    about: Mapping[str, Any], call: Sequence[Any], *, now: float, due_at: float | None, wire: Wire
) -> dict[str, Any]:
    """Return a new job; `about` says its `job_class` and `queue_name`, perhaps `priority`, `locale` and `timezone`.

    Raises:
        PayloadError: an argument is nothing that Rails can read.
    """
    return {
        "job_class": about["job_class"],
        "job_id": str(uuid.uuid4()),
        "provider_job_id": None,
        "queue_name": about["queue_name"],
        "priority": about.get("priority"),
        "arguments": [activejob.encode(value, f"arguments[{at}]", wire) for at, value in enumerate(call)],
        "executions": 0,
        "exception_executions": {},
        "locale": about.get("locale", "en"),
        "timezone": about.get("timezone"),
        "enqueued_at": moment(now),
        "scheduled_at": None if due_at is None else moment(due_at),
    }


def again(
    args: Sequence[Any], jid: str, counted: Mapping[str, int], *, now: float, due_at: float | None
) -> dict[str, Any]:
    """Return the job inside a wrapper's `args` as ActiveJob enqueues it once more after a run; all else stays."""
    data = inside(args)
    return {
        **data,
        "provider_job_id": jid,
        "executions": _count(data.get("executions")) + 1,
        "exception_executions": dict(counted),
        "enqueued_at": moment(now),
        "scheduled_at": None if due_at is None else moment(due_at),
    }


def moment(at: float) -> str:
    """Write a moment (Unix seconds) as ActiveJob does: UTC, nine decimals; Rails from 7.1 on reads nothing else."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.%f}000Z"


def _text(data: Mapping[str, Any], name: str) -> str:
    found = data.get(name)
    return found if isinstance(found, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _moment(value: Any) -> RubyTime | None:
    try:
        return activejob.read_time(value)
    except (ValueError, TypeError):
        return None
