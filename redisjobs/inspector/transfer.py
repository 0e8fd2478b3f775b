"""Export jobs as JSON lines, and import them: byte by byte as they were.

A line has the place, in a set the score, and the payload: as it stands in Redis where that is JSON on one line, else
in base64. Jobs of a queue are in the order they run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from redisjobs.errors import RedisJobsError, TransferError
from redisjobs.inspector.entries import JobEntry, SetEntry
from redisjobs.inspector.query import Query
from redisjobs.inspector.queues import Queue
from redisjobs.inspector.sets import JobSet
from redisjobs.inspector.sweep import Source, sweep

Opened: TypeAlias = Callable[[str], Source]
"""Gives what a name of a place stands for; raises RedisJobsError if it stands for nothing."""

_STEP = 100


class Line(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One job. `score`: an infinite one is `inf` or `-inf`; None of a queue."""

    place: str
    score: float | Literal["inf", "-inf"] | None = None
    payload: msgspec.Raw = msgspec.Raw()
    payload_base64: bytes | None = None

    @property
    def raw(self) -> bytes:
        """The exact bytes of the job."""
        return bytes(self.payload) if self.payload_base64 is None else self.payload_base64


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Line)


def export(source: Source, query: Query) -> Iterator[list[bytes]]:
    """Give the lines of the entries that match, without newlines, some at a time. Nothing is changed.

    Raises:
        TransferError: the name of the queue is no UTF-8, so that no line can have it.
    """
    try:
        source.place.encode()
    except UnicodeEncodeError:
        raise TransferError(
            f"{source.title!a}: a name that is no UTF-8 stands in no line; move its jobs first"
        ) from None
    for entries in sweep(source, query):
        yield [_line(source.place, entry) for entry in entries if query.matches(entry)]


class Import:
    """Lines that were exported, on their way back: to where they were, or all of them to one other place.

    Of a set it can be repeated: who is there already only gets its score. Of a queue each time adds the jobs.
    """

    def __init__(self, opened: Opened, to: str = "") -> None:
        self._opened = opened
        self._to = to
        self._places: dict[str, Source] = {}
        if to:
            self._place(to)

    def check(self, lines: Iterable[bytes]) -> int:
        """Read all lines and change nothing; return how many jobs there are.

        Raises:
            TransferError: a line cannot be imported.
        """
        return sum(1 for _ in self._read(lines))

    def run(self, lines: Iterable[bytes]) -> Iterator[int]:
        """Put the jobs where they belong, some at a time; yields how many. Raises as `check`, but at once."""
        found = self._read(lines)
        while some := list(islice(found, _STEP)):
            targets: dict[str, list[tuple[bytes, float]]] = {}
            for place, raw, score in some:
                targets.setdefault(place, []).append((raw, score))
            for place, scored in targets.items():
                self._put(self._place(place), scored)
            yield len(some)

    def _read(self, lines: Iterable[bytes]) -> Iterator[tuple[str, bytes, float]]:
        for number, text in enumerate(lines, 1):
            if text.strip():
                try:
                    yield self._job(text)
                except (ValueError, RecursionError, RedisJobsError) as error:  # those of msgspec are ValueErrors
                    how = "export writes such lines: put it right, or take the line out; nothing else is wrong so far"
                    raise TransferError(f"line {number}: {error}; {how}") from None

    def _job(self, text: bytes) -> tuple[str, bytes, float]:
        text.decode()  # the decoder does not look into the payload
        line = _decoder.decode(text)
        if bool(bytes(line.payload)) == (line.payload_base64 is not None):
            raise TransferError("payload: there must be either this or payload_base64")
        place = self._to or line.place
        score = math.nan if line.score is None else float(line.score)
        if isinstance(self._place(place), JobSet) and math.isnan(score):
            raise TransferError(f"score: missing; {place} needs one, Unix seconds")
        return place, line.raw, score

    def _place(self, name: str) -> Source:
        if name not in self._places:
            self._places[name] = self._opened(name)
        return self._places[name]

    def _put(self, target: Source, scored: list[tuple[bytes, float]]) -> None:
        if isinstance(target, Queue):
            target.push_some([raw for raw, _ in scored])
        else:
            target.add_some(scored)


def _line(place: str, entry: JobEntry) -> bytes:
    score: float | Literal["inf", "-inf"] | None = None
    if isinstance(entry, SetEntry):
        score = entry.score if math.isfinite(entry.score) else "inf" if entry.score > 0 else "-inf"
    written = _encode(Line(place, score, msgspec.Raw(entry.raw)))
    return written if _is_exact(written, entry.raw) else _encode(Line(place, score, payload_base64=entry.raw))


def _is_exact(written: bytes, raw: bytes) -> bool:
    """Tell whether a line with a payload as it stands is one line, and reads as it was."""
    try:
        raw.decode()
        return b"\n" not in raw and b"\r" not in raw and _decoder.decode(written).raw == raw
    except (ValueError, RecursionError):
        return False
