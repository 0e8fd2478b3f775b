"""Who takes part: how each peer's worker is started, what it is, and how they take turns.

Each is set at its best for jobs that do nothing: no line in the log per job, and YJIT where that Ruby has it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, TypeVar

from support import ROOT, BenchmarkError, machine

T = TypeVar("T")

QUEUE = "bench"
QUIET_JOBS = "--no-job-log"
RUBY_FILES = ROOT / "benchmarks" / "ruby"
RUBY_PEERS = ROOT / "scripts" / "ruby-peers"
PEERS = ("ours", "ours-async", "bare", "sidekiq6", "sidekiq6-nojit", "sidekiq7", "sidekiq8")
ABOUT_RUBY = """
  require "sidekiq"
  yjit = defined?(RubyVM::YJIT) && RubyVM::YJIT.enabled?
  puts "Sidekiq #{Sidekiq::VERSION}, Ruby #{RUBY_VERSION} #{yjit ? "with" : "without"} YJIT"
"""


@dataclass(frozen=True)
class Peer:
    """One who takes part. `job` is the no-op's name on the wire, `about` its versions."""

    name: str
    about: str
    job: str
    command: tuple[str, ...]
    generation: str = ""

    def worker(self, threads: int, queues: Sequence[str] = (QUEUE,), folder: Path | None = None) -> list[str]:
        """Return the command of a worker process; `folder` is one that its jobs may write to."""
        listen = ["-c", str(threads), *(word for queue in queues for word in ("-q", queue))]
        if not self.generation:
            return [*self.command, *listen]
        return [*_in_ruby(self.generation, folder), *self.command, *listen]

    def producer(self) -> list[str]:
        """Return the command of a process that enqueues; `benchmarks/producer.py` says what it is to be told."""
        if not self.generation:
            return [sys.executable, str(ROOT / "benchmarks" / "producer.py")]
        ruby = self.command[: self.command.index("-S")]
        return [*_in_ruby(self.generation), *ruby, str(RUBY_FILES / "producer.rb")]


def find(names: Sequence[str]) -> list[Peer]:
    """Look up peers by name, in this order. Raises BenchmarkError for one unknown or not installed."""
    return [_find(name) for name in names]


def in_turns(peers: Sequence[Peer], rounds: int, once: Callable[[Peer], T], out: TextIO) -> dict[str, list[T]]:
    """Run each peer once in every round, so that a noisy minute hits all of them; tell of each run as it ends."""
    print(machine(), *(f"{peer.name}: {peer.about}" for peer in peers), sep="\n", file=out, flush=True)
    runs: dict[str, list[T]] = {peer.name: [] for peer in peers}
    for turn in range(1, rounds + 1):
        for peer in peers:
            run = once(peer)
            runs[peer.name].append(run)
            print(f"round {turn}  {peer.name:<14} {run}  load {os.getloadavg()[0]:.1f}", file=out, flush=True)
    return runs


def options(summary: str, peers: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--peers", default=peers, help=f"some of {', '.join(PEERS)} (default: {peers})")
    parser.add_argument("--rounds", type=at_least(1), default=3, help="runs of each peer, taken in turns (default: 3)")
    parser.add_argument("--threads", type=at_least(1), default=10, help="the worker's concurrency (default: 10)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    return parser


def at_least(lowest: int) -> Callable[[str], int]:
    """Return a type for an option that is a whole number from `lowest` up."""

    def whole_number(text: str) -> int:
        if not text.isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {lowest} up")
        return int(text)

    return whole_number


def _find(name: str) -> Peer:
    match name:
        case "ours":
            return _ours(name, "Noop")
        case "ours-async":
            return _ours(name, "ANoop")
        case "bare":
            command = (sys.executable, str(ROOT / "benchmarks" / "bare.py"))
            return Peer(name, f"the bare loop, Python {platform.python_version()}", "Noop", command)
        case "sidekiq6" | "sidekiq7" | "sidekiq8":
            return _sidekiq(name, name.removeprefix("sidekiq"), yjit=True)
        case "sidekiq6-nojit":
            return _sidekiq(name, "6", yjit=False)
    raise BenchmarkError(f"no peer is called {name!r}; there are {', '.join(PEERS)}")


def _ours(name: str, job: str) -> Peer:
    script = Path(sys.executable).with_name("redisjobs")
    if not script.exists():
        raise BenchmarkError(f"{script} is missing: install this checkout into the Python that runs the benchmark")
    about = f"redisjobs {importlib.metadata.version('redisjobs')}, Python {platform.python_version()}"
    return Peer(name, about, job, (str(script), "worker", "benchmarks.apps:app", QUIET_JOBS))


def _sidekiq(name: str, generation: str, *, yjit: bool) -> Peer:
    flags = ["-W0", "--yjit"] if yjit else ["-W0"]
    probe = [*_in_ruby(generation), "ruby", *flags, "-e", ABOUT_RUBY]
    answer = subprocess.run(probe, capture_output=True, text=True, check=False)
    about = answer.stdout.strip()
    if answer.returncode != 0 or not about:
        raise BenchmarkError(f"peer {name} does not run: {answer.stderr.strip() or probe}")
    if "without YJIT" in about:
        flags = ["-W0"]  # a Ruby built without it only warns, but need not be asked twice
    command = ("ruby", *flags, "-S", "sidekiq", "-r", str(RUBY_FILES / "jobs.rb"), "-e", "production")
    return Peer(name, about, "Noop", command, generation)


def _in_ruby(generation: str, folder: Path | None = None) -> list[str]:
    binds = [word for path in (RUBY_FILES, folder) if path for word in ("--bind", str(path))]
    return [str(RUBY_PEERS), "run", generation, *binds, "--"]
