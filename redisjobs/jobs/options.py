"""The options of a job: Sidekiq's own, checked where the job is declared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct, structs

from redisjobs.errors import OptionError, did_you_mean

RetryIn: TypeAlias = Callable[[int, BaseException, dict[str, Any]], Any]
"""Called with `retry_count` (0 at the first failure), the error and the payload; returns seconds, `Kill`, `Discard`
or None for the usual delay."""

OnExhausted: TypeAlias = Callable[[dict[str, Any], BaseException], Any]
"""Called with the payload and the last error when no attempt is left; returning `Discard` skips the dead set."""

MAX_SECONDS = 1_000_000_000


class JobOptions(Struct, frozen=True):
    """How jobs are queued and retried.

    | option | meaning |
    |---|---|
    | queue | name of the queue |
    | retry | True: `max_retries` of the app; a number: so many; 0: none, then the dead set; False: none, then gone |
    | retry_queue | the queue that retries go to |
    | retry_for | seconds during which to retry, whatever the count |
    | dead | False: no entry in the dead set when exhausted |
    | backtrace | True: keep all lines of the error's backtrace; a number: so many |
    | tags | strings shown beside the job |
    | log_level | level of the loggers while the job runs (`debug` ...) |
    | timeout | seconds after which a run fails with `JobTimeout`; hard in a process, else as good as Python can |
    | executor | "process" runs it in a child process that can be killed; "thread" or None: see `WorkerConfig` |
    | retry_in | see `RetryIn` |
    | on_exhausted | see `OnExhausted` |
    | shard | the server that it goes to, one of the app's `shards`; not on the wire |
    | sensitive | arguments that pages do not show: names of parameters, numbers from 0; keys of dicts too |
    """

    queue: str = "default"
    retry: bool | int = True
    retry_queue: str | None = None
    retry_for: float | None = None
    dead: bool = True
    backtrace: bool | int = False
    tags: tuple[str, ...] = ()
    log_level: str | None = None
    timeout: float | None = None
    executor: Literal["thread", "process"] | None = None
    retry_in: RetryIn | None = None
    on_exhausted: OnExhausted | None = None
    shard: str | None = None
    sensitive: tuple[str | int, ...] = ()

    def merge(self, given: Mapping[str, Any]) -> JobOptions:
        """Return these options with some set anew.

        Raises:
            OptionError: an unknown name, with the nearest known one, or a value of the wrong kind.
        """
        if not given:
            return self
        checked = {name: _checked(name, value) for name, value in given.items()}
        return structs.replace(self, **checked)

    def for_call(self, given: Mapping[str, Any]) -> JobOptions:
        """Return these options with some set anew for single jobs, which carry them on the wire.

        Raises:
            OptionError: as `merge`, or what stays with the declaration, where the worker finds it.
        """
        for name, whose in (("executor", "the worker"), ("sensitive", "the pages")):
            if name in given:
                raise OptionError(
                    f"{name} is a matter of {whose}, not of single jobs: give it where the job is declared"
                )
        for name in given.keys() & {"retry_in", "on_exhausted"}:
            raise OptionError(f"{name} is a function, which no payload can carry: give it where the job is declared")
        return self.merge(given)

    def wire_fields(self) -> dict[str, Any]:
        """Return what the payload says of the options, in Ruby's order; what is as by default is left out.

        `retry` and `queue` are always there: Ruby drops a failing job whose payload lacks `retry`.
        """
        found: dict[str, Any] = {"retry": self.retry, "queue": self.queue}
        if self.retry_queue is not None:
            found["retry_queue"] = self.retry_queue
        if self.retry_for is not None:
            found["retry_for"] = max(1, int(self.retry_for))
        if not self.dead:
            found["dead"] = False
        if self.backtrace is not False:
            found["backtrace"] = self.backtrace
        if self.tags:
            found["tags"] = list(self.tags)
        if self.log_level is not None:
            found["log_level"] = self.log_level
        if self.timeout is not None:
            found["timeout"] = self.timeout
        return found

    def push_fields(self) -> dict[str, Any]:
        """Return the fields for the wire and, under `shard`, where to: the client takes that out again."""
        return self.wire_fields() if self.shard is None else {**self.wire_fields(), "shard": self.shard}


_NAMES = JobOptions.__struct_fields__


def _checked(name: str, value: Any) -> Any:
    if name not in _NAMES:
        hint = did_you_mean(name, _NAMES, ".")
        raise OptionError(f"no job option is called {name!r}{hint} There are: {', '.join(_NAMES)}")
    check, wanted = _CHECKS[name]
    if not check(value):
        raise OptionError(f"{name}={value!r}: must be {wanted}")
    return tuple(value) if name in ("tags", "sensitive") else value


def _count(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, int) and value >= 0)


def seconds(value: Any) -> float | None:
    """Return a number of seconds above 0, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= MAX_SECONDS else None


def _name(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _place(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "queue": (_name, "the name of a queue"),
    "retry": (_count, "True, False or a number of retries from 0"),
    "retry_queue": (lambda value: value is None or _name(value), "the name of a queue"),
    "retry_for": (
        lambda value: value is None or seconds(value) is not None,
        "a number of seconds, at most 1,000,000,000",
    ),
    "dead": (lambda value: isinstance(value, bool), "True or False"),
    "backtrace": (_count, "True, False or a number of lines"),
    "tags": (
        lambda value: isinstance(value, list | tuple) and all(isinstance(item, str) for item in value),
        "a list of strings",
    ),
    "log_level": (
        lambda value: value is None or str(value).lower() in ("debug", "info", "warn", "warning", "error", "fatal"),
        "debug, info, warn, error or fatal",
    ),
    "timeout": (
        lambda value: value is None or seconds(value) is not None,
        "a number of seconds above 0, at most 1,000,000,000",
    ),
    "executor": (lambda value: value in (None, "thread", "process"), '"thread" or "process"'),
    "retry_in": (lambda value: value is None or callable(value), "a function"),
    "on_exhausted": (lambda value: value is None or callable(value), "a function"),
    "shard": (lambda value: value is None or _name(value), "the name of a shard"),
    "sensitive": (
        lambda value: isinstance(value, list | tuple) and all(_name(item) or _place(item) for item in value),
        "a list of names of parameters, or of numbers from 0",
    ),
}
