"""The command line: in this process for most tests, the installed command where the process itself matters."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from redisjobs.cli import main
from tests.support.real_redis import RealRedis


@dataclass(frozen=True)
class Ran:
    """How a command line ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return msgspec.json.decode(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """The lines of a table, split where two spaces stand."""
        return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in self.out.splitlines()]


Cli = Callable[..., Ran]


@pytest.fixture
def cli(redis: RealRedis, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Cli:
    """Run a command line in this process, on the session's server; an error is one line, or the test fails."""
    monkeypatch.setenv("REDISJOBS_URL", redis.url)

    def run(*args: str, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = main.run(list(args))
        out, err = (text.decode() for text in capfdbinary.readouterr())
        assert "Traceback" not in err
        if status != 0 and args:
            assert err.startswith("Error: ")
            assert err.count("\n") == 1
        return Ran(status, out, err)

    return run


@pytest.fixture
def environment(redis: RealRedis) -> dict[str, str]:
    """The environment of an installed command: the session's server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REDISJOBS_", "REDIS_"))}
    return {**kept, "REDISJOBS_URL": redis.url, "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def installed(environment: Mapping[str, str], tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start the command as a process of its own, in an empty folder."""

    def start(*args: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "redisjobs.cli.main", *args],
            cwd=tmp_path,
            env={**environment, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start
