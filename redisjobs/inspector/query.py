"""What to look for among jobs: read from a command line or a URL, and asked of one entry after the other.

Pure: nothing here asks Redis. `needle` and `folded` let Redis pass over most of what cannot match.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import Struct, structs

from redisjobs.errors import QueryError, did_you_mean
from redisjobs.inspector import moments
from redisjobs.inspector.entries import RAW_ID, JobEntry, ResqueEntry, SetEntry

_FIELDS = {
    "q": "text",
    "class": "name",
    "jid": "jid",
    "queue": "queue",
    "error": "error",
    "error_class": "error_class",
    "message": "message",
    "args": "args",
    "tag": "tag",
}
"""By the names that URLs and options have."""
_MOMENTS = ("since", "until")
_CONTAINED = ("q", "error", "message", "args")  # a part of these is asked for, the whole of the others
_IN_JSON = ("q", "args")
_ELSEWHERE = ("queue",)  # not always in the bytes

_TERM = re.compile(r"""\s*([A-Za-z_]\w*)\s*(!=|!~|=|~)\s*("(?:[^"]|"")*"|'(?:[^']|'')*'|[^\s"']\S*)""", re.ASCII)
_AND = re.compile(r"\s+and\s+(?=\S)", re.IGNORECASE)
_HOW = "write terms such as class=Mail and error~'timed out' and since=2h"

_PLAIN = re.compile(r"[\w-]+", re.ASCII)  # no JSON writes these in another way


class Term(NamedTuple):
    """One thing to ask: a field by its name in URLs, `=`, `~`, `!=` or `!~`, and the value."""

    field: str
    operator: str
    value: str

    @property
    def negated(self) -> bool:
        return self.operator[0] == "!"

    @property
    def contained(self) -> bool:
        return self.operator[-1] == "~"

    def __str__(self) -> str:
        value = self.value.replace('"', '""')
        return f'{self.field}{self.operator}"{value}"'


class Cover(Protocol):
    """What hides a part of entries; see `redact.Redaction`."""

    def entry(self, entry: JobEntry, /) -> JobEntry:
        """Return the same entry as it may be shown."""
        ...


class Query(Struct, frozen=True, dict=True):
    """What an entry must have, all of it; one that asks for nothing matches every entry.

    `text`: anywhere in it; `name`: its class, as people know it or as it stands on the wire; `error`: in the class or
    message of its error; `args`: in its arguments, but encrypted ones. These and `message` are parts, whatever their
    case; of the others the whole counts. `since`, `until`: its time, Unix seconds; that is its score in a set, else
    when it was enqueued. `where` are terms that say more than that, as `parse` reads them.

    `cover`: what it hides is not asked, or whoever may search could find out by asking for one letter after the other.
    """

    text: str = ""
    name: str = ""
    jid: str = ""
    queue: str = ""
    error: str = ""
    error_class: str = ""
    message: str = ""
    args: str = ""
    tag: str = ""
    since: float | None = None
    until: float | None = None
    where: tuple[Term, ...] = ()
    cover: Cover | None = None

    @classmethod
    def parse(cls, text: str) -> Query:
        """Read `class=X and error~timeout and since=2h`: `=` the whole, `~` a part whatever its case; `!=`, `!~`.

        Values with blanks stand in quotes, single or double; a quote inside is written twice.

        Raises:
            QueryError: names the term that is wrong, and what to write.
        """
        return cls._all_of(_terms(text))

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> Query:
        """Read the values of a URL or of options, by name: q, class, jid, queue, error, error_class, message, args,
        tag, since, until and where, which is as `parse` reads it. Other names are passed over.

        Raises:
            QueryError: `since` or `until` is no moment, or `where` none that `parse` reads.
        """
        given = [Term(name, _usual(name), asked[name]) for name in (*_FIELDS, *_MOMENTS) if asked.get(name)]
        return cls._all_of([*given, *(_terms(asked["where"]) if asked.get("where") else ())])

    @classmethod
    def _all_of(cls, terms: Iterable[Term]) -> Query:
        found: dict[str, Any] = {}
        where = []
        for term in terms:
            field = _FIELDS.get(term.field, term.field)
            if term.field in _MOMENTS:
                narrower = max if field == "since" else min
                at = _moment(term)
                found[field] = narrower(at, found.get(field, at))
            elif term.operator == _usual(term.field) and field not in found:
                found[field] = term.value
            else:
                where.append(term)
        return cls(**found, where=tuple(where))

    def terms(self) -> dict[str, str]:
        """Return the values that `of` reads this from."""
        told = {name: getattr(self, field) for name, field in _FIELDS.items() if getattr(self, field)}
        told |= {name: repr(at) for name in _MOMENTS if (at := getattr(self, name)) is not None}
        return told | ({"where": " and ".join(str(term) for term in self.where)} if self.where else {})

    def covered(self, cover: Cover) -> Query:
        """Return the same, asked only of what may be shown."""
        return structs.replace(self, cover=cover)

    def __bool__(self) -> bool:
        return self.is_timed or bool(self._terms)

    @property
    def is_timed(self) -> bool:
        """Whether it asks for a time."""
        return self.since is not None or self.until is not None

    @cached_property
    def needle(self) -> str:
        """A text that the bytes of every match contain as it is; empty if none is sure to be there."""
        runs = [run for term, run in self._runs() if not term.contained or run.lower() == run.upper()]
        return max(runs, key=len, default="")

    @cached_property
    def folded(self) -> str:
        """A text that the bytes of every match contain in capitals or not: it is in small ones here, and ASCII."""
        return max((run for _, run in self._runs()), key=len, default="").lower()

    @cached_property
    def could_match(self) -> Callable[[bytes], bool]:
        """Tell cheaply of bytes whether they have what every match has; for a jid among Resque's it does not hold."""
        needle, folded = self.needle.encode(), self.folded.encode()
        if len(folded) <= len(needle):
            return lambda raw: needle in raw
        return lambda raw: needle in raw and folded in raw.lower()

    def matches(self, entry: JobEntry) -> bool:
        """Tell whether an entry has all that is asked for."""
        if not isinstance(entry, ResqueEntry) and not self.could_match(entry.raw):
            return False
        if self.is_timed and not self._is_then(entry_time(entry)):
            return False
        shown = self.cover.entry(entry) if self.cover is not None and self._checks else entry
        return all(check(entry if field == "jid" else shown) for field, check in self._checks)

    def _is_then(self, at: float | None) -> bool:
        return at is not None and (self.since is None or at >= self.since) and (self.until is None or at <= self.until)

    @cached_property
    def _terms(self) -> list[Term]:
        plain = [Term(name, _usual(name), getattr(self, field)) for name, field in _FIELDS.items()]
        return [*(term for term in plain if term.value), *self.where]

    @cached_property
    def _checks(self) -> list[tuple[str, Callable[[JobEntry], bool]]]:
        return [(term.field, _check(term)) for term in self._terms]

    def _runs(self) -> Iterator[tuple[Term, str]]:
        for term in self._terms:
            if not term.negated and term.field not in _ELSEWHERE and not term.value.startswith(RAW_ID):
                yield from ((term, run) for run in _PLAIN.findall(term.value))


