"""Watched: tells who watches of starts and ends of jobs, as long as somebody does.

The heartbeat hears whether anybody watches. Only then is there a thread that sends what was noted, some times a
second; else there is nothing, and a run costs a look at `Processor.watched`. What is told is best effort: no job waits
for it, and what is too much at once, or comes while Redis is away, is left out and counted.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from typing import Any, NamedTuple, Protocol

from redisjobs import clock
from redisjobs.errors import PayloadError, StoreError, StoreUnavailableError
from redisjobs.store.keys import Keys
from redisjobs.store.ops import watching
from redisjobs.store.ops.leases import FAILED, NO_RUN, Lease, Settlement
from redisjobs.store.stores import BlockingStore
from redisjobs.wire import events, payload
from redisjobs.wire.events import Event, What
from redisjobs.worker.work import Work

log = logging.getLogger("redisjobs")

MOST_WAITING = 10_000  # events that are kept until they are sent
_EVERY_S = 0.1
_BATCH = 100  # events in an entry of the stream
_LONGEST_ERROR = 300


class _Note(NamedTuple):
    at: float
    work: Work
    thread: str
    end: Settlement | None = None
    took_s: float | None = None


class Notes:
    """What happened since it was last sent. Filled from any thread."""

    def __init__(self) -> None:
        self.lost = 0
        self._notes: deque[_Note] = deque()
        self._began: dict[Lease, float] = {}

    def started(self, work: Work) -> None:
        """Note that a job starts, in its own thread or task."""
        self._began[work.lease] = clock.monotonic()
        self._add(_Note(clock.now(), work, _here()))

    def ended(self, work: Work, end: Settlement) -> None:
        """Note where a job goes, in its own thread or task."""
        began = self._began.pop(work.lease, None)
        took_s = None if began is None else clock.monotonic() - began
        self._add(_Note(clock.now(), work, _here(), end, took_s))

    def take(self, identity: str) -> list[Event]:
        """Return what was noted, and forget it."""
        lost, self.lost = self.lost, 0
        found = [_event(self._notes.popleft(), identity) for _ in range(len(self._notes))]
        if lost and found:
            found[0].lost = lost
        return found

    def _add(self, note: _Note) -> None:
        if len(self._notes) < MOST_WAITING:
            self._notes.append(note)
        else:
            self.lost += 1


class Noting(Protocol):
    """Whoever notes starts and ends, if there is something to note them in."""

    watched: Notes | None


class Watched:
    """Has a processor note what it runs, and sends that, while somebody watches."""

    def __init__(self, identity: str, keys: Keys, store: BlockingStore, processor: Noting) -> None:
        self._identity = identity
        self._keys = keys
        self._store = store
        self._processor = processor
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def heard(self, watched: bool) -> None:
        """Take whether somebody watches; from the heartbeat's thread."""
        if not watched:
            self._over.set()
        elif self._thread is None or not self._thread.is_alive():
            self._over.clear()
            notes = self._processor.watched = Notes()
            self._thread = threading.Thread(target=self._loop, args=(notes,), name="redisjobs-watched", daemon=True)
            self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Send what is left and end."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _loop(self, notes: Notes) -> None:
        try:
            while not self._over.wait(_EVERY_S) and self._send(notes):
                pass
            self._processor.watched = None
            self._send(notes)
        except StoreError as error:
            log.warning("who watches is not told of jobs", extra={"error": str(error)})
        finally:
            self._processor.watched = None

    def _send(self, notes: Notes) -> bool:
        """Send what was noted; False if nobody watches any more."""
        found = notes.take(self._identity)
        batches = [events.pack(found[at : at + _BATCH]) for at in range(0, len(found), _BATCH)]
        if not batches:
            return True
        try:
            replies = self._store.run(watching.tell(self._keys, batches))
        except StoreUnavailableError:
            notes.lost += len(found)
            return True
        return None not in replies


def _here() -> str:
    """Return what this thread or task is called in the registry of processes."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    name = threading.current_thread().name if task is None else task.get_name()
    return name.removeprefix("redisjobs-")


def _event(note: _Note, identity: str) -> Event:
    work, end = note.work, note.end
    return Event(
        at=note.at,
        event="started" if end is None else _how(end),
        queue=work.lease.queue.encode("utf-8", "replace").decode(),  # names of queues may be any bytes
        name=work.payload.name,
        jid=work.payload.jid,
        process=identity,
        thread=note.thread,
        took_s=note.took_s,
        error="" if end is None or end.counted != FAILED else _error(end.payload),
    )


def _how(end: Settlement) -> What:
    if end.counted == FAILED:
        return "retried" if end.where == "retry" else "failed"
    if end.counted == NO_RUN:
        return "snoozed" if end.where == "schedule" else "released"
    return "done"


def _error(raw: bytes) -> str:
    """Return the error that a job failed with, as its payload has it; Resque's form calls it otherwise."""
    try:
        fields: dict[str, Any] = payload.fields(raw)
    except PayloadError:
        return ""
    told = [fields.get(first) or fields.get(second) for first, second in _ERROR_FIELDS]
    return ": ".join(str(part) for part in told if part)[:_LONGEST_ERROR]


_ERROR_FIELDS = (("error_class", "exception"), ("error_message", "error"))
