"""Processes and what they run, as each generation of Ruby and as ours write them (spec: sidekiq.md 2.3, 2.4)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from redisjobs.config import CapsuleConfig, DeadSetConfig, WorkerConfig
from redisjobs.errors import RedisJobsError
from redisjobs.inspector import Access, Process, ProcessSet, WorkSet
from redisjobs.store.keys import Keys
from redisjobs.store.op import command
from redisjobs.store.stores import BlockingStore
from redisjobs.worker.heartbeat import process_info
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

GOLDEN = Path(__file__).parents[1] / "interop" / "golden"
BASE: dict[str, Any] = {
    "hostname": "app-1",
    "started_at": 1732406390.5,
    "pid": 4242,
    "tag": "shop",
    "labels": ["reliable"],
    "identity": "app-1:4242:5f3a9c01b7de",
}
BEAT = {"busy": "2", "beat": "1732406400.5", "quiet": "false", "rss": "81234", "rtt_us": "214"}
QUEUES = ["default", "low"]
CAPSULES = {
    "default": {"concurrency": 5, "mode": "weighted", "weights": {"default": 2, "low": 1}},
    "single": {"concurrency": 2, "mode": "strict", "weights": {"low": 0}},
}
GENERATIONS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "6": ({"concurrency": 7, "queues": QUEUES}, {}),
    "7": ({"concurrency": 7, "queues": QUEUES, "weights": [{"default": 2, "low": 1}], "version": "7.3.2"}, {}),
    "8": ({"capsules": CAPSULES, "weights": [{"default": 2}], "version": "8.1.7"}, {"concurrency": "7"}),
    "8, without the deprecated": ({"capsules": CAPSULES}, {}),
}


def seed(redis: RealRedis, identity: str, info: dict[str, Any], fields: dict[str, str] | None = None) -> None:
    """Write a process as its heartbeat would."""
    redis.seed({"processes": {identity}, identity: {"info": json.dumps(info), **BEAT, **(fields or {})}})


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_generation_is_read(redis: RealRedis, access: Access, generation: str) -> None:
    info, fields = GENERATIONS[generation]
    seed(redis, BASE["identity"], BASE | info, fields)

    (process,) = ProcessSet(access)

    assert (process.identity, process.hostname, process.pid) == ("app-1:4242:5f3a9c01b7de", "app-1", 4242)
    assert (process.tag, process.labels, process.concurrency, process.busy) == ("shop", ("reliable",), 7, 2)
    assert process.queues == ("default", "low")
    assert (process.quieted, process.embedded) == (False, False)
    assert (process.rss_kb, process.rtt_us) == (81234, 214)
    assert (process.beat_at, process.started_at) == (1732406400.5, 1732406390.5)
    assert process.version == info.get("version", "")
    assert (process.language, process.generation) == ("Ruby", int(info.get("version", "6")[0]))
    assert (process.jobs, process.wire, process.heartbeat_ttl_s) == (None, "", 0.0)


def test_what_ours_can_do_is_read_when_asked_for(redis: RealRedis, access: Access) -> None:
    can = '{"jobs":["Mail",3],"wire":"sidekiq7","heartbeat_ttl_s":30}'
    seed(redis, "h:1:a", {"version": "redisjobs 1.2"}, {"redisjobs": can})
    seed(redis, "h:2:b", {"version": "redisjobs 1.2"}, {"redisjobs": '{"jobs":3,"heartbeat_ttl_s":"x","wire":[]}'})

    lean, _ = ProcessSet(access)
    one, odd = ProcessSet(access, abilities=True)

    assert (one.jobs, one.wire, one.heartbeat_ttl_s) == (("Mail",), "sidekiq7", 30.0)
    assert (odd.jobs, odd.wire, odd.heartbeat_ttl_s) == (lean.jobs, lean.wire, lean.heartbeat_ttl_s) == (None, "", 0.0)
    assert one.ours


def test_our_own_process_is_read(redis: RealRedis, access: Access) -> None:
    settings = WorkerConfig((CapsuleConfig("default", (("default", 0), ("low", 0)), 3),), tag="t", labels=("blue",))
    info = json.loads(process_info("h:1:a", settings, embedded=True))
    seed(redis, "h:1:a", info, {"concurrency": "3", "quiet": "true"})

    (process,) = ProcessSet(access)

    assert (process.concurrency, process.queues, process.tag) == (3, ("default", "low"), "t")
    assert "blue" in process.labels
    assert process.quieted
    assert process.embedded


@pytest.mark.parametrize(
    "info", ["", "{", "null", "[]", '{"pid":"x","queues":3,"labels":"a","capsules":[1]}', "\udcff"]
)
def test_a_process_that_tells_nothing_is_still_one(redis: RealRedis, access: Access, info: str) -> None:
    raw = info.encode("utf-8", "surrogateescape")
    redis.client.sadd("processes", "h:1:a")
    redis.client.hset("h:1:a", mapping={"info": raw, "busy": "x", "beat": "nan", "rss": "1e400"})

    (process,) = ProcessSet(access)

    assert (process.identity, process.pid, process.busy, process.queues) == ("h:1:a", 0, 0, ())
    assert (process.beat_at, process.rss_kb) == (0.0, 0)


def test_who_has_no_heartbeat_is_not_there(redis: RealRedis, access: Access) -> None:
    redis.seed({"processes": {"gone:1:a", "here:2:b", "odd:3:c"}, "here:2:b": {"info": "{}"}, "odd:3:c": "x"})
    redis.client.sadd("processes", b"\xff")

    processes = ProcessSet(access)

    assert [process.identity for process in processes] == ["here:2:b"]
    assert processes.size == len(processes) == 1
    assert processes.find("gone:1:a") is None
    assert processes.find("here:2:b") is not None


@pytest.mark.parametrize(("tell", "signal"), [("quiet", "TSTP"), ("stop", "TERM"), ("dump_threads", "TTIN")])
def test_a_process_is_told_through_its_signals(redis: RealRedis, access: Access, tell: str, signal: str) -> None:
    seed(redis, "h:1:a", BASE)
    (process,) = ProcessSet(access)

    getattr(process, tell)()

    assert redis.value("h:1:a-signals") == [signal]
    assert 0 < redis.client.ttl("h:1:a-signals") <= 60


def test_an_embedded_process_is_not_told_anything(redis: RealRedis, access: Access) -> None:
    seed(redis, "h:1:a", BASE | {"embedded": True})
    (process,) = ProcessSet(access)

    for tell in (Process.quiet, Process.stop, Process.dump_threads):
        with pytest.raises(RedisJobsError, match="embedded in another program"):
            tell(process)
    assert redis.client.exists("h:1:a-signals") == 0


# -- what runs --------------------------------------------------------------------------------------------------


def a_work(jid: str, run_at: float, *, queue: str = "default", as_object: bool = False) -> str:
    """Return one field of a work hash."""
    raw = a_payload(jid=jid, args=[1])
    return json.dumps({"queue": queue, "payload": json.loads(raw) if as_object else raw.decode(), "run_at": run_at})


def test_what_every_generation_runs_is_read(redis: RealRedis, access: Access) -> None:
    """Generation 6 writes another key than 7 and 8; ours writes both, and it is one run all the same."""
    seed(redis, "six:1:a", BASE)
    seed(redis, "seven:2:b", BASE)
    seed(redis, "ours:3:c", BASE)
    redis.seed({"six:1:a:workers": {"t6": a_work("six", 3.0)}})
    redis.seed({"seven:2:b:work": {"t7": a_work("seven", 1.0, queue="low", as_object=True)}})
    redis.seed({f"ours:3:c:{name}": {"t1": a_work("ours", 2.0)} for name in ("work", "workers")})

    works = WorkSet(access)

    assert [(work.process, work.thread, work.jid, work.run_at) for work in works] == [
        ("seven:2:b", "t7", "seven", 1.0),
        ("ours:3:c", "t1", "ours", 2.0),
        ("six:1:a", "t6", "six", 3.0),
    ]
    found = works.find("seven")
    assert found is not None
    assert (found.queue, found.name, found.args) == ("low", "Mail", [1])
    assert works.find("none") is None
    assert works.size == len(works) == 3


@pytest.mark.parametrize(
    ("version", "state", "cancellable"),
    [
        ("redisjobs 1.2", None, True),
        ("8.1.7", None, False),
        ("8.1.7", {"c": "5", "ex": "1", "rt": "0.5"}, True),
        ("7.3.3", {"c": "5"}, True),
        ("7.3.2", {"c": "5"}, False),
        ("8.1.7", {"ex": "1"}, False),
        ("8.1.7", "text", False),
        ("", {"c": "5"}, False),
        ("9" * 5_000, {"c": "5"}, True),
    ],
)
def test_what_can_be_cancelled_is_known_and_the_rest_says_why_not(
    redis: RealRedis, access: Access, version: str, state: Any, cancellable: bool
) -> None:
    seed(redis, "h:1:a", {"version": version})
    redis.seed({"h:1:a:work": {"t1": json.dumps({"queue": "q", "payload": a_payload(jid="j1").decode(), "run_at": 1})}})
    if state is not None:
        redis.seed({"it-j1": state})

    (work,) = WorkSet(access)

    assert (work.cancellable, work.version) == (cancellable, version)
    if not cancellable:
        with pytest.raises(RedisJobsError, match="j1 cannot be cancelled where it runs"):
            work.cancel()
        assert redis.value("it-j1") == state
        return
    work.cancel()
    if version.startswith("redisjobs"):
        assert redis.value("h:1:a-cancels") == ['["t1","j1"]']
    else:
        assert {**redis.value("it-j1"), "cancelled": ""} == {**state, "cancelled": ""}
        assert int(redis.value("it-j1")["cancelled"]) == pytest.approx(redis.now(), abs=30)


def test_who_may_not_read_how_far_jobs_are_sees_what_runs(redis: RealRedis) -> None:
    """The rights of a user may be older than this."""
    seed(redis, "h:1:a", {"version": "8.1.7"})
    redis.seed({"h:1:a:work": {"t1": json.dumps({"queue": "q", "payload": a_payload(jid="j1").decode(), "run_at": 1})}})
    redis.client.execute_command("ACL", "SETUSER", "limited", "on", "nopass", "~processes", "~*:*:*", "+@all")
    store = BlockingStore(redis.config)
    store.run(command("AUTH", "limited", "x"))

    (work,) = WorkSet(Access(store, Keys(), DeadSetConfig(), "sidekiq8"))

    assert (work.jid, work.cancellable) == ("j1", False)
    store.close()
    redis.client.execute_command("ACL", "DELUSER", "limited")


@pytest.mark.parametrize("version", ["6.4.1", "7.3.2", "8.1.7"])
def test_what_real_rubies_wrote_is_read_to_the_last_field(redis: RealRedis, access: Access, version: str) -> None:
    recorded = json.loads((GOLDEN / f"sidekiq-{version}-process.json").read_text("utf-8"))
    told = json.loads(recorded["hash"]["info"])
    redis.seed(
        {"processes": {recorded["key"]}, recorded["key"]: recorded["hash"], recorded["work_key"]: recorded["work"]}
    )

    [process], [work] = ProcessSet(access), WorkSet(access)

    assert (process.identity, process.hostname, process.pid) == (recorded["key"], told["hostname"], told["pid"])
    assert (process.tag, process.labels, process.queues) == ("shop", (), ("default", "low"))
    assert (process.concurrency, process.busy, process.quieted, process.embedded) == (3, 1, False, False)
    assert process.version == told.get("version", "")
    assert (process.language, process.generation) == ("Ruby", int(version[0]))
    assert process.started_at == told["started_at"]
    assert process.beat_at == float(recorded["hash"]["beat"])
    assert (process.rss_kb, process.rtt_us) == (int(recorded["hash"]["rss"]), int(recorded["hash"]["rtt_us"]))
    assert process.capsules == ([("default", 3, "weighted", ("default", "low"))] if version == "8.1.7" else [])
    assert (work.thread, work.name, work.args, work.queue) == (
        next(iter(recorded["work"])),
        "Interop::Hold",
        [1],
        "default",
    )


def test_capsules_are_told_by_those_who_have_some(redis: RealRedis, access: Access) -> None:
    seed(redis, "h:1:a", {"capsules": {**CAPSULES, "odd": [], "empty": {"weights": 3, "concurrency": "x"}}})
    seed(redis, "h:2:b", {"capsules": 3})

    told, silent = ProcessSet(access)

    assert told.capsules == [
        ("default", 5, "weighted", ("default", "low")),
        ("single", 2, "strict", ("low",)),
        ("empty", 0, "", ()),
    ]
    assert silent.capsules == []


def test_what_cannot_be_read_is_passed_over_or_shown_as_it_is(redis: RealRedis, access: Access) -> None:
    seed(redis, "h:1:a", BASE)
    seed(redis, "h:2:b", BASE)
    fields = {"empty": "", "bad": "{", "list": "[]", "half": '{"payload":"not json"}', "none": "{}"}
    redis.seed({"h:1:a:work": {**fields, "good": a_work("good", 5.0)}, "h:2:b:work": "x"})

    works = {work.thread: (work.jid, work.entry.malformed, work.run_at) for work in WorkSet(access)}

    assert works == {"good": ("good", False, 5.0), "half": ("", True, 0.0), "none": ("", True, 0.0)}
