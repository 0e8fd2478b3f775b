"""Attempts: how often a job of Resque was tried, as resque-retry counts it: Resque's items have no place for that."""

from __future__ import annotations

from typing import Any

from redisjobs.errors import StoreUnavailableError
from redisjobs.jobs.outcome import Outcome, Release
from redisjobs.jobs.registry import Registry
from redisjobs.middleware.chain import Chain
from redisjobs.middleware.context import JobContext
from redisjobs.store.op import Steps
from redisjobs.store.ops import resque as ops
from redisjobs.store.resque_keys import ResqueKeys
from redisjobs.wire import jobdata
from redisjobs.wire import resque as items
from redisjobs.worker.endings import wants_retries
from redisjobs.worker.wiring import Wiring


def chain_of(wiring: Wiring) -> Chain[JobContext]:
    """Return what goes around each run: the app's middleware, and on Resque a count around that."""
    if isinstance(wiring.keys, ResqueKeys):
        return _Counting(wiring.keys, wiring.registry, wiring.chain)
    return wiring.chain


class _Counting(Chain[JobContext]):
    """A chain with a count of attempts around it, for the jobs that ask for retries. Costs them a round trip."""

    def __init__(self, keys: ResqueKeys, registry: Registry, inner: Chain[JobContext]) -> None:
        super().__init__()
        self._keys = keys
        self._registry = registry
        self._inner = inner

    def __len__(self) -> int:
        return len(self._inner) + 1

    def wrap(self, subject: JobContext) -> Steps[Any]:
        """See `Chain.wrap`."""
        of_rails = jobdata.job_class(subject.args) == subject.name  # it goes by the name inside
        found = self._registry.find_active(subject.name) if of_rails else self._registry.find(subject.name)
        if not wants_retries(found.opts):
            return (yield from self._inner.wrap(subject))
        job = items.retry_name(subject.name, subject.args)
        try:
            retries = yield from ops.begin_attempt(self._keys, job)
        except StoreUnavailableError:
            return Release()
        subject.tried(retries)
        result = yield from self._inner.wrap(subject)
        if not isinstance(result, Outcome):
            subject.on_settle(ops.forget_attempts(self._keys, job))
        return result
