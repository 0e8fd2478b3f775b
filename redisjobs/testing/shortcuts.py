"""The assertions of `Jobs` as functions: about the innermost `fake` or `inline`."""

from __future__ import annotations

from typing import Unpack

from redisjobs.testing.jobs import current
from redisjobs.testing.records import AnyJob, Enqueued, Run, Wanted


def enqueued(job: AnyJob | None = None, **wanted: Unpack[Wanted]) -> list[Enqueued]:
    """See `Jobs.enqueued`."""
    return current().enqueued(job, **wanted)


def assert_enqueued(job: AnyJob, *, count: int | None = None, **wanted: Unpack[Wanted]) -> Enqueued:
    """See `Jobs.assert_enqueued`."""
    __tracebackhide__ = True
    return current().assert_enqueued(job, count=count, **wanted)


def assert_not_enqueued(job: AnyJob | None = None, **wanted: Unpack[Wanted]) -> None:
    """See `Jobs.assert_not_enqueued`."""
    __tracebackhide__ = True
    current().assert_not_enqueued(job, **wanted)


def drain(
    queue: str | None = None, *, scheduled: bool = False, retries: bool = False, raise_errors: bool = True
) -> list[Run]:
    """See `Jobs.drain`."""
    return current().drain(queue, scheduled=scheduled, retries=retries, raise_errors=raise_errors)
