"""Entries of a set or a queue as the pages list them, link to them, and know which ones were chosen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from msgspec import Struct

from redisjobs.inspector import JobEntry, JobSet, Queue, SetEntry
from redisjobs.inspector.acting import fingerprint, key
from redisjobs.inspector.redact import Redaction
from redisjobs.web.view import View

_LONGEST = 200  # characters of a name in a link
_EQUAL = 10_000  # entries of one score that are looked at for a chosen one
_STEP = 1_000
_BEFORE = 100  # of a queue, in front of where a job stood
_PUSHED = 10_000  # of a queue, behind that
PLACES = {"retries": "retry", "scheduled": "schedule", "dead": "dead"}


class Row(Struct, frozen=True):
    """One entry: `shown` is what may be seen of it, `mark` what a form sends for it, `link` its page, if it has one."""

    shown: JobEntry
    mark: str
    link: str


def rows(view: View, entries: Iterable[SetEntry], place: str) -> list[Row]:
    """Return the entries of one of the three sets as they are listed."""
    cover: Redaction = view.site.redaction
    return [Row(cover.entry(entry), mark(entry), job_link(view, entry, place)) for entry in entries]


def queue_rows(view: View, entries: Iterable[JobEntry], queue: Queue) -> list[Row]:
    """Return the entries of a queue as they are listed."""
    cover: Redaction = view.site.redaction
    return [
        Row(
            cover.entry(entry),
            key(entry),
            job_link(view, entry, queue.place),
        )
        for entry in entries
    ]


def mark(entry: SetEntry) -> str:
    """Return what stands for an entry in a form: its score and a digest of its bytes, short whatever is in them."""
    return key(entry)


def chosen(jobs: JobSet, marks: Iterable[str]) -> list[bytes]:
    """Return the bytes of the entries that were chosen, as far as they are there with the score that was shown."""
    wanted: defaultdict[float, set[str]] = defaultdict(set)
    for one in marks:
        score, _, digest = one.partition(":")
        try:
            wanted[float(score)].add(digest)
        except ValueError:
            continue
    return [raw for score, digests in wanted.items() for raw in _with_score(jobs, score, digests)]


def chosen_in_queue(queue: Queue, marks: Iterable[str]) -> list[bytes]:
    """Return the bytes of the jobs that were chosen, the next first, if they stand near where they were shown."""
    pairs = [(int(place), digest) for place, _, digest in (one.partition(":") for one in marks) if place.isdecimal()]
    wanted = {digest for _, digest in pairs}
    first = max(0, min((place for place, _ in pairs), default=0) - _BEFORE)
    found: list[bytes] = []
    for start in range(first, first + _PUSHED, _STEP):  # what was pushed since stands in front of it
        some = queue.page(start, _STEP) if wanted else []
        for entry in some:
            if (digest := fingerprint(entry.raw)) in wanted:
                wanted.discard(digest)
                found.append(entry.raw)
        if len(some) < _STEP:
            break
    return found[::-1]


def job_link(view: View, entry: JobEntry, place: str = "") -> str:
    """Return the address of a job's page; empty if its id is none that an address can have."""
    at = f"{place}:{entry.score!r}" if isinstance(entry, SetEntry) else place
    return view.url(f"/jobs/{entry.id}", at=at) if fits(entry.id) else ""


def fits(name: str) -> bool:
    """Tell whether a link can have a name of anybody's, as its address and as its text."""
    if not name.strip() or "\n" in name or len(name) > _LONGEST:
        return False
    try:
        name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _with_score(jobs: JobSet, score: float, digests: set[str]) -> Iterable[bytes]:
    for offset in range(0, _EQUAL, _STEP):
        some = jobs.between(score, score, offset=offset, limit=_STEP)
        for entry in some:
            digest = fingerprint(entry.raw)
            if digest in digests:
                digests.discard(digest)
                yield entry.raw
        if not digests or len(some) < _STEP:
            return
