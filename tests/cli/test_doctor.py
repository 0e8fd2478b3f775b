"""`redisjobs doctor`: findings for people and for scripts, and the exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.inspector.doctored import SOUND, python, ruby
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


@pytest.fixture
def sound(server: Callable[..., RealRedis], monkeypatch: pytest.MonkeyPatch, cli: Cli) -> RealRedis:
    """A server that has nothing wrong, which the command line goes to."""
    made = server(**SOUND)
    monkeypatch.setenv("REDISJOBS_URL", made.url)
    return made


def test_nothing_found_is_said_and_exits_0(cli: Cli, sound: RealRedis) -> None:
    python(sound)

    ran = cli("doctor")

    assert ran.status == 0
    assert ran.rows[0][0] == "server"
    assert ran.rows[-1] == ["nothing found"]
    assert cli("doctor", "--json").json["findings"] == []


def test_warnings_alone_exit_0(cli: Cli, sound: RealRedis) -> None:
    ran = cli("doctor")

    assert ran.status == 0
    assert "WARNING  workers: no worker is alive\n    start one: redisjobs worker" in ran.out
    assert ran.rows[-1] == ["1 warning"]


def test_problems_come_first_and_exit_1(cli: Cli, sound: RealRedis) -> None:
    sound.seed({"queues": {"q"}, "queue:q": [a_payload(queue="q", args=["x" * 200_000])]})
    python(sound, queues=["other"])

    ran, told = cli("doctor"), cli("doctor", "--json")

    assert (ran.status, told.status) == (1, 1)
    assert (ran.err, told.err) == ("Error: 1 problem, 1 warning\n", "Error: 1 problem, 1 warning\n")
    assert ran.out.index("PROBLEM  unheard") < ran.out.index("WARNING  payloads")
    assert told.json["healthy"] is False
    assert [(one["check"], one["level"]) for one in told.json["findings"]] == [
        ("unheard", "problem"),
        ("payloads", "warning"),
    ]
    assert told.json["findings"][0]["facts"]["queue"] == "q"
    assert told.json["partial"] == []


def test_what_was_looked_at_is_told(cli: Cli, sound: RealRedis) -> None:
    ruby(sound, generation=7)
    python(sound, queues=["q"])

    ran, told = cli("doctor", "--wire", "sidekiq7"), cli("doctor", "--wire", "sidekiq7", "--json")

    assert "workers  2, among them Sidekiq 7\n" in ran.out
    assert (told.json["server"]["sidekiq"], told.json["server"]["processes"]) == ([7], 2)


def test_what_could_not_be_checked_is_summed_up_by_what_is_missing(cli: Cli, sound: RealRedis) -> None:
    python(sound)
    sound.client.execute_command(*["ACL", "SETUSER", "few", "reset", "on", ">pw", "~*", "+@all", "-info", "-config"])
    url = sound.url.replace("unix://", "unix://few:pw@")

    ran = cli("doctor", "--url", url)

    assert ran.status == 0
    assert "UNKNOWN  version, role, eviction, memory, clients, saving, replicas\n    needs +info\n" in ran.out
    assert "UNKNOWN  persistence\n    needs +info; needs +config|get\n" in ran.out
    assert ran.rows[-1] == ["8 not checked"]


def test_no_redis_is_a_problem_in_json_too(cli: Cli, sound: RealRedis) -> None:
    sound.stop()

    told = cli("doctor", "--json")
    sound.start()

    assert told.status == 1
    assert told.json["findings"][0]["check"] == "connection"


def test_with_an_app_it_goes_by_that_ones_settings(
    cli: Cli, sound: RealRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "doctored_shop.py").write_text(
        "from redisjobs import RedisJobs\napp = RedisJobs(namespace='shop', wire='sidekiq7')\n", "utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sound.seed({"shop:retry": "x"})

    ran, both = cli("doctor", "doctored_shop:app", "--json"), cli("doctor", "doctored_shop:app", "--namespace", "x")

    assert "types" in [one["check"] for one in ran.json["findings"]]
    assert both.status == 2


def test_nothing_in_redis_can_drive_the_terminal(cli: Cli, redis: RealRedis) -> None:
    hostile = "\x1b]0;owned\x07\u202e\n"
    redis.seed({"queues": {hostile}, f"queue:{hostile}": [a_payload(class_=hostile, args=["x" * 200_000])]})
    redis.client.sadd("queues", b"\xff")
    redis.client.rpush(b"queue:\xff", "job")
    python(redis, hostile, queues=[hostile], jobs=[hostile + "2"], tag=hostile, version="redisjobs " + hostile)
    ruby(redis, "r" + hostile, queues=[hostile], tag=hostile, version=hostile)

    ran, told = cli("doctor"), cli("doctor", "--json")

    for text in (ran.out, ran.err, told.out):
        assert not [char for char in text.replace("\n", "") if char in hostile and not char.isprintable()]
    assert "owned" in ran.out
    assert told.json["healthy"] is False
