"""The doors of an app to Rails: its ActiveJob, and what it has travel with jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, ParamSpec, Protocol, TypeVar

from redisjobs.app_config import AppConfig
from redisjobs.client import Client, Push
from redisjobs.errors import ConfigError, OptionError
from redisjobs.jobs.job import NOW, When, after, moment
from redisjobs.jobs.options import JobOptions
from redisjobs.jobs.registry import Registry
from redisjobs.middleware import active_job, travel
from redisjobs.middleware.active_job import ActiveJob, ActiveJobPusher
from redisjobs.middleware.chain import Chain
from redisjobs.middleware.context import JobContext

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")

_ABOUT = ("priority", "locale", "timezone")


class App(Protocol):
    """What is asked of an app."""

    config: AppConfig
    registry: Registry
    client_middleware: Chain[Push]
    server_middleware: Chain[JobContext]

    @property
    def client(self) -> Client: ...


class RailsDoors:
    """The part of an app that is about Rails."""

    def active_job(
        self: App, name: str, *, retry_on: Any = (), discard_on: Any = (), **options: Any
    ) -> Callable[[Callable[P, R]], ActiveJob[P, R]]:
        """Make a function, plain or async, run the jobs of a Rails class: `@app.active_job("ReportJob")`.

        It gets the arguments of `perform_later` as Python's values, or those of `redisjobs.active_job`; what Rails
        says besides is `current_job().active_job`. `retry_on` takes classes of errors and `RetryOn`, `discard_on`
        classes of errors; both may be lists. Other errors go Sidekiq's way. For `options` see `JobOptions`.

        Raises:
            OptionError: an unknown option, a wrong value, or a name that another function has.
        """
        if not isinstance(name, str):
            raise OptionError("active_job needs the name of the Rails class: @app.active_job('ReportJob')")
        merged = JobOptions().merge(self.config.defaults).merge(options)
        rules = active_job.rules(retry_on, discard_on, self.config.wire)

        def register(function: Callable[P, R]) -> ActiveJob[P, R]:
            made = ActiveJob(function, name, merged, ActiveJobPusher(self.client, self.config.wire), rules)
            made.check_declared(options)
            self.registry.add(made, active=True)
            return made

        return register

    def push_active_job(
        self: App,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        wait: float | timedelta | datetime | None = None,
        **options: Any,
    ) -> str | None:
        """Push a job of a Rails class, for Rails to run: `app.push_active_job("ReportJob", [1], queue="low", wait=60)`.

        `wait` is a delay, or a datetime to wait for. `priority`, `locale` and `timezone` are ActiveJob's; for the
        other options see `JobOptions`: those of the Rails class are not known here, `queue` included. Returns the
        jid, None if a client middleware stopped it.

        Raises:
            PayloadError, OptionError: an argument or an option is wrong. Nothing was sent.
            StoreUnavailableError: Redis did not answer in time. The job may or may not have been stored.

        Cost: one round trip.
        """
        pusher, fields = _prepared(self, options)
        return pusher.push_args(name, [active_job.call(args, kwargs or {})], fields, _when(wait))[0]

    async def apush_active_job(
        self: App,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        wait: float | timedelta | datetime | None = None,
        **options: Any,
    ) -> str | None:
        """See `push_active_job`."""
        pusher, fields = _prepared(self, options)
        return (await pusher.apush_args(name, [active_job.call(args, kwargs or {})], fields, _when(wait)))[0]

    def forward(self: App, *names: str) -> None:
        """Give jobs that a job enqueues its own fields of these names, where they have none: `app.forward("cattr*")`.

        A name may be a pattern. So CurrentAttributes, `locale` and the like of Ruby reach the whole tree of jobs.
        """
        self.client_middleware.add(travel.Forward(names))

    def carry(self: App, var: ContextVar[V]) -> ContextVar[V]:
        """Have the value of a context variable travel with jobs: what it is where one is enqueued it is where it runs.

        Values are plain JSON; a variable without a value is not written. Returns the variable.

        Raises:
            ConfigError: another variable that is carried has the same name.
        """
        saved = [one.var for one in self.client_middleware if isinstance(one, travel.Save)]
        if any(one.name == var.name and one is not var for one in saved):
            raise ConfigError(f"two context variables that are carried are called {var.name!r}; rename one")
        self.client_middleware.add(travel.Save(var))
        self.server_middleware.prepend(travel.Load(var))
        return var


def _prepared(app: App, options: Mapping[str, Any]) -> tuple[ActiveJobPusher, dict[str, Any]]:
    about = {name: value for name, value in options.items() if name in _ABOUT}
    others = {name: value for name, value in options.items() if name not in _ABOUT}
    fields = JobOptions().merge(app.config.defaults).for_call(others).push_fields()
    return ActiveJobPusher(app.client, app.config.wire, about), fields


def _when(wait: float | timedelta | datetime | None) -> When:
    if wait is None:
        return NOW
    return moment(wait) if isinstance(wait, datetime) else after(wait)
