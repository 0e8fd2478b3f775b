"""What docs/active-job.md shows is run, with a real Rails where it says so."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.test_readme import python
from tests.interop.peers import RUBY, RubyPeer, unavailable
from tests.support.pages import Page
from tests.support.real_redis import RealRedis

PAGE = Page("docs/active-job.md")

WORK = """
with app.worker(queues=["python"], concurrency=1) as worker:
    assert worker.drain()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the modules that the page shows."""
    PAGE.write_files(tmp_path)
    return tmp_path


@pytest.fixture
def rails(redis: RealRedis) -> Iterator[RubyPeer]:
    reason = unavailable(8)
    if reason and os.environ.get("REDISJOBS_REQUIRE_INTEROP") == "1":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    with RubyPeer(8, redis.url) as peer:
        peer.eval(f"require {json.dumps(str(RUBY / 'active_jobs.rb'))}; ApplicationJob = ActiveJob::Base; nil")
        yield peer


@pytest.mark.interop
def test_a_job_of_rails_runs_in_python(folder: Path, redis: RealRedis, rails: RubyPeer) -> None:
    rails.eval(PAGE.block("run: ruby").text + "\nnil")

    printed = python(f"from reports import app\n{WORK}", folder, redis)

    assert printed == "monthly pdf since 2024-11-01, run 1, locale en\n"


def test_jobs_for_rails_are_stored(folder: Path, redis: RealRedis) -> None:
    python(PAGE.block("run: python").text, folder, redis)

    [raw] = redis.value("queue:mailers")
    [(later, _)] = redis.value("schedule").items()
    assert json.loads(raw)["args"][0]["arguments"][0] == {"_aj_globalid": "gid://shop/Order/7"}
    assert json.loads(later)["args"][0]["priority"] == 5


def test_the_context_travels(folder: Path, redis: RealRedis) -> None:
    push = "tenant.set('shop')\napp.push('Whose', queue='python')\n"

    printed = python(f"import rules\nfrom context import app, tenant\n{push}tenant.set('other')\n{WORK}", folder, redis)

    assert printed == "shop {}\n"
