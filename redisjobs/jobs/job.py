"""A job: a function, its name on the wire, its options, and the ways to enqueue it.

Must not know: how it is pushed (a `Pusher` is given to it), who runs it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from msgspec import Struct

from redisjobs.errors import OptionError
from redisjobs.jobs.options import JobOptions
from redisjobs.jobs.signature import Sensitive, Signature

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class When(Struct, frozen=True):
    """When a job is due: at a moment (Unix seconds), or so many seconds from now by Redis' clock; neither is now."""

    at: float | None = None
    delay_s: float | None = None


NOW = When()


class Pusher(Protocol):
    """What a job needs of a client."""

    def push_args(
        self, name: str, calls: Sequence[list[Any]], fields: Mapping[str, Any], when: When
    ) -> list[str | None]:
        """Push one job per call."""
        ...

    def apush_args(
        self, name: str, calls: Sequence[list[Any]], fields: Mapping[str, Any], when: When
    ) -> Awaitable[list[str | None]]:
        """See `push_args`."""
        ...


class Job(Generic[P, R_co]):
    """A function that can be called here and now, or enqueued to run elsewhere.

    Made by `RedisJobs.job`. Errors of all that enqueue:

    Raises:
        PayloadError: an argument is not plain JSON. Nothing was sent.
        TypeError: the function cannot be called with these arguments. Nothing was sent.
        StoreUnavailableError: Redis did not answer in time. The job may or may not have been stored.
    """

    def __init__(self, function: Callable[P, R_co], name: str, options: JobOptions, pusher: Pusher) -> None:
        if not name or any(char in name for char in "<>|") or any(char.isspace() for char in name):
            raise OptionError(
                f"{name!r} cannot be a job's name: Ruby's pages need one without <, >, | and white space; give name=..."
            )
        self.function = function
        self.name = name
        self.opts = options
        self.signature = Signature(function)
        self.is_async = self.signature.is_async
        self.timeout_s = options.timeout
        self.__doc__ = function.__doc__
        self._pusher = pusher
        self._fields = options.push_fields()

    def check_declared(self, options: Mapping[str, Any]) -> None:
        """Check what it was declared with, and not by default, against what kind of function it is.

        Raises:
            OptionError: an option is for others, or names a parameter that it has not.
        """
        if self.is_async and options.get("executor") is not None:
            raise OptionError(f"executor is for plain functions; {self.name} is async and runs on the event loop")
        for one in self.signature.unknown(options.get("sensitive", ())):
            raise OptionError(f"sensitive names {one!r}, but {self.name} takes no such argument")

    @property
    def sensitive(self) -> Sensitive:
        """Which of its arguments pages do not show."""
        return self.signature.sensitive(self.opts.sensitive)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function here and now, without Redis."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Job {self.name}>"

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """Run this job once, as soon as a worker is free. Returns the jid, None if a client middleware stopped it.

        Cost: one round trip.
        """
        return self._push(args, kwargs, NOW)

    def enqueue_in(self, delay_s: float | timedelta, /, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """Run this job once, at least `delay_s` seconds from now by Redis' clock; zero or less means now."""
        return self._push(args, kwargs, after(delay_s))

    def enqueue_at(self, when: datetime | float, /, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """Run this job once, not before a moment: Unix seconds, or a datetime (a naive one is local time)."""
        return self._push(args, kwargs, moment(when))

    def enqueue_many(self, calls: Iterable[Sequence[Any]], *, when: datetime | float | None = None) -> list[str | None]:
        """Enqueue one job for each sequence of arguments, the first to run first; a thousand in each round trip.

        A job with keyword-only parameters takes them as a dict at the end of each sequence. An error in any of the
        arguments is raised before anything is sent.
        """
        lists = [self._call(call) for call in calls]
        return self._pusher.push_args(self.name, lists, self._fields, NOW if when is None else moment(when))

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """See `enqueue`."""
        return await self._apush(args, kwargs, NOW)

    async def aenqueue_in(self, delay_s: float | timedelta, /, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """See `enqueue_in`."""
        return await self._apush(args, kwargs, after(delay_s))

    async def aenqueue_at(self, when: datetime | float, /, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """See `enqueue_at`."""
        return await self._apush(args, kwargs, moment(when))

    async def aenqueue_many(
        self, calls: Iterable[Sequence[Any]], *, when: datetime | float | None = None
    ) -> list[str | None]:
        """See `enqueue_many`."""
        lists = [self._call(call) for call in calls]
        return await self._pusher.apush_args(self.name, lists, self._fields, NOW if when is None else moment(when))

    def options(self, **given: Any) -> Job[P, R_co]:
        """Return this job with some options set anew; this one stays as it is. See `JobOptions` for the names.

        Raises:
            OptionError: an unknown option, or a value of the wrong kind.
        """
        return Job(self.function, self.name, self.opts.for_call(given), self._pusher)

    def _push(self, args: Sequence[Any], kwargs: Mapping[str, Any], when: When) -> str | None:
        call = self.signature.to_list(args, kwargs)
        return self._pusher.push_args(self.name, (call,), self._fields, when)[0]

    async def _apush(self, args: Sequence[Any], kwargs: Mapping[str, Any], when: When) -> str | None:
        call = self.signature.to_list(args, kwargs)
        return (await self._pusher.apush_args(self.name, (call,), self._fields, when))[0]

    def _call(self, call: Sequence[Any]) -> list[Any]:
        usual = type(call) is tuple or type(call) is list  # many times as fast to see as the rest
        if not usual and (isinstance(call, (str, bytes, Mapping)) or not isinstance(call, Sequence)):
            raise TypeError(f"each call is a sequence of arguments, such as (1,), not {call!r:.80}")
        args, kwargs = self.signature.from_list(list(call))
        return self.signature.to_list(args, kwargs)


def after(delay_s: float | timedelta) -> When:
    """Return the When of a delay."""
    seconds = delay_s.total_seconds() if isinstance(delay_s, timedelta) else _number(delay_s)
    if not seconds < 1e11:
        raise ValueError(f"{seconds} is no delay in seconds")
    return When(delay_s=seconds) if seconds > 0 else NOW


def moment(when: datetime | float) -> When:
    """Return the When of a moment; one that has passed counts as now, as Sidekiq has it."""
    seconds = when.timestamp() if isinstance(when, datetime) else _number(when)
    if not 0 <= seconds < 1e11:
        raise ValueError(f"{seconds} is no moment in Unix seconds")
    return When(at=seconds)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a time is a number of seconds, a timedelta or a datetime, not {value!r:.80}")
    return float(value)
