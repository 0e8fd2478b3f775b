"""Jobs of Rails' ActiveJob, run by Python functions, and pushed for Rails to run.

An error is retried as Sidekiq retries, by the same payload, unless the function's rules say otherwise: those retry as
`retry_on` in Rails, by a new job that takes the place of this one in one step.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar

from redisjobs import clock
from redisjobs.errors import OptionError, PayloadError
from redisjobs.jobs.job import NOW, Job, Pusher, When
from redisjobs.jobs.options import JobOptions
from redisjobs.jobs.outcome import MAX_DELAY_S, Again, Discard, Outcome
from redisjobs.jobs.retry import class_of, message_of, name_of
from redisjobs.jobs.signature import Signature
from redisjobs.middleware.context import JobContext, current_job, running
from redisjobs.wire import activejob, arguments, jobdata, payload, times
from redisjobs.wire.activejob import Keywords
from redisjobs.wire.times import Wire

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

Wait: TypeAlias = float | timedelta | Literal["polynomially_longer"] | Callable[[int], float]
"""Seconds before the next run; what grows as Rails' own does; or a function of how often this failed."""

_OF_ONE_RUN = (
    *("enqueued_at", "retry_count", "failed_at", "retried_at", "at"),
    *("error_class", "error_message", "error_backtrace", "crashes"),
)
"""Fields that are not a new job's."""


class RetryOn:
    """Errors after which ActiveJob itself runs the job again, as `retry_on` in Rails: a new job, the same `job_id`.

    `attempts` counts the runs that ended with one of these errors; None: without end. With the last one the error goes
    Sidekiq's way.

    Raises:
        OptionError: one of them is no class of errors, or the wait or the attempts are none.
    """

    def __init__(self, *errors: type[Exception], wait: Wait = 3, attempts: int | None = 5) -> None:
        if not (isinstance(wait, int | float | timedelta) or callable(wait) or wait == "polynomially_longer"):
            raise OptionError(
                f"retry_on: wait={wait!r}: must be seconds, a timedelta, polynomially_longer or a function"
            )
        if not (attempts is None or (isinstance(attempts, int) and attempts > 0)):
            raise OptionError(f"retry_on: attempts={attempts!r}: must be a number from 1, or None")
        self.errors = _classes("retry_on", *errors)
        self.wait = wait
        self.attempts = attempts

    @property
    def key(self) -> str:
        """What its errors are counted under."""
        return f"[{', '.join(name_of(error) for error in self.errors)}]"

    def wait_s(self, executions: int) -> float:
        """Return the seconds until the next run."""
        if self.wait == "polynomially_longer":
            return min(executions**4 + 2, MAX_DELAY_S)
        wait = self.wait(executions) if callable(self.wait) else self.wait
        return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)


class Rules:
    """What follows from the errors of one function; a `with` block around its run. The nearest class counts."""

    def __init__(self, retry_on: Sequence[RetryOn], discard_on: Sequence[type[Exception]], wire: Wire) -> None:
        self._rules: dict[type, RetryOn | None] = dict.fromkeys(discard_on)
        self._rules |= {error: rule for rule in reversed(retry_on) for error in rule.errors}
        self._wire = wire

    def __enter__(self) -> None:
        """Nothing: all that is known of a run is in its context."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise an Outcome, if a rule has taken the error over; else let it pass."""
        if not isinstance(error, Exception) or isinstance(error, Outcome):
            return
        for one in type(error).__mro__:
            if one in self._rules:
                self._apply(self._rules[one], error)
                return

    def _apply(self, rule: RetryOn | None, error: Exception) -> None:
        job = current_job()
        about = {"error": f"{class_of(error)}: {message_of(error)}"}
        if rule is None:
            job.logger.warning("discarded", extra=about)
            raise Discard(message_of(error)) from error
        counted = dict(job.active_job.exception_executions)
        counted[rule.key] = counted.get(rule.key, 0) + 1
        if rule.attempts is not None and counted[rule.key] >= rule.attempts:
            return
        wait_s = max(0.0, rule.wait_s(counted[rule.key]))
        jid, raw = self._again(job, counted, wait_s)
        job.logger.warning("enqueued again", extra={**about, "retry_in_s": round(wait_s, 1), "next": jid})
        raise Again(raw, wait_s) from error

    def _again(self, job: JobContext, counted: Mapping[str, int], wait_s: float) -> tuple[str, bytes]:
        now, jid = clock.now(), payload.new_jid()
        data = jobdata.again(job.args, job.jid, counted, now=now, due_at=now + wait_s if wait_s else None)
        changes = payload.mended(job.payload, at=now, wire=self._wire) | {
            "args": arguments.check([data]),
            "jid": jid,
            "queue": job.active_job.queue_name or job.queue,
            "created_at": times.stamp(now, self._wire),
        }
        return jid, payload.change(job.raw, changes, drop=_OF_ONE_RUN)


