"""The heartbeat: what one beat writes of a process, for Ruby's pages and for reapers, and what it hears."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from redisjobs import RedisJobs
from redisjobs.config import CapsuleConfig, WorkerConfig
from redisjobs.errors import StoreUnavailableError, WrongTypeError
from redisjobs.store.drive import drive
from redisjobs.store.keys import Keys
from redisjobs.store.ops import processes
from redisjobs.store.stores import BlockingStore
from redisjobs.version import __version__
from redisjobs.wire import payload
from redisjobs.worker.heartbeat import Heartbeat, new_identity, rss_kib
from redisjobs.worker.work import Running, Work
from tests.support.builders import KEYS, a_lease, a_payload
from tests.support.faulty import FaultyStore
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

ME = "app-1:4242:5f3a9c01b7de"
SETTINGS = WorkerConfig(
    capsules=(
        CapsuleConfig("default", (("mail", 3), ("pdf", 1)), 5),
        CapsuleConfig("single", (("serial", 0),), 1),
        CapsuleConfig("lots", (("pdf", 1), ("web", 1)), 2),
    ),
    tag="shop",
    labels=("eu", "python"),
)

A_Heartbeat = Callable[..., Heartbeat]


class AWorker:
    """What a heartbeat needs of a worker, and what it tells one."""

    identity = ME

    def __init__(self, running: Sequence[Running], heard: list[str], on_beat: Callable[[], None]) -> None:
        self._running = running
        self._heard = heard
        self.told = heard.append
        self.beaten = on_beat

    def cancel(self, tid: str, jid: str) -> None:
        self._heard.append(f"cancel {jid} in {tid}")

    def running(self) -> list[Running]:
        return list(self._running)

    def watched(self, by_somebody: bool) -> None:
        """Nobody asks: see test_watched.py."""


@pytest.fixture
def a_heartbeat() -> A_Heartbeat:
    """Make a heartbeat; what it hears is put into `heard`."""

    def make(
        settings: WorkerConfig = SETTINGS,
        *,
        keys: Keys = KEYS,
        running: Sequence[Running] = (),
        heard: list[str] | None = None,
        embedded: bool = False,
        on_beat: Callable[[], None] = lambda: None,
    ) -> Heartbeat:
        worker = AWorker(running, [] if heard is None else heard, on_beat)
        return Heartbeat(worker, keys, settings, embedded=embedded, abilities=lambda: b'{"jobs":["Mail"]}')

    return make


def a_running(app: RedisJobs, raw: bytes, *, tid: str = "t0", queue: str = "mail", at: float = 1732406400.9) -> Running:
    """Return a job that a thread runs."""
    job = app.job(name="Mail")(lambda: None)
    return Running(Work(a_lease(raw, queue=queue), payload.decode(raw), job), at, tid)


def info(redis: RealRedis) -> dict[str, Any]:
    """Return what the process said of itself when it started."""
    return msgspec.json.decode(redis.value(ME)["info"])


# -- what is written ------------------------------------------------------------------------------------------------


def test_a_beat_says_that_the_process_lives_and_what_it_runs(
    app: RedisJobs, redis: RealRedis, store: BlockingStore, a_heartbeat: A_Heartbeat
) -> None:
    """Generation 6 reads `:workers`, 7 and 8 `:work`; payloads are strings that hold JSON in all of them."""
    raws = ['{"class":"A","args":[1.50,"ü\\u00fc\\n"], "jid":"j1"}', a_payload(jid="j2").decode()]
    jobs = [a_running(app, raw.encode(), tid=f"t{at}", queue=f"q{at}") for at, raw in enumerate(raws)]
    before = redis.now()

    drive(a_heartbeat(running=jobs).once(), store)

    mine = redis.value(ME)
    work = {
        f"t{at}": msgspec.json.encode({"queue": f"q{at}", "payload": raw, "run_at": 1732406400}).decode()
        for at, raw in enumerate(raws)
    }
    assert redis.dump() == {
        "processes": {ME},
        "lease-queues": {"mail", "pdf", "serial", "web"},
        ME: {
            "info": mine["info"],
            "concurrency": "8",
            "busy": "2",
            "beat": mine["beat"],
            "quiet": "false",
            "rss": mine["rss"],
            "rtt_us": mine["rtt_us"],
            "redisjobs": '{"jobs":["Mail"]}',
        },
        f"{ME}:work": work,
        f"{ME}:workers": work,
    }
    assert before - 0.1 <= float(mine["beat"]) <= redis.now() + 0.1
    assert 0 < int(mine["rtt_us"]) < 5_000_000


def test_all_that_can_tell_of_a_life_ends_with_it(
    app: RedisJobs, redis: RealRedis, store: BlockingStore, a_heartbeat: A_Heartbeat
) -> None:
    settings = msgspec.structs.replace(SETTINGS, heartbeat_ttl_s=30.0)

    pause_s = drive(a_heartbeat(settings, running=[a_running(app, a_payload())]).once(), store)

    for key in (ME, f"{ME}:work", f"{ME}:workers"):
        assert 29_000 < redis.client.pttl(key) <= 30_000
    assert redis.client.pttl("processes") == redis.client.pttl("lease-queues") == -1
    assert pause_s == 1.5  # twenty beats must be missed


def test_each_beat_writes_anew_what_runs(
    app: RedisJobs, redis: RealRedis, store: BlockingStore, a_heartbeat: A_Heartbeat
) -> None:
    jobs = [a_running(app, a_payload(), tid="t0"), a_running(app, a_payload(), tid="t1")]
    heartbeat = a_heartbeat(running=jobs)
    drive(heartbeat.once(), store)
    first = redis.value(ME)

    jobs.clear()
    drive(heartbeat.once(), store)

    assert redis.value(f"{ME}:work") is redis.value(f"{ME}:workers") is None
    assert redis.value(ME)["busy"] == "0"
    assert float(redis.value(ME)["beat"]) > float(first["beat"])


def test_bytes_that_are_no_text_do_not_stop_the_heart(
    app: RedisJobs, redis: RealRedis, store: BlockingStore, a_heartbeat: A_Heartbeat
) -> None:
    running = a_running(app, a_payload())
    lease = msgspec.structs.replace(running.work.lease, raw=b'{"class":"\xff"}')

    other = running._replace(work=msgspec.structs.replace(running.work, lease=lease))
    drive(a_heartbeat(running=[other]).once(), store)

    assert msgspec.json.decode(redis.value(f"{ME}:work")["t0"])["payload"] == '{"class":"\N{REPLACEMENT CHARACTER}"}'


def test_quiet_is_said_with_the_next_beat(redis: RealRedis, store: BlockingStore, a_heartbeat: A_Heartbeat) -> None:
    """Ruby's pages take any other text than `true` for running."""
    heartbeat = a_heartbeat()
    heartbeat.quiet = True

    drive(heartbeat.once(), store)

    assert redis.value(ME)["quiet"] == "true"


