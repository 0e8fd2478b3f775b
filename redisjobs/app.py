"""RedisJobs: the front door. One Redis, the jobs that are known here, and the ways to push, run and look at them.

It only puts the parts together; each is made when it is first asked for, so that a producer loads no worker.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, Unpack, overload

from redisjobs import config, events
from redisjobs.app_config import AppSettings, app_config, shard_config
from redisjobs.app_looking import LookingDoors
from redisjobs.app_rails import RailsDoors
from redisjobs.app_testing import DoorsForTests
from redisjobs.client import Client, ClientConfig, Push
from redisjobs.config import Given, RedisConfig
from redisjobs.errors import ConfigError, did_you_mean
from redisjobs.jobs.job import NOW, Job, When, after, moment
from redisjobs.jobs.options import JobOptions
from redisjobs.jobs.registry import Registry
from redisjobs.jobs.retry import RetryPolicy
from redisjobs.lazy import LazyModule
from redisjobs.middleware.chain import Chain
from redisjobs.middleware.context import JobContext
from redisjobs.store.dialect import keys_of, listening
from redisjobs.store.location import Location
from redisjobs.store.shards import Shards
from redisjobs.store.stores import AsyncStore, BlockingStore

if TYPE_CHECKING:
    import pathlib

    from redisjobs.store import embedded
    from redisjobs.worker import origin as origins
    from redisjobs.worker import wiring
    from redisjobs.worker import worker as workers
else:
    pathlib = LazyModule("pathlib")
    wiring = LazyModule("redisjobs.worker.wiring")
    workers = LazyModule("redisjobs.worker.worker")

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
EventName = Literal["startup", "quiet", "shutdown", "heartbeat", "death", "error"]


class RedisJobs(LookingDoors, RailsDoors, DoorsForTests):
    """An app: the jobs that share one Redis.

    `url` is `redis://`, `rediss://`, `unix://` or, of sentinels, `redis+sentinel://`; without one `REDISJOBS_URL`, then
    `REDIS_URL`, then a private server of this machine that is started when it is first needed
    (`redisjobs.store.embedded`). Nothing connects before it must.

    The settings are those of `AppConfig`.

    Raises:
        ConfigError: a setting is unknown or wrong.
        OptionError: one of the `defaults` is.
    """

    def __init__(self, url: str | None = None, **settings: Unpack[AppSettings]) -> None:
        if url is not None and not isinstance(url, str):
            raise ConfigError(f"url={url!r}: must be a string such as redis://localhost:6379/0")
        self.config = app_config(settings)
        self.keys = keys_of(self.config.dialect, self.config.namespace, self.config.wire)
        self.registry = Registry(self.config.wire)
        self.events = events.Events()
        self.client_middleware: Chain[Push] = Chain()
        self.server_middleware: Chain[JobContext] = Chain()
        self._defaults = JobOptions().merge(self.config.defaults)
        self._location = Location(url, self.config.data_folder)
        self._shards = {name: self._beside(**told) for name, told in self.config.shards.items()}
        self.living.add(self)

    # -- jobs ---------------------------------------------------------------------------------------------------

    @overload
    def job(self, function: Callable[P, R], /) -> Job[P, R]: ...
    @overload
    def job(self, *, name: str | None = None, **options: Any) -> Callable[[Callable[P, R]], Job[P, R]]: ...
    def job(self, *functions: Callable[..., Any], name: str | None = None, **options: Any) -> Any:
        """Make a function, plain or async, a job of this app; with or without parentheses.

        `name` is what stands on the wire, by default the function's module and qualified name. See `JobOptions` for
        the options.

        Raises:
            OptionError: an unknown option, a wrong value, or a name that another job has.
        """
        merged = self._defaults.merge(options)

        def register(function: Callable[..., Any]) -> Job[..., Any]:
            self._routing.check(merged.shard or "")
            made = Job(function, name or _name_of(function), merged, self.client)
            made.check_declared(options)
            self.registry.add(made)
            return made

        return register(*functions) if functions else register

    # -- pushing ------------------------------------------------------------------------------------------------

    def push(
        self,
        name: str,
        args: Sequence[Any] = (),
        *,
        at: datetime | float | None = None,
        delay_s: float | timedelta | None = None,
        **options: Any,
    ) -> str | None:
        """Push a job by its name on the wire, for a class that lives elsewhere: in Ruby, or in another deploy.

        `at` or `delay_s` schedule it. Returns the jid, None if a client middleware stopped it.

        Raises:
            PayloadError, OptionError: an argument or an option is wrong. Nothing was sent.
            StoreUnavailableError: Redis did not answer in time. The job may or may not have been stored.

        Cost: one round trip.
        """
        return self.push_many(name, (args,), at=at, delay_s=delay_s, **options)[0]

    def push_many(
        self,
        name: str,
        calls: Iterable[Sequence[Any]],
        *,
        at: datetime | float | None = None,
        delay_s: float | timedelta | None = None,
        **options: Any,
    ) -> list[str | None]:
        """Push one job of a name per list of arguments; a thousand in each round trip. See `push`."""
        return self.client.push_args(name, _lists(calls), self._fields(options), _when(at, delay_s))

    async def apush(
        self,
        name: str,
        args: Sequence[Any] = (),
        *,
        at: datetime | float | None = None,
        delay_s: float | timedelta | None = None,
        **options: Any,
    ) -> str | None:
        """See `push`."""
        return (await self.apush_many(name, (args,), at=at, delay_s=delay_s, **options))[0]

    async def apush_many(
        self,
        name: str,
        calls: Iterable[Sequence[Any]],
        *,
        at: datetime | float | None = None,
        delay_s: float | timedelta | None = None,
        **options: Any,
    ) -> list[str | None]:
        """See `push_many`."""
        return await self.client.apush_args(name, _lists(calls), self._fields(options), _when(at, delay_s))

    # -- running ------------------------------------------------------------------------------------------------

    def worker(
        self,
        queues: Iterable[str] | None = None,
        concurrency: int | None = None,
        **settings: Any,
    ) -> workers.Worker:
        """Return a worker to run in this process: `with app.worker(queues=["mailers"], concurrency=5): ...`.

        It starts on entering and stops on leaving: running jobs get `timeout_s` seconds, then they are given back.
        Queues may carry weights (`"critical,3"`). For `settings` see `WorkerConfig`; the environment's
        `REDISJOBS_...` are read too, and are weaker.

        Raises:
            ConfigError: a setting is unknown or wrong.
        """
        given = {"queues": list(queues) if queues is not None else None, "concurrency": concurrency, **settings}
        told = Given("worker(...)", {name: value for name, value in given.items() if value is not None})
        return self.build_worker(config.build(config.from_environment(), told), embedded=True)

    def build_worker(
        self, settings: config.WorkerConfig, *, embedded: bool, origin: origins.Origin | None = None
    ) -> workers.Worker:
        """Return a worker with complete settings, for all servers of this app.

        `embedded`: it shares its process, and takes no signals from Ruby.

        `origin` is what its child processes import; None: it is looked for among the modules.
        """
        shards = {name: shard.worker_parts(settings, origin) for name, shard in self._shards.items()}
        return workers.build(self.worker_parts(settings, origin), shards, settings, embedded=embedded)

    def worker_parts(self, settings: config.WorkerConfig, origin: origins.Origin | None = None) -> wiring.Wiring:
        """Return what a worker, or a child process of one, gets of this app."""
        return wiring.Wiring(
            redis=self.redis,
            keys=listening(self.keys, [name for capsule in settings.capsules for name, _ in capsule.queues]),
            dead=self.config.dead,
            registry=self.registry,
            chain=self.server_middleware,
            events=self.events,
            policy=RetryPolicy(self.config.wire, self.config.max_retries, max_recoveries=settings.max_recoveries),
            app=self,
            origin=origin,
            main_url=self.url,
        )

    def on(self, event: EventName) -> Callable[[F], F]:
        """Return a decorator that has a function called at a moment of a worker's life; see `redisjobs.events.Events`.

        Raises:
            ConfigError: no event has this name; or, when it decorates, the function cannot be just called.
        """
        if event not in events.NAMES:
            hint = did_you_mean(event, events.NAMES, ".")
            raise ConfigError(f"no event is called {event!r}{hint} There are: {', '.join(events.NAMES)}")

        def register(function: F) -> F:
            if event != "startup" and events.needs_driving(function):
                raise ConfigError(
                    f"{function!r} waits for {event!r}, so it must be a plain function; only one for 'startup' may be "
                    "async or yield, and what stands behind its yield runs at shutdown"
                )
            return self.events.on(event)(function)

        return register

    # -- parts --------------------------------------------------------------------------------------------------

    @cached_property
    def client(self) -> Client:
        """The client that all jobs of this app are pushed by."""
        limits = ClientConfig(self.config.wire, self.config.max_payload_bytes, max_retries=self.config.max_retries)
        return Client(self, self.keys, self.client_middleware, limits, self._routing)

    def shard(self, name: str) -> RedisJobs:
        """Return this app on the server of one of its shards: to look there, or to run a worker for it.

        Jobs, middleware and events are the same ones. What is pushed by it goes there, whatever its queue.

        Raises:
            OptionError: there is no such shard.
        """
        return self._shards[self._routing.check(name)] if name else self

    @property
    def redis(self) -> RedisConfig:
        """Where Redis is; starts the private server if nothing else was named."""
        return RedisConfig(self.url, timeout_s=self.config.timeout_s, namespace=self.config.namespace)

    @property
    def url(self) -> str:
        """The URL of the Redis in use; starts the private server if nothing else was named."""
        return self._location.url

    @property
    def server(self) -> embedded.EmbeddedServer | None:
        """The private server, if one is in use."""
        return self._location.server

    @cached_property
    def store(self) -> BlockingStore:
        """What pushes of threads go through."""
        return BlockingStore(self.redis, patience_s=self.config.patience_s)

    @cached_property
    def astore(self) -> AsyncStore:
        """What pushes of coroutines go through."""
        return AsyncStore(self.redis, patience_s=self.config.patience_s)

    def close(self) -> None:
        """Close idle connections and let go of the private server, if there is one. The app stays usable."""
        for shard in self._shards.values():
            shard.close()
        for name in ("store", "access"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()
        if self._location.leave():
            self.__dict__.pop("astore", None)

    async def aclose(self) -> None:
        """Close the connections that this event loop's coroutines pushed through; to be awaited before it ends."""
        for app in (self, *self._shards.values()):
            if "astore" in app.__dict__:
                await app.astore.close()

    def _fields(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return self._defaults.for_call(options).push_fields()

    @cached_property
    def _routing(self) -> Shards:
        return Shards(self._shards, self.config.routes)

    def _beside(self, url: str, **told: Any) -> RedisJobs:
        """Return this app on another server; to be called before any of its parts is made."""
        made = copy.copy(self)
        made.config = shard_config(self.config, told)
        made.keys = keys_of(made.config.dialect, made.config.namespace, made.config.wire)
        made._location = Location(url, None)
        made._shards = {}
        return made


def _name_of(function: Callable[..., Any]) -> str:
    qualified = getattr(function, "__qualname__", type(function).__qualname__).replace("<locals>.", "")
    module = function.__module__
    if module == "__main__":  # a worker that imports this script calls it by the file's name
        main = sys.modules[module]
        spec = getattr(main, "__spec__", None)
        module = spec.name if spec is not None else pathlib.Path(getattr(main, "__file__", module)).stem
    return f"{module}.{qualified}"


def _lists(calls: Iterable[Sequence[Any]]) -> list[list[Any]]:
    lists = []
    for call in calls:
        if not isinstance(call, list | tuple):
            raise TypeError(f"arguments are a list or tuple, such as [1, 'a'], not {call!r:.80}")
        lists.append(list(call))
    return lists


def _when(at: datetime | float | None, delay_s: float | timedelta | None) -> When:
    if at is not None and delay_s is not None:
        raise TypeError("at= and delay_s= exclude each other")
    if at is not None:
        return moment(at)
    return after(delay_s) if delay_s is not None else NOW
