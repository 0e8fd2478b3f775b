"""What was enqueued, and whether that is what a test wants to see."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias, TypedDict, Unpack

from redisjobs import Job, Push

AnyJob: TypeAlias = "Job[..., Any] | str"
"""A job, or a name on the wire."""

TOLERANCE_S = 1.0
"""How far a plain number of seconds may be off; `pytest.approx` has its own."""

MOST_SHOWN = 30


class Wanted(TypedDict, total=False):
    """What an enqueued job must be like; what is not given may be anything.

    `args` and `kwargs` as `enqueue` takes them; both together are the whole call. `in_s` is in seconds from the moment
    of enqueueing, `at` a moment (datetime or Unix seconds): a plain number, which may be a second off, or a
    `pytest.approx`; None: enqueued to run at once. `fields` are fields of the payload, such as `{"retry": 5}`.
    """

    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    queue: str
    in_s: Any
    at: Any
    fields: Mapping[str, Any]


class Run(Protocol):
    """A run that is over; `where` its job went is `gone` (done with), `retry`, `dead`, `schedule` or `queue`."""

    @property
    def jid(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def args(self) -> list[Any]: ...
    @property
    def queue(self) -> str: ...
    @property
    def where(self) -> str: ...
    @property
    def error(self) -> BaseException | None:
        """What it raised, if it failed; `Retry`, `Kill` and the like are no errors."""


@dataclass(frozen=True)
class Enqueued:
    """A job as it was enqueued; `in_s` and `at` are None if it is to run at once.

    `args` are as they stand on the wire; of a job for Rails name and arguments are those inside.
    """

    name: str
    args: list[Any]
    queue: str
    jid: str
    fields: dict[str, Any]
    in_s: float | None = None
    at: float | None = None

    @classmethod
    def of(cls, push: Push, now: float) -> Enqueued:
        """Take down a push that was stored just now (Unix seconds)."""
        fields = copy.deepcopy(push.fields)
        in_s, at = push.when.delay_s, push.when.at
        if in_s is None and at is not None:
            in_s = at - now
        elif in_s is not None:
            at = now + in_s
        name, args = push.name, fields["args"]
        if "wrapped" in fields:
            name, args = fields["wrapped"], args[0]["arguments"]
        return cls(name, args, push.queue, push.jid, fields, in_s, at)

    def __str__(self) -> str:
        args = ", ".join(repr(arg) for arg in self.args)
        when = "" if self.in_s is None else f" in {self.in_s:g} s"
        return f"{self.name}({args}) to {self.queue}{when}"


def fits(record: Enqueued, job: AnyJob, wanted: Wanted) -> bool:
    """Tell whether a record is what is wanted.

    Raises:
        TypeError: the job cannot be called with the wanted arguments.
    """
    if record.name != (job if isinstance(job, str) else job.name):
        return False
    if ("args" in wanted or "kwargs" in wanted) and record.args != _call(job, wanted):
        return False
    return (
        wanted.get("queue", record.queue) == record.queue
        and _is_when(record.in_s, wanted.get("in_s", record.in_s))
        and _is_when(record.at, wanted.get("at", record.at))
        and all(name in record.fields and record.fields[name] == value for name, value in _fields(wanted))
    )


def describe(job: AnyJob, wanted: Wanted) -> str:
    """Say what is wanted."""
    name = job if isinstance(job, str) else job.name
    return f"{name} with {', '.join(f'{key}={value!r}' for key, value in wanted.items())}" if wanted else name


def listing(records: Sequence[Enqueued]) -> str:
    """Say what there is."""
    lines = [f"\n  {record}" for record in records[:MOST_SHOWN]]
    more = f"\n  and {len(records) - MOST_SHOWN} more" if len(records) > MOST_SHOWN else ""
    return "".join(lines) + more or " nothing"


def known(**wanted: Unpack[Wanted]) -> Wanted:
    """Return what is wanted.

    Raises:
        TypeError: one of the names is unknown.
    """
    strange = wanted.keys() - Wanted.__annotations__.keys()
    if strange:
        raise TypeError(f"unknown: {', '.join(sorted(strange))}; there are: {', '.join(Wanted.__annotations__)}")
    return wanted


def _call(job: AnyJob, wanted: Wanted) -> list[Any]:
    args, kwargs = list(wanted.get("args", ())), dict(wanted.get("kwargs", {}))
    if isinstance(job, str):
        return [*args, kwargs] if kwargs else args
    return job.signature.to_list(args, kwargs)


def _is_when(found: float | None, wanted: Any) -> bool:
    if found is None or wanted is None:
        return found is wanted
    if isinstance(wanted, datetime):
        wanted = wanted.timestamp()
    if isinstance(wanted, int | float):
        return abs(found - wanted) <= TOLERANCE_S
    return bool(found == wanted)


def _fields(wanted: Wanted) -> Sequence[tuple[str, Any]]:
    return list(wanted.get("fields", {}).items())
