"""`redisjobs web`: the installed command serves, to whom it should."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from redisjobs.web import Account
from tests.cli.conftest import Cli
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis

Started = Callable[..., tuple[str, subprocess.Popen[str]]]
COMMAND = str(Path(sys.executable).parent / "redisjobs")


@pytest.fixture
def start(redis: RealRedis) -> Iterator[Started]:
    """Start the command; return the address that it prints, and the process."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> tuple[str, subprocess.Popen[str]]:
        command = [COMMAND, "--url", redis.url, "web", "--bind", "127.0.0.1:0", *words]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        line = started[-1].stdout.readline()  # type: ignore[union-attr]
        return line.split(" ")[0], started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_it_serves_until_it_is_told_to_stop(redis: RealRedis, start: Started) -> None:
    redis.seed({"queues": {"mail"}, "queue:mail": [a_payload()]})
    url, process = start("--title", "staging")

    page = httpx.get(f"{url}queues")
    assert page.status_code == 200
    assert "mail" in page.text
    assert "staging" in page.text

    process.send_signal(signal.SIGTERM)
    assert process.wait(30) in (0, -signal.SIGTERM)


def test_it_asks_for_the_password_that_it_was_given(start: Started) -> None:
    made = subprocess.run(
        [COMMAND, "web", "--hash-password"], input="sesame\nsesame\n", capture_output=True, text=True, check=True
    )
    url, _ = start("--auth", f"ann:{made.stdout.strip()}")

    assert httpx.get(url).status_code == 401
    assert httpx.get(url, auth=("ann", "sesame")).status_code == 200
    assert Account.parse(f"ann:{made.stdout.strip()}").user.name == "ann"


@pytest.mark.parametrize("bind", ["0.0.0.0:8700", "192.0.2.1:8700", "[::]:8700", "jobs.example:8700"])
def test_it_is_not_served_to_others_without_saying_to_whom(cli: Cli, bind: str) -> None:
    refused = cli("web", "--bind", bind)

    assert refused.status == 2
    assert "--auth" in refused.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--bind", "here"], "HOST:PORT"),
        (["--bind", "127.0.0.1:99999"], "HOST:PORT"),
        (["--auth", "ann"], "--hash-password"),
        (["--redact", "("], "("),
        (["nowhere:app"], "nowhere"),
    ],
)
def test_what_it_is_told_wrongly_is_said(cli: Cli, words: list[str], said: str) -> None:
    refused = cli("web", *words)

    assert refused.status in (1, 2)
    assert said in refused.err
