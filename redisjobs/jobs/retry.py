"""What becomes of a job that failed: Sidekiq's rules, to the letter (spec: sidekiq.md 1.3, 3.5, 3.6).

Beside Exq and Verk: the same ones with their fields and delays (spec: exq.md 1.2, verk.md 3.2).

Pure: from the payload, the error and the options to the fields that change and where the job goes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field

from redisjobs.errors import ChildDiedError, JobCancelled, UnknownJobError
from redisjobs.jobs.options import JobOptions
from redisjobs.jobs.outcome import MAX_DELAY_S, Discard, Kill, Retry
from redisjobs.lazy import LazyModule
from redisjobs.wire import backtrace, elixir, times
from redisjobs.wire import payload as payloads
from redisjobs.wire.times import Wire

if TYPE_CHECKING:
    import random
    import traceback
    from types import TracebackType
else:
    random = LazyModule("random")
    traceback = LazyModule("traceback")

log = logging.getLogger("redisjobs")

MAX_MESSAGE = 10_000
POISON = "redisjobs.PoisonPill"
"""The class of error of a job whose processes died."""

CRASH_MEMORY_S = 72 * 3600
_MOST_RETRIES = 1_000_000
_SURROGATES = re.compile("[\ud800-\udfff]")


class Failure(Struct, frozen=True):
    """What becomes of a failed job.

    `where`: `retry` after `delay_s` seconds, `dead`, or `gone`. `died`: the death handlers are to be called.
    """

    where: Literal["retry", "dead", "gone"]
    changes: dict[str, Any] = field(default_factory=dict)
    delay_s: float = 0.0
    died: bool = False


class RetryPolicy(Struct, frozen=True):
    """Decides about failed jobs. `jitter(n)` gives an integer from 0 to n - 1; by default a random one.

    A job is poison when so many of its child processes died within three days. Its payload remembers them (`crashes`):
    so the count moves with the job, in one step with it, through retries that change the payload each time.
    """

    wire: Wire = "sidekiq8"
    max_retries: int = 25
    jitter: Callable[[int], int] | None = None
    max_recoveries: int = 3

    def decide(
        self, payload: Mapping[str, Any], queue: str, error: BaseException, options: JobOptions, now: float
    ) -> Failure:
        """Return what becomes of a job that raised `error` when it was run from `queue`."""
        retry = elixir.retry_of(payload)
        if retry is None:
            retry = options.retry
        changes, count = self._changes(payload, queue, error, now)
        if self._is_elixir:
            changes["retry"] = elixir.retries(retry, self.max_retries)
            if self.wire == "verk":
                changes["max_retry_count"] = changes["retry"]
        if isinstance(error, ChildDiedError) and self._is_poison(payload, changes, now):
            return Failure("dead", changes, died=True)
        noted = {**payload, **changes}
        if isinstance(error, Kill | JobCancelled):
            return Failure("dead", changes, died=True)
        if retry is False:  # dropped, as Ruby does, but not one that was never run
            return Failure("dead" if isinstance(error, UnknownJobError) else "gone", changes, died=True)
        if self._exhausted(noted, retry, count, now):
            return self._exhaust(noted, changes, error, options)
        delay_s: Any = error.delay_s if isinstance(error, Retry) else self._asked(noted, count, error, options)
        if isinstance(delay_s, Kill) or delay_s is Kill:
            return self._exhaust(noted, changes, error, options)
        if isinstance(delay_s, Discard) or delay_s is Discard:
            return Failure("gone", changes, died=True)
        if isinstance(error, Retry) and delay_s is not None:
            return Failure("retry", changes, delay_s)
        usual_s = (count + self._is_elixir) ** 4 + 15
        base_s = min(delay_s if delay_s is not None else usual_s, MAX_DELAY_S)
        return Failure("retry", changes, float(base_s + self._jitter_s(count)))

    def _changes(
        self, payload: Mapping[str, Any], queue: str, error: BaseException, now: float
    ) -> tuple[dict[str, Any], int]:
        cause = error.__cause__ if isinstance(error, Retry) and error.__cause__ else error
        count = min(elixir.failures(payload), _MOST_RETRIES + 1)
        changes = payloads.mended(payload, at=now, wire=self.wire) | {
            "queue": _text_or(payload.get("retry_queue"), queue),
            "error_message": message_of(cause),
            "error_class": class_of(cause),
            "retry_count": count + (self._is_elixir or elixir.counts_failures(payload)),
        }
        if count == 0 or times.seconds(payload.get("failed_at")) is None:
            changes["failed_at"] = times.stamp(now, self.wire)
        if count > 0 or (changes["retry_count"] > 0 and self.wire != "verk"):  # Ruby's pages need both or none
            changes["retried_at"] = times.stamp(now, self.wire)
        lines = _wanted_lines(payload.get("backtrace"))
        if lines:
            changes["error_backtrace"] = backtrace.pack(lines_of(cause)[:lines], self.wire)
        return changes, count

    def _is_poison(self, payload: Mapping[str, Any], changes: dict[str, Any], now: float) -> bool:
        """Note in `changes` that a child process died; tell whether it was one too many."""
        known = payload.get("crashes")
        crashes = known if isinstance(known, list) else []
        earlier = [at for at in crashes if (times.seconds(at) or 0) > now - CRASH_MEMORY_S]
        changes["crashes"] = [*earlier, times.stamp(now, self.wire)]
        if len(changes["crashes"]) < self.max_recoveries:
            return False
        reason = f"poison pill: {len(changes['crashes'])} processes died while they ran this job; the last time: "
        changes["error_class"] = POISON
        changes["error_message"] = reason + changes["error_message"]
        changes["crashes"] = []  # who puts it back has mended something
        return True

    def _exhausted(self, payload: Mapping[str, Any], retry: Any, count: int, now: float) -> bool:
        limit = retry if isinstance(retry, int) and not isinstance(retry, bool) else self.max_retries
        retry_for = payload.get("retry_for")
        if isinstance(retry_for, int | float) and not isinstance(retry_for, bool) and retry_for:
            failed_at = times.seconds(payload.get("failed_at"))
            over = failed_at is not None and failed_at + retry_for < now
            return over or (self.wire != "sidekiq8" and count >= limit)
        return count >= limit

    def _exhaust(
        self, payload: dict[str, Any], changes: dict[str, Any], error: BaseException, options: JobOptions
    ) -> Failure:
        answer: Any = None
        if options.on_exhausted is not None:
            try:
                answer = options.on_exhausted(payload, error)
            except Exception:  # user code
                log.exception("on_exhausted failed", extra={"jid": payload.get("jid")})
        if payload.get("dead") is False or answer is Discard or isinstance(answer, Discard):
            return Failure("gone", changes, died=True)
        return Failure("dead", changes, died=True)

    def _asked(self, payload: dict[str, Any], count: int, error: BaseException, options: JobOptions) -> Any:
        """Return what `retry_in` says: seconds above 0, Kill, Discard, or None for the usual delay."""
        if options.retry_in is None:
            return None
        try:
            answer = options.retry_in(count, error, payload)
        except Exception:  # user code
            log.exception("retry_in failed; the usual delay is used", extra={"jid": payload.get("jid")})
            return None
        if isinstance(answer, int | float) and not isinstance(answer, bool):
            return answer if answer > 0 else None
        return answer if answer in (Kill, Discard) or isinstance(answer, Kill | Discard) else None

    @property
    def _is_elixir(self) -> bool:
        return self.wire in elixir.ELIXIR

    def _jitter_s(self, count: int) -> int:
        jitter = self.jitter or random.randrange
        if self._is_elixir:
            return jitter(30) * (count + 2)
        if self.wire == "sidekiq8":
            return jitter(10 * (count + 1))
        return jitter(10) * (count + 1)


def message_of(error: BaseException) -> str:
    """Return an error's text as it may stand in a payload: valid Unicode, at most 10,000 characters."""
    try:
        text = str(error)
    except Exception:  # user code
        text = "the error's own message could not be read"
    return _SURROGATES.sub("\ufffd", text[:MAX_MESSAGE])


