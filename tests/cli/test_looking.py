"""`stats`, `queues`, `queue`, `processes`, `quiet`, `stop`."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest

from tests.cli.conftest import Cli
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

IDENTITY = "app-1:4242:5f3a9c01b7de"
HOSTILE = "\x1b]0;owned\x07\x9b31m\u202e\n"


def seed_process(redis: RealRedis, identity: str = IDENTITY, *, embedded: bool = False) -> None:
    """Write a process that runs one job."""
    info = {"hostname": "app-1", "pid": 4242, "tag": "shop", "queues": ["default", "low"], "embedded": embedded}
    info |= {"started_at": time.time() - 7200, "concurrency": 10, "version": "8.1.7", "labels": []}
    beat = {"busy": "1", "beat": str(time.time()), "quiet": "false", "rss": "40960", "rtt_us": "150"}
    work = {"queue": "low", "payload": a_payload(jid="running", args=[1]).decode(), "run_at": int(time.time()) - 5}
    redis.seed({"processes": {identity}, identity: {"info": json.dumps(info), **beat}})
    redis.seed({f"{identity}:work": {"tid1": json.dumps(work)}})


def test_stats_count_everything(cli: Cli, redis: RealRedis) -> None:
    seed_process(redis)
    redis.seed({"stat:processed": "1234567", "stat:failed": "3", "queues": {"default"}, "retry": {"a": 1.0}})
    redis.seed({"queue:default": [a_payload(enqueued_at=time.time() - 300)], "dead": {"a": 1.0, "b": 2.0}})

    shown = cli("stats")
    told = cli("stats", "--json").json

    assert shown.rows == [
        ["processed", "1,234,567"],
        ["failed", "3"],
        ["busy", "1"],
        ["processes", "1"],
        ["enqueued", "1"],
        ["retries", "1"],
        ["scheduled", "0"],
        ["dead", "2"],
        ["default queue waits", "5 min"],
    ]
    assert told["default_queue_latency_s"] == pytest.approx(300, abs=10)
    assert (told["processed"], told["busy"], told["queues"]) == (1234567, 1, {"default": 1})


def seed_ours(redis: RealRedis, identity: str = IDENTITY) -> None:
    """Have the process of `seed_process` be one of ours."""
    info = {"hostname": "app-1", "pid": 4242, "version": "redisjobs 1.0"}
    redis.client.hset(identity, "info", json.dumps(info))


def test_a_running_job_is_cancelled(cli: Cli, redis: RealRedis) -> None:
    seed_process(redis)
    seed_ours(redis)

    ran = cli("cancel", "running", "running")

    assert (ran.status, ran.out) == (0, "1 asked to end\n")
    assert redis.value(f"{IDENTITY}-cancels") == ['["tid1","running"]']
    assert cli("cancel", "running", "--json").json == {"cancelled": ["running"], "problems": []}


def test_what_cannot_be_cancelled_is_said(cli: Cli, redis: RealRedis) -> None:
    seed_process(redis)

    ran = cli("cancel", "running", "other")

    assert (ran.status, ran.out) == (1, "0 asked to end\n")
    assert "running cannot be cancelled where it runs: of Ruby's jobs only those that iterate can" in ran.err
    assert "other does not run, as far as the last heartbeats tell" in ran.err
    assert redis.client.exists(f"{IDENTITY}-cancels") == 0
    assert cli("cancel").status == 2


def test_stats_of_days(cli: Cli, redis: RealRedis) -> None:
    today = str(datetime.now(UTC).date())
    redis.seed({f"stat:processed:{today}": "5", f"stat:failed:{today}": "1"})

    assert cli("stats", "--days", "2").rows[-2] == [today, "5", "1"]
    assert cli("stats", "--days", "2", "--json").json["history"][0] == {"date": today, "processed": 5, "failed": 1}


def test_queues_are_listed_with_sizes_and_waits(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"queues": {"low", "high", "empty"}, "paused": {"low"}, "queue:low": [b"junk", b"junk"]})
    redis.seed({"queue:high": [a_payload(enqueued_at=time.time() - 90)]})

    assert cli("queues").rows == [
        ["QUEUE", "SIZE", "WAITS"],
        ["empty", "0", "-"],
        ["high", "1", "1 min"],
        ["low", "2", "0 s", "paused"],
    ]
    assert [one["paused"] for one in cli("queues", "--json").json] == [False, False, True]


@pytest.mark.parametrize("command", ["stats", "queues"])
def test_a_wrong_queue_is_named_and_the_rest_is_shown(cli: Cli, redis: RealRedis, command: str) -> None:
    redis.seed({"queues": {"bad", "good"}, "queue:bad": "x", "queue:good": ["job"]})

    shown, told = cli(command), cli(command, "--json")

    for ran in (shown, told):
        assert ran.status == 1
        assert "'queue:bad' is a string, not a list" in ran.err
    assert "good" in told.out
    assert shown.out


@pytest.mark.parametrize("command", ["queues", "queue NAME", "stats", "processes", "retries", "dead", "dead show j1"])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_nothing_in_redis_can_drive_the_terminal(cli: Cli, redis: RealRedis, command: str, form: list[str]) -> None:
    raw = json.dumps(
        dict.fromkeys(("class", "queue", "error_class", "error_message", "display_class"), HOSTILE)
        | {"jid": "j1", "args": [HOSTILE, {HOSTILE: HOSTILE}], "tags": [HOSTILE]},
        ensure_ascii=False,
    )
    bare = HOSTILE.encode() + b"\xff"
    redis.seed({"queues": {HOSTILE}, f"queue:{HOSTILE}": [raw, bare], "retry": {raw: 1.0, bare: 2.0}})
    redis.seed({"dead": {raw: 1.0, bare: 2.0}, "processes": {HOSTILE}})
    info = {"tag": HOSTILE, "queues": [HOSTILE], "hostname": HOSTILE}
    redis.seed({HOSTILE: {"info": json.dumps(info)}})
    redis.seed({f"{HOSTILE}:work": {"tid": json.dumps({"queue": HOSTILE, "payload": raw, "run_at": 1})}})

    ran = cli(*[HOSTILE if word == "NAME" else word for word in command.split()], *form)

    assert ran.status == 0
    assert not [char for char in ran.out.replace("\n", "") if char in HOSTILE and not char.isprintable()]
    assert "owned" in ran.out or command == "stats"
    if form:
        assert ran.json is not None


def test_an_error_cannot_drive_the_terminal_either(cli: Cli) -> None:
    ran = cli("queue", "a\x1b[31m", "show", HOSTILE)

    assert ran.status == 1
    assert "\x1b" not in ran.err


@pytest.mark.parametrize("name", ["with space", "a:b", "grün-キュー", "-dash", "x" * 10_000, "\udcff\udcfe"])
def test_a_queue_of_any_name_can_be_looked_into_and_cleared(cli: Cli, redis: RealRedis, name: str) -> None:
    raw = name.encode("utf-8", "surrogateescape")
    redis.client.sadd("queues", raw)
    redis.client.rpush(b"queue:" + raw, a_payload(jid="j1"))

    assert cli("queues").status == 0
    assert len(cli("queues", "--json").json) == 1
    assert cli("queue", "--", name).rows[1][2] == "j1"
    assert cli("queue", "--", name, "clear", "--yes").out == "1 deleted\n"
    assert redis.dump() == {}


def test_a_queue_is_listed_newest_first(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"queue:q": [a_payload(jid=f"j{at}", args=[at]) for at in (3, 2, 1)]})

    ran = cli("queue", "q", "ls", "--limit", "2")

    assert [row[2:] for row in ran.rows[1:3]] == [["j3", "[3]"], ["j2", "[2]"]]
    assert ran.rows[3][0].startswith("2 of 3;")
    assert [entry["jid"] for entry in cli("queue", "q", "--offset", "2", "--json").json] == ["j1"]


def test_one_job_of_a_queue_is_shown_and_deleted(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"queue:q": [a_payload(jid="j1"), a_payload(jid="j2")]})

    assert '"jid": "j1"' in cli("queue", "q", "show", "j1").out
    assert cli("queue", "q", "show", "j1", "--raw").out == a_payload(jid="j1").decode()
    assert cli("queue", "q", "delete", "j1").status == 0
    assert cli("queue", "q", "delete", "j1").status == 1
    assert redis.value("queue:q") == [a_payload(jid="j2").decode()]


def test_a_queue_is_paused_and_resumed(cli: Cli, redis: RealRedis) -> None:
    assert cli("queue", "q", "pause").out == "paused\n"
    assert redis.value("paused") == {"q"}
    assert cli("queue", "q", "resume", "--json").json == {"queue": "q", "paused": False}
    assert redis.value("paused") is None


def test_nothing_is_cleared_unasked(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"queue:q": ["job"], "retry": {"a": 1.0}, "schedule": {"a": 1.0}, "dead": {"a": 1.0}})
    before = redis.dump()

    for line in ("queue q clear", "retries clear", "scheduled delete --all", "retries kill --all", "dead clear"):
        ran = cli(*line.split())
        assert ran.status == 2
        assert "give --yes" in ran.err

    assert redis.dump() == before


def test_ten_megabytes_are_listed_and_shown(cli: Cli, redis: RealRedis) -> None:
    huge = a_payload(jid="huge", args=["x" * 10_000_000])
    redis.seed({"queues": {"q"}, "queue:q": [huge, b"{" + b"x" * 10_000_000], "retry": {huge: 1.0}})

    for line in ("queue q", "retries", "queues", "stats"):
        ran = cli(*line.split())
        assert ran.status == 0
        assert len(ran.out) < 2000
    assert len(cli("retries", "show", "huge").out) > 10_000_000
    assert cli("queue", "q", "show", "huge", "--raw").out == huge.decode()


def test_processes_and_what_they_run(cli: Cli, redis: RealRedis) -> None:
    seed_process(redis)

    shown = cli("processes")
    (told,) = cli("processes", "--json").json

    process, running = shown.rows[1], shown.rows[-1]
    assert process[:6] == [IDENTITY, "shop", "1/10", "40 MB", "0.1 ms", "2 h ago"]
    assert process[-1] == "default,low"
    assert running[0] == IDENTITY
    assert running[2:] == ["low", "Mail", "running", "[1]"]
    assert (told["pid"], told["concurrency"], told["quiet"], told["embedded"]) == (4242, 10, False, False)
    assert [(run["thread"], run["jid"]) for run in told["running"]] == [("tid1", "running")]


@pytest.mark.parametrize(("command", "signal"), [("quiet", "TSTP"), ("stop", "TERM")])
def test_processes_are_told(cli: Cli, redis: RealRedis, command: str, signal: str) -> None:
    seed_process(redis)
    seed_process(redis, "other:1:a")

    assert cli(command, IDENTITY).out == "1 signalled\n"
    assert (redis.value(f"{IDENTITY}-signals"), redis.value("other:1:a-signals")) == ([signal], None)
    assert cli(command, "--all", "--json").json["signalled"] == [IDENTITY, "other:1:a"]
    assert redis.value("other:1:a-signals") == [signal]


def test_whoever_is_not_there_or_embedded_is_not_told(cli: Cli, redis: RealRedis) -> None:
    seed_process(redis, embedded=True)

    missing, embedded, everything = cli("stop", "nobody"), cli("stop", IDENTITY), cli("stop", "--all")

    assert (missing.status, embedded.status, everything.status) == (1, 1, 0)
    assert f"no such process: nobody; there are: {IDENTITY}" in missing.err
    assert "embedded in another program" in embedded.err
    assert everything.out == "0 signalled\n"
    assert redis.value(f"{IDENTITY}-signals") is None
