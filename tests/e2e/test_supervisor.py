"""Several worker processes under one supervisor: how they start, die, are replaced and end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from redisjobs import RedisJobs
from tests.support.builders import KEYS
from tests.support.eventually import eventually
from tests.support.fleet import ROOT, Fleet, WorkerProcess, command
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.e2e

DEADLINE_S = 60
VERSIONED = """
from tests.e2e.jobs import app, tell

@app.job(name="version")
def version(number):
    tell("version-{version}", number)
"""


@pytest.fixture
def versioned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that writes the module `versioned`: its job tells its version; or else whatever text it is given."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    def write(text: str) -> None:
        (tmp_path / "versioned.py").write_text(text)

    return write


def children(worker: WorkerProcess) -> set[int]:
    """Return the pids of a supervisor's children."""
    return {int(pid) for pid in Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()}


def registered(redis: RealRedis) -> set[int]:
    """Return the pids of the processes that are in the registry, with a heartbeat."""
    names = [name.decode() for name in redis.client.smembers("processes")]
    return {int(name.split(":")[-2]) for name in names if redis.client.exists(name)}


def alive(pid: int) -> bool:
    """Tell whether a process runs, and is not just waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def supervised(redis: RealRedis, fleet: Fleet, *words: str, processes: int = 2, **settings: object) -> WorkerProcess:
    """Start a supervisor; return it when all its children are in the registry."""
    before = registered(redis)
    worker = fleet.worker(redis, "--processes", str(processes), *words, **settings)
    eventually(lambda: len(registered(redis) - before) == processes, DEADLINE_S)
    return worker


# -- life and death -------------------------------------------------------------------------------------------------


def test_each_child_is_a_process_of_the_registry_and_takes_jobs(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    worker = supervised(redis, fleet, processes=3, concurrency=1)

    assert registered(redis) == children(worker)
    app.push_many("work", [(number, 0.5) for number in range(6)])
    eventually(lambda: redis.value("stat:processed") == "6", DEADLINE_S)
    assert {pid for number in range(6) for pid in fleet.runs.pids(number)} == children(worker)
    assert worker.stop() == 0
    assert redis.dump(["stat:*", "queues", "lease-*", "pushed:*"]) == {}


def test_a_killed_child_is_replaced_and_what_it_held_runs_again(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    """Sooner than its heartbeat runs out, which takes a minute."""
    worker = supervised(redis, fleet, concurrency=1)
    app.push("work", [1, 3.0])
    (killed,) = eventually(lambda: fleet.runs.pids(1), DEADLINE_S)

    os.kill(killed, signal.SIGKILL)

    eventually(lambda: len(children(worker) - {killed}) == 2, DEADLINE_S)
    eventually(lambda: fleet.runs.ended()[1] == 1, 40)
    assert fleet.runs.started()[1] == 2
    assert worker.lines("a process ended unasked")
    assert worker.stop() == 0


def test_term_lets_running_jobs_end_in_all_children(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    worker = supervised(redis, fleet, concurrency=2)
    app.push_many("work", [(number, 1.5) for number in range(4)])
    app.push_many("noop", [(number,) for number in range(4, 500)], queue="other")
    eventually(lambda: fleet.runs.count() == 4, DEADLINE_S)

    assert worker.stop() == 0

    assert fleet.runs.ended() == Counter(range(4))
    assert registered(redis) == set()
    assert redis.client.keys("lease:*") == []


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_hurries_all_children(redis: RealRedis, app: RedisJobs, fleet: Fleet, first: int) -> None:
    worker = supervised(redis, fleet, "-t", "60", concurrency=1)
    app.push_many("work", [(number, 50.0) for number in range(2)])
    eventually(lambda: fleet.runs.count() == 2, DEADLINE_S)

    worker.signal(first)
    eventually(lambda: len(worker.lines("quiet:")) == 2, DEADLINE_S)
    assert len(children(worker)) == 2, "they wait for their jobs"
    worker.signal(first)

    assert worker.wait(20) == 0
    assert redis.client.llen("queue:default") == 2


def test_a_child_that_is_told_too_by_others_still_lets_its_job_end(
    redis: RealRedis, app: RedisJobs, fleet: Fleet
) -> None:
    """Some systems send TERM to every process they know of, not only to the first."""
    worker = supervised(redis, fleet, concurrency=1)
    app.push_many("work", [(number, 2.0) for number in range(2)])
    eventually(lambda: fleet.runs.count() == 2, DEADLINE_S)

    worker.term()
    for pid in children(worker):
        os.kill(pid, signal.SIGTERM)

    assert worker.wait(30) == 0
    assert fleet.runs.ended() == Counter(range(2))


def test_tstp_quiets_and_ttin_dumps_all_children(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    worker = supervised(redis, fleet, heartbeat_ttl_s=3)

    worker.signal(signal.SIGTTIN)
    eventually(lambda: len(worker.lines("thread MainThread")) == 2, DEADLINE_S)
    worker.signal(signal.SIGTSTP)
    eventually(lambda: len(worker.lines("quiet: no more jobs are taken identity=")) == 2, DEADLINE_S)
    app.push("noop", [1])

    assert worker.stop() == 0
    assert fleet.runs.count() == 0


def test_children_end_in_good_order_when_their_supervisor_is_killed(
    redis: RealRedis, app: RedisJobs, fleet: Fleet
) -> None:
    worker = supervised(redis, fleet, concurrency=1)
    pids = children(worker)
    app.push_many("work", [(number, 1.5) for number in range(2)])
    eventually(lambda: fleet.runs.count() == 2, DEADLINE_S)

    worker.kill9()

    eventually(lambda: not any(map(alive, pids)), DEADLINE_S)
    assert fleet.runs.ended() == Counter(range(2))
    assert registered(redis) == set()


@pytest.mark.parametrize(("follows", "ends"), [("1", True), ("0", False)])
def test_a_supervisor_stops_when_its_parent_is_gone(redis: RealRedis, tmp_path: Path, follows: str, ends: bool) -> None:
    """Unless it was told not to mind; its parent here is a program that starts it and waits."""
    code = f"import subprocess; p = subprocess.Popen({[command(), 'worker', 'tests.e2e.jobs:app', '--processes', '2']})"
    code += "; print(p.pid, flush=True); p.wait()"
    environment = {**os.environ, "REDISJOBS_URL": redis.url, "REDISJOBS_FOLLOW_PARENT": follows}
    with (tmp_path / "log").open("wb") as log:
        parent = subprocess.Popen(
            [sys.executable, "-c", code], env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=log
        )
    assert parent.stdout is not None
    supervisor = int(parent.stdout.readline())
    parent.stdout.close()
    try:
        eventually(lambda: len(registered(redis)) == 2, DEADLINE_S)
        parent.kill()
        parent.wait()
        if ends:
            eventually(lambda: not alive(supervisor) and registered(redis) == set(), DEADLINE_S)
        else:
            time.sleep(3)  # nothing is to happen
            assert alive(supervisor)
            assert len(registered(redis)) == 2
    finally:
        if alive(supervisor):
            os.kill(supervisor, signal.SIGTERM)
            eventually(lambda: not alive(supervisor), DEADLINE_S)


def test_a_child_that_dies_at_its_start_is_started_again_later_each_time(
    redis: RealRedis, fleet: Fleet, versioned: Callable[[str], None]
) -> None:
    """What does not start must not keep a processor busy with starting it."""
    versioned(
        "from tests.e2e.jobs import app\n@app.on('startup')\ndef broken(worker):\n    raise RuntimeError('no start')\n"
    )
    began = time.monotonic()
    worker = fleet.worker(redis, "--processes", "2", "-r", "versioned", ready=False)
    eventually(lambda: len(worker.lines("a process ended unasked")) >= 6, DEADLINE_S)
    took_s = time.monotonic() - began

    assert took_s > 1.5, "0.5 s, then 1 s"
    assert "again_in_s=0.5" in worker.log
    assert "again_in_s=1.0" in worker.log
    assert "again_in_s=2.0" in worker.log
    assert "no start" in worker.log
    assert worker.stop() == 0


def test_an_app_that_starts_threads_when_imported_is_not_forked(
    redis: RealRedis, app: RedisJobs, fleet: Fleet, versioned: Callable[[str], None]
) -> None:
    versioned(
        VERSIONED.format(version=1)
        + "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    worker = supervised(redis, fleet, "-r", "versioned")
    app.push("version", [1])
    eventually(lambda: fleet.runs.told("version") == [(1, 1)], DEADLINE_S)

    assert worker.lines("not forked but started afresh")
    assert worker.stop() == 0


def test_what_is_told_while_children_are_starting_is_heard_when_they_have(
    redis: RealRedis, app: RedisJobs, fleet: Fleet, versioned: Callable[[str], None]
) -> None:
    """By default TSTP stops a process as Ctrl-Z does: a fresh interpreter must not be caught by that."""
    threads = "import threading, time\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    versioned(VERSIONED.format(version=1) + threads + "time.sleep(1.5)\n")
    worker = fleet.worker(redis, "--processes", "2", "-r", "versioned", ready=False)
    eventually(lambda: len(children(worker)) == 2, DEADLINE_S)
    app.push("noop", [1])

    worker.signal(signal.SIGTSTP)

    eventually(lambda: len(worker.lines("quiet: no more jobs are taken identity=")) == 2, DEADLINE_S)
    assert worker.stop() == 0
    assert redis.client.keys("lease:*") == []


def test_all_share_the_private_server_and_it_ends_with_the_last(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDISJOBS_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("REDIS_URL", raising=False)
    worker = fleet.worker("", "--processes", "2")
    socket = tmp_path / "data" / "redis.sock"
    client = RedisJobs(f"unix://{socket}")
    eventually(lambda: len(list(client.processes)) == 2, DEADLINE_S)
    client.push_many("work", [(number, 0.5) for number in range(20)])
    eventually(lambda: client.stats.processed == 20, DEADLINE_S)
    client.close()

    assert {pid for number in range(20) for pid in fleet.runs.pids(number)} == children(worker)
    worker.kill9()
    eventually(lambda: not socket.exists(), DEADLINE_S, "the children were its last users")


# -- being replaced -------------------------------------------------------------------------------------------------


def test_a_roll_runs_the_new_code_without_a_gap_and_loses_and_doubles_nothing(
    redis: RealRedis, app: RedisJobs, fleet: Fleet, versioned: Callable[[str], None]
) -> None:
    versioned(VERSIONED.format(version=1))
    worker = supervised(redis, fleet, "-r", "versioned", job_log=0)
    old = children(worker)
    app.push("version", [0])
    eventually(lambda: fleet.runs.told("version") == [(0, 1)], DEADLINE_S)
    versioned(VERSIONED.format(version=2))
    pushed = 0

    worker.signal(signal.SIGUSR2)
    deadline = time.monotonic() + DEADLINE_S
    while children(worker) & old or len(children(worker)) != 2:
        app.push_many("work", [(number, 0.02) for number in range(pushed, pushed + 20)])
        pushed += 20
        assert len(taking(redis)) >= 2
        assert time.monotonic() < deadline
        time.sleep(0.02)
    app.push("version", [1])
    eventually(lambda: redis.value("stat:processed") == str(pushed + 2), DEADLINE_S)

    assert fleet.runs.started() == Counter(range(pushed))
    assert fleet.runs.told("version") == [(0, 1), (1, 2)]
    assert worker.stop() == 0
    assert redis.dump(["stat:*", "queues", "lease-*", "pushed:*"]) == {}


def taking(redis: RealRedis) -> list[str]:
    """Return the processes that live and were not told to take no more."""
    names = [name.decode() for name in redis.client.smembers("processes")]
    return [name for name in names if redis.client.hget(name, "quiet") == b"false"]


def test_a_roll_to_code_that_does_not_start_leaves_the_old_processes(
    redis: RealRedis, app: RedisJobs, fleet: Fleet, versioned: Callable[[str], None]
) -> None:
    versioned(VERSIONED.format(version=1))
    worker = supervised(redis, fleet, "-r", "versioned")
    old = children(worker)

    versioned("this is no Python")
    worker.signal(signal.SIGUSR2)
    eventually(lambda: worker.lines("the roll is given up"), DEADLINE_S)
    app.push("version", [1])
    eventually(lambda: fleet.runs.told("version") == [(1, 1)], DEADLINE_S)
    assert children(worker) == old

    versioned(VERSIONED.format(version=2))
    worker.signal(signal.SIGUSR2)
    eventually(lambda: not children(worker) & old, DEADLINE_S)
    app.push("version", [2])
    eventually(lambda: fleet.runs.told("version") == [(1, 1), (2, 2)], DEADLINE_S)
    assert worker.stop() == 0


def test_a_child_over_its_number_of_jobs_is_replaced(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    worker = supervised(redis, fleet, "--max-jobs", "100", job_log=0)
    old = children(worker)

    app.push_many("noop", [(number,) for number in range(1000)])
    eventually(lambda: redis.value("stat:processed") == "1000", DEADLINE_S)
    full = {pid for pid in old if fleet.runs.count_of(pid) >= 100}
    eventually(lambda: not children(worker) & full and len(children(worker)) == 2, DEADLINE_S)

    assert full
    assert worker.lines("over a limit: is replaced")
    assert fleet.runs.started() == Counter(range(1000))
    assert worker.stop() == 0


def test_a_child_over_its_memory_is_replaced_and_its_job_ends_first(
    redis: RealRedis, app: RedisJobs, fleet: Fleet, versioned: Callable[[str], None]
) -> None:
    versioned(
        "import time\nfrom tests.e2e.jobs import app, tell\nkept = []\n"
        "@app.job(name='grow')\n"
        "def grow(number):\n"
        "    tell('start', number)\n"
        "    kept.append(b'x' * 300 * 1024 * 1024)\n"
        "    time.sleep(4)\n"
        "    tell('end', number)\n"
    )
    worker = supervised(redis, fleet, "-r", "versioned", "--max-memory", "200M")
    app.push("grow", [1])
    (grown,) = eventually(lambda: fleet.runs.pids(1), DEADLINE_S)

    eventually(lambda: grown not in children(worker), DEADLINE_S)

    assert len(children(worker)) == 2
    assert fleet.runs.ended() == Counter([1])
    assert redis.value("stat:processed") == "1"
    assert worker.stop() == 0


def test_a_worker_without_a_supervisor_drains_and_ends_at_its_limit(
    redis: RealRedis, app: RedisJobs, fleet: Fleet
) -> None:
    worker = fleet.worker(redis, "--max-jobs", "10")
    app.push_many("noop", [(number,) for number in range(20)])
    app.push("work", [20, 2.0])

    assert worker.wait(DEADLINE_S) == 0

    assert fleet.runs.ended()[20] == fleet.runs.started()[20], "it was let end"
    assert worker.lines("over a limit: drains and ends")
    assert redis.client.keys("lease:*") == []
    assert redis.client.llen(KEYS.queue("default")) + int(redis.value("stat:processed") or 0) == 21
