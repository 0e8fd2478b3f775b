"""How each peer is started and pushed to; see `chaos.systems.System`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.runlog import VARIABLE
from chaos.systems import Calls, System, with_client
from chaos.trial import SkippedError
from tests.support.fleet import ROOT, WorkerProcess
from tests.support.real_redis import RealRedis

_SUPERVISOR = """
trap 'over=1; kill -TERM $pid' TERM
until [ -n "$over" ]; do
  "$@" 1>&2 &
  pid=$!
  wait $pid
  wait $pid
  [ -n "$over" ] || sleep 1
done
"""
_RUBY = ROOT / "chaos" / "peers" / "ruby"


class PeerProcess(WorkerProcess):
    """A worker with all its children, which die with it as they would with their machine.

    It is started again a second after it ends, as systemd would: one of them ends when Redis does not answer.
    """

    def __init__(self, log: Path, words: Sequence[str], environment: Mapping[str, str]) -> None:
        super().__init__(log, ["sh", "-c", _SUPERVISOR, "sh", *words], environment, own_group=True)

    def kill9(self) -> None:
        """See `WorkerProcess.kill9`."""
        for pid in _family(self.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.wait(10)

    def end(self) -> None:
        """See `WorkerProcess.end`."""
        if self.running:
            self.kill9()


@dataclass
class PythonPeer:
    """A peer of Python. `line` is its worker's command after the Python's folder, `started` what it logs then."""

    name: str
    slots: int
    jobs: int
    patience_s: float
    settings: str
    line: tuple[str, ...]
    started: str

    def about(self) -> str:
        """See `System`."""
        code = f"import importlib.metadata as m; print(m.version('{self.name}'))"
        return f"{self.name} {_output([str(self._python()), '-c', code])}: {self.settings}"

    def start(self, url: str, log: Path, run_log: Path, settings: Mapping[str, str]) -> WorkerProcess:
        """See `System`."""
        words = [word.format(url=url, slots=self.slots) for word in self.line]
        program = [str(self._python().with_name(words[0])), *words[1:]]
        return PeerProcess(log, program, _environment(url, run_log))

    def push(self, url: str, calls: Calls, kind: str = "work") -> None:
        """See `System`."""
        line = [str(self._python()), "-m", f"chaos.peers.{self.name}_jobs"]
        environment = {**os.environ, "CHAOS_URL": url}
        subprocess.run(line, input=json.dumps(calls).encode(), cwd=ROOT, env=environment, check=True, timeout=120)

    def held(self, redis: RealRedis, worker: WorkerProcess) -> int | None:
        """See `System`."""
        return None

    def ready(self, worker: WorkerProcess) -> bool:
        """See `System`."""
        return self.started in worker.log

    def _python(self) -> Path:
        return Path(_output([str(ROOT / "scripts" / "python-peers"), self.name]))


class Sidekiq:
    """Real Sidekiq 8, open source: it takes jobs with a blocking pop."""

    name = "sidekiq"
    slots = 10
    jobs = 5_000
    patience_s = 60.0

    def about(self) -> str:
        """See `System`."""
        code = 'require "sidekiq"; print "#{Sidekiq::VERSION}, Ruby #{RUBY_VERSION}"'
        return f"sidekiq {_output([*_in_ruby(), 'ruby', '-W0', '-e', code])}: -c {self.slots}, its basic fetch"

    def start(self, url: str, log: Path, run_log: Path, settings: Mapping[str, str]) -> WorkerProcess:
        """See `System`."""
        line = ["ruby", "-W0", "-S", "sidekiq", "-r", str(_RUBY / "jobs.rb"), "-e", "production", "-c", str(self.slots)]
        environment = {**_environment(url, run_log), "REDIS_URL": url}
        return PeerProcess(log, [*_in_ruby(run_log.parent), *line], environment)

    def push(self, url: str, calls: Calls, kind: str = "work") -> None:
        """See `System`."""
        with_client(url, lambda app: app.push_many("ChaosWork", [list(call) for call in calls]))

    def held(self, redis: RealRedis, worker: WorkerProcess) -> int | None:
        """See `System`."""
        return None

    def ready(self, worker: WorkerProcess) -> bool:
        """See `System`."""
        return "chaos: ready" in worker.log


def peer(name: str) -> System:
    """Return a peer by its name.

    Raises:
        KeyError: there is none.
    """
    known: dict[str, System] = {"sidekiq": Sidekiq(), **{one.name: one for one in _PYTHON}}
    return known[name]


NAMES = ("sidekiq", "rq", "celery", "dramatiq", "huey")

_PYTHON = (
    PythonPeer(
        "celery",
        slots=4,
        jobs=5_000,
        patience_s=420,
        settings="-c 4 (prefork), acks_late, reject_on_worker_lost, prefetch 1, visibility_timeout 30 s, "
        "cancel_long_running_tasks_on_connection_loss",
        line=("celery", "-A", "chaos.peers.celery_jobs", "worker", "-c", "{slots}", "-l", "INFO"),
        started=" ready.",
    ),
    PythonPeer(
        "rq",
        slots=1,
        jobs=2_000,
        patience_s=200,
        settings="one job at a time, Retry(max=5), maintenance every 10 s, job monitoring every 5 s, worker TTL 30 s",
        line=(
            *("rq", "worker", "-u", "{url}", "--worker-ttl", "30"),
            *("--maintenance-interval", "10", "--job-monitoring-interval", "5"),
        ),
        started="Listening on",
    ),
    PythonPeer(
        "dramatiq",
        slots=8,
        jobs=5_000,
        patience_s=180,
        settings="-p 1 -t 8, heartbeat 60 s, maintenance_chance 10%",
        line=("dramatiq", "chaos.peers.dramatiq_jobs", "-p", "1", "-t", "{slots}"),
        started="ready for action",
    ),
    PythonPeer(
        "huey",
        slots=8,
        jobs=5_000,
        patience_s=60,
        settings="-w 8 -k thread -g TERM, retries=5",
        line=("huey_consumer", "chaos.peers.huey_jobs.huey", "-w", "{slots}", "-k", "thread", "-g", "TERM"),
        started="Huey consumer started",
    ),
)


def _family(pid: int) -> list[int]:
    """Return a process and its descendants, parents first: some of them lead groups of their own."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text("ascii", "replace").rpartition(")")[2].split()
        except OSError:  # ended while we looked
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    family = [pid]
    for member in family:
        family += children.get(member, [])
    return family


def _environment(url: str, run_log: Path) -> dict[str, str]:
    return {"CHAOS_URL": url, VARIABLE: str(run_log), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def _in_ruby(folder: Path | None = None) -> list[str]:
    binds = [word for path in (_RUBY, folder) if path for word in ("--bind", str(path))]
    return [str(ROOT / "scripts" / "ruby-peers"), "run", "8", *binds, "--"]


def _output(line: Sequence[str]) -> str:
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SkippedError(f"{line[0]}: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()
