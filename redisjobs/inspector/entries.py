"""What stands in a queue or a set, read as far as it can be read.

Anybody may have written an entry. Each property gives its field if that is of its kind, else nothing; none raises.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from redisjobs.errors import PayloadError
from redisjobs.wire import activejob, backtrace, deadletter, elixir, jobdata, payload, resque, times

E_co = TypeVar("E_co", bound="JobEntry", covariant=True)
HIDDEN = "[encrypted]"
RAW_ID = "raw-"
_MAILS = ("ActionMailer::MailDeliveryJob", "ActionMailer::DeliveryJob")


@dataclass(frozen=True, repr=False)
class JobEntry:
    """One entry of a queue: its exact bytes, and the name of the queue it stands in (empty in a set).

    `index`: how many newer ones stood before it in the queue when it was read, if that was asked for.
    """

    raw: bytes
    source: str = ""
    index: int | None = field(default=None, compare=False, kw_only=True)

    @cached_property
    def payload(self) -> dict[str, Any] | None:
        """All fields, or None if the bytes are no JSON object."""
        try:
            return payload.fields(self.raw)
        except PayloadError:
            return None

    @cached_property
    def problem(self) -> PayloadError | None:
        """Why a worker could not run this; None if it could."""
        try:
            payload.decode(self.raw)
        except PayloadError as error:
            return error
        return None

    @property
    def malformed(self) -> bool:
        """Whether this is no job that could run: as it stands, or as the envelope of bytes that are none."""
        return self.problem is not None or self.original is not None

    @cached_property
    def original(self) -> bytes | None:
        """The bytes as they came, if this is the envelope that a worker put around them; else None."""
        return deadletter.unwrap(self.payload or {})

    @property
    def jid(self) -> str:
        """The job's id, empty if it has none."""
        return self._text("jid")

    @cached_property
    def id(self) -> str:
        """What to ask for this entry by: the jid, else `raw-` and a digest of the bytes."""
        return self.jid or f"{RAW_ID}{hashlib.sha1(self.raw, usedforsecurity=False).hexdigest()[:16]}"

    @property
    def name(self) -> str:
        """The name on the wire."""
        return self._text("class")

    @property
    def display_name(self) -> str:
        """The name that people know: of ActiveJob the class inside, of a mail its mailer and method."""
        known = self._text("display_class") or self._mail
        return known or self._text("wrapped") or (self._active and jobdata.job_class(self.args)) or self.name

    @property
    def args(self) -> list[Any]:
        """The arguments; empty if they are no array."""
        found = elixir.list_in(self._field("args"))
        return found if isinstance(found, list) else []

    @property
    def display_args(self) -> list[Any]:
        """The arguments that people know: of ActiveJob those inside; an encrypted last one is not shown."""
        args = self.args
        inner = jobdata.arguments(args)
        if self._active and isinstance(inner, list):
            try:
                return activejob.shown(inner[3:] if self._mail else inner)  # type: ignore[no-any-return]
            except RecursionError:
                return inner
        return [*args[:-1], HIDDEN] if args and self._field("encrypt") else args

    @property
    def queue(self) -> str:
        """The queue it stands in, or goes to; empty if it names none."""
        return self.source or self._text("queue")

    @property
    def retry_count(self) -> int | None:
        """How often it was retried, whoever counted: None before the first failure, 0 after it."""
        found = self._field("retry_count")
        if elixir.counts_failures(self.payload or {}):
            failures = elixir.failures(self.payload or {})
            return failures - 1 if failures else None
        return int(found) if isinstance(found, int | float) and not isinstance(found, bool) else None

    @property
    def error_class(self) -> str:
        """The class of the last error, empty if there was none."""
        return self._text("error_class")

    @property
    def error_message(self) -> str:
        """The text of the last error."""
        return self._text("error_message")

    @property
    def backtrace(self) -> list[str]:
        """The lines of the last error's backtrace, where it was raised first; empty if none was kept."""
        return backtrace.unpack(self._field("error_backtrace"))

    @property
    def tags(self) -> list[str]:
        """The job's tags."""
        found = self._field("tags")
        return [str(tag) for tag in found] if isinstance(found, list) else []

    @property
    def created_at(self) -> float | None:
        """When it was made, Unix seconds."""
        return times.seconds(self._field("created_at"))

    @property
    def enqueued_at(self) -> float | None:
        """When it was last put into a queue, Unix seconds."""
        return times.seconds(self._field("enqueued_at"))

    @property
    def failed_at(self) -> float | None:
        """When it first failed, Unix seconds."""
        return times.seconds(self._field("failed_at"))

    @property
    def retried_at(self) -> float | None:
        """When it last failed after a retry, Unix seconds."""
        return times.seconds(self._field("retried_at"))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.display_name or 'malformed'} {self.id}>"

    @property
    def _active(self) -> bool:
        return self.name in jobdata.WRAPPERS

    @property
    def _mail(self) -> str:
        inner = jobdata.arguments(self.args)
        if not self._active or jobdata.job_class(self.args) not in _MAILS or not isinstance(inner, list):
            return ""
        return "#".join(str(part) for part in inner[:2])

    def _field(self, name: str) -> Any:
        return self.payload.get(name) if self.payload is not None else None

    def _text(self, name: str) -> str:
        found = self._field(name)
        return found if isinstance(found, str) else ""


@dataclass(frozen=True, repr=False)
class ResqueEntry(JobEntry):
    """One entry of a queue of Resque's. Its jid is a digest of the bytes: equal jobs share one."""

    @cached_property
    def problem(self) -> PayloadError | None:
        """See `JobEntry`."""
        try:
            resque.decode(self.raw)
        except PayloadError as error:
            return error
        return None

    @property
    def jid(self) -> str:
        """See above."""
        return resque.jid(self.raw)

    @property
    def display_name(self) -> str:
        """See `JobEntry`."""
        found = self._wrapped().get("job_class")
        return found if isinstance(found, str) else self.name

    @property
    def display_args(self) -> list[Any]:
        """See `JobEntry`."""
        found = self._wrapped().get("arguments")
        return found if isinstance(found, list) else self.args

    def _wrapped(self) -> dict[str, Any]:
        args = self.args
        return args[0] if self.name == resque.ACTIVE_JOB and args and isinstance(args[0], dict) else {}


@dataclass(frozen=True, repr=False)
class SetEntry(JobEntry):
    """One entry of the retry, schedule or dead set. `score` may be infinite: others write there too."""

    score: float = 0.0

    @property
    def at(self) -> float:
        """When it is due, or died: Unix seconds."""
        return self.score


@dataclass(frozen=True, slots=True)
class Acted(Generic[E_co]):
    """What was done with some entries: how many went, and which were left where they are, and why.

    Those of neither kind were not there any more.
    """

    count: int
    left: Sequence[tuple[E_co, str]] = ()
