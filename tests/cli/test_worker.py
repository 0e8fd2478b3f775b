"""`worker`: the app is found, or it is said what was looked for and where; and jobs run until it is told to stop."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from redisjobs import RedisJobs
from tests.cli.conftest import Cli
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

Installed = Callable[..., "subprocess.Popen[str]"]

APP = """
from redisjobs import RedisJobs

app = RedisJobs()
number = 5
class Space: pass
space = Space()
space.app = app

@app.job(name="Mark")
def mark(key: str) -> None:
    app.store.run(__import__("redisjobs.store.op", fromlist=["command"]).command("INCR", key))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an app in `shop.py`, and we are in it."""
    (tmp_path / "shop.py").write_text(APP)
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def failure(installed: Installed, *args: str, **more: str) -> tuple[int, str]:
    """Return the status and the error of a worker that does not start."""
    process = installed("worker", *args, **more)
    out, err = process.communicate(timeout=30)
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("Error: ")
    return process.returncode, err


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("nope:app", "no module 'nope': looked in {folder} and "),
        ("shpo:app", "did you mean 'shop'?"),
        ("pack.jobs:app", "no module 'pack.jobs': pack is there ({folder}/pack/__init__.py), but has no 'jobs'"),
        ("shop.jobs:app", "no module 'shop.jobs': shop is there ({folder}/shop.py), but has no 'jobs'"),
        ("shop:apq", "shop ({folder}/shop.py) has no 'apq'; did you mean 'app'?"),
        ("shop:xyz", "has no 'xyz'; its apps are: app"),
        ("shop:space.nope", "has no 'space.nope'"),
        ("shop:number", "shop:number is a builtins.int, not a RedisJobs app; its apps are: app"),
        ("pack:app", "has no 'app'; there is no app in it"),
        ("shop", "names no app: write MODULE:ATTRIBUTE, such as shop:app"),
        (":app", "names no app"),
        ("shop:", "names no app"),
        ("./shop.py:app", "is a file, not a module: write MODULE:ATTRIBUTE, such as shop:app"),
        ("pack/jobs:app", "such as pack.jobs:app"),
        ("a..b:app", "no module 'a'"),
    ],
)
def test_an_app_that_is_not_there_is_looked_for_aloud(installed: Installed, folder: Path, spec: str, told: str) -> None:
    status, err = failure(installed, spec)

    assert status == 1
    assert told.format(folder=folder) in err


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("x = 1\nimport not_installed", "ModuleNotFoundError: No module named 'not_installed' ({folder}/broken.py:2)"),
        ("from os import nothing_such", "ImportError: cannot import name 'nothing_such'"),
        ("x = 1\n\ndef f(:", "SyntaxError: "),
        ("def f():\n    return 1 / 0\nf()", "ZeroDivisionError: division by zero ({folder}/broken.py:2)"),
        ("import sys\nsys.exit(3)", "importing broken ended the program (exit status 3) ({folder}/broken.py:2)"),
    ],
)
def test_an_app_that_fails_to_import_says_where(installed: Installed, folder: Path, code: str, told: str) -> None:
    """It is there, so it must not look as if it were not."""
    (folder / "broken.py").write_text(code)

    status, err = failure(installed, "broken:app")

    assert status == 1
    assert "importing broken" in err
    assert told.format(folder=folder) in err
    assert "looked in" not in err
    assert f"{folder}/broken.py:" in err or "ImportError" in err


def test_a_required_module_that_is_not_there_is_told_too(installed: Installed, folder: Path) -> None:
    assert "no module 'more'" in failure(installed, "shop:app", "--require", "more")[1]


@pytest.mark.parametrize(
    ("args", "more", "told"),
    [
        ([], {}, "name the app"),
        (["shop:app", "-c", "0"], {}, "the command line: concurrency = 0"),
        (["shop:app", "-c", "many"], {}, "'many' is not a valid integer"),
        (["shop:app", "-t", "-1"], {}, "the command line: timeout_s = -1"),
        (["shop:app", "-q", "low,many"], {}, "the weight 'many' of queue 'low'"),
        (["shop:app", "-q", ""], {}, "a queue needs a name"),
        (["shop:app"], {"REDISJOBS_CONCURRENCY": "none"}, "the environment: concurrency = 'none'"),
        (["shop:app", "--config", "none.toml"], {}, "none.toml: No such file"),
        (["shop:app", "--config", "bad.toml"], {}, "bad.toml: not TOML"),
        (["shop:app", "--config", "unknown.toml"], {}, "did you mean 'concurrency'?"),
        (["shop:app", "--log-level", "loud"], {}, "'loud'"),
        (["shop:app", "--log-format", "xml"], {}, "xml"),
        (["shop:app", "--log-file", "no/such/folder/log"], {}, "No such file"),
    ],
)
def test_a_wrong_setting_names_its_source(
    installed: Installed, folder: Path, args: list[str], more: dict[str, str], told: str
) -> None:
    (folder / "bad.toml").write_text("= 3")
    (folder / "unknown.toml").write_text("concurency = 3")

    status, err = failure(installed, *args, **more)

    assert status == 2
    assert told in err


def test_a_redis_that_is_away_is_told(installed: Installed, folder: Path) -> None:
    status, err = failure(installed, "shop:app", REDISJOBS_URL="redis://:hunter2@127.0.0.1:1/0")

    assert status == 1
    assert "no answer from Redis at redis://:***@127.0.0.1:1/0" in err


def test_the_redis_of_a_worker_is_its_apps(cli: Cli) -> None:
    assert cli("--url", "redis://x/", "worker", "shop:app").status == 2


@pytest.mark.parametrize("where", ["argument", "environment", "file", "pyproject"])
def test_a_worker_runs_jobs_until_it_is_told_to_stop(
    installed: Installed, folder: Path, redis: RealRedis, app: RedisJobs, cli: Cli, where: str
) -> None:
    """From the inspector's command line, through its heartbeat."""
    settings = 'app = "shop:app"\nqueues = ["low"]\nconcurrency = 3\nheartbeat_ttl_s = 2'
    (folder / "settings.toml").write_text(settings)
    if where == "pyproject":
        (folder / "pyproject.toml").write_text(f"[tool.redisjobs]\n{settings}")
    given = {
        "argument": ["shop:app", "-q", "low", "-c", "3", "--tag", "t"],
        "file": ["--config", "settings.toml", "--tag", "t"],
    }
    more = {"REDISJOBS_HEARTBEAT_TTL_S": "2"}
    if where == "environment":
        more |= {"REDISJOBS_APP": "shop:app", "REDISJOBS_QUEUES": "low", "REDISJOBS_CONCURRENCY": "3"}
    process = installed("worker", *given.get(where, ["--tag", "t"]), **more)
    try:
        app.push("Mark", ["marked"], queue="low")
        eventually(lambda: redis.value("marked") == "1", message="the job did not run")
        (told,) = eventually(lambda: cli("processes", "--json").json)
        assert (told["tag"], told["concurrency"], told["queues"]) == ("t", 3, ["low"])

        assert cli("stop", told["identity"]).status == 0
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()

    assert process.returncode == 0
    assert "done" in err
    assert cli("processes", "--json").json == []


