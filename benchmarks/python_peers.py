"""Python's own peers: how their workers are started and how their queues are looked at.

They live in a virtual environment of their own (scripts/python-peers), since no one of them is needed to use redisjobs;
their jobs and clients are in benchmarks/python/, which only that environment can import.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.runs import Settings
from benchmarks.support import ROOT, BenchmarkError, PrivateRedis, environment

FILES = ROOT / "benchmarks" / "python"
INSTALLER = ROOT / "scripts" / "python-peers"
FILL_S = 300.0
ABOUT = """
import platform
from importlib.metadata import version
print(version({name!r}) + ", redis-py " + version("redis") + ", Python " + platform.python_version())
"""


@dataclass(frozen=True)
class PythonPeer:
    """One with a wire of its own: `left` is Lua that counts its unfinished jobs, `share` how many of ours it gets."""

    name: str
    command: str
    left: str
    share: float

    def worker(self, threads: int, url: str) -> list[str]:
        """Return the command of a worker process."""
        program, *words = self.command.format(threads=threads, url=url).split()
        return [str(bin_folder(self.name) / program), *words]

    def environment(self, threads: int, stamps: Path | None = None) -> dict[str, str]:
        """Return what its worker and its clients find in their environment."""
        more = {"PYTHONPATH": str(FILES), "BENCH_THREADS": str(threads)}
        return more | ({"BENCH_STAMPS": str(stamps)} if stamps else {})

    def fill(self, server: PrivateRedis, count: int) -> None:
        """Have its own client enqueue this many no-ops."""
        self.send(server, "fill", count)

    def send(self, server: PrivateRedis, way: str, count: int) -> tuple[float, float]:
        """Have its own client enqueue; return the seconds and the CPU seconds that it took.

        Raises BenchmarkError if it cannot.
        """
        command = [str(bin_folder(self.name) / "python"), str(FILES / "send.py"), f"{self.name}_jobs", way, str(count)]
        env = environment(server.url, self.environment(1))
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=FILL_S, check=False)
        if done.returncode != 0:
            raise BenchmarkError(f"{self.name} cannot enqueue: {done.stderr[-2000:]}")
        took_s, spent_s = done.stdout.split()
        return float(took_s), float(spent_s)

    def counter(self, server: PrivateRedis) -> Callable[[], int]:
        """Return a function that counts the jobs that are not finished."""
        unfinished = server.client.register_script(f"return {self.left}")
        return lambda: int(unfinished())

    def check(self, server: PrivateRedis, count: int) -> str:
        """It counts nothing that could be wrong."""
        return ""


PEERS = (
    PythonPeer(
        "rq",
        "rq worker -w rq.SimpleWorker --logging_level WARNING --results-ttl 0 --url {url} bench",
        "redis.call('LLEN', 'rq:queue:bench') + redis.call('ZCARD', 'rq:wip:bench')",
        0.03,
    ),
    PythonPeer(
        "celery",
        "celery -A celery_jobs worker -P threads -c {threads} -l WARNING"
        " --without-gossip --without-mingle --without-heartbeat",
        "redis.call('LLEN', 'bench') + redis.call('HLEN', 'unacked')",
        0.06,
    ),
    PythonPeer(
        "dramatiq", "dramatiq -p 1 -t {threads} dramatiq_jobs", "redis.call('HLEN', 'dramatiq:bench.msgs')", 0.1
    ),
    PythonPeer(
        "huey", "huey_consumer huey_jobs.huey -w {threads} -k thread -q", "redis.call('LLEN', 'huey.redis.bench')", 0.2
    ),
    PythonPeer("arq", "arq arq_jobs.Worker --custom-log-dict arq_jobs.quiet", "redis.call('ZCARD', 'arq:queue')", 0.08),
    PythonPeer("saq", "saq saq_jobs.settings -q", "redis.call('ZCARD', 'saq:bench:incomplete')", 0.08),
)


def find(settings: Settings, *names: str) -> list[PythonPeer]:
    """Look up those of these peers that take part. Raises BenchmarkError for one that is not installed."""
    wanted = settings.some(names or [peer.name for peer in PEERS])
    found = [peer for peer in PEERS if peer.name in wanted]
    for peer in found:
        settings.note(f"{peer.name}: {_version(peer.name)}; {peer.command.format(threads=settings.threads, url='URL')}")
    return found


@cache
def bin_folder(name: str) -> Path:
    """Return the folder of a peer's programs; what is missing is installed."""
    done = subprocess.run([str(INSTALLER), name], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"{name} cannot be installed: {done.stderr[-2000:]}")
    return Path(done.stdout.strip()).parent


@cache
def _version(name: str) -> str:
    command = [str(bin_folder(name) / "python"), "-c", ABOUT.format(name=name)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