def class_of(error: BaseException) -> str:
    """Return an error's class as Ruby's pages can print it: `ValueError`, `shop.errors.OutOfStock`."""
    return name_of(type(error))


def name_of(kind: type[BaseException]) -> str:
    """See `class_of`: the name of a class of errors."""
    name = kind.__qualname__.replace("<locals>.", "").replace("<", "").replace(">", "")
    return name if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{name}"


def lines_of(error: BaseException) -> list[str]:
    """Return an error's backtrace as Ruby orders it: where it was raised first, `file:line:in function`."""
    frames = traceback.extract_tb(users_traceback(error) or error.__traceback__)
    return [f"{frame.filename}:{frame.lineno}:in `{frame.name}'" for frame in reversed(frames)]


def users_traceback(error: BaseException) -> TracebackType | None:
    """Return an error's traceback from the first frame of the job on; None if it arose in the machinery alone."""
    start = step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == _PROCESSOR:
            start = step.tb_next
        step = step.tb_next
    while start is not None and start.tb_frame.f_code.co_filename.startswith(_MACHINERY):
        start = start.tb_next
    return start


_PACKAGE = __file__.rpartition("/jobs/")[0]
_PROCESSOR = f"{_PACKAGE}/worker/processor.py"
_MACHINERY = tuple(f"{_PACKAGE}/{folder}/" for folder in ("worker", "middleware", "store"))


def _wanted_lines(value: Any) -> int:
    if value is True:
        return 1_000_000
    return value if isinstance(value, int) and value > 0 else 0


def _text_or(value: Any, other: str) -> str:
    return value if isinstance(value, str) and value else other
