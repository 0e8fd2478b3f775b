"""Search within bounds: small looks one after the other, until a page is full or the time is up.

However large the source is, Redis is busy for a few milliseconds at most with one of them. What was not looked at yet
is told by a cursor, which stays good while jobs come and go: none that stood there all the time is passed over, but
one behind a job that was deleted from the middle of a queue; one may be given twice.

Reading is plain: scripts that looked for a text inside Redis kept it busy four times as long, to send less.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar, get_args

from msgspec import Struct, structs

from redisjobs import clock
from redisjobs.errors import QueryError, WrongTypeError
from redisjobs.inspector.access import Access
from redisjobs.inspector.entries import JobEntry
from redisjobs.inspector.pages import PAGE, Slice
from redisjobs.inspector.processes import is_ours
from redisjobs.inspector.query import Query
from redisjobs.inspector.queues import Queue, all_queues
from redisjobs.inspector.sets import DeadSet, JobSet, RetrySet, ScheduledSet
from redisjobs.inspector.work import Work, WorkSet
from redisjobs.store.ops import leases
from redisjobs.store.resque_keys import ResqueKeys

E = TypeVar("E", bound=JobEntry)
E_co = TypeVar("E_co", bound=JobEntry, covariant=True)

BUDGET_S = 0.2

_FIRST = 16  # entries of the first look: how large they are is not known yet
_GROWTH = 4
_MOST = 1000
_MOST_BYTES = 250_000


class Found(Struct, Generic[E], frozen=True):
    """The entries of a page, in the order of the source; of `total` entries `looked` were looked at, pages before too.

    Of a set only entries of the time that was asked for count. `cursor` is where to go on, empty at the end.
    """

    entries: list[E]
    cursor: str
    looked: int
    total: int

    @property
    def partial(self) -> bool:
        """Whether there is more to look at."""
        return bool(self.cursor)


class Source(Protocol[E_co]):
    """What can be searched: a `Queue` or a `JobSet`."""

    @property
    def size(self) -> int:
        """How many entries it has."""
        ...

    def seek(self, query: Query, cursor: str, count: int) -> Slice[E_co]:
        """See `Queue.seek`."""
        ...


def search(
    source: Source[E], query: Query, *, limit: int = PAGE, budget_s: float = BUDGET_S, cursor: str = ""
) -> Found[E]:
    """Look for up to `limit` entries that match, for about `budget_s` seconds, from a cursor on.

    Raises:
        QueryError: that is no cursor.
    """
    pace = _Pace(budget_s)
    entries: list[E] = []
    while True:
        seen = source.seek(query, cursor, pace.count)
        for entry, rank, after in seen.hits:
            entries.append(entry)
            if len(entries) >= limit:
                return Found(entries, "" if rank + 1 >= seen.total else after, rank + 1, seen.total)
        cursor = seen.cursor
        if seen.ended or not seen.looked:
            return Found(entries, "", seen.total, seen.total)
        if not pace.goes_on(seen):
            return Found(entries, cursor, seen.start + seen.looked, seen.total)


class _Pace:
    """How many entries the next look takes: as many as Redis reads in half a millisecond, and as the time allows."""

    def __init__(self, budget_s: float) -> None:
        self.count = _FIRST
        self._since = clock.monotonic()
        self._until = self._since + budget_s

    def goes_on(self, seen: Slice[Any]) -> bool:
        """Set the next count by what was seen; False if the time is up."""
        now = clock.monotonic()
        each_bytes, each_s = max(1.0, seen.size_bytes / seen.looked), (now - self._since) / seen.looked
        in_time = int((self._until - now) / max(each_s, 1e-9))
        self.count = max(1, min(_GROWTH * seen.looked, _MOST, int(_MOST_BYTES / each_bytes), in_time))
        self._since = now
        return in_time > 0


Place: TypeAlias = Literal["running", "retry", "dead", "schedule", "queue", "leased"]
PLACES: tuple[Place, ...] = get_args(Place)

SETS: dict[str, type[JobSet]] = {"retry": RetrySet, "schedule": ScheduledSet, "dead": DeadSet}
"""By their `Place`."""
_NEAR_S = 1.0  # scores of a hint may have been rounded


class Located(Struct, frozen=True):
    """Where a job is. `process` and `thread` run it, `process` alone holds a leased one; `run_at` since when it runs.

    `place` is empty if it was found nowhere; `partial`: not everything was looked at, the time was up.
    """

    place: Place | Literal[""] = ""
    entry: JobEntry | None = None
    process: str = ""
    thread: str = ""
    run_at: float | None = None
    partial: bool = False

    def __bool__(self) -> bool:
        return bool(self.place)


class Everywhere(Struct, frozen=True):
    """What matches in some places; `cursor` is where to go on, empty if all was looked at.

    `looked` entries were looked at this time. `problems`: what could not be read.
    """

    found: list[Located]
    cursor: str
    looked: int
    problems: list[str]

    @property
    def partial(self) -> bool:
        """Whether there is more to look at."""
        return bool(self.cursor)


def locate(access: Access, jid: str, *, hint: str = "", budget_s: float = 0.3) -> Located:
    """Find a job by its jid, or an entry by its `id`, in about `budget_s` seconds: the smallest places first.

    `hint` is where it was seen last, such as `retry:SCORE`, `dead:SCORE`, `schedule:SCORE` or `queue:NAME`.
    """
    until = clock.monotonic() + budget_s
    query = Query(jid=jid)
    partial = False
    if found := next(_running(access, query, surely=True), None) or _hinted(access, query, hint, until):
        return found
    for place, source in sorted(_sources(access, PLACES, ""), key=lambda one: _size(one[1])):
        try:
            page = search(source, query, limit=1, budget_s=until - clock.monotonic())
        except WrongTypeError:
            continue
        if page.entries:
            return Located(place, page.entries[0])
        partial = partial or page.partial
    taken = chain(_running(access, query, surely=True), _leased(access, query))  # meanwhile
    return next(taken, Located(partial=partial))


def find(
    access: Access,
    query: Query,
    *,
    places: Sequence[Place] = PLACES,
    limit: int = PAGE,
    budget_s: float = BUDGET_S,
    cursor: str = "",
) -> Everywhere:
    """Look for up to `limit` jobs that match, for about `budget_s` seconds: what runs first, then sets, then queues.

    Raises:
        QueryError: that is no cursor.
    """
    until = clock.monotonic() + budget_s
    at, inner = _resumed(cursor)
    found: list[Located] = []
    problems: list[str] = []
    looked = 0
    if not cursor:
        for place, look in (("running", _running), ("leased", _leased)):
            found += look(access, query) if place in places else ()
    for place, source in _sources(access, places, query.queue):
        step = (PLACES.index(place), source.name if isinstance(source, Queue) else "")
        if step < at:
            continue
        inner = inner if step == at else ""
        left_s = until - clock.monotonic()
        if len(found) >= limit or left_s <= 0:
            return Everywhere(found, json.dumps([*step, inner]), looked, problems)
        try:
            page = search(source, query, limit=limit - len(found), budget_s=left_s, cursor=inner)
        except WrongTypeError as error:
            problems.append(str(error))
            continue
        looked += page.looked
        found += [Located(place, entry) for entry in page.entries]
        if page.cursor:
            return Everywhere(found, json.dumps([*step, page.cursor]), looked, problems)
    return Everywhere(found, "", looked, problems)


def _resumed(cursor: str) -> tuple[tuple[int, str], str]:
    try:
        place, name, inner = json.loads(cursor or '[0, "", ""]')
    except (ValueError, TypeError):
        place, name, inner = None, "", ""
    if not isinstance(place, int) or not isinstance(name, str) or not isinstance(inner, str):
        raise QueryError(f"{cursor[:40]!r} is no cursor: start again without one")
    return (place, name), inner


def _sources(access: Access, places: Sequence[Place], queue: str) -> Iterator[tuple[Place, Source[JobEntry]]]:
    """Give the sets and queues of some places in the order of `PLACES`; of queues only one if it is named."""
    if not isinstance(access.keys, ResqueKeys):
        yield from ((place, SETS[place](access)) for place in PLACES if place in places and place in SETS)
    if "queue" in places:
        yield from (("queue", one) for one in all_queues(access) if queue in ("", one.name))


def _size(source: Source[JobEntry]) -> int:
    try:
        return source.size
    except WrongTypeError:
        return 0


def _hinted(access: Access, query: Query, hint: str, until: float) -> Located | None:
    place, _, told = hint.partition(":")
    left_s = until - clock.monotonic()
    for known, source in _sources(access, ("queue",) if place == "queue" else PLACES, ""):
        if known != place:
            continue
        if isinstance(source, Queue):
            if source.name != told:
                continue
            wanted = query
        else:
            try:
                wanted = structs.replace(query, since=float(told) - _NEAR_S, until=float(told) + _NEAR_S)
            except ValueError:
                return None
        try:
            page = search(source, wanted, limit=1, budget_s=left_s / 2)
        except WrongTypeError:
            return None
        return Located(known, page.entries[0]) if page.entries else None
    return None


def _running(access: Access, query: Query, *, surely: bool = False) -> Iterator[Located]:
    """Give what ran at the last heartbeats; `surely`: of ours only what has not ended since."""
    for work in WorkSet(access):
        if query.matches(work.entry) and not (surely and is_ours(work.version) and _has_ended(access, work)):
            yield Located("running", work.entry, work.process, work.thread, work.run_at)


def _has_ended(access: Access, work: Work) -> bool:
    held = access.gather([leases.held(access.keys, work.queue, work.process)])[0]
    if isinstance(held, WrongTypeError):
        return False
    return all(access.entry(raw, work.queue).id != work.entry.id for raw in held)


def _leased(access: Access, query: Query) -> Iterator[Located]:
    """Give what workers of ours hold and do not run, as far as they have told."""
    keys = access.keys
    running = {(work.process, work.entry.id) for work in WorkSet(access)}
    for queue in access.run(leases.leased_queues(keys)):
        owners = access.gather([leases.owners(keys, queue)])[0]
        if isinstance(owners, WrongTypeError) or not owners:
            continue
        for identity, held in zip(
            owners, access.gather([leases.held(keys, queue, one) for one in owners]), strict=True
        ):
            for raw in () if isinstance(held, WrongTypeError) else held:
                entry = access.entry(raw, queue)
                if (identity, entry.id) not in running and query.matches(entry):
                    yield Located("leased", entry, identity)
