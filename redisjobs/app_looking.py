"""The doors of an app to its jobs and workers as they stand in Redis: look at them, move them, ask the doctor."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from redisjobs.app_config import AppConfig
from redisjobs.jobs.registry import Registry
from redisjobs.jobs.signature import Sensitive
from redisjobs.lazy import LazyModule
from redisjobs.store.keys import Keys
from redisjobs.store.stores import BlockingStore

if TYPE_CHECKING:
    import re

    from redisjobs import inspector
    from redisjobs import web as webs
    from redisjobs.inspector import doctor as doctors
    from redisjobs.inspector import exporter as exporters
    from redisjobs.inspector import monitor as monitors
    from redisjobs.inspector import query as queries
    from redisjobs.inspector import rates, redact
    from redisjobs.inspector import search as searches
else:
    inspector = LazyModule("redisjobs.inspector")
    doctors = LazyModule("redisjobs.inspector.doctor")
    exporters = LazyModule("redisjobs.inspector.exporter")
    monitors = LazyModule("redisjobs.inspector.monitor")
    rates = LazyModule("redisjobs.inspector.rates")
    redact = LazyModule("redisjobs.inspector.redact")
    searches = LazyModule("redisjobs.inspector.search")
    webs = LazyModule("redisjobs.web")


class LookingDoors:
    """What looks into Redis, for people. Each look asks anew."""

    config: AppConfig
    keys: Keys
    registry: Registry

    @cached_property
    def store(self) -> BlockingStore:
        """See `RedisJobs.store`."""
        raise NotImplementedError

    @property
    def stats(self) -> inspector.Stats:
        """The counters and sizes as of now."""
        return inspector.Stats(self.access)

    def queue(self, name: str = "default") -> inspector.Queue:
        """One queue, to look into or to clear."""
        return inspector.Queue(self.access, name)

    @property
    def queues(self) -> list[inspector.Queue]:
        """All queues that jobs were ever pushed to and that were not cleared since."""
        return inspector.all_queues(self.access)

    @property
    def retries(self) -> inspector.RetrySet:
        """The failed jobs that wait for their next run."""
        return inspector.RetrySet(self.access)

    @property
    def scheduled(self) -> inspector.ScheduledSet:
        """The jobs that wait for their moment."""
        return inspector.ScheduledSet(self.access)

    @property
    def dead(self) -> inspector.DeadSet:
        """The jobs that were given up."""
        return inspector.DeadSet(self.access)

    @property
    def resque(self) -> inspector.Resque:
        """What only Resque has, of an app with that dialect: its failed list, and more."""
        return inspector.Resque(self.access)

    @property
    def processes(self) -> inspector.ProcessSet:
        """The worker processes that live, Ruby's too."""
        return inspector.ProcessSet(self.access)

    @property
    def fleet(self) -> inspector.Fleet:
        """The worker processes with what they run and hold, in one look."""
        return inspector.Fleet(self.access)

    @property
    def metrics(self) -> inspector.Metrics:
        """How often, how long and how badly each class ran, Ruby's too; and the deploys."""
        return inspector.Metrics(self.access)

    def sampler(self) -> rates.Sampler:
        """Return what tells, look by look, how many jobs a second go into each queue and out of it."""
        return rates.Sampler(self.access)

    def monitor(self, limits: monitors.Limits) -> monitors.Watched:
        """Look whether all is well, by these limits and by what the doctor calls a problem."""
        return monitors.watch(self.access, limits)

    def exporter(self) -> exporters.Exporter:
        """Return what makes a text of all that for Prometheus, scrape by scrape."""
        return exporters.Exporter(self.access)

    def orphans(self, peer: Literal["exq", "verk"]) -> inspector.Orphans:
        """What nodes of Exq or Verk hold, to give it back to its queues when they died."""
        return inspector.Orphans(self.access, peer)

    @property
    def running(self) -> inspector.WorkSet:
        """What the workers run at this moment, Ruby's too; as of their last heartbeats."""
        return inspector.WorkSet(self.access)

    def watch(self, *, queue: str = "", name: str = "") -> inspector.Watching:
        """Follow starts and ends of jobs as they happen: all, or those of one queue or class."""
        access = inspector.Access(self.store, self.keys, self.config.dead, self.config.wire)
        return inspector.Watching(access, queue=queue, name=name)

    def find(self, query: queries.Query, **bounds: Any) -> searches.Everywhere:
        """Find the jobs that match, wherever they are: see `redisjobs.inspector.search.find`."""
        return searches.find(self.access, query, **bounds)

    def locate(self, jid: str, *, hint: str = "", budget_s: float = 0.3) -> searches.Located:
        """Find a job wherever it is: see `redisjobs.inspector.search.locate`."""
        return searches.locate(self.access, jid, hint=hint, budget_s=budget_s)

    def doctor(self) -> doctors.Report:
        """Look for what is wrong with Redis, queues and workers, and what to do about it; nothing is changed."""
        return doctors.examine(self.access)

    @cached_property
    def tabs(self) -> list[webs.Tab]:
        """The pages that plug-ins add to the web UI: append one."""
        return []

    def web(self, **settings: Any) -> webs.Web:
        """Return the web UI as an ASGI app, to serve or to mount: see `redisjobs.web.Settings`; extra `web`."""
        settings["sensitive"] = {**self._sensitive, **settings.get("sensitive", {})}
        settings["tabs"] = [*self.tabs, *settings.get("tabs", ())]
        return webs.Web(self.access, webs.Settings(**settings))

    def redaction(self, patterns: Iterable[str | re.Pattern[str]] = ()) -> redact.Redaction:
        """What pages may show: what matches `patterns`, and what jobs of this app declare `sensitive`, is hidden.

        Raises:
            ConfigError: one of the patterns is no regular expression.
        """
        return redact.Redaction(patterns, self._sensitive)

    @property
    def _sensitive(self) -> dict[str, Sensitive]:
        return {job.name: job.sensitive for job in self.registry if job.opts.sensitive}

    @cached_property
    def access(self) -> inspector.Access:
        """What the inspector works with: this app's Redis, which it gives up on after the first failure."""
        return inspector.Access(self.store.impatient(), self.keys, self.config.dead, self.config.wire)
