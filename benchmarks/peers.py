"""Who takes part: how each peer's worker is started, and what it is.

Each is set at its best for jobs that do nothing: no line in the log per job, and YJIT where that Ruby has it.
Python's own peers are in benchmarks/python_peers.py.
"""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from benchmarks import jobs
from benchmarks.jobs import QUEUE
from benchmarks.runs import Settings
from benchmarks.support import ROOT, BenchmarkError, PrivateRedis

OLDER = ("sidekiq7", "sidekiq6", "sidekiq6-nojit")
QUIET_JOBS = "--no-job-log"
RUBY_FILES = ROOT / "benchmarks" / "ruby"
RUBY_PEERS = ROOT / "scripts" / "ruby-peers"
ABOUT_RUBY = """
  require "sidekiq"
  yjit = defined?(RubyVM::YJIT) && RubyVM::YJIT.enabled?
  puts "Sidekiq #{Sidekiq::VERSION}, Ruby #{RUBY_VERSION} #{yjit ? "with" : "without"} YJIT"
"""
# Leased jobs are not finished: a peer without leases has none of these lists. The server is ours, so KEYS is cheap.
UNFINISHED = """
local left = redis.call("LLEN", KEYS[1])
for _, lease in ipairs(redis.call("KEYS", "lease:*")) do left = left + redis.call("LLEN", lease) end
return left
"""


@dataclass(frozen=True)
class Peer:
    """One who takes Sidekiq's payloads. `job` is the no-op's name on the wire, `about` its versions.

    `more` are options of its worker, `wrapped` a program that is given the whole command.
    """

    name: str
    about: str
    job: str
    command: tuple[str, ...]
    generation: str = ""
    more: tuple[str, ...] = ()
    wrapped: tuple[str, ...] = ()

    def worker(self, threads: int, queues: Sequence[str] = (QUEUE,), folder: Path | None = None) -> list[str]:
        """Return the command of a worker process; `folder` is one that its jobs may write to."""
        listen = ["-c", str(threads), *(word for queue in queues for word in ("-q", queue)), *self.more]
        if not self.generation:
            return [*self.wrapped, *self.command, *listen]
        return [*self.wrapped, *_in_ruby(self.generation, folder), *self.command, *listen]

    def producer(self) -> list[str]:
        """Return the command of a process that enqueues; `benchmarks/producer.py` says what it is to be told."""
        if not self.generation:
            return [sys.executable, "-m", "benchmarks.producer"]
        ruby = self.command[: self.command.index("-S")]
        return [*_in_ruby(self.generation), *ruby, str(RUBY_FILES / "producer.rb")]

    def fill(self, server: PrivateRedis, count: int) -> None:
        """Have this many no-ops wait in the queue."""
        jobs.fill(server, self.job, count)

    def counter(self, server: PrivateRedis) -> Callable[[], int]:
        """Return a function that counts the jobs that are not finished."""
        unfinished = server.client.register_script(UNFINISHED)
        return lambda: int(unfinished(keys=[f"queue:{QUEUE}"]))

    def check(self, server: PrivateRedis, count: int) -> str:
        """Return what is wrong unless each job ran exactly once and well; the worker has stopped."""
        client = server.client
        processed, failed = (int(cast(bytes, client.get(f"stat:{kind}")) or 0) for kind in ("processed", "failed"))
        left = client.llen(f"queue:{QUEUE}") + client.zcard("retry") + client.zcard("dead")
        if (processed, failed, left) == (count, 0, 0):
            return ""
        return f"processed {processed} of {count} jobs, failed {failed}, left {left}"


def find(settings: Settings, *names: str) -> list[Peer]:
    """Look up those of these peers that take part, and have the report name their versions.

    Older generations of Sidekiq take part if they were asked for.

    Raises BenchmarkError for one that is not installed.
    """
    found = [_find(name) for name in settings.some(names, also=OLDER)]
    for peer in found:
        settings.note(f"{peer.name}: {peer.about}")
    return found


def _find(name: str) -> Peer:
    match name:
        case "ours":
            return _ours(name)
        case "ours-async":
            return _ours(name, job="ANoop")
        case "ours-log":
            peer = _ours(name)
            words = tuple(word for word in peer.command if word != QUIET_JOBS)
            return replace(peer, command=words, about=f"{peer.about}, with its log of jobs, to a file")
        case "bare":
            command = (sys.executable, str(ROOT / "benchmarks" / "bare.py"))
            return Peer(name, f"the bare loop, Python {platform.python_version()}", "Noop", command)
        case "sidekiq6" | "sidekiq7" | "sidekiq8":
            return _sidekiq(name, name.removeprefix("sidekiq"), yjit=True)
        case "sidekiq6-nojit":
            return _sidekiq(name, "6", yjit=False)
    raise BenchmarkError(f"no peer is called {name!r}")


def _ours(name: str, job: str = "Noop") -> Peer:
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
