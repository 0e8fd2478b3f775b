"""What went wrong, in groups: jobs that failed in the same way are one group, however many and whatever their data.

Pure but for the walk through the sets, which changes nothing.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from redisjobs import clock
from redisjobs.inspector.entries import SetEntry
from redisjobs.inspector.query import Query
from redisjobs.inspector.sets import DeadSet, JobSet
from redisjobs.inspector.sweep import SetSweep

MALFORMED = "(malformed)"
NO_ERROR = "(no error)"

_SHAPED_CHARS = 400  # of a message; what follows tells no two apart
_VARYING = re.compile(
    r"""
    (?P<uuid> \b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b )
    | (?P<text> "(?:[^"\\]|\\.)*" | (?<!\w)'(?:[^'\\]|\\.)*'(?!\w) | `[^`']*[`'] )
    | (?P<hex> \b0x[0-9a-f]+\b | \b(?=[a-f]*[0-9])[0-9a-f]{8,}\b
      | (?<![^\W_])(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{3,}(?![^\W_]) )
    | (?P<n> [0-9]+(?:[.,:][0-9]+)* )
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(slots=True)
class ErrorGroup:
    """Jobs whose last error had one class and, but for numbers, ids and quoted texts, one message.

    `first_at` is when the first of them failed first, `last_at` when the last of them failed last, Unix seconds; None
    if none says so. `sample` is the one that failed last.
    """

    error_class: str
    message: str
    sample: SetEntry
    count: int = 0
    first_at: float | None = None
    last_at: float | None = None
    jobs: Counter[str] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Groups:
    """All groups, the largest first, of the `looked` of `total` entries that were looked at."""

    groups: list[ErrorGroup]
    looked: int
    total: int

    @property
    def partial(self) -> bool:
        """Whether the time was up before all was looked at."""
        return self.looked < self.total


def group(sets: Sequence[JobSet], query: Query, *, budget_s: float = math.inf) -> Groups:
    """Group the entries of some sets that match, for about `budget_s` seconds."""
    until = clock.monotonic() + budget_s
    walks = [(one, SetSweep(one, query)) for one in sets]
    found: dict[tuple[str, str], ErrorGroup] = {}
    looked = 0
    for one, walk in walks:
        for entries in walk:
            looked += len(entries)
            _add(found, one, [entry for entry in entries if query.matches(entry)])
            if clock.monotonic() >= until:
                break
    total = sum(walk.total for _, walk in walks)
    return Groups(sorted(found.values(), key=_importance), looked, max(looked, total))


def shape(message: str) -> str:
    """Return what messages of one kind have in common: their first line, with `<n>`, `<hex>`, `<uuid>` and `<text>`."""
    line = next((line for line in message[:_SHAPED_CHARS].splitlines() if line.strip()), "")
    return _VARYING.sub(lambda match: f"<{match.lastgroup}>", line.strip())


def _add(found: dict[tuple[str, str], ErrorGroup], source: JobSet, entries: Iterable[SetEntry]) -> None:
    for entry in entries:
        error_class, message = _error(entry)
        key = (error_class, shape(message))
        one = found.get(key)
        if one is None:
            one = found[key] = ErrorGroup(*key, entry)
        one.count += 1
        one.jobs[entry.display_name or MALFORMED] += 1
        one.places[source.place] += 1
        first_at, last_at = _times(entry, source)
        if first_at is not None and (one.first_at is None or first_at < one.first_at):
            one.first_at = first_at
        if last_at is not None and (one.last_at is None or last_at >= one.last_at):
            one.last_at, one.sample = last_at, entry


def _error(entry: SetEntry) -> tuple[str, str]:
    if entry.problem is not None:
        return MALFORMED, f"{entry.problem.field}: {entry.problem.problem}"
    return entry.error_class or NO_ERROR, entry.error_message


def _times(entry: SetEntry, source: JobSet) -> tuple[float | None, float | None]:
    """Return when an entry failed first and last; of the dead that do not say, when they died."""
    died_at = entry.score if isinstance(source, DeadSet) and math.isfinite(entry.score) else None
    first_at = entry.failed_at if entry.failed_at is not None else died_at
    return first_at, entry.retried_at if entry.retried_at is not None else first_at


def _importance(one: ErrorGroup) -> tuple[int, float, str]:
    return -one.count, -(one.last_at or 0.0), one.error_class
