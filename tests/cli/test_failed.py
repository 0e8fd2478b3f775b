"""`redisjobs --dialect resque ...`, and `failed`."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Cli
from tests.support.real_redis import RealRedis
from tests.support.resque import RubyResque, encode

pytestmark = pytest.mark.quick

RESQUE = ("--dialect", "resque")


@pytest.fixture
def ruby(redis: RealRedis) -> RubyResque:
    found = RubyResque(redis)
    for number in (1, 2):
        found.fail("web-1:1:files", "files", {"class": "Archive", "args": [number]}, "IOError", f"disk {number} <b>")
    return found


def ids(cli: Cli) -> list[str]:
    return [entry["id"] for entry in cli(*RESQUE, "failed", "--json").json]


def test_failures_are_listed_the_newest_first(cli: Cli, ruby: RubyResque) -> None:
    rows = cli(*RESQUE, "failed").rows

    assert rows[0] == ["FAILED", "PUT BACK", "JOB", "ID", "QUEUE", "ERROR", "ARGS"]
    assert [row[-1] for row in rows[1:]] == ["[2]", "[1]"]
    assert "IOError: disk 2 <b>" in rows[1]
    assert cli(*RESQUE, "failed", "ls", "-n", "1", "--json").json[0]["error_message"] == "disk 2 <b>"


def test_one_is_shown_whole(cli: Cli, ruby: RubyResque) -> None:
    newest, _ = ids(cli)

    shown = cli(*RESQUE, "failed", "show", newest)

    assert "IOError: disk 2 <b>" in shown.out
    assert '"worker": "web-1:1:files"' in shown.out
    assert cli(*RESQUE, "failed", "show", "nope").status == 1


def test_jobs_are_put_back(cli: Cli, redis: RealRedis, ruby: RubyResque) -> None:
    newest, _ = ids(cli)

    assert cli(*RESQUE, "failed", "requeue", newest).out == "1 enqueued\n"
    assert cli(*RESQUE, "failed", "requeue", "--all").out == "1 enqueued\n"

    assert redis.value("resque:queue:files") == [
        '{"class":"Archive","args":[2]}',
        '{"class":"Archive","args":[1]}',
    ]
    assert cli(*RESQUE, "failed", "requeue", newest).status == 1
    assert cli(*RESQUE, "failed", "requeue").status == 2


def test_failures_are_deleted(cli: Cli, redis: RealRedis, ruby: RubyResque) -> None:
    assert cli(*RESQUE, "failed", "delete", ids(cli)[0]).out == "1 deleted\n"
    assert cli(*RESQUE, "failed", "delete", "nope").status == 1
    assert cli(*RESQUE, "failed", "clear").status == 2
    assert cli(*RESQUE, "failed", "clear", "--yes", "--json").json == {"deleted": 1}
    assert cli(*RESQUE, "failed").out == "no failures\n"


def test_other_commands_speak_resque_too(cli: Cli, redis: RealRedis, ruby: RubyResque) -> None:
    assert cli(*RESQUE, "enqueue", "Archive", "[35]", "-q", "files").status == 0

    assert redis.value("resque:queue:files") == ['{"class":"Archive","args":[35]}']
    assert cli("queues", *RESQUE, "--json").json[0]["size"] == 1
    assert cli(*RESQUE, "queue", "files", "--json").json[0]["name"] == "Archive"
    assert cli(*RESQUE, "stats", "--json").json["dead"] == 2
    assert cli(*RESQUE, "--namespace", "other", "stats", "--json").json["dead"] == 0
    assert cli(*RESQUE, "processes").out == "no processes\n"


def test_rubys_workers_are_shown_with_what_they_run(cli: Cli, redis: RealRedis, ruby: RubyResque) -> None:
    worker = ruby.start_worker("files")
    job = {"queue": "files", "run_at": "2024-05-01T12:30:00Z", "payload": {"class": "Archive", "args": [1]}}
    redis.seed({f"resque:worker:{worker}": encode(job)})

    header, row = cli(*RESQUE, "processes").rows
    [told] = cli(*RESQUE, "processes", "--json").json

    assert header == ["RESQUE WORKER", "BEAT", "JOB", "ARGS"]
    assert (row[0], row[2:]) == (worker, ["Archive", "[1]"])
    assert (told["identity"], told["running"][0]["name"]) == (worker, "Archive")


@pytest.mark.parametrize("words", [("dead",), ("retries",), ("scheduled", "clear", "--yes"), ("retries", "kill", "x")])
def test_sets_that_resque_has_not_are_refused(cli: Cli, words: tuple[str, ...]) -> None:
    ran = cli(*RESQUE, *words)

    assert ran.status == 2
    assert "Resque has no such set" in ran.err


def test_the_failed_list_needs_the_dialect(cli: Cli) -> None:
    ran = cli("failed")

    assert ran.status == 1
    assert "--dialect resque" in ran.err
