"""docs/with-ruby.md: its code is run as it stands there, with a real Sidekiq of each generation beside it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from redisjobs import RedisJobs
from tests.interop.crossing import entries, make_due
from tests.interop.peers import RUBY, RubyPeer, RubyWorker
from tests.support.eventually import eventually
from tests.support.fleet import WorkerProcess, command
from tests.support.pages import Page
from tests.support.real_redis import RealRedis

PAGE = Page("docs/with-ruby.md")
LONG_S = 40

# What the page calls the work. It fails once for a number that was marked so, whoever does it.
REPORTS_IN_RUBY = """
module Report
  def self.build(number)
    raise "not yet" if Interop.redis("DEL", "fail:#{number}") == 1
    Interop.redis("RPUSH", "built", "ruby #{number}")
  end
end
"""
REPORTS_IN_PYTHON = """
import os
import redis

client = redis.Redis.from_url(os.environ["REDISJOBS_URL"])

def build(number):
    if client.delete(f"fail:{number}"):
        raise ValueError("not yet")
    client.rpush("built", f"python {number}")
"""

StartPython = Callable[[Sequence[str]], WorkerProcess]
StartRuby = Callable[..., RubyWorker]


@pytest.fixture
def folder(peer: RubyPeer, tmp_path: Path) -> Path:
    """`python_jobs` of the page, with the `wire` that the page asks for beside this peer."""
    PAGE.write_files(tmp_path)
    (tmp_path / "reports.py").write_text(REPORTS_IN_PYTHON, "utf-8")
    if peer.generation < 8:
        for file in tmp_path.glob("*.py"):
            file.write_text(file.read_text("utf-8").replace("RedisJobs()", 'RedisJobs(wire="sidekiq7")'), "utf-8")
    return tmp_path


@pytest.fixture
def start_python(redis: RealRedis, folder: Path) -> Iterator[StartPython]:
    """A function that runs a command of the page; what its jobs print is in `said`."""
    started: list[WorkerProcess] = []
    environment = {"REDISJOBS_URL": redis.url, "REDISJOBS_HEARTBEAT_TTL_S": "3", "PYTHONUNBUFFERED": "1"}

    def start(words: Sequence[str]) -> WorkerProcess:
        assert words[0] == "redisjobs"
        into = ["sh", "-c", f'cd {folder} && exec "$@" >>said', "sh"]
        started.append(WorkerProcess(folder / f"log-{len(started)}", [*into, command(), *words[1:]], environment))
        return started[-1].ready(LONG_S)

    yield start
    for worker in started:
        worker.end()


@pytest.fixture
def start_ruby(peer: RubyPeer, folder: Path) -> StartRuby:
    """A function that starts a Sidekiq that has loaded some Ruby, and nothing of the harness' own jobs."""

    def start(code: str, *queues: str) -> RubyWorker:
        (folder / "rails.rb").write_text(f'require "{RUBY}/connect"\n{code}', "utf-8")
        return peer.start_worker(queues=queues, require=folder / "rails.rb")

    return start


def python(code: str, folder: Path, redis: RealRedis) -> str:
    """Run a block of the page; return what it printed."""
    environment = {**os.environ, "REDISJOBS_URL": redis.url}
    words = [sys.executable, "-c", code]
    return subprocess.run(
        words, cwd=folder, env=environment, check=True, timeout=60, stdout=subprocess.PIPE, text=True
    ).stdout.rstrip("\n")


def ruby(peer: RubyPeer, mark: str) -> str:
    """Evaluate a block of the page as a console would; return what that shows."""
    shown: str = peer.eval(f"begin\n{PAGE.block(f'ruby: {mark}').text}\nend.inspect")
    return shown


def said(folder: Path) -> list[str]:
    """Return what the jobs printed; threads that print at once write their ends of lines one after the other."""
    file = folder / "said"
    return sorted(re.findall(r"thumbnail of \d+, \d+ wide", file.read_text("utf-8"))) if file.exists() else []


def built(redis: RealRedis) -> dict[int, str]:
    """Return which language built which report; none is built twice."""
    pairs = [line.decode().split() for line in redis.client.lrange("built", 0, -1)]
    assert len({number for _, number in pairs}) == len(pairs), pairs
    return {int(number): language for language, number in pairs}


