"""What travels with jobs: fields of the payload that a job passes on to those it enqueues, and context variables."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Protocol

from redisjobs.middleware.context import JobContext, running
from redisjobs.store.op import Steps

CARRIED = "carried"
"""The payload's field for context variables: an object, from their names to their values."""


class Pushed(Protocol):
    """What is asked of a push."""

    fields: dict[str, Any]


@dataclass(frozen=True)
class Forward:
    """Client middleware: gives a job the fields of the job that enqueues it, unless it has them already."""

    names: tuple[str, ...]

    def __call__(self, push: Pushed) -> Steps[None]:
        """Run around a push."""
        job = running.get()
        if job is not None:
            for name, value in job.payload.items():
                if any(fnmatchcase(name, pattern) for pattern in self.names):
                    push.fields.setdefault(name, value)
        yield


@dataclass(frozen=True)
class Save:
    """Client middleware: writes the value of a context variable, if it has one here, into the payload."""

    var: ContextVar[Any]

    def __call__(self, push: Pushed) -> Steps[None]:
        """Run around a push."""
        try:
            value = self.var.get()
        except LookupError:
            pass
        else:
            push.fields[CARRIED] = {**push.fields.get(CARRIED, {}), self.var.name: value}
        yield


@dataclass(frozen=True)
class Load:
    """Server middleware: sets a context variable to what the payload says, for the length of a run."""

    var: ContextVar[Any]

    def __call__(self, job: JobContext) -> Steps[None]:
        """Run around a job."""
        carried = job.payload.get(CARRIED)
        if not isinstance(carried, dict) or self.var.name not in carried:
            yield
            return
        token = self.var.set(carried[self.var.name])
        try:
            yield
        finally:
            self.var.reset(token)
