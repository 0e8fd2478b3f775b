"""For users' tests: jobs that are collected, run at once, or run by a worker on a Redis of the test's own.

With pytest the fixtures `redisjobs_fake`, `redisjobs_inline` and `redisjobs_worker` are there by themselves.
"""

from redisjobs.testing.jobs import Jobs, current, fake, inline
from redisjobs.testing.records import AnyJob, Enqueued, Run, Wanted
from redisjobs.testing.shortcuts import assert_enqueued, assert_not_enqueued, drain, enqueued
from redisjobs.testing.workers import worker

__all__ = [
    "AnyJob",
    "Enqueued",
    "Jobs",
    "Run",
    "Wanted",
    "assert_enqueued",
    "assert_not_enqueued",
    "current",
    "drain",
    "enqueued",
    "fake",
    "inline",
    "worker",
]
