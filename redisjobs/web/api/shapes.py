"""What the answers of the API look like, where more than one endpoint has it: jobs, queries, and what was done.

What stands in Redis was written by anybody: texts are shown redacted, and numbers that JSON has none for are null.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from redisjobs.errors import QueryError
from redisjobs.inspector import JobEntry, SetEntry
from redisjobs.inspector.acting import ACTIONS, hint, key
from redisjobs.inspector.iteration import Iteration
from redisjobs.inspector.query import Query
from redisjobs.inspector.redact import Redaction
from redisjobs.inspector.search import Found, Located
from redisjobs.inspector.timeline import timeline
from redisjobs.web.view import View

MOST = 1_000
LOOK_S = 0.2
_LONGEST_MESSAGE = 2_000
_LARGE_BYTES = 64 * 1024

Limit = Annotated[int, Meta(ge=1, le=MOST, description="How many at most.")]
Cursor = Annotated[str, Meta(description="Where an earlier answer ended; empty: from the beginning.")]
BudgetS = Annotated[float, Meta(gt=0, le=5, description="Seconds to look for; then the answer is partial.")]
Place = Literal["retry", "schedule", "dead", "queue", "running", "leased"]
Json = Any


class Asked(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to look for among jobs: all that is given must fit."""

    q: Annotated[str, Meta(description="Text anywhere in the job, whatever its case.")] = ""
    class_: Annotated[str, Meta(description="The whole name of the class.")] = field(default="", name="class")
    jid: str = ""
    queue: str = ""
    error: Annotated[str, Meta(description="Text in the class or message of the error.")] = ""
    error_class: str = ""
    message: Annotated[str, Meta(description="Text in the message of the error.")] = ""
    args: Annotated[str, Meta(description="Text in the arguments.")] = ""
    tag: str = ""
    since: Annotated[str, Meta(description="From then on: 2h (ago), +2h, 2026-01-31, or Unix seconds.")] = ""
    until: Annotated[str, Meta(description="Up to then.")] = ""
    where: Annotated[str, Meta(description="Terms such as: class=Mail and error!~timeout.")] = ""

    def query(self, view: View) -> Query:
        """Return what is asked for, to ask it of entries."""
        names = {one.name: one.encode_name for one in msgspec.structs.fields(Asked)}
        return view.query({told: getattr(self, name) for name, told in names.items()})


