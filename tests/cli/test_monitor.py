"""`monitor` and `exporter`."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest

from tests.cli.conftest import Cli
from tests.inspector.doctored import SOUND
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


@pytest.fixture
def redis(server: Callable[..., RealRedis]) -> RealRedis:
    """A server of which the doctor has nothing to say."""
    return server(**SOUND)


def seed_worker(redis: RealRedis) -> None:
    """Write a process that listens to `default`."""
    info = {"hostname": "app-1", "pid": 42, "queues": ["default"], "version": "8.1.7", "started_at": time.time()}
    redis.seed({"processes": {"app:42:a"}, "app:42:a": {"info": json.dumps(info), "busy": "1", "beat": time.time()}})


def test_all_is_well_where_nothing_waits_long(cli: Cli, redis: RealRedis) -> None:
    seed_worker(redis)
    redis.seed({"queues": {"default"}, "queue:default": [a_payload(enqueued_at=time.time())], "stat:processed": "7"})

    shown = cli("monitor", "--once")
    told = cli("monitor", "--once", "--json").json

    assert (shown.status, shown.err) == (0, "")
    assert shown.rows[-1][:2] == ["default", "1"]
    assert (told["healthy"], told["problems"], told["processed"], told["processes"]) == (True, [], 7, 1)
    assert told["queues"][0]["name"] == "default"


@pytest.mark.parametrize(
    ("words", "check"),
    [
        (["--max-latency", "100"], "latency"),
        (["--max-latency", "1000", "--max-size", "1"], "size"),
        (["--max-latency", "1000", "--max-retries", "2"], "retries"),
        (["--max-latency", "1000", "--max-dead", "0"], "dead"),
        (["--max-latency", "1000", "--min-processes", "2"], "processes"),
    ],
)
def test_what_is_beyond_a_limit_is_told_and_is_status_1(
    cli: Cli, redis: RealRedis, words: list[str], check: str
) -> None:
    seed_worker(redis)
    redis.seed({"queues": {"default"}, "queue:default": [a_payload(enqueued_at=time.time() - 500)] * 2})
    retries = {a_payload(jid=jid): time.time() + 9e3 for jid in "abc"}
    redis.seed({"retry": retries, "dead": {a_payload(jid="d"): time.time()}})

    shown = cli("monitor", "--once", *words)
    told = cli("monitor", "--once", "--json", *words)

    assert (shown.status, told.status) == (1, 1)
    assert shown.err == f"Error: not well: {check}\n"
    assert f"PROBLEM  {check}: " in shown.out
    assert [one["check"] for one in told.json["problems"]] == [check]
    assert cli("monitor", "--once", "--max-latency", "1000").status == 0


def test_a_paused_queue_may_wait(cli: Cli, redis: RealRedis) -> None:
    seed_worker(redis)
    redis.seed({"queues": {"default"}, "queue:default": [a_payload(enqueued_at=time.time() - 500)]})
    redis.seed({"paused": {"default"}})

    assert cli("monitor", "--once").status == 0


def test_what_the_doctor_calls_a_problem_is_one(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"queues": {"default"}, "queue:default": [a_payload(enqueued_at=time.time())]})

    told = cli("monitor", "--once", "--json")

    assert told.status == 1
    assert "workers" in [one["check"] for one in told.json["problems"]]


def test_a_redis_that_does_not_answer_is_a_problem(cli: Cli) -> None:
    told = cli("monitor", "--once", "--json", "--url", "redis://127.0.0.1:1/0")

    assert told.status == 1
    assert (told.json["healthy"], [one["check"] for one in told.json["problems"]]) == (False, ["connection"])


def test_it_goes_on_until_it_is_ended(redis: RealRedis, installed: Callable[..., subprocess.Popen[str]]) -> None:
    redis.seed({"queues": {"default"}})
    process = installed("monitor", "--every", "0.5")
    assert process.stdout is not None

    looks = 0
    while looks < 3:
        looks += process.stdout.readline().startswith("default ")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    assert process.returncode == 130


def test_the_exporter_answers_scrapes_and_nothing_else(
    redis: RealRedis, installed: Callable[..., subprocess.Popen[str]]
) -> None:
    redis.seed({"queues": {"default"}, "queue:default": ["job"]})
    process = installed("exporter", "--bind", "127.0.0.1:0")
    assert process.stderr is not None
    url = process.stderr.readline().split()[1]

    for _ in range(2):
        with urllib.request.urlopen(url, timeout=30) as response:
            text = response.read().decode()
            assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert 'redisjobs_queue_size{queue="default"} 1\n' in text
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(url.replace("/metrics", "/"), timeout=30)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    assert process.returncode == 130


def test_an_address_that_is_none_or_taken_is_told(cli: Cli) -> None:
    assert (cli("exporter", "--bind", "nowhere").status, cli("exporter", "--bind", "192.0.2.1:80").status) == (2, 1)
