"""docs/api.md: its commands work, and it tells of each path."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from redisjobs import RedisJobs
from tests.support.builders import a_payload
from tests.support.pages import Page
from tests.support.real_redis import RealRedis
from tests.support.site import Site
from tests.web.api import SPEC, V1

PAGE = Page("docs/api.md")


@pytest.mark.e2e
def test_the_commands_of_the_page_work(app: RedisJobs, redis: RealRedis, tmp_path: Path) -> None:
    job = a_payload(class_="Mail", queue="mails", error_class="Timeout", error_message="timeout after 3 s")
    redis.seed({"dead": {job: redis.now()}, "queues": {"a/b"}, "queue:a/b": [a_payload()]})
    site = Site(app.web())
    try:
        for block in PAGE.marked("curl"):
            text = block.text.replace("http://127.0.0.1:8700", site.url).replace("curl -s", "curl -sS --fail-with-body")
            done = subprocess.run(
                ["bash", "-ec", text], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
            )
            assert done.returncode == 0, (text, done.stdout, done.stderr)
    finally:
        site.close()

    assert redis.client.smembers("paused") == {b"mails"}
    assert redis.client.zcard("schedule") == 1 and redis.client.zcard("dead") == 1
    assert (tmp_path / "dead.jsonl").read_bytes().count(b"\n") == 1


@pytest.mark.quick
def test_the_page_tells_of_each_path() -> None:
    for path in SPEC["paths"]:
        words = [word for word in re.split(r"/", path.removeprefix(V1)) if word and "{" not in word]
        assert all(word in PAGE.text for word in words), path