def wait_size(redis: RealRedis, key: str, size: int) -> None:
    eventually(lambda: redis.client.zcard(key) == size, LONG_S, f"{size} in {key}")


def wait_built(redis: RealRedis, count: int) -> dict[int, str]:
    eventually(lambda: redis.client.llen("built") >= count, LONG_S, f"{count} reports")
    return built(redis)


def test_the_first_python_job_in_ten_minutes(
    peer: RubyPeer, redis: RealRedis, folder: Path, start_python: StartPython
) -> None:
    start_python(PAGE.block("worker: shop").command)

    for mark in ("by name", "stub", "enqueue"):
        ruby(peer, mark)

    eventually(lambda: len(said(folder)) == 4, LONG_S, "four thumbnails")
    widths = {1: 200, 2: 200, 3: 400, 4: 200}
    assert said(folder) == [f"thumbnail of {number}, {width} wide" for number, width in widths.items()]
    assert ruby(peer, "processes") == PAGE.block("ruby: processes").shown
    eventually(lambda: redis.client.mget("stat:processed", "stat:failed") == [b"4", None], LONG_S)


def test_sidekiqs_web_ui_stops_the_python_process(peer: RubyPeer, start_python: StartPython) -> None:
    worker = start_python(PAGE.block("worker: shop").command)

    peer.eval("Sidekiq::ProcessSet.new.first.stop!")

    assert worker.wait(LONG_S) == 0


def test_a_python_job_calls_back(
    peer: RubyPeer, redis: RealRedis, start_python: StartPython, start_ruby: StartRuby
) -> None:
    sidekiq = start_ruby(PAGE.block("ruby: ready").text, "default")
    start_python(["redisjobs", "worker", "calling:app", "-q", "python"])
    ruby(peer, "stub")

    jid = peer.eval("ThumbnailJob.perform_async(7, {'width' => 300})")

    line = f"image 7 is at /thumbnails/7-300.png, as {jid} asked"
    eventually(lambda: line in sidekiq.log, LONG_S, line)


def test_a_python_job_that_ruby_took(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, folder: Path, start_python: StartPython, start_ruby: StartRuby
) -> None:
    sidekiq = start_ruby("", "shared")

    app.push("ThumbnailJob", [1], queue="shared")
    wait_size(redis, "retry", 1)
    block = PAGE.block("ruby: python job in ruby")
    assert ruby(peer, "python job in ruby") == block.shown

    app.push("ThumbnailJob", [2], queue="shared", retry=0)
    wait_size(redis, "dead", 1)
    app.push("ThumbnailJob", [3], queue="shared", retry=False)
    eventually(lambda: redis.client.llen("queue:shared") == 0, LONG_S)
    assert sidekiq.stop() == 0  # it gives back what it runs, so nothing is on its way any more
    found = [entries(redis, key) for key in ("queue:shared", "retry", "dead", "schedule")]
    assert [[job["args"] for job in jobs] for jobs in found] == [[], [[1]], [[2]], []], "retry: false is gone"

    python(PAGE.block("python: rescue").text, folder, redis)
    start_python(PAGE.block("worker: shop").command)
    eventually(lambda: said(folder) == ["thumbnail of 1, 200 wide"], LONG_S)


def test_a_ruby_job_that_python_took(peer: RubyPeer, redis: RealRedis, folder: Path, start_python: StartPython) -> None:
    push = (
        "Sidekiq::Client.push('class' => 'InvoiceJob', 'queue' => 'shared', 'args' => [1], 'retry' => input['retry'])"
    )
    worker = start_python(["redisjobs", "worker", "shop:app", "-q", "shared"])

    peer.eval(push, retry=True)
    wait_size(redis, "retry", 1)
    block = PAGE.block("python: ruby job in python")
    assert python(block.text, folder, redis) == block.shown

    peer.eval(push, retry=0)
    wait_size(redis, "dead", 1)
    peer.eval(push, retry=False)
    wait_size(redis, "dead", 2)
    assert worker.stop() == 0
    assert [len(entries(redis, key)) for key in ("queue:shared", "retry", "dead", "schedule")] == [0, 1, 2, 0]