def entry_time(entry: JobEntry) -> float | None:
    """Return the time that an entry goes by, Unix seconds: its score in a set, else when it was enqueued or made."""
    if isinstance(entry, SetEntry):
        return entry.score
    return entry.enqueued_at if entry.enqueued_at is not None else entry.created_at


def _moment(term: Term) -> float:
    """Read a moment: `2h` (ago), `+2h` (from now), a date with or without time (UTC), or Unix seconds."""
    if term.operator != "=":
        raise QueryError(f"{term}: {term.field} takes only =")
    at = moments.moment(term.value, past=True)
    if at is None:
        raise QueryError(f"{term}: no moment; write 30m, 2h or 7d (ago), +2h (from now), 2026-01-31, or Unix seconds")
    return at


def _usual(field: str) -> str:
    return "~" if field in _CONTAINED else "="


def _terms(text: str) -> Iterator[Term]:
    at = 0
    while True:
        found = _TERM.match(text, at)
        if found is None:
            raise QueryError(f"{text[at:].strip()[:80]!r}: no term; {_HOW}")
        field, operator, value = found.groups()
        if value[0] in "\"'":
            value = value[1:-1].replace(value[0] * 2, value[0])
        if not value:
            raise QueryError(f"{found[0].strip()}: say which value; {_HOW}")
        yield Term(_field(field), operator, value)
        at = found.end()
        if not text[at:].strip():
            return
        joined = _AND.match(text, at)
        if joined is None:
            raise QueryError(f"{text[at:].strip()[:80]!r} after {found[0].strip()[:80]!r}: join terms by and; {_HOW}")
        at = joined.end()


def _field(name: str) -> str:
    known = (*_FIELDS, *_MOMENTS)
    field = {"text": "q", "name": "class"}.get(name.lower(), name.lower())
    if field not in known:
        raise QueryError(f"{name}: no such field{did_you_mean(field, known, '.')} There are: {', '.join(known)}")
    return field


def _check(term: Term) -> Callable[[JobEntry], bool]:
    read, negated, value = _READ[term.field], term.negated, term.value
    if not term.contained:
        wanted = {value, _compact(value)} if term.field in _IN_JSON else {value}
        return lambda entry: negated != any(text in wanted for text in read(entry))
    parts = {value.lower(), _written(value)[1:-1].lower()} if term.field in _IN_JSON else {value.lower()}
    parts.discard("")  # of what JSON cannot write

    def contains(entry: JobEntry) -> bool:
        texts = [text.lower() for text in read(entry)]
        return negated != any(part in text for part in parts for text in texts)

    return contains


def _whole(entry: JobEntry) -> Iterable[str]:
    if entry.payload is None:
        return (entry.raw.decode("utf-8", "surrogateescape"),)
    shown = dict(entry.payload)
    if isinstance(shown.get("error_backtrace"), str):  # packed: any text may be in it by chance
        del shown["error_backtrace"]
    if shown.get("encrypt"):
        shown["args"] = entry.display_args
    return (_written(shown), entry.display_name)


def _written(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):  # a lone surrogate, too deep
        return ""


def _compact(text: str) -> str:
    try:
        return msgspec.json.format(text, indent=-1)
    except msgspec.MsgspecError:
        return text


_READ: dict[str, Callable[[JobEntry], Iterable[str]]] = {
    "q": _whole,
    "class": lambda entry: (entry.display_name, entry.name),
    "jid": lambda entry: (entry.id,),
    "queue": lambda entry: (entry.queue,),
    "error": lambda entry: (entry.error_class, entry.error_message),
    "error_class": lambda entry: (entry.error_class,),
    "message": lambda entry: (entry.error_message,),
    "args": lambda entry: (_written(entry.display_args),),
    "tag": lambda entry: entry.tags,
}