def test_everything_stays_inside_the_namespace(
    redis: RealRedis, store: BlockingStore, a_heartbeat: A_Heartbeat
) -> None:
    """The identity itself has no prefix: it is a member, and Ruby puts the namespace before it."""
    drive(a_heartbeat(keys=Keys("ns")).once(), store)

    assert sorted(redis.dump()) == [f"ns:{ME}", "ns:lease-queues", "ns:processes"]
    assert redis.value("ns:processes") == {ME}


# -- what a process says of itself ----------------------------------------------------------------------------------


@pytest.mark.parametrize("embedded", [False, True])
def test_info_is_the_union_of_what_every_generation_reads(
    redis: RealRedis, store: BlockingStore, a_heartbeat: A_Heartbeat, embedded: bool
) -> None:
    before = redis.now()

    drive(a_heartbeat(embedded=embedded).once(), store)

    found = info(redis)
    assert before - 1 <= found.pop("started_at") <= redis.now() + 1
    assert found == {
        "hostname": socket.gethostname(),
        "pid": os.getpid(),
        "tag": "shop",
        "concurrency": 8,
        "capsules": {
            "default": {"concurrency": 5, "mode": "weighted", "weights": {"mail": 3, "pdf": 1}},
            "single": {"concurrency": 1, "mode": "strict", "weights": {"serial": 0}},
            "lots": {"concurrency": 2, "mode": "random", "weights": {"pdf": 1, "web": 1}},
        },
        "queues": ["mail", "pdf", "serial", "web"],
        "weights": [{"mail": 3, "pdf": 1}, {"serial": 0}, {"pdf": 1, "web": 1}],
        "labels": ["python", "eu"],
        "identity": ME,
        "version": f"redisjobs {__version__}",
        "embedded": embedded,
    }


