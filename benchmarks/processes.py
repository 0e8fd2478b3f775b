"""What a second process brings: the same drain by one worker and by two, on the cores that there are.

    python -m benchmarks.processes [--rounds 3] [--threads 10] [--quick]

It asserts nothing about speed; the exit code is 1 only if something broke. The method is in benchmarks/README.md.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import partial

from benchmarks import peers
from benchmarks.drain import ours_or_ruby
from benchmarks.peers import Peer
from benchmarks.report import alone
from benchmarks.runs import Case, Figure, Group, Run, Settings, in_turns

FIGURES = (
    Figure("jobs_per_s", "jobs/s"),
    Figure("worker_us", "us/job of all workers", ".1f"),
    Figure("redis_us", "Redis us/job", ".1f"),
    Figure("workers_cores", "cores for workers", ".2f"),
    Figure("redis_cores", "cores for Redis", ".2f"),
)
COUNT = 2
BOTH = """
"$@" & one=$!
"$@" & two=$!
trap 'kill "$one" "$two"; wait "$one" "$two"' TERM
wait "$one" "$two"
"""


def shared_out(peer: Peer, jobs: int, threads: int) -> Run:
    """Drain, and tell how many cores each side kept busy."""
    run = ours_or_ruby(peer, jobs, threads)
    busy = {side: run["jobs_per_s"] * run[f"{side}_us"] / 1e6 for side in ("worker", "redis")}
    return {**run, "workers_cores": busy["worker"], "redis_cores": busy["redis"]}


def doubled(peer: Peer) -> Peer:
    """Return it with two processes: by its own option, or started twice where it has none."""
    name = f"{peer.name}-x{COUNT}"
    if not peer.generation and _has_processes(peer):
        return replace(peer, name=name, more=("--processes", str(COUNT)))
    return replace(peer, name=name, wrapped=("bash", "-c", BOTH, "both"), about=f"{peer.about}, started twice")


def measure(settings: Settings) -> list[Group]:
    """Drain a queue of 400,000 (100,000 if quick) by one worker and by two: ours, and Sidekiq with fewer jobs."""
    many = 100_000 if settings.quick else 400_000
    settings.note(f"processes: {many:,} no-op jobs, {many // 4:,} for sidekiq8; {settings.threads} threads each")
    cases = []
    for peer in peers.find(settings, "ours", "sidekiq8"):
        for one in (peer, doubled(peer)):
            jobs = many // 4 if peer.generation else many
            cases.append(Case("processes", one.name, partial(shared_out, one, jobs, settings.threads)))
            settings.note(f"{one.name}: {one.about}")
    return in_turns(cases, FIGURES, settings)


def _has_processes(peer: Peer) -> bool:
    help_text = subprocess.run([peer.command[0], "worker", "--help"], capture_output=True, text=True, check=True)
    return "--processes" in help_text.stdout


def main() -> int:
    return alone(__doc__.partition("\n")[0], measure)


if __name__ == "__main__":
    sys.exit(main())
