"""`errors`, `retry`, `kill`, `delete`, `reschedule`, `export`, `import`: what they print, ask and do."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from redisjobs.inspector import bulk
from tests.cli.conftest import Cli
from tests.support.builders import a_payload
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


def fill(redis: RealRedis, size: int = 10, key: str = "retry") -> None:
    """Let each second job be of class X, and fail of a timeout."""
    redis.seed(
        {
            key: {
                a_payload(
                    jid=f"j{at}",
                    class_="X" if at % 2 else "Y",
                    error_class="Timeout" if at % 2 else "KeyError",
                    error_message=f"after {at} s",
                    retry_count=1,
                    failed_at=1_732_406_401_000,
                ): 2e9 + at
                for at in range(size)
            }
        }
    )


X = ("--where", "class=X and error~timeout", "--yes")


def test_errors_are_grouped(cli: Cli, redis: RealRedis) -> None:
    fill(redis)
    fill(redis, 4, "dead")

    ran = cli("errors")

    assert ran.rows[0] == ["COUNT", "FIRST", "LAST", "WHERE", "JOBS", "ERROR"]
    assert [row[0] for row in ran.rows[1:]] == ["7", "7"]
    assert {row[-1] for row in ran.rows[1:]} == {"Timeout: after <n> s", "KeyError: after <n> s"}
    assert cli("errors", "--in", "dead", "--class", "X").rows[1][0] == "2"
    assert cli("errors", "--where", "class=Z").out == "no failed jobs\n"
    assert cli("errors", "-n", "1").out.endswith("1 of 2 groups; --limit shows more\n")
    found = cli("errors", "--json", "--in", "retries").json
    assert (found["looked"], found["partial"]) == (10, False)
    assert found["groups"][0]["places"] == {"retries": 5}
    assert found["groups"][0]["sample"]["payload"]["class"] in ("X", "Y")


@pytest.mark.parametrize(("place", "key"), [("retries", "retry"), ("scheduled", "schedule"), ("dead", "dead")])
def test_all_that_match_are_retried(cli: Cli, redis: RealRedis, place: str, key: str) -> None:
    fill(redis, key=key)

    assert cli("retry", *X, "--in", place).out == "5 enqueued\n"
    assert redis.client.zcard(key) == 5
    assert redis.client.llen("queue:default") == 5
    assert cli("retry", *X, "--in", place).out.startswith("0 of 5 in the ")


def test_they_are_killed_deleted_and_rescheduled(cli: Cli, redis: RealRedis) -> None:
    fill(redis)

    assert cli("reschedule", *X, "--by", "2h").out == "5 rescheduled\n"
    assert redis.client.zscore("retry", redis.client.zrange("retry", -1, -1)[0]) == 2e9 + 9 + 7200
    assert cli("reschedule", *X, "--by", "-2h").out == "5 rescheduled\n"
    assert cli("reschedule", *X, "--at", "2001-09-09T01:46:40").out == "5 rescheduled\n"
    assert redis.client.zrange("retry", 0, 0, withscores=True)[0][1] == 1e9
    assert cli("kill", *X, "--json").json == {"killed": 5, "left": 0, "looked": 10, "total": 10, "finished": True}
    assert redis.client.zcard("dead") == 5
    assert cli("delete", *X, "--in", "dead").out == "5 deleted\n"
    assert redis.client.exists("dead") == 0


def test_jobs_of_a_queue_are_killed_and_deleted(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"queue:q": [a_payload(jid=f"j{at}", class_=name) for at, name in enumerate("XYXZ")]})

    assert cli("kill", "--where", "class=X", "--in", "queue:q", "--yes").out == "2 killed\n"
    assert cli("delete", "--where", "class=Z", "--in", "queue:q", "--yes").out == "1 deleted\n"
    assert [json.loads(raw)["class"] for raw in redis.value("queue:q")] == ["Y"]


def test_a_dry_run_counts_and_changes_nothing(cli: Cli, redis: RealRedis) -> None:
    fill(redis)
    before = redis.dump()

    for command in ("retry", "kill", "delete"):
        assert cli(command, *X, "--dry-run").out == "5 of 10 in the retry set match\n"
    assert cli("delete", *X, "--dry-run", "--json").json == {"matching": 5, "total": 10}
    assert redis.dump() == before


def test_nothing_is_done_without_yes_where_nobody_can_be_asked(cli: Cli, redis: RealRedis) -> None:
    fill(redis)
    before = redis.dump()

    assert cli("delete", "--where", "class=X").status == 2
    assert redis.dump() == before


def test_what_cannot_be_moved_is_named_and_stays(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"retry": {b"junk": 1.0, a_payload(jid="j1"): 2.0}})

    ran = cli("retry", "--where", "class!=Z", "--yes")

    assert (ran.status, ran.out) == (1, "1 enqueued\n")
    assert "left in the retry set: raw-" in ran.err
    assert redis.client.zcard("retry") == 1


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["retry", "--yes"], 2, "--where"),
        (["retry", "--where", "clas=X"], 2, "did you mean 'class'?"),
        (["retry", "--where", "class=X", "--in", "ded"], 2, "did you mean 'dead'?"),
        (["retry", "--where", "class=X", "--in", "queue:q"], 1, "in a queue already"),
        (["kill", "--where", "class=X", "--in", "dead"], 1, "dead already"),
        (["reschedule", "--where", "class=X"], 2, "--at or --by"),
        (["reschedule", "--where", "class=X", "--at", "1", "--by", "2h"], 2, "--at or --by"),
        (["reschedule", "--where", "class=X", "--at", "soon"], 2, "no moment"),
        (["reschedule", "--where", "class=X", "--by", "soon"], 2, "no duration"),
        (["--dialect", "resque", "errors"], 2, "Resque has no such sets"),
        (["import", "nowhere.jsonl"], 2, "nowhere.jsonl"),
    ],
)
def test_wrong_usage_says_what_to_write(cli: Cli, words: list[str], status: int, told: str) -> None:
    ran = cli(*words)

    assert ran.status == status
    assert told in ran.err


def test_what_is_exported_is_imported(cli: Cli, redis: RealRedis, tmp_path: Path) -> None:
    fill(redis)
    redis.seed({"dead": {b"\xff\x00": float("inf")}, "queue:q": [a_payload(jid="q2"), a_payload(jid="q1")]})
    redis.client.sadd("queues", "q")
    before, file = redis.dump(), tmp_path / "jobs.jsonl"

    assert cli("export", "--in", "retries", "--in", "dead", "--in", "queue:q", "-o", str(file)).err == "13 exported\n"
    redis.client.flushall()

    assert cli("import", str(file)).out == "13 imported\n"
    assert redis.dump(ignore=["pushed:*"]) == before


def test_export_writes_to_pipes_and_import_reads_from_them(cli: Cli, redis: RealRedis) -> None:
    fill(redis)
    lines = cli("export", "--where", "class=X").out

    assert lines.count("\n") == 5
    assert cli("import", "-", "--to", "dead", "--json", stdin=lines.encode()).json == {"imported": 5, "total": 5}
    assert (redis.client.zcard("retry"), redis.client.zcard("dead")) == (10, 5)


def test_nothing_is_imported_if_a_line_is_wrong(cli: Cli, redis: RealRedis) -> None:
    ran = cli("import", "-", stdin=b'{"place":"dead","score":1,"payload":{}}\n{"place":"dead"}\n')

    assert ran.status == 1
    assert ran.err.startswith("Error: line 2: payload: there must be")
    assert redis.dump() == {}


def test_an_interrupt_ends_it_between_two_steps(cli: Cli, redis: RealRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(redis, 1000)
    step = bulk.Bulk.__iter__

    def interrupted(self: bulk.Bulk) -> object:
        for number, progress in enumerate(step(self), 1):
            if number == 2:
                signal.raise_signal(signal.SIGINT)
            yield progress

    monkeypatch.setattr(bulk.Bulk, "__iter__", interrupted)
    before = signal.getsignal(signal.SIGINT)

    ran = cli("delete", *X)

    assert (ran.status, ran.out) == (130, "100 deleted\n")
    assert "stopped after 200 of 1,000 jobs; the same command goes on" in ran.err
    assert redis.client.zcard("retry") == 900
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.e2e
def test_control_c_stops_the_command(
    redis: RealRedis, installed: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Somewhere in the middle: what is done and what is left add up."""
    fill(redis, 20_000)
    process = installed("retry", "--where", "class~x", "--yes", "--json")
    eventually(lambda: redis.client.llen("queue:default") > 0, 60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    done = json.loads(out)["enqueued"]
    assert redis.client.llen("queue:default") == done
    assert redis.client.zcard("retry") == 20_000 - done
    assert (process.returncode, "stopped after" in err) in ((130, True), (0, False))  # it may have been quick


def test_a_bar_is_for_terminals_only(cli: Cli, redis: RealRedis) -> None:
    fill(redis)

    assert cli("retry", *X).err == ""