def test_a_class_with_a_queue_of_its_own_is_handed_over_and_back(
    peer: RubyPeer, redis: RealRedis, start_python: StartPython, start_ruby: StartRuby
) -> None:
    """Jobs come all the while; one is scheduled and one fails before, and both run on the other side."""
    code = REPORTS_IN_RUBY + PAGE.block("ruby: moved").text
    canary = PAGE.block("worker: canary").command
    ruby(peer, "moved")
    sidekiq = start_ruby(code, "default", "reports")
    redis.seed({"fail:1": "", "fail:100": ""})
    enqueue = "input['numbers'].each { |number| ReportJob.perform_async(number) }"
    peer.eval("ReportJob.perform_in(3600, 2)")
    peer.eval(enqueue, numbers=[1, *range(10, 20)])
    wait_size(redis, "retry", 1)
    assert set(wait_built(redis, 10).values()) == {"ruby"}

    python_worker = start_python(canary)
    upto = 20
    while "python" not in built(redis).values():
        assert upto < 100
        peer.eval(enqueue, numbers=[upto])
        upto += 1
        wait_built(redis, upto - 10)
    assert sidekiq.stop() == 0
    sidekiq = start_ruby(code, "default")
    peer.eval(enqueue, numbers=[100, *range(101, 110)])
    wait_size(redis, "retry", 2)
    make_due(redis, "schedule")
    peer.promote()
    make_due(redis, "retry")
    done = wait_built(redis, upto - 10 + 12)
    assert {done[number] for number in [1, 2, *range(100, 110)]} == {"python"}

    sidekiq.stop()
    sidekiq = start_ruby(code, "default", "reports")
    assert python_worker.stop() == 0
    peer.eval(enqueue, numbers=list(range(200, 210)))
    done = wait_built(redis, upto - 10 + 22)
    assert {done[number] for number in range(200, 210)} == {"ruby"}
    assert [redis.client.zcard(key) for key in ("retry", "schedule", "dead")] == [0, 0, 0]


@pytest.mark.parametrize("move", [False, True], ids=["left", "moved"])
def test_a_class_that_shares_a_queue_is_handed_over_and_back(
    peer: RubyPeer, redis: RealRedis, start_python: StartPython, start_ruby: StartRuby, move: bool
) -> None:
    """What was scheduled or failed before runs in Ruby, or, if it is moved, in Python."""
    after = PAGE.block("ruby: moved").text
    before = after.replace('queue: "reports"', 'queue: "default"')
    assert before != after
    peer.eval(before)
    start_ruby(REPORTS_IN_RUBY + before, "default")
    redis.seed({"fail:1": "", "fail:6": ""})
    peer.eval("ReportJob.perform_async(1); ReportJob.perform_in(3600, 2); ReportJob.perform_async(3)")
    wait_size(redis, "retry", 1)
    assert wait_built(redis, 1) == {3: "ruby"}

    worker = start_python(PAGE.block("worker: canary").command)
    ruby(peer, "moved")
    peer.eval("ReportJob.perform_async(4); ReportJob.set('queue' => 'default').perform_async(5)")
    assert wait_built(redis, 3) == {3: "ruby", 4: "python", 5: "ruby"}

    assert ruby(peer, "left") == "2"
    if move:
        ruby(peer, "move")
        assert ruby(peer, "left") == "0"
        waiting = sorted(entries(redis, "schedule"), key=lambda job: job["args"])
        assert [(job["args"], job["queue"], job.get("retry_count")) for job in waiting] == [
            ([1], "reports", 0),
            ([2], "reports", None),
        ]
        assert redis.client.zcard("retry") == 0
    make_due(redis, "retry")
    make_due(redis, "schedule")
    done = wait_built(redis, 5)
    assert {done[1], done[2]} == {"python" if move else "ruby"}
    assert ruby(peer, "left") == "0"

    peer.eval("ReportJob.perform_async(6)")
    wait_size(redis, "retry", 1)
    assert entries(redis, "retry")[0]["queue"] == "reports"
    assert worker.stop() == 0
    peer.eval("ReportJob.perform_async(7)")
    peer.eval(before)
    peer.eval("ReportJob.perform_async(8)")
    start_ruby(REPORTS_IN_RUBY + before, "default", "reports")
    make_due(redis, "retry")
    peer.promote()
    done = wait_built(redis, 8)
    assert {done[number] for number in (6, 7, 8)} == {"ruby"}
