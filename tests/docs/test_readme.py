"""Everything that the README shows is run, in its order, on one Redis."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.peers import SCRIPT, unavailable
from tests.support.eventually import eventually
from tests.support.fleet import cli
from tests.support.pages import Page
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.e2e

README = Page("README.md")


def python(code: str, folder: Path, redis: RealRedis) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "REDISJOBS_URL": redis.url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ruby(code: str, redis: RealRedis) -> None:
    reason = unavailable(8)
    if reason and os.environ.get("REDISJOBS_REQUIRE_INTEROP") == "1":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    subprocess.run(
        [SCRIPT, "run", "8", "--", "ruby", "-W0", "-e", code],
        env={**os.environ, "REDIS_URL": redis.tcp_url},
        check=True,
        timeout=60,
    )


def fits(shown: list[str], printed: list[str]) -> bool:
    """Tell whether what was printed is what the README shows, `...` standing for anything."""
    patterns = [re.escape(line).replace(re.escape("..."), ".*") for line in shown]
    return len(patterns) == len(printed) and all(
        re.fullmatch(pattern, line) for pattern, line in zip(patterns, printed, strict=True)
    )


def test_the_readme_from_top_to_bottom(redis: RealRedis, tmp_path: Path) -> None:
    (shop,) = README.marked("file: shop_jobs.py")
    enqueue, embedded, stateful, limits = README.marked("run: python")
    (from_ruby,) = README.marked("run: ruby")
    (look,) = README.marked("redis-cli")
    (tmp_path / "shop_jobs.py").write_text(shop.text, "utf-8")

    assert python(enqueue.text, tmp_path, redis) == "8 5 1\n"
    ruby(from_ruby.text, redis)
    python("from shop_jobs import app; app.push('HardWorker', [], queue='mailers', retry=5)", tmp_path, redis)

    (words,) = (shlex.split(line)[1:] for line in README.text.splitlines() if line.startswith("redisjobs worker "))
    assert words[0] == "worker"
    worker = subprocess.Popen(
        [Path(sys.executable).with_name("redisjobs"), *words],
        cwd=tmp_path,
        env={**os.environ, "REDISJOBS_URL": redis.url, "REDISJOBS_HEARTBEAT_TTL_S": "12"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        eventually(lambda: redis.client.get("stat:processed") == b"8", 20)
        identity = eventually(lambda: redis.cli("SMEMBERS", "processes").strip(), 10)
        eventually(lambda: redis.cli("HGET", identity, "busy").strip() == "0", 10)
        for shown in re.split(r"^> ", look.text, flags=re.MULTILINE)[1:]:
            asked, *lines = shown.replace("HOST:PID:NONCE", identity).rstrip("\n").split("\n")
            printed = redis.cli(*asked.split()).rstrip("\n").split("\n")
            if asked.startswith("SMEMBERS"):
                printed.sort()
            assert fits(lines, printed), (asked, lines, printed)
    finally:
        worker.terminate()
        out, _ = worker.communicate(timeout=30)
    assert worker.returncode == 0
    assert "to 2: your order" in out
    assert "to 8: from Ruby" in out
    assert "indexed 42" in out

    assert "to 9: hi" in python(embedded.text, tmp_path, redis)
    assert python(stateful.text, tmp_path, redis) == "before __main__.use\nopen\nafter __main__.use\n"
    assert python(limits.text, tmp_path, redis) == ""


def test_the_commands_that_look_at_it_work(redis: RealRedis) -> None:
    """Each line of the block `Look at it`; the plural ones also as JSON."""
    (lines,) = (block.text.splitlines() for block in README.blocks if block.text.startswith("redisjobs stats\n"))

    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        cli(redis, *words)
        cli(redis, *words, "--json")


def test_the_demo_ends_by_itself_and_prints_what_happened(tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("redisjobs"), "demo"],
        env={name: value for name, value in os.environ.items() if name not in ("REDISJOBS_URL", "REDIS_URL")}
        | {"REDISJOBS_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )

    assert done.returncode == 0, done.stderr
    assert re.search(r"processed +2,010\n +failed +2\n +retried +1\n +dead +1\n +jobs/s +[\d,]+", done.stdout)
    assert "redis-cli" in done.stdout or "python" in done.stdout


def test_the_demos_redis_cli_line_works_on_its_server(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [Path(sys.executable).with_name("redisjobs"), "demo", "--keep"],
        env={name: value for name, value in os.environ.items() if name not in ("REDISJOBS_URL", "REDIS_URL")}
        | {"REDISJOBS_DATA": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert demo.stdout is not None
    try:
        line = next(line for line in demo.stdout if line.startswith("The worker stays up"))
        command = shlex.split(line.split("Inspect it:", 1)[1])
        answer = subprocess.run([*command, "ZCARD", "dead"], capture_output=True, text=True, check=True, timeout=20)
        assert answer.stdout.strip().endswith("1")
    finally:
        demo.terminate()
        demo.communicate(timeout=40)
