"""From a name on the wire to a job. A name that was not registered leads nowhere: nothing is ever imported by it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from redisjobs.errors import OptionError, UnknownJobError
from redisjobs.jobs.job import Job
from redisjobs.wire.elixir import ELIXIR, spelled
from redisjobs.wire.times import Wire


class Registry:
    """The jobs of one app, by name; `active`: those that run classes of ActiveJob, which have names of their own.

    Beside Exq and Verk `Elixir.My.Worker`, `My.Worker` and `My::Worker` are one name, unless there is a job of each.
    """

    def __init__(self, wire: Wire = "sidekiq8") -> None:
        self._jobs: dict[str, Job[Any, Any]] = {}
        self._active: dict[str, Job[Any, Any]] = {}
        self._spelled: dict[str, Job[Any, Any]] | None = {} if wire in ELIXIR else None

    def add(self, job: Job[Any, Any], *, active: bool = False) -> None:
        """Register a job.

        Raises:
            OptionError: another function has this name. The same function, imported anew, replaces itself.
        """
        jobs = self._active if active else self._jobs
        known = jobs.get(job.name)
        if known is not None and _origin(known) != _origin(job):
            raise OptionError(
                f"two jobs are called {job.name!r}: {_origin(known)} and {_origin(job)}; give one a name="
            )
        jobs[job.name] = job
        if self._spelled is not None and not active:
            self._spelled[spelled(job.name)] = job

    def find(self, name: str) -> Job[Any, Any]:
        """Return the job of a name.

        Raises:
            UnknownJobError: there is none.
        """
        job = self._jobs.get(name)
        if job is None and self._spelled is not None:
            job = self._spelled.get(spelled(name))
        if job is None:
            raise UnknownJobError(name)
        return job

    def find_active(self, name: str) -> Job[Any, Any]:
        """Return the job that runs a class of ActiveJob. Raises as `find`."""
        job = self._active.get(name)
        if job is None:
            raise UnknownJobError(name)
        return job

    def __iter__(self) -> Iterator[Job[Any, Any]]:
        return chain(self._jobs.values(), self._active.values())


def _origin(job: Job[Any, Any]) -> str:
    return f"{job.function.__module__}.{getattr(job.function, '__qualname__', job.name)}"