class ActiveJobSignature(Signature):
    """How the arguments of an ActiveJob stand in a call's list: as they are, the keywords as one object at the end."""

    def to_list(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        """See `Signature.to_list`."""
        super().to_list(args, kwargs)  # raises if the function cannot be called like this
        return call(args, kwargs)

    def from_list(self, args: list[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Leave what a payload has as it is: it is read where errors are the job's own."""
        return args, {}


class ActiveJob(Job[P, R_co]):
    """A Python function that runs the jobs of a Rails class, and enqueues them as Rails does. See `Job`."""

    def __init__(
        self, function: Callable[P, R_co], name: str, options: JobOptions, pusher: Pusher, rules: Rules
    ) -> None:
        super().__init__(function, name, options, pusher)
        self.signature = ActiveJobSignature(function)
        self._own = function
        self._rules = rules
        self.function = _awaiting(function, rules) if self.is_async else _running(function, rules)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function here and now, without Redis."""
        return self._own(*args, **kwargs)

    def options(self, **given: Any) -> ActiveJob[P, R_co]:
        """See `Job.options`."""
        return ActiveJob(self._own, self.name, self.opts.for_call(given), self._pusher, self._rules)


class ActiveJobPusher:
    """Pushes jobs in ActiveJob's form, by what pushes payloads. `about`: `priority`, `locale`, `timezone`."""

    def __init__(self, pusher: Pusher, wire: Wire, about: Mapping[str, Any] | None = None) -> None:
        self._pusher = pusher
        self._wire = wire
        self._about = about or {}

    def push_args(
        self, name: str, calls: Sequence[list[Any]], fields: Mapping[str, Any], when: When = NOW
    ) -> list[str | None]:
        """Push one job of a Rails class per list of arguments. See `Client.push_args`."""
        inner = self._inner(name, calls, fields, when)
        return self._pusher.push_args(jobdata.wrapper(self._wire), inner, {**fields, "wrapped": name}, when)

    def apush_args(
        self, name: str, calls: Sequence[list[Any]], fields: Mapping[str, Any], when: When = NOW
    ) -> Awaitable[list[str | None]]:
        """See `push_args`."""
        inner = self._inner(name, calls, fields, when)
        return self._pusher.apush_args(jobdata.wrapper(self._wire), inner, {**fields, "wrapped": name}, when)

    def _inner(
        self, name: str, calls: Sequence[list[Any]], fields: Mapping[str, Any], when: When
    ) -> list[list[dict[str, Any]]]:
        if not isinstance(name, str) or not name:
            raise PayloadError("job_class", f"the name of a class is a string, not {name!r:.80}")
        now = clock.now()
        due_at = when.at if when.delay_s is None else now + when.delay_s
        about = {**_inherited(), **self._about, "job_class": name, "queue_name": fields["queue"]}
        return [[jobdata.new(about, each, now=now, due_at=due_at, wire=self._wire)] for each in calls]


def _inherited() -> dict[str, Any]:
    """Return what a job of Rails hands on to those that it enqueues."""
    job = running.get()
    told = {} if job is None else {"locale": job.active_job.locale, "timezone": job.active_job.timezone}
    return {name: value for name, value in told.items() if value is not None}


def call(args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """Return the arguments of a call as ActiveJob lists them."""
    return [*args, Keywords(kwargs)] if kwargs else list(args)


def rules(retry_on: Any, discard_on: Any, wire: Wire) -> Rules:
    """Check what a job says of its errors: `RetryOn`, a class of errors, or some of them; classes have Rails' defaults.

    Raises:
        OptionError: it is something else.
    """
    several = [one if isinstance(one, RetryOn) else RetryOn(one) for one in _sequence(retry_on)]
    return Rules(several, _classes("discard_on", *_sequence(discard_on)), wire)


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _classes(option: str, *errors: Any) -> Sequence[type[Exception]]:
    for error in errors:
        if not (isinstance(error, type) and issubclass(error, Exception)):
            raise OptionError(f"{option}: {error!r} is no class of errors")
    return errors


def _running(function: Callable[..., Any], rules: Rules) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*data: Any) -> Any:
        with rules:
            args, kwargs = activejob.decode_call(jobdata.arguments(data))
            return function(*args, **kwargs)

    return run


def _awaiting(function: Callable[..., Any], rules: Rules) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run(*data: Any) -> Any:
        with rules:
            args, kwargs = activejob.decode_call(jobdata.arguments(data))
            return await function(*args, **kwargs)

    return run