def test_a_worker_reads_sidekiq_yml_and_says_what_it_ignores(
    installed: Installed, folder: Path, redis: RealRedis, app: RedisJobs
) -> None:
    (folder / "config").mkdir()
    (folder / "config" / "sidekiq.yml").write_text(
        ":concurrency: 5\n:tag: shop\n:pidfile: tmp/pid\n:queues: [[high, 3], low]\nproduction:\n  :concurrency: 2\n"
    )
    process = installed("worker", "shop:app", "--config", "config/sidekiq.yml", "-e", "production")
    try:
        app.push("Mark", ["marked"], queue="low")
        eventually(lambda: redis.value("marked") == "1", 30, "the job did not run")
        [found] = app.processes
        assert (found.tag, found.concurrency, found.queues) == ("shop", 2, ("high", "low"))
    finally:
        process.terminate()
        _, err = process.communicate(timeout=30)

    [ignored] = [line for line in err.splitlines() if "setting ignored" in line]
    assert "WARN" in ignored
    assert "source=config/sidekiq.yml setting=pidfile" in ignored


@pytest.mark.parametrize("name", ["sidekiq.yml", "sidekiq.yml.erb"])
def test_erb_in_sidekiq_yml_is_refused_with_its_line(installed: Installed, folder: Path, name: str) -> None:
    (folder / name).write_text(":queues: [a]\n:concurrency: <%= ENV['N'] %>\n")

    status, err = failure(installed, "shop:app", "--config", name)

    assert status == 2
    assert name + ":2: \":concurrency: <%= ENV['N'] %>\" is ERB" in err