def test_info_is_written_once_and_stays_the_same(
    redis: RealRedis, store: BlockingStore, a_heartbeat: A_Heartbeat
) -> None:
    heartbeat = a_heartbeat()
    drive(heartbeat.once(), store)
    first = info(redis)

    drive(heartbeat.once(), store)

    assert info(redis) == first


def test_a_dyno_is_called_as_heroku_calls_it(
    redis: RealRedis, store: BlockingStore, a_heartbeat: A_Heartbeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNO", "worker.7")

    drive(a_heartbeat().once(), store)

    assert info(redis)["hostname"] == "worker.7"
    assert new_identity().startswith(f"worker.7:{os.getpid()}:")


def test_an_identity_is_host_pid_and_twelve_digits_of_its_own() -> None:
    first, second = new_identity(), new_identity()

    assert first != second
    for identity in (first, second):
        assert re.fullmatch(rf"{re.escape(socket.gethostname())}:{os.getpid()}:[0-9a-f]{{12}}", identity)


def test_memory_is_told_in_kibibytes() -> None:
    def told_by_the_system() -> int:
        [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1])

    assert rss_kib() == pytest.approx(told_by_the_system(), rel=0.2)


# -- what is heard --------------------------------------------------------------------------------------------------


def test_one_signal_is_heard_with_each_beat_the_first_sent_first(
    redis: RealRedis, store: BlockingStore, a_heartbeat: A_Heartbeat
) -> None:
    for name in ("TSTP", "TTIN", "TERM"):
        redis.run(processes.signal(KEYS, ME, name))
    heard: list[str] = []
    heartbeat = a_heartbeat(heard=heard)

    for expected in (["TSTP"], ["TSTP", "TTIN"], ["TSTP", "TTIN", "TERM"], ["TSTP", "TTIN", "TERM"]):
        drive(heartbeat.once(), store)
        assert heard == expected

    assert f"{ME}-signals" not in redis.dump()


def test_an_embedded_process_obeys_no_signal(redis: RealRedis, store: BlockingStore, a_heartbeat: A_Heartbeat) -> None:
    """It shares its process with a program that has other things to do."""
    redis.run(processes.signal(KEYS, ME, "TERM"))
    heard: list[str] = []

    drive(a_heartbeat(embedded=True, heard=heard).once(), store)

    assert heard == []


@pytest.mark.parametrize("embedded", [False, True])
def test_all_runs_that_are_to_end_are_heard_of_with_one_beat(
    redis: RealRedis, store: BlockingStore, a_heartbeat: A_Heartbeat, embedded: bool
) -> None:
    """In an embedded process too: its jobs are ours, whosever program it is."""
    for tid, jid in (("t0", "j1"), ("my capsule a7", "j 2")):
        redis.run(processes.cancel(KEYS, ME, tid, jid))
    assert 50 < redis.client.ttl(f"{ME}-cancels") <= 60
    redis.client.lpush(f"{ME}-cancels", "nonsense", b"\xff", "[1,2]")
    heard: list[str] = []
    heartbeat = a_heartbeat(heard=heard, embedded=embedded)

    drive(heartbeat.once(), store)
    drive(heartbeat.once(), store)

    assert heard == ["cancel j1 in t0", "cancel j 2 in my capsule a7"]
    assert f"{ME}-cancels" not in redis.dump()


def test_who_waits_for_beats_is_called_only_after_redis_took_one(
    redis: RealRedis, store: BlockingStore, a_heartbeat: A_Heartbeat
) -> None:
    seen: list[Any] = []
    heartbeat = a_heartbeat(on_beat=lambda: seen.append(redis.value("processes")))

    for fail in (1, 2):  # the ping, the beat
        with pytest.raises(StoreUnavailableError):
            drive(heartbeat.once(), FaultyStore(store, fail=fail))
    assert seen == []
    drive(heartbeat.once(), store)

    assert seen == [{ME}]


def test_a_signal_is_heard_though_the_beat_itself_fails(
    redis: RealRedis, store: BlockingStore, a_heartbeat: A_Heartbeat
) -> None:
    heard: list[str] = []
    redis.run(processes.signal(KEYS, ME, "TERM"))
    redis.seed({"lease-queues": "text"})

    with pytest.raises(WrongTypeError):
        drive(a_heartbeat(heard=heard).once(), store)

    assert heard == ["TERM"]
