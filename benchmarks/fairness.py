"""Whether short jobs wait behind long ones: ten of 1 s among a thousand of 1 ms, two workers.

    python -m benchmarks.fairness [--rounds 3] [--threads 10] [--peers ours,sidekiq8] [--quick]

It asserts nothing about speed; the exit code is 1 only if something broke. The method is in benchmarks/README.md.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from benchmarks import peers
from benchmarks.jobs import QUEUE, payload
from benchmarks.peers import Peer
from benchmarks.report import alone
from benchmarks.runs import Case, Figure, Group, Run, Settings, in_turns
from benchmarks.support import PrivateRedis, private_redis, running, wait_until, worker_log

WORKERS = 2
LONG_S, SHORT_S = 1.0, 0.001
LONG, SHORT = 10, 1_000
HELD_MS = (25, 50, 100)
WAITS = (
    Figure("worst_ms", "ms the worst wait while a slot stood free", ".1f"),
    Figure("together_ms", "ms in all, the worst", ".1f"),
    Figure("last_short_ms", "ms until the last short job was started"),
    Figure("lost", "jobs not run exactly once"),
)
HOLDS = (
    Figure("held", "jobs held at most by one worker"),
    Figure("above", "of looks saw more than its slots", ".1%"),
    Figure("looks", "looks"),
)
LONGEST_LEASE = """
local most = 0
for _, lease in ipairs(redis.call("KEYS", "lease:*")) do most = math.max(most, redis.call("LLEN", lease)) end
return most
"""
ORDERS: dict[str, Callable[[int], bool]] = {
    "fairness, long ones spread": lambda place: place % (SHORT // LONG) == SHORT // LONG // 2,
    "fairness, long ones first": lambda place: place < LONG,
    "fairness, long ones in the middle": lambda place: SHORT // 2 <= place < SHORT // 2 + LONG,
}


@dataclass(frozen=True)
class Ran:
    """One line of the log: which job, in which slot, from when to when (Unix seconds)."""

    index: int
    slot: tuple[str, str]
    began: float
    ended: float


@contextmanager
def fleet(peer: Peer, threads: int, server: PrivateRedis) -> Iterator[None]:
    """Run two workers, which both have begun when the block does."""
    with ExitStack() as stack:
        for _ in range(WORKERS):
            command = peer.worker(threads, folder=server.folder)
            worker = stack.enter_context(running(command, server))
        registered = cast("Callable[[str], int]", server.client.scard)
        wait_until(lambda: registered("processes") == WORKERS, "two workers", worker, worker_log(server))
        yield


def waits(peer: Peer, threads: int, is_long: Callable[[int], bool]) -> Run:
    """Push all at once, and find in the log of the jobs how long short ones waited while there was a free slot."""
    with private_redis() as server, fleet(peer, threads, server):
        log = server.folder / "timed"
        warm_up(server, WORKERS * threads)
        seconds = [LONG_S if is_long(place) else SHORT_S for place in range(LONG + SHORT)]
        payloads = [payload("Timed", [place, length, str(log)]) for place, length in enumerate(seconds)]
        pushed_at = time.time()
        server.client.lpush(f"queue:{QUEUE}", *payloads)
        ran = read(server, log, len(payloads))
    short = [run for run in ran if seconds[run.index] == SHORT_S]
    single, together = free_while_waiting(ran, [run.began for run in short], pushed_at, WORKERS * threads)
    return {
        "worst_ms": single * 1e3,
        "together_ms": together * 1e3,
        "last_short_ms": (max(run.began for run in short) - pushed_at) * 1e3,
        "lost": len(set(range(len(seconds))) ^ {run.index for run in ran}),
    }


def warm_up(server: PrivateRedis, slots: int) -> None:
    """Have every slot of both workers run something, for all code to be loaded."""
    log = server.folder / "warm-up"
    server.client.lpush(f"queue:{QUEUE}", *(payload("Timed", [place, 0.01, str(log)]) for place in range(10 * slots)))
    read(server, log, 10 * slots)


def read(server: PrivateRedis, log: Path, count: int) -> list[Ran]:
    """Wait until the log has a line for each job, and return them."""
    lines: list[str] = []

    def complete() -> bool:
        lines[:] = log.read_text().splitlines() if log.exists() else []
        return len(lines) >= count

    wait_until(complete, f"{count} jobs to be done", server.process, worker_log(server), every_s=0.05)
    fields = [line.split() for line in lines]
    return [Ran(int(index), (pid, thread), float(began), float(ended)) for index, pid, thread, began, ended in fields]


def free_while_waiting(ran: Sequence[Ran], starts: Sequence[float], since: float, slots: int) -> tuple[float, float]:
    """Return the worst over all jobs that started at `starts` and waited from `since` on, in seconds.

    First: how long one and the same slot stood free while it waited. Second: how long any slot was free, all of that
    time added up, also the moments between two jobs that follow each other in a slot.
    """
    last = max(starts)
    used: dict[tuple[str, str], float] = {}
    longest = 0.0
    for run in sorted(ran, key=lambda one: one.began):
        longest = max(longest, min(run.began, last) - used.get(run.slot, since))
        used[run.slot] = run.ended
    for ended in [*used.values(), *[since] * (slots - len(used))]:
        longest = max(longest, last - ended)
    changes = sorted([(run.began, 1) for run in ran] + [(run.ended, -1) for run in ran])
    busy, free, at = 0, 0.0, since
    for moment, change in changes:
        if at < last and busy < slots:
            free += min(moment, last) - at
        busy, at = busy + change, max(at, moment)
    return longest, free


def holds(peer: Peer, threads: int, seconds: float, jobs: int) -> Run:
    """Look at the lease lists while two workers run jobs of one length: what is the most that one of them held."""
    with private_redis() as server, fleet(peer, threads, server):
        log = server.folder / "timed"
        longest = server.client.register_script(LONGEST_LEASE)
        server.client.lpush(f"queue:{QUEUE}", *(payload("Timed", [place, seconds, str(log)]) for place in range(jobs)))
        held: list[int] = []
        left = peer.counter(server)
        while left():
            held.append(int(longest()))
            time.sleep(0.003)
    return {"held": max(held), "above": sum(count > threads for count in held) / len(held), "looks": len(held)}


def measure(settings: Settings) -> list[Group]:
    """Measure three orders of long and short jobs for ours and Sidekiq, then what our workers hold."""
    threads = settings.threads
    settings.note(f"fairness: {LONG} jobs of {LONG_S:g} s, {SHORT:,} of 1 ms, {WORKERS} workers of {threads} threads")
    compared = peers.find(settings, "ours", "sidekiq8")
    cases = [
        Case(title, peer.name, partial(waits, peer, threads, order))
        for title, order in ORDERS.items()
        for peer in compared
    ]
    runs_s = 2.0 if settings.quick else 6.0
    held = [
        Case(
            f"fairness, held of jobs of {ms} ms",
            peer.name,
            partial(holds, peer, threads, ms / 1e3, int(WORKERS * threads * runs_s * 1e3 / ms)),
        )
        for ms in HELD_MS
        for peer in compared
        if not peer.generation
    ]
    return in_turns(cases, WAITS, settings) + in_turns(held, HOLDS, settings)


def main() -> int:
    return alone(__doc__.partition("\n")[0], measure)


if __name__ == "__main__":
    sys.exit(main())
