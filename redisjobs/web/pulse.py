"""What changes while somebody looks: figures, rates and alerts, found out once for all who look at the same moment."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

from msgspec import Struct

from redisjobs import clock
from redisjobs.errors import StoreUnavailableError
from redisjobs.inspector import Access, Stats
from redisjobs.inspector.doctor import Report, examine
from redisjobs.inspector.rates import Rates, Sampler

EVERY_S = 2.0
"""How old a beat may be to be shown again."""
KEPT = 150
"""Beats that are kept: what a chart begins with."""
_FORGET_S = 30.0
_EXAMINE_EVERY_S = 15.0


class Waiting(Struct, frozen=True):
    """A queue: how much waits there and how long, and how many jobs a second come and go, if it is known."""

    name: str
    size: int
    latency_s: float
    paused: bool
    in_s: float | None
    out_s: float | None


class Beat(Struct, frozen=True):
    """All figures of one moment (Unix seconds); runs a second are over the last 15 s, None at first."""

    at: float
    processed: int
    failed: int
    busy: int
    enqueued: int
    retries: int
    scheduled: int
    dead: int
    processes: int
    processed_s: float | None
    failed_s: float | None


class Pulse:
    """Figures and rates. One sampler for all; its looks are shared by those who ask within `EVERY_S`."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._lock = Lock()
        self._sampler = Sampler(access)
        self._looked_at = 0.0
        self._error: StoreUnavailableError | None = None
        self._beats: deque[Beat] = deque(maxlen=KEPT)
        self.queues: list[Waiting] = []
        """All queues as of the last beat, those whose jobs wait longest first."""

    @property
    def past(self) -> list[Beat]:
        """The beats that are known, the oldest first."""
        return list(self._beats)

    def beat(self) -> Beat:
        """Return the figures of now, or of up to `EVERY_S` ago. Cost: some round trips.

        Raises:
            StoreUnavailableError: Redis did not answer in time.
        """
        with self._lock:
            age_s = clock.monotonic() - self._looked_at
            if not self._looked_at or age_s >= EVERY_S * 0.9:  # who asks every EVERY_S gets a fresh one
                if age_s > _FORGET_S:  # rates over a time that nobody looked at would say nothing of now
                    self._sampler = Sampler(self._access)
                    self._beats.clear()
                self._renew()
            if self._error is not None:  # who waited for a Redis that is away does not wait for it once more
                raise StoreUnavailableError(*self._error.args)
            return self._beats[-1]

    def _renew(self) -> None:
        try:
            self._beats.append(self._look())
            self._error = None
        except StoreUnavailableError as error:
            self._error = error
        self._looked_at = clock.monotonic()

    def _look(self) -> Beat:
        stats, rates = Stats(self._access), self._sampler.look()
        self.queues = _queues(stats, rates)
        return Beat(
            rates.at,
            stats.processed,
            stats.failed,
            stats.busy,
            stats.enqueued,
            stats.retries,
            stats.scheduled,
            stats.dead,
            stats.processes,
            rates.processed_s,
            rates.failed_s,
        )


class Alerts:
    """What the doctor finds, looked for in a thread beside, and known for a while."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(1, "redisjobs-doctor")
        self._running: Future[Report] | None = None
        self._started_at = 0.0
        self._known: Report | None = None

    def report(self, budget_s: float) -> Report | None:
        """Return what was found in the last 15 s or so; what is older, or None, if that takes longer than a budget."""
        with self._lock:
            if self._running is None or (
                self._running.done() and clock.monotonic() - self._started_at > _EXAMINE_EVERY_S
            ):
                self._started_at = clock.monotonic()
                self._running = self._pool.submit(examine, self._access)
            running = self._running
        try:
            self._known = running.result(budget_s)
        except TimeoutError:
            pass
        return self._known


def _queues(stats: Stats, rates: Rates) -> list[Waiting]:
    slowest = sorted(stats.summaries, key=lambda queue: (-queue.latency_s, -queue.size, queue.name))
    found = []
    for queue in slowest:
        known = rates.queues.get(queue.name)
        in_s, out_s = (known.in_s, known.out_s) if known else (None, None)
        found.append(Waiting(queue.name, queue.size, queue.latency_s, queue.paused, in_s, out_s))
    return found
