"""What docs/elixir.md shows is run; its names of tests and its rights are true."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from redisjobs import RedisJobs
from tests.support.elixir import ExqNode, VerkNode
from tests.support.fleet import cli
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "elixir.md").read_text("utf-8")


def block(mark: str) -> str:
    """Return the text of the block behind a comment."""
    found = re.search(rf"<!-- {mark} -->\n```\w*\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_runs(redis: RealRedis) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block("run: python")],
        env={"REDISJOBS_URL": redis.url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stdout) == (0, "worked 1 2\n1 for Elixir\n"), done.stderr
    assert [job["args"] for job in [ExqNode(redis.client).take("elixir")] if job] == [[2026]]


def test_the_commands_print_what_stands_below_them(redis: RealRedis) -> None:
    exq = ExqNode(redis.client)
    exq.enqueue()
    exq.take()
    shown = re.search(r"```\n(NODE .*?)```", PAGE, re.DOTALL)
    assert shown is not None

    lines = [shlex.split(line)[1:] for line in block("run: shell").splitlines()]

    assert b"".join(cli(redis, *words) for words in lines).decode() == shown[1]


def test_the_tests_that_it_names_are_there() -> None:
    written = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests" / "worker").glob("test_*.py"))

    assert [name for name in re.findall(r"`(test_\w+)`", PAGE) if f"def {name}(" not in written] == []


def test_the_rights_suffice_to_adopt(redis: RealRedis) -> None:
    acl = re.findall(r"<!-- acl: worker -->\n```\n(.*?)```", (ROOT / "docs" / "redis.md").read_text("utf-8"), re.DOTALL)
    for text in (*acl, block("acl: adopt")):
        redis.client.execute_command(*text.replace("PASSWORD", "secret").split())
    url = f"redis://worker:secret@127.0.0.1:{redis.port}/0"
    exq, verk = ExqNode(redis.client, namespace=""), VerkNode(redis.client, "77", generated=True)
    exqs, verks = RedisJobs(url, wire="exq", namespace=""), RedisJobs(url, wire="verk")
    try:
        for node in (exq, verk):
            node.enqueue()
            node.take()

        assert len(list(exqs.orphans("exq"))) == 1
        assert exqs.orphans("exq").adopt("web-1") == {"default": 1}
        assert verks.orphans("verk").adopt("77") == {"default": 1}
        with exqs.worker(queues=["none"]):
            assert len(exqs.processes) == 1
            assert list(exqs.running) == []
    finally:
        redis.client.execute_command("ACL", "DELUSER", "worker")
        exqs.close()
        verks.close()
