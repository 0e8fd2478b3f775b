"""How a worker says that it is well: to probes, to a service manager, and by ending when it is not."""

from __future__ import annotations

import signal
import socket
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from redisjobs import RedisJobs
from redisjobs.worker.guard import STALLED
from tests.support.eventually import eventually
from tests.support.fleet import Fleet, WorkerProcess
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.e2e

DEADLINE_S = 60
FAULTS = """
import ctypes, gc, threading, time
from redisjobs.worker.fetcher import Fetcher
from tests.e2e.jobs import app, tell

@app.job(name="block")
def block():
    for one in gc.get_objects():
        if isinstance(one, Fetcher):
            one._turn = threading.Event().wait
"""


@pytest.fixture(autouse=True)
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have workers find the module `faults`: a job that blocks the loop."""
    (tmp_path / "faults.py").write_text(FAULTS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def probed(redis: RealRedis, fleet: Fleet, *words: str, **settings: Any) -> WorkerProcess:
    return fleet.worker(redis, "--health", "127.0.0.1:0", "-r", "faults", *words, **settings)


def ask(worker: WorkerProcess, path: str) -> tuple[int, Any]:
    """Return the status and the body of a probe."""
    (line,) = worker.lines("probes are answered")
    address = line.partition("address=")[2].split()[0]
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as response:
            return response.status, msgspec.json.decode(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, msgspec.json.decode(error.read())


def total(worker: WorkerProcess, name: str) -> float:
    """Return the sum over its processes of one of the figures of a worker."""
    address = worker.lines("probes are answered")[0].partition("address=")[2].split()[0]
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as response:
        text = response.read().decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    family = families[f"redisjobs_worker_{name.removesuffix('_total')}"]
    return sum(sample.value for sample in family.samples)


def statuses(worker: WorkerProcess) -> tuple[int, int]:
    return ask(worker, "/livez")[0], ask(worker, "/readyz")[0]


# -- probes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("--processes", "2")])
def test_it_is_ready_until_it_is_quiet_and_lives_until_its_end(
    redis: RealRedis, app: RedisJobs, fleet: Fleet, words: tuple[str, ...]
) -> None:
    worker = probed(redis, fleet, *words)
    eventually(lambda: statuses(worker) == (200, 200), DEADLINE_S)

    worker.signal(signal.SIGTSTP)
    eventually(lambda: statuses(worker) == (200, 503), DEADLINE_S)

    assert ask(worker, "/readyz")[1]["problems"] == ["quiet"]
    assert worker.stop() == 0


def test_a_supervisor_tells_of_each_child(redis: RealRedis, fleet: Fleet) -> None:
    worker = probed(redis, fleet, "--processes", "2")
    eventually(lambda: statuses(worker) == (200, 200), DEADLINE_S)

    told = eventually(
        lambda: [c["vitals"]["identity"] for c in ask(worker, "/readyz")[1]["children"] if not c["vitals"]["not_ready"]]
    )
    eventually(lambda: redis.client.scard("processes") == 2, DEADLINE_S)
    assert {*told} <= {name.decode() for name in redis.client.smembers("processes")}
    assert worker.stop() == 0


@pytest.mark.parametrize("words", [(), ("--processes", "2")])
def test_its_figures_are_told_without_asking_redis(
    redis: RealRedis, app: RedisJobs, fleet: Fleet, words: tuple[str, ...]
) -> None:
    worker = probed(redis, fleet, "-c", "2", *words)
    eventually(lambda: statuses(worker) == (200, 200), DEADLINE_S)
    before = total(worker, "turns_total")
    app.push_many("noop", [[number] for number in range(20)])
    app.push("no such job")

    eventually(lambda: total(worker, "done_total") >= 20, DEADLINE_S)
    app.push_many("work", [[number, 5.0] for number in range(100, 103)], queue="default")

    eventually(lambda: total(worker, "running") >= 2, DEADLINE_S)
    assert total(worker, "turns_total") > before
    assert total(worker, "ready") == total(worker, "live") == (2 if words else 1)
    assert total(worker, "resident_memory_bytes") > 10 * 2**20
    assert total(worker, "redis_errors_total") == 0
    worker.stop()


def test_a_worker_that_starts_is_not_ready_yet(redis: RealRedis, fleet: Fleet, tmp_path: Path) -> None:
    text = "from tests.e2e.jobs import app\nimport time\n@app.on('startup')\ndef slow(worker):\n    time.sleep(4)\n"
    (tmp_path / "faults.py").write_text(text)
    worker = probed(redis, fleet, ready=False)
    eventually(lambda: worker.lines("probes are answered"), DEADLINE_S)

    assert ask(worker, "/readyz") == (503, {"ready": False, "problems": ["starting"]})
    assert ask(worker, "/livez")[0] == 200
    eventually(lambda: statuses(worker) == (200, 200), DEADLINE_S)
    assert worker.stop() == 0


def test_it_is_not_ready_while_redis_does_not_answer_and_lives_on(server, fleet: Fleet) -> None:
    """Nor does it end itself: the loop turns all the time, whatever comes of its requests.

    One turn may wait 3 s for a connection and 5 s for its first answer.
    """
    redis = server()
    worker = probed(redis, fleet, "--processes", "2", stall_exit_s=24)
    eventually(lambda: statuses(worker) == (200, 200), DEADLINE_S)

    redis.sigstop()
    eventually(lambda: statuses(worker) == (200, 503), DEADLINE_S)
    until = time.monotonic() + 26
    while time.monotonic() < until:
        assert statuses(worker) == (200, 503)
        time.sleep(0.5)
    redis.sigcont()

    eventually(lambda: statuses(worker) == (200, 200), DEADLINE_S)
    assert worker.stop() == 0
    assert not worker.lines("a process ended unasked")


# -- a loop that stands still ---------------------------------------------------------------------------------------


def test_a_loop_that_stands_still_is_told_and_then_the_end(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    worker = probed(redis, fleet, stall_exit_s=8)
    eventually(lambda: statuses(worker) == (200, 200), DEADLINE_S)

    app.push("block")
    eventually(lambda: statuses(worker) == (503, 503), DEADLINE_S)
    assert "fetcher-default: no turn for" in ask(worker, "/livez")[1]["problems"][0]

    assert worker.wait(DEADLINE_S) == STALLED
    assert worker.lines("thread redisjobs-fetcher-default")
    assert worker.lines("stands still")


def test_a_child_whose_loop_stands_still_is_replaced(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    worker = probed(redis, fleet, "--processes", "2", stall_exit_s=4, heartbeat_ttl_s=3, reap_s=0.5)
    eventually(lambda: statuses(worker) == (200, 200), DEADLINE_S)

    app.push("block")
    eventually(lambda: ask(worker, "/livez")[0] == 503, DEADLINE_S)
    eventually(lambda: worker.lines("a process ended unasked"), DEADLINE_S)
    app.push("noop", [1])

    eventually(lambda: fleet.runs.count() == 1, DEADLINE_S)
    assert f"status={STALLED}" in worker.log
    worker.stop()


def test_time_in_which_the_process_was_stopped_does_not_count(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    worker = probed(redis, fleet, stall_exit_s=3)

    worker.sigstop()
    time.sleep(6)
    worker.sigcont()
    app.push("noop", [1])

    eventually(lambda: fleet.runs.count() == 1, DEADLINE_S)
    assert worker.stop() == 0


def test_time_in_which_no_other_thread_could_run_does_not_count(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    worker = probed(redis, fleet, stall_exit_s=3)

    app.push("hold_gil", [1, 8])

    eventually(lambda: fleet.runs.ended()[1] == 1, DEADLINE_S)
    eventually(lambda: redis.value("stat:processed") == "1", DEADLINE_S)
    assert worker.stop() == 0


# -- a service manager ----------------------------------------------------------------------------------------------


class Manager:
    """The end where a service manager listens; it keeps what it was told, and by which process."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(address)
        self._socket.setblocking(False)
        self.told: list[tuple[int, str]] = []

    def lines(self) -> list[str]:
        """Return all lines so far."""
        while True:
            try:
                data, more, _, _ = self._socket.recvmsg(4096, 256)
            except BlockingIOError:
                return [line for _, line in self.told]
            pid = struct.unpack("3i", more[0][2][:12])[0]
            self.told += [(pid, line) for line in data.decode().splitlines()]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """A service manager that wants to hear every second."""
    name = str(tmp_path / "notify") if request.param == "path" else f"\0redisjobs-test-{tmp_path.name}-{time.time()}"
    monkeypatch.setenv("NOTIFY_SOCKET", name.replace("\0", "@"))
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    made = Manager(name)
    yield made
    made.close()


