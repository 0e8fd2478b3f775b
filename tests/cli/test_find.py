"""`find` and `job`: jobs wherever they are."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Cli
from tests.inspector.test_search import a_fleet
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


def test_find_shows_where_each_job_is(cli: Cli, redis: RealRedis) -> None:
    a_fleet(redis)
    redis.client.delete("queue:odd")

    ran = cli("find", "MAIL")

    assert [row[0] for row in ran.rows] == [
        *("PLACE", "running", "leased", "retry", "dead", "schedule", "queue", "queue", "queue"),
    ]
    assert ran.rows[4][2:5] == ["Mail", "gone", "default"]
    assert (ran.status, ran.err) == (0, "")


def test_find_takes_all_that_a_url_takes(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"dead": {a_payload(jid=f"j{at}", error_class="Boom", tags=["eu"], args=[at]): at for at in range(30)}})
    options = ["--class", "Mail", "--error", "boom", "--tag", "eu", "--until", "20", "--where", "args!~7"]

    ran = cli("find", *options, "--in", "dead", "--json")

    assert [one["jid"] for one in ran.json["found"]] == [f"j{at}" for at in range(20, -1, -1) if "7" not in str(at)]
    assert (ran.json["after"], ran.json["problems"]) == ("", [])
    assert cli("find", "--in", "retries").out == "no jobs\n"


def test_find_says_when_there_is_more_and_how_to_go_on(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"dead": {a_payload(jid=f"j{at}"): at for at in range(5)}})

    first = cli("find", "-n", "3", "--json").json
    second = cli("find", "--json", "--after", first["after"]).json
    told = cli("find", "-n", "3").err

    assert [one["jid"] for one in first["found"] + second["found"]] == ["j4", "j3", "j2", "j1", "j0"]
    assert "there is more to look at: --after '[" in told
    assert cli("find", "--after", "x").status == 2


def test_find_refuses_what_it_cannot_read(cli: Cli) -> None:
    ran = cli("find", "--since", "yesterday")

    assert ran.status == 2
    assert 'since="yesterday": no moment; write 30m' in ran.err


@pytest.mark.parametrize(
    ("jid", "told"),
    [
        ("run", "running in p1, thread t1"),
        ("ahead", "leased by p1, not begun"),
        ("again", "retry"),
        ("old", "queue low"),
    ],
)
def test_job_shows_a_job_wherever_it_is(cli: Cli, redis: RealRedis, jid: str, told: str) -> None:
    a_fleet(redis)

    ran = cli("job", jid)

    assert ran.out.startswith(f"place  {told}\n")
    assert f'"jid": "{jid}"' in ran.out
    assert "created   2024-11-24" in ran.out


def test_job_tells_its_past_as_json_and_its_exact_bytes(cli: Cli, redis: RealRedis) -> None:
    raw = a_payload(jid="j1", error_class="Boom", error_message="no", failed_at=1_732_406_460_000, retry_count=0)
    redis.seed({"retry": {raw: 4e9}})

    told = cli("job", "j1", "--json").json

    assert (told["place"], told["error_class"], told["at"]) == ("retry", "Boom", 4e9)
    assert [(step["what"], step["detail"]) for step in told["timeline"]] == [
        ("created", ""),
        ("enqueued", "default"),
        ("failed first", "Boom: no"),
        ("next run", ""),
    ]
    assert cli("job", "j1", "--raw", "--hint", "retry:4000000000").out.encode() == raw


def test_a_job_that_is_nowhere_exits_1(cli: Cli) -> None:
    ran = cli("job", "j1")

    assert (ran.status, ran.err) == (1, "Error: nowhere: j1\n")
