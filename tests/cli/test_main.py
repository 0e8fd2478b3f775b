"""The frame: help, exit status, errors in one line, and what happens when Redis is not there."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from redisjobs.cli import main
from redisjobs.version import __version__
from tests.cli.conftest import Cli
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis, free_port

pytestmark = pytest.mark.quick

Installed = Callable[..., "subprocess.Popen[str]"]

EVERYTHING = (
    "stats",
    "queues",
    "processes",
    "retries",
    "retries ls",
    "scheduled",
    "dead",
    "queue default",
    "version",
)


@pytest.mark.parametrize("help_option", ["-h", "--help"])
@pytest.mark.parametrize("command", ["", *main.COMMANDS, "retries kill", "queue NAME clear"])
def test_every_command_explains_itself(cli: Cli, command: str, help_option: str) -> None:
    ran = cli(*command.split(), help_option)

    assert ran.status == 0
    assert ran.out.startswith("Usage: redisjobs ")


@pytest.mark.parametrize("name", main.COMMANDS)
def test_the_list_of_commands_says_what_they_say_themselves(cli: Cli, name: str) -> None:
    """It is written apart, so that it is shown without importing them."""
    said = " ".join(cli(name, "-h").out.split())

    assert main.COMMANDS[name][1].rstrip(".") in said


def test_without_a_command_the_help_is_shown(cli: Cli) -> None:
    ran = cli()

    assert ran.status == 2
    assert ran.err.startswith("Usage: redisjobs ")


@pytest.mark.parametrize("command", EVERYTHING)
def test_everything_prints_json_if_asked_before_or_after(cli: Cli, command: str) -> None:
    after, before = cli(*command.split(), "--json"), cli("--json", *command.split())

    assert (after.status, before.status) == (0, 0)
    assert after.json == before.json


@pytest.mark.parametrize("command", EVERYTHING)
def test_everything_has_something_to_say_about_an_empty_redis(cli: Cli, command: str) -> None:
    ran = cli(*command.split())

    assert (ran.status, ran.err) == (0, "")
    assert ran.out.strip()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("retryes", "did you mean 'retries'?"),
        ("xyz", "there are: worker, enqueue"),
        ("retries kil j1", "did you mean 'kill'?"),
        ("dead kill j1", "no command is called 'kill'"),
        ("stats --nope", "nope"),
        ("--nope stats", "nope"),
        ("queue", "NAME"),
        ("retries ls --limit none", "'none' is not a valid integer"),
        ("retries ls --limit 0", "0"),
        ("retries show", "JID"),
        ("retries retry", "name some jobs, or give --all"),
        ("retries retry j1 --all", "name some jobs, or give --all"),
        ("stop", "name some processes, or give --all"),
        ("stats --days 0", "0"),
        ("--wire sidekiq5 stats", "sidekiq5"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_is_meant(cli: Cli, line: str, told: str) -> None:
    ran = cli(*line.split())

    assert ran.status == 2
    assert told in ran.err
    assert " -h)" in ran.err


def test_an_option_of_the_listing_may_stand_without_ls(cli: Cli, redis: RealRedis) -> None:
    redis.seed({"retry": {a_payload(jid=f"j{at}"): at for at in range(5)}, "queue:q": ["a", "b"]})

    assert len(cli("retries", "--limit", "2", "--json").json) == 2
    assert len(cli("retries", "-n", "2", "--offset", "4", "--json").json) == 1
    assert len(cli("queue", "q", "-n", "1", "--json").json) == 1


@pytest.mark.parametrize("line", ["stats", "queues", "processes", "retries", "queue default", "dead retry j1"])
def test_a_closed_port_is_told_in_one_line(cli: Cli, line: str) -> None:
    ran = cli("--url", f"redis://127.0.0.1:{free_port()}/0", *line.split())

    assert ran.status == 1
    assert "no answer from Redis at redis://127.0.0.1:" in ran.err


def test_a_password_is_never_printed(
    cli: Cli, server: Callable[..., RealRedis], monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = server(requirepass="right")
    monkeypatch.setenv("REDISJOBS_DEBUG", "")

    wrong = cli("--url", f"redis://:hunter2@127.0.0.1:{locked.port}/0", "stats")
    missing = cli("--url", f"redis://127.0.0.1:{locked.port}/0", "enqueue", "A")
    closed = cli("--url", f"redis://me:hunter2@127.0.0.1:{free_port()}/0", "stats")
    right = cli("--url", locked.tcp_url, "stats")

    assert (wrong.status, missing.status, closed.status, right.status) == (1, 1, 1, 0)
    assert "check user and password" in wrong.err
    assert "check user and password" in missing.err
    for ran in (wrong, missing, closed):
        assert "hunter2" not in ran.err + ran.out


@pytest.mark.parametrize("url", ["localhost:6379", "http://x/", "redis://localhost:port/"])
def test_a_wrong_url_is_wrong_usage(cli: Cli, url: str) -> None:
    ran = cli("--url", url, "stats")

    assert ran.status == 2
    assert "no Redis URL" in ran.err


def test_a_namespace_is_heeded(cli: Cli, redis: RealRedis) -> None:
    assert cli("--namespace", "shop", "enqueue", "A").status == 0
    assert cli("queues", "--namespace", "shop", "--json").json[0]["name"] == "default"
    assert cli("queues", "--json").json == []
    assert redis.value("shop:queues") == {"default"}


def test_an_error_that_nobody_thought_of_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("first\n\x1b[31msecond")

    monkeypatch.setattr(main.cli, "main", fail)

    plain = main.run([])
    told = capsys.readouterr().err
    monkeypatch.setenv("REDISJOBS_DEBUG", "1")
    main.run([])
    debugged = capsys.readouterr().err

    assert plain == 1
    assert told == "Error: RuntimeError: first\\n\\x1b[31msecond (REDISJOBS_DEBUG=1 shows where)\n"
    assert "Traceback" in debugged


def test_version(cli: Cli) -> None:
    assert cli("version").out == f"redisjobs {__version__}\n"
    assert cli("--version").out == f"redisjobs {__version__}\n"
    assert cli("version", "--json").json["redisjobs"] == __version__


# -- the installed command --------------------------------------------------------------------------------------


def test_help_loads_neither_redis_nor_asyncio(environment: Mapping[str, str]) -> None:
    code = (
        "import sys; from redisjobs.cli.main import run; run(sys.argv[1:]); "
        "sys.exit(str([name for name in ('redis', 'asyncio', 'redisjobs.inspector') if name in sys.modules]))"
    )
    for line in ("-h", "worker -h", "retries ls -h"):
        done = subprocess.run(
            [sys.executable, "-c", code, *line.split()],
            env=dict(environment),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr.strip() == "[]"


def test_the_installed_command_ends_with_its_status(installed: Installed, redis: RealRedis) -> None:
    for line, status in (("stats", 0), ("dead show nothing", 1), ("nothing", 2)):
        process = installed(*line.split())
        _, err = process.communicate(timeout=30)
        assert (process.returncode, bool(err)) == (status, status != 0)


def test_a_reader_that_had_enough_is_no_error(environment: Mapping[str, str], redis: RealRedis) -> None:
    redis.seed({"retry": {a_payload(jid=f"j{at}", args=["x" * 500]): at for at in range(1000)}})
    command = f"{sys.executable} -m redisjobs.cli.main retries ls -n 1000 --json | head -1"

    done = subprocess.run(command, shell=True, env=dict(environment), capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("[\n", "")


def test_a_full_disk_is_told(environment: Mapping[str, str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "redisjobs.cli.main", "stats"],
            env=dict(environment),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr.startswith("Error: [Errno 28]")
    assert done.stderr.count("\n") == 1


def test_a_terminal_without_unicode_gets_escapes(environment: Mapping[str, str], redis: RealRedis) -> None:
    redis.seed({"queues": {"grün-キュー"}})

    done = subprocess.run(
        [sys.executable, "-m", "redisjobs.cli.main", "queues"],
        env={**environment, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=True,
    )

    assert b"gr\xfcn-\\u30ad\\u30e5\\u30fc" in done.stdout


@pytest.mark.parametrize(("answer", "left", "status"), [("y\n", 0, 0), ("n\n", 2, 1)])
def test_on_a_terminal_it_asks_first(
    environment: Mapping[str, str], redis: RealRedis, answer: str, left: int, status: int
) -> None:
    redis.seed({"dead": {a_payload(jid="j1"): 1.0, b"junk": 2.0}})
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())

    done = subprocess.run(
        [sys.executable, "-m", "redisjobs.cli.main", "dead", "clear"],
        env=dict(environment),
        stdin=theirs,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    os.close(ours)
    os.close(theirs)

    assert "Delete all 2 jobs of the dead set? [y/N]" in done.stderr
    assert done.returncode == status
    assert redis.client.zcard("dead") == left


def test_the_shell_can_complete(environment: Mapping[str, str]) -> None:
    words = {"COMP_WORDS": "redisjobs retries ", "COMP_CWORD": "2", "_REDISJOBS_COMPLETE": "bash_complete"}

    done = subprocess.run(
        [sys.executable, "-m", "redisjobs.cli.main"],
        env={**environment, **words},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == [f"plain,{name}" for name in ("ls", "show", "retry", "delete", "clear", "kill")]
