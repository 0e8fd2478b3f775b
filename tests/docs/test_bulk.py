"""docs/bulk.md: its Python runs, and its commands are commands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, cli
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis

__all__ = ["cli"]

PAGE = (Path(__file__).parents[2] / "docs" / "bulk.md").read_text("utf-8")


def fill(redis: RealRedis) -> None:
    job = a_payload(class_="Report", error_class="Timeout", error_message="timeout after 3 s")
    redis.seed({key: {job: 2e9} for key in ("retry", "dead", "schedule")})


@pytest.mark.e2e
def test_the_python_of_the_page_runs(redis: RealRedis) -> None:
    fill(redis)
    [block] = re.findall(r"<!-- run: python -->\n```python\n(.*?)```", PAGE, re.DOTALL)

    done = subprocess.run(
        [sys.executable, "-c", block],
        env={**os.environ, "REDISJOBS_URL": redis.url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["1", "1 1 1 0", "1 1 1 0"]


def test_the_commands_of_the_page_work(
    cli: Cli,
    redis: RealRedis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(redis)
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    commands = [shlex.split(line.partition(" | ")[0], comments=True) for line in lines if line.startswith("redisjobs")]

    assert len(commands) == 13
    for _, *words in commands:
        acts = words[0] in ("retry", "kill", "delete", "reschedule")
        ran = cli(*words, *(["--yes"] if acts and "--yes" not in words else []))
        assert ran.status == 0, words
