"""Figures: a worker process in numbers, for who scrapes its `/metrics`. Of what it knows itself; Redis is not asked."""

from __future__ import annotations

from collections.abc import Mapping

from redisjobs.wire.exposition import Family, render
from redisjobs.worker.vitals import Vitals


def figures(processes: Mapping[int, Vitals]) -> str:
    """Return the numbers of some processes, by their pid, in Prometheus' text format."""
    prefix = "redisjobs_worker"
    live = Family(f"{prefix}_live", "gauge", "1 if its loops turn")
    ready = Family(f"{prefix}_ready", "gauge", "1 if it takes jobs")
    running = Family(f"{prefix}_running", "gauge", "Jobs that run")
    waiting = Family(f"{prefix}_waiting", "gauge", "Jobs it has taken and not begun")
    done = Family(f"{prefix}_done_total", "counter", "Runs that ended, however")
    failed = Family(f"{prefix}_failed_total", "counter", "Runs that failed")
    turns = Family(f"{prefix}_turns_total", "counter", "Turns of the loops that take and settle jobs")
    errors = Family(f"{prefix}_redis_errors_total", "counter", "Requests that Redis did not answer")
    memory = Family(f"{prefix}_resident_memory_bytes", "gauge", "Resident memory")
    for number, vitals in processes.items():
        pid = str(number)
        live.add(int(vitals.live), pid=pid)
        ready.add(int(vitals.ready), pid=pid)
        running.add(vitals.running, pid=pid)
        waiting.add(vitals.waiting, pid=pid)
        done.add(vitals.jobs, pid=pid)
        failed.add(vitals.failed, pid=pid)
        turns.add(vitals.turns, pid=pid)
        errors.add(vitals.redis_errors, pid=pid)
        memory.add(vitals.rss_kib * 1024, pid=pid)
    return render((live, ready, running, waiting, done, failed, turns, errors, memory))