class Listing(Asked, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same, a page at a time."""

    cursor: Cursor = ""
    limit: Limit = 50
    budget_s: BudgetS = LOOK_S


class Job(Struct, kw_only=True):
    """A job as a list has it. `key` is what stands for it in requests about jobs of this list; `hint`, as the parameter
    `at`, has it found at once by its id.

    `at`: when it is due, or died. `args`: null where the job is larger than 64 KiB. `malformed`: why it cannot run.
    """

    id: str
    key: str
    hint: str
    place: Place
    name: str
    class_: str = field(name="class")
    queue: str
    tags: list[str]
    args: list[Json] | None
    at: float | None
    created_at: float | None
    enqueued_at: float | None
    failed_at: float | None
    retried_at: float | None
    retry_count: int | None
    error_class: str
    error_message: str
    malformed: str
    size_bytes: int


class Jobs(Struct, kw_only=True):
    """A page of jobs. `partial`: there is more to look at, from `cursor` on; `looked` of `total` were."""

    jobs: list[Job]
    cursor: str
    partial: bool
    looked: int
    total: int


class Happened(Struct, kw_only=True):
    """What happened to a job or will, and when."""

    what: str
    at: float | None
    detail: str


class Iterated(Struct, kw_only=True):
    """How far a job of Ruby's is that iterates: its cursor as JSON text, how often it was begun, its seconds in all."""

    cursor: str
    executions: int
    runtime_s: float


class WholeJob(Job, kw_only=True):
    """All that is known of a job. `process` and `thread` run it since `run_at`; `process` alone holds it.

    `payload`: all its fields, or null where its bytes are no JSON object; then they are in `raw_base64`. `actions` are
    what can be done with it where it is.
    """

    process: str
    thread: str
    run_at: float | None
    payload: dict[str, Json] | None
    raw_base64: str
    backtrace: list[str]
    timeline: list[Happened]
    iteration: Iterated | None
    actions: list[str]


class Reason(Struct, kw_only=True):
    """Why a job was left where it is."""

    id: str
    reason: str


class Acted(Struct, kw_only=True):
    """What was done with jobs: how many, and how many of them were left where they are, and why."""

    done: int
    left: int
    reasons: list[Reason]


def job(cover: Redaction, entry: JobEntry, place: Place) -> Job:
    """Return a job as a list has it."""
    return Job(**_members(cover, entry, cover.entry(entry), place, whole=False))


def jobs(cover: Redaction, found: Found[Any], place: Place) -> Jobs:
    """Return a page of jobs."""
    return Jobs(
        jobs=[job(cover, entry, place) for entry in found.entries],
        cursor=found.cursor,
        partial=found.partial,
        looked=found.looked,
        total=found.total,
    )


def whole(cover: Redaction, found: Located, far: Iteration | None) -> WholeJob:
    """Return all that is known of a job that was found."""
    entry = found.entry
    assert entry is not None and found.place
    shown = cover.entry(entry)
    steps = timeline(shown, found.place, run_at=found.run_at)
    payload = _json(shown.payload)
    is_object = isinstance(payload, dict)
    return WholeJob(
        **_members(cover, entry, shown, found.place, whole=True),
        process=found.process,
        thread=found.thread,
        run_at=finite(found.run_at),
        payload=payload if is_object else None,
        raw_base64="" if is_object else base64.b64encode(shown.raw).decode(),
        backtrace=shown.backtrace,
        timeline=[Happened(what=step.what, at=finite(step.at), detail=step.detail) for step in steps],
        iteration=_iterated(cover, far) if far else None,
        actions=list(ACTIONS.get(found.place, ())),
    )


def _iterated(cover: Redaction, far: Iteration) -> Iterated:
    return Iterated(cursor=cover.text(far.cursor), executions=far.executions, runtime_s=far.runtime_s)


def reasons(cover: Redaction, told: Sequence[tuple[str, str]]) -> list[Reason]:
    """Return why jobs were left, by their ids."""
    return [Reason(id=one, reason=cover.text(reason)) for one, reason in told]


def finite(value: float | None) -> float | None:
    """Return a number that JSON has; None of others."""
    return value if value is not None and math.isfinite(value) else None


def _members(cover: Redaction, entry: JobEntry, shown: JobEntry, place: Place, *, whole: bool) -> dict[str, Any]:
    problem = entry.problem
    args = _json(shown.display_args) if whole or len(entry.raw) <= _LARGE_BYTES else None
    message = shown.error_message
    return {
        "id": entry.id,
        "key": key(entry),
        "hint": hint(entry, place),
        "place": place,
        "name": shown.display_name,
        "class_": shown.name,
        "queue": entry.queue,
        "tags": shown.tags,
        "args": args if isinstance(args, list) else None,
        "at": finite(entry.score) if isinstance(entry, SetEntry) else None,
        "created_at": finite(entry.created_at),
        "enqueued_at": finite(entry.enqueued_at),
        "failed_at": finite(entry.failed_at),
        "retried_at": finite(entry.retried_at),
        "retry_count": entry.retry_count,
        "error_class": shown.error_class,
        "error_message": message if whole else message[:_LONGEST_MESSAGE],
        "malformed": "" if problem is None else cover.text(f"{problem.field}: {problem.problem}"),
        "size_bytes": len(entry.raw),
    }


def _json(value: Any) -> Any:
    """Return a value if it can be written, else None: it may be nested too deeply."""
    try:
        msgspec.json.encode(value)
    except (RecursionError, ValueError, TypeError, OverflowError):
        return None
    return value


def checked(text: str, name: str) -> str:
    """Return a text that is to be written into Redis as JSON.

    Raises:
        QueryError: it is no valid text.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise QueryError(f"{name}: no UTF-8; write it as text") from None
    return text
