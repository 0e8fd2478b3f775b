"""`move`: what it prints, what it refuses, and that a kill at any moment loses nothing."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from tests.cli.conftest import Cli
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

MANY = 60_000


def test_queues_and_sets_go_to_another_namespace(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"queues": {"mail", "rest"}, "queue:mail": ["b", "a"], "queue:rest": ["r"], "retry": {"x": 1.5}})

    ran = cli("move", "--from", "", "--to", "shop", "-q", "mail", "--set", "retry")

    assert (ran.status, ran.out) == (0, "mail: 2 moved\nretry: 1 moved\n")
    assert redis.dump() == {
        "queues": {"rest"},
        "queue:rest": ["r"],
        "shop:queues": {"mail"},
        "shop:queue:mail": ["b", "a"],
        "shop:retry": {"x": 1.5},
    }


def test_all_goes_from_one_database_to_another_and_back_under_a_namespace(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"queues": {"a", "b"}, "queue:a": ["1"], "queue:b": ["2", "3"], "dead": {"d": 1}, "schedule": {"s": 2}})
    other = f"{redis.url}?db=3#shop"

    ran = cli("move", "--from", redis.url, "--to", other, "--all", "--json")
    assert ran.json == {
        "queues": {"a": 1, "b": 2},
        "sets": {"schedule": 1, "retry": 0, "dead": 1},
        "dry_run": False,
        "left": 0,
    }
    assert redis.dump() == {}

    assert cli("--namespace", "new", "move", "--from", other, "--to", redis.url, "--all").status == 0
    assert redis.dump() == {
        "new:queues": {"a", "b"},
        "new:queue:a": ["1"],
        "new:queue:b": ["2", "3"],
        "new:dead": {"d": 1},
        "new:schedule": {"s": 2},
    }


def test_a_dry_run_only_tells(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"queues": {"mail"}, "queue:mail": ["a"], "retry": {"x": 1}})
    before = redis.dump()

    ran = cli("move", "--from", "", "--to", "shop", "--all", "--dry-run")

    assert ran.out == "mail: 1 to move\nschedule: 0 to move\nretry: 1 to move\ndead: 0 to move\n"
    assert redis.dump() == before


def test_what_workers_hold_is_said(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"queues": {"mail"}, "queue:mail": ["a"], "lease:{queue:mail}:host:1:abc": ["held"]})
    redis.seed({"lease-owners:{queue:mail}": {"host:1:abc": "5"}})

    ran = cli("move", "--from", "", "--to", "shop", "-q", "mail")

    assert ran.out.splitlines()[1] == "held by workers of the source: 1, left to them; they end there"
    assert redis.value("lease:{queue:mail}:host:1:abc") == ["held"]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ([], "give --all"),
        (["--all", "-q", "mail"], "give --all"),
        (["--set", "processes"], "'processes' is not one of 'schedule', 'retry', 'dead'"),
    ],
)
def test_what_is_to_be_moved_must_be_said(cli: Cli, args: list[str], told: str) -> None:
    ran = cli("move", "--from", "", "--to", "shop", *args)

    assert (ran.status, told in ran.err) == (2, True)


@pytest.mark.parametrize("place", ["", "shop"])
def test_the_same_place_is_refused(cli: Cli, redis: RealRedis, place: str) -> None:
    ran = cli("move", "--from", place, "--to", f"{redis.tcp_url}#{place}", "--all")

    assert ran.status == 1
    assert "the source and the target are the same" in ran.err


def test_on_a_terminal_it_tells_how_far_it_is(redis: RealRedis, environment: dict[str, str]) -> None:
    redis.client.lpush("queue:mail", *[f"job {number}" for number in range(1_200)])
    ours, theirs = pty.openpty()

    words = [sys.executable, "-m", "redisjobs.cli.main", "move", "--from", "", "--to", "shop", "-q", "mail"]
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, stderr=theirs, check=True, timeout=60)

    assert done.stdout == b"mail: 1,200 moved\n"
    told = os.read(ours, 1000).decode()
    assert told.replace("\x1b[K", "") == "mail: 500\rmail: 1,000\rmail: 1,200\r\r"
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("kind", ["namespace", "database", "server"])
def test_killed_again_and_again_it_loses_nothing_and_ends_what_it_began(
    installed: Callable[..., subprocess.Popen[str]],
    redis: RealRedis,
    server: Callable[..., RealRedis],
    kind: str,
) -> None:
    """Within one server no job is ever in two places, or in none; between two at worst the chunk on its way is."""
    target = server() if kind == "server" else redis
    where = {"namespace": "shop", "database": f"{redis.url}?db=3", "server": target.url}[kind]
    prefix = "shop:" if kind == "namespace" else ""
    database = 3 if kind == "database" else 0
    jobs = [f"job {number}" for number in range(MANY)]
    for at in range(0, MANY, 10_000):
        redis.client.lpush("queue:mail", *jobs[at : at + 10_000])
        redis.client.zadd("retry", {job: at for at, job in enumerate(jobs[at : at + 10_000], at)})
    redis.client.sadd("queues", "mail")

    def there(key: str) -> list[str]:
        target.client.select(database)
        kept = target.client.type(prefix + key)
        found = (
            target.client.lrange(prefix + key, 0, -1) if kept == b"list" else target.client.zrange(prefix + key, 0, -1)
        )
        target.client.select(0)
        return [raw.decode() for raw in found]

    def here() -> list[str]:
        keys = [b"queue:mail", *redis.client.keys("lease:*")]
        return [raw.decode() for key in keys for raw in redis.client.lrange(key, 0, -1)]

    def connected() -> set[tuple[int, str]]:
        return {(one.port, client["id"]) for one in (redis, target) for client in one.client.client_list()}

    ours = connected()
    for kill in range(1, 7):
        before = redis.client.llen("queue:mail") + redis.client.zcard("retry")
        part = ("--set", "retry") if kill % 2 else ("-q", "mail")
        process = installed("move", "--from", "", "--to", where, *part)
        eventually(lambda: redis.client.llen("queue:mail") + redis.client.zcard("retry") < before, 60)  # noqa: B023
        process.kill()
        process.communicate()
        eventually(lambda: connected() <= ours)  # what it had sent has come to its end

        found = Counter(here() + there("queue:mail"))
        assert len(found) == MANY, kill
        assert sum(found.values()) - MANY <= (500 if kind == "server" else 0)
        members = redis.client.zcard("retry") + len(there("retry"))
        assert MANY <= members <= MANY + (100 if kind == "server" else 0)

    process = installed("move", "--from", "", "--to", where, "--all")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert here() == []
    assert redis.client.zcard("retry") == 0
    assert there("queue:mail") == jobs[::-1]
    assert there("retry") == jobs


def test_a_source_that_does_not_answer_is_an_error_at_once(cli: Cli) -> None:
    """Asking again could take jobs after it was read what was taken."""
    ran = cli("move", "--from", "redis://127.0.0.1:1", "--to", "", "--all")

    assert ran.status == 1
    assert "no answer from Redis at redis://127.0.0.1:1" in ran.err
