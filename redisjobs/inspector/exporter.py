"""Exporter: the whole fleet in Prometheus' text format, from Redis alone, Ruby's processes and jobs too.

What Redis does not answer is missing from the text, and counted: a scrape never fails, and never takes longer than
one request may.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from redisjobs import clock
from redisjobs.errors import StoreError, StoreUnavailableError
from redisjobs.inspector.access import Access
from redisjobs.inspector.metrics import read_sums
from redisjobs.inspector.processes import ProcessSet
from redisjobs.inspector.stats import Stats
from redisjobs.store.ops import metrics as ops
from redisjobs.wire.exposition import Family, render

_OPEN_S = 180
"""For how long a minute may still grow: workers write late, and clocks differ."""
_KEPT_S = 8 * 3600

Section = Callable[[], Iterable[Family]]


class Exporter:
    """Makes a text for each scrape; counters of classes and queues go on from one to the next, so keep it."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._classes = ClassCounters(access)
        self._taken: dict[str, int] = {}
        self._errors = 0

    def scrape(self) -> str:
        """Return what there is to tell now."""
        began = clock.monotonic()
        families: list[Family] = []
        up = Family("redisjobs_up", "gauge", "1 if Redis answered this scrape")
        up.add(1)
        sections: tuple[Section, ...] = (self._totals, self._queues, self._processes, self._runs)
        for section in sections:
            try:
                families += section()
            except StoreError as error:
                self._errors += 1
                if isinstance(error, StoreUnavailableError):  # nor would it answer the others
                    up.add(0)
                    break
        errors = Family("redisjobs_scrape_errors_total", "counter", "Parts of a scrape that Redis did not answer")
        errors.add(self._errors)
        took = Family("redisjobs_scrape_seconds", "gauge", "How long this scrape took")
        took.add(clock.monotonic() - began)
        return render([up, errors, took, *families])

    def _totals(self) -> Iterable[Family]:
        stats = Stats(self._access)
        processed = Family("redisjobs_processed_total", "counter", "Runs of all time, failed ones too")
        processed.add(stats.processed)
        failed = Family("redisjobs_failed_total", "counter", "Runs of all time that failed")
        failed.add(stats.failed)
        sizes = Family("redisjobs_set_size", "gauge", "Jobs that wait for their next run or their moment, or are dead")
        for name, size in (("retry", stats.retries), ("schedule", stats.scheduled), ("dead", stats.dead)):
            sizes.add(size, set=name)
        return processed, failed, sizes

    def _queues(self) -> Iterable[Family]:
        sizes = Family("redisjobs_queue_size", "gauge", "Jobs that wait in a queue")
        latencies = Family("redisjobs_queue_latency_seconds", "gauge", "How long its next job has waited")
        paused = Family("redisjobs_queue_paused", "gauge", "1 if workers leave it alone")
        taken = Family("redisjobs_queue_taken_total", "counter", "Jobs that workers of redisjobs took from a queue")
        for queue in Stats(self._access).summaries:
            if queue.problem:
                self._errors += 1
                continue
            sizes.add(queue.size, queue=queue.name)
            latencies.add(queue.latency_s, queue=queue.name)
            paused.add(int(queue.paused), queue=queue.name)
        for name, count in self._access.run(ops.taken(self._access.keys)).items():
            self._taken[name] = max(count, self._taken.get(name, 0))  # jobs given back must not look like a new count
            taken.add(self._taken[name], queue=name)
        return sizes, latencies, paused, taken

    def _processes(self) -> Iterable[Family]:
        names = {
            "processes": "Worker processes with a heartbeat",
            "quiet_processes": "Those of them that take no more jobs",
            "concurrency": "Jobs that they run at most",
            "busy": "Jobs that they run",
            "resident_memory_bytes": "Their resident memory",
        }
        counts: dict[str, Counter[str]] = {name: Counter() for name in names}
        for process in ProcessSet(self._access):
            told = (1, process.quieted, process.concurrency, process.busy, process.rss_kb * 1024)
            for name, value in zip(names, told, strict=True):
                counts[name][process.language.lower()] += value
        families = [Family(f"redisjobs_{name}", "gauge", text) for name, text in names.items()]
        for family, count in zip(families, counts.values(), strict=True):
            for language in ("python", "ruby", *(count.keys() - {"python", "ruby"})):
                family.add(count[language], language=language)
        return families

    def _runs(self) -> Iterable[Family]:
        executions = Family("redisjobs_job_executions_total", "counter", "Runs of a class, failed ones too")
        failures = Family("redisjobs_job_failures_total", "counter", "Runs of a class that failed")
        seconds = Family("redisjobs_job_seconds_total", "counter", "What runs of a class took that did not fail")
        if self._access.keys.has_metrics:
            for name, (runs, failed, ms) in sorted(self._classes.look().items()):
                executions.add(runs, **{"class": name})
                failures.add(failed, **{"class": name})
                seconds.add(ms / 1000, **{"class": name})
        return executions, failures, seconds


class ClassCounters:
    """Counts the runs of each class from a little before the first look on: Redis has sums per minute only."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._since = 0
        self._closed: dict[str, tuple[int, ...]] = {}
        self._told: dict[str, tuple[int, ...]] = {}

    def look(self) -> dict[str, tuple[int, ...]]:
        """Return runs, failures and milliseconds of each class. Cost: a round trip, mostly."""
        now = int(clock.now() // 60) * 60
        self._since = max(self._since or now - _OPEN_S, now - _KEPT_S)
        minutes = range(self._since, now + 120, 60)
        totals = dict(self._closed)
        for minute, sums in zip(minutes, read_sums(self._access, minutes), strict=True):
            for name, one in sums.items():
                totals[name] = _sum(totals.get(name), (one.p, one.f, one.ms))
            if minute < now - _OPEN_S:
                self._closed, self._since = dict(totals), minute + 60
        # a counter that goes back looks like a new one: what is read in between two writes may be less
        self._told |= {name: _most(self._told.get(name), total) for name, total in totals.items()}
        return self._told


def _sum(one: tuple[int, ...] | None, other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(sum, zip(one, other, strict=True))) if one else other


def _most(one: tuple[int, ...] | None, other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(max, zip(one, other, strict=True))) if one else other
