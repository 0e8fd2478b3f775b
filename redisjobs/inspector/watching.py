"""Follow starts and ends of jobs as they happen.

Workers of ours tell of each, from their next heartbeat on, for as long as this goes on. Of all others, Ruby's too,
there is only what their heartbeats say they run: a job that is shorter is not seen, and how one ended is not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from redisjobs import clock
from redisjobs.errors import StoreUnavailableError
from redisjobs.inspector.access import Access
from redisjobs.inspector.processes import ProcessSet
from redisjobs.inspector.work import Work, WorkSet
from redisjobs.store.ops import watching as ops
from redisjobs.wire import events
from redisjobs.wire.events import Event, What

_POLL_S = 2.0  # others write what they run every ten seconds or so
_KEEP_S = ops.TTL_S / 3

_Running: TypeAlias = dict[tuple[str, str, str, float], Work]


class Watching:
    """All starts and ends, or those of one queue or class."""

    def __init__(self, access: Access, *, queue: str = "", name: str = "") -> None:
        self.has_others = False
        """Whether there are processes of which only long jobs are seen."""
        self._access = access
        self._queue = queue
        self._name = name
        self._since = ""
        self._keep_at = self._poll_at = 0.0
        self._running: _Running | None = None

    def look(self, wait_s: float = 1.0) -> list[Event]:
        """Return what happened since the last look, in order; wait for it, `wait_s` seconds at most.

        Raises:
            StoreUnavailableError: Redis does not answer. Look again: what it kept meanwhile is not lost.
        """
        try:
            self._keep()
            found = self._others()
            since, told = self._access.run(ops.follow(self._access.keys, self._since, wait_s=0 if found else wait_s))
        except StoreUnavailableError:
            self._keep_at = 0.0
            raise
        self._since = since
        found += [event for batch in told for event in events.unpack(batch)]
        return sorted((event for event in found if self._wanted(event)), key=lambda event: event.at)

    def _wanted(self, event: Event) -> bool:
        return self._queue in ("", event.queue) and self._name in ("", event.name)

    def _keep(self) -> None:
        """Have the workers go on telling."""
        now = clock.monotonic()
        if now >= self._keep_at:
            mark, _ = self._access.run(ops.keep(self._access.keys))
            self._since = self._since or mark
            self._keep_at = now + _KEEP_S

    def _others(self) -> list[Event]:
        """Return what the processes that tell nothing began and ended since the last poll."""
        now = clock.monotonic()
        if now < self._poll_at:
            return []
        self._poll_at = now + _POLL_S
        others = {process.identity for process in ProcessSet(self._access) if not process.ours}
        self.has_others = bool(others)
        works = (work for work in WorkSet(self._access) if work.process in others) if others else ()
        running = {(work.process, work.thread, work.jid, work.run_at): work for work in works}
        before, self._running = self._running, running
        return [] if before is None else list(_changes(before, running))


def _changes(before: _Running, after: _Running) -> Iterator[Event]:
    now = clock.now()
    for key, work in before.items():
        if key not in after:
            yield _event(work, "ended", now)
    for key, work in after.items():
        if key not in before:
            yield _event(work, "started", work.run_at)


def _event(work: Work, what: What, at: float) -> Event:
    return Event(at, what, work.queue, work.entry.display_name, work.jid, work.process, work.thread)
