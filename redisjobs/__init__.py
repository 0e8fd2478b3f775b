"""redisjobs: Sidekiq-compatible background jobs for Python, on the same Redis as Ruby."""

from redisjobs.app import RedisJobs
from redisjobs.client import Push
from redisjobs.errors import (
    AppNotFoundError,
    ChildDiedError,
    ChildStartError,
    ConfigError,
    DeserializationError,
    EmbeddedError,
    JobCancelled,
    JobInterrupted,
    JobTimeout,
    OptionError,
    PayloadError,
    PayloadTooLargeError,
    RedisJobsError,
    StoreError,
    StoreUnavailableError,
    UnknownJobError,
    WrongTypeError,
)
from redisjobs.jobs.job import Job
from redisjobs.jobs.outcome import Discard, Kill, Outcome, Release, Retry, Snooze
from redisjobs.middleware.context import JobContext, current_job
from redisjobs.store.op import Steps
from redisjobs.version import __version__

__all__ = [
    "AppNotFoundError",
    "ChildDiedError",
    "ChildStartError",
    "ConfigError",
    "DeserializationError",
    "Discard",
    "EmbeddedError",
    "Job",
    "JobCancelled",
    "JobContext",
    "JobInterrupted",
    "JobTimeout",
    "Kill",
    "OptionError",
    "Outcome",
    "PayloadError",
    "PayloadTooLargeError",
    "Push",
    "RedisJobs",
    "RedisJobsError",
    "Release",
    "Retry",
    "Snooze",
    "Steps",
    "StoreError",
    "StoreUnavailableError",
    "UnknownJobError",
    "WrongTypeError",
    "__version__",
    "current_job",
]
