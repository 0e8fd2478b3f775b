"""Every exception that redisjobs raises on purpose.

RedisJobsError
├── PayloadError            these bytes are not a job, or this job cannot be written as one
│   └── PayloadTooLargeError
├── ConfigError             a setting is wrong; names its source and the remedy
│   └── AppNotFoundError    `module:attr` led nowhere
├── OptionError             a job option is unknown or of the wrong type
├── QueryError              what to look for cannot be read
├── TransferError           a line of a file cannot be imported
├── DeserializationError    an argument of an ActiveJob is none that Rails could have written
├── UnknownJobError         a name on the wire that nothing here is registered under
├── ChildStartError         no child process could be made ready for a job
├── ChildDiedError          the child process that ran a job ended before the job did
├── StoreError              Redis answered with an error that sending again does not cure
│   ├── WrongTypeError      a key holds another type than ours
│   └── StoreUnavailableError   Redis did not answer; nothing says whether it will
└── EmbeddedError           no private server could be started

JobInterrupted (BaseException)  the worker stops and this job is given back; `except Exception` lets it pass
JobTimeout (BaseException)  the job ran longer than its `timeout` allows; likewise
JobCancelled (BaseException)  somebody had the job cancelled while it ran; likewise
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from redisjobs.lazy import LazyModule

if TYPE_CHECKING:
    import difflib
else:
    difflib = LazyModule("difflib")


class RedisJobsError(Exception):
    """Base of all errors here; catch this to catch them all."""


class PayloadError(RedisJobsError):
    """These bytes are not a job, or this job cannot be written as one.

    Never retried: the same bytes stay wrong. A producer sees it at once and nothing is sent; a worker moves the
    bytes to the dead set, whole.
    """

    def __init__(self, field: str, problem: str, raw: bytes = b"") -> None:
        super().__init__(field, problem, raw)  # all of them: errors cross processes
        self.field, self.problem, self.raw = field, problem, raw

    def __str__(self) -> str:
        text = f"{self.field}: {self.problem}"
        return f"{text}, in {self.raw[:120]!r}" if self.raw else text


class PayloadTooLargeError(PayloadError):
    """A job is larger than `max_payload_bytes`; pass a reference to the data, not the data."""


class ConfigError(RedisJobsError):
    """A setting is wrong. The text names where it came from and what to write instead."""


class AppNotFoundError(ConfigError):
    """`module:attr` does not lead to a RedisJobs app; the text says what was looked for, and where."""


class OptionError(RedisJobsError):
    """A job option is unknown or of the wrong type; raised when the job is declared, not when it runs."""


class QueryError(RedisJobsError):
    """What to look for cannot be read: the text names the term that is wrong, and what to write instead."""


class TransferError(RedisJobsError):
    """A line cannot be imported, or no line can have a job; the text names the line, the field and the remedy."""


class DeserializationError(RedisJobsError):
    """An argument of an ActiveJob is none that Rails could have written. The job did not run; it is retried."""


class UnknownJobError(RedisJobsError):
    """No job is registered under this name. The worker retries it: another deploy may know it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"no job is registered under the name {self.name!r} in this process"


class ChildStartError(RedisJobsError):
    """No child process could be made ready for a job; the text says why. The job did not run; it is retried."""


class ChildDiedError(RedisJobsError):
    """The child process that ran a job ended before the job did; the text says by which signal or exit code.

    Retried as any failure; a job whose children die again and again is buried as a poison pill.
    """


class StoreError(RedisJobsError):
    """Redis answered with an error that sending again does not cure."""


class WrongTypeError(StoreError):
    """A key holds another type than ours: something else wrote there. Rename or delete that key."""


class StoreUnavailableError(StoreError):
    """Redis did not answer in time, or is loading, full or a replica. What was sent may or may not have happened."""


class EmbeddedError(RedisJobsError):
    """No private Redis could be started; the text says what was tried and how to get one."""


class JobInterrupted(BaseException):
    """Raised inside a running job when its worker must stop; the job has been given back to its queue."""


class JobTimeout(BaseException):
    """Raised inside a job that has run for `timeout_s` seconds, its `timeout`; the job fails with it and is retried.

    In a coroutine it is a cancellation that becomes this error outside the job. A thread hears it between two steps of
    Python, so that one that waits in C hears it only afterwards. A process does not hear it: it is killed.
    """

    def __init__(self, timeout_s: float | None = None) -> None:
        super().__init__(timeout_s)
        self.timeout_s = timeout_s

    def __str__(self) -> str:
        return "the job ran longer than its timeout" + ("" if self.timeout_s is None else f" of {self.timeout_s:g} s")


class JobCancelled(BaseException):
    """Raised inside a running job that somebody had cancelled; it goes to the dead set and is not retried.

    As with `JobTimeout` a coroutine hears a cancellation, a thread hears it between two steps of Python, and a process
    is killed.
    """

    def __str__(self) -> str:
        return "the job was cancelled while it ran; it runs again if it is retried from here"


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return `; did you mean 'x'?` for the nearest of the known names, `otherwise` if none is near."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else otherwise