@pytest.mark.parametrize("words", [(), ("--processes", "2")])
def test_a_service_manager_hears_of_start_life_and_stop(
    redis: RealRedis, fleet: Fleet, manager: Manager, words: tuple[str, ...]
) -> None:
    worker = probed(redis, fleet, *words)
    eventually(lambda: manager.lines().count("READY=1") == 1, DEADLINE_S)
    eventually(lambda: manager.lines().count("WATCHDOG=1") >= 5, DEADLINE_S)
    assert "STOPPING=1" not in manager.lines()

    assert worker.stop() == 0

    assert manager.lines().count("READY=1") == 1
    assert manager.lines().count("STOPPING=1") == 1
    assert any(line.startswith("STATUS=running") for line in manager.lines())
    assert {pid for pid, _ in manager.told} == {worker.pid}


def test_a_service_manager_hears_no_sign_of_life_of_a_loop_that_stands_still(
    redis: RealRedis, app: RedisJobs, fleet: Fleet, manager: Manager
) -> None:
    worker = probed(redis, fleet, stall_exit_s=30)
    eventually(lambda: "WATCHDOG=1" in manager.lines(), DEADLINE_S)

    app.push("block")
    eventually(lambda: ask(worker, "/livez")[0] == 503, DEADLINE_S)
    before = len(manager.lines())

    eventually(lambda: len(manager.lines()) >= before + 4, DEADLINE_S)
    assert "WATCHDOG=1" not in manager.lines()[before + 1 :]
