"""A real Ruby Sidekiq and a worker of ours on one Redis: our pages and Ruby's own tell the same, field by field."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from playwright.sync_api import Browser, Page, expect

from redisjobs import RedisJobs
from redisjobs.version import __version__
from redisjobs.wire.times import Wire
from tests.browser.steps import SOON_MS, sure, told
from tests.interop.apps import interop_app
from tests.interop.crossing import make_due, wait_told
from tests.interop.peers import RUBY, RubyPeer, RubyWorker
from tests.support.browser import Visitor
from tests.support.eventually import eventually
from tests.support.fleet import WorkerProcess, command
from tests.support.real_redis import RealRedis
from tests.support.site import Site
from tests.support.tables import Cell, Row, tables

pytestmark = [
    pytest.mark.browser,
    pytest.mark.interop,
    pytest.mark.parametrize("session_peer", [7, 8], indirect=True, ids="sidekiq{}".format),
]

LONG_S = 60
QUICK_RUBY = f"""
require "{RUBY}/jobs"
Sidekiq::Launcher.send(:remove_const, :BEAT_PAUSE) # of ten seconds
Sidekiq::Launcher.const_set(:BEAT_PAUSE, 0.5)
Sidekiq.configure_server {{ |config| config[:labels] << "ruby-label" }}
"""
ENQUEUE = """
Interop::Fail.set(queue: "rb", backtrace: true, tags: ["eu", "rb-tag"]).perform_async("rb failed", 2)
Interop::Fail.set(queue: "rb", retry: 0, backtrace: 3).perform_async("rb died")
Interop::Record.set(queue: "rb").perform_async("rb ran")
Interop::Configured.set(queue: "idle").perform_async("rb waits", 7, "é", nil, true)
Interop::Record.set(queue: "idle", tags: ["rb-tag"]).perform_in(3600, "rb later", 1.5)
"""
ENTRIES = """
sets = {"retries" => Sidekiq::RetrySet, "morgue" => Sidekiq::DeadSet, "scheduled" => Sidekiq::ScheduledSet}
sets.flat_map do |path, set|
  set.new.map { |entry| ["/#{path}/#{entry.score}-#{entry.jid}", entry.jid, entry.item, entry.error_backtrace] }
end
"""
ITERATION = Cell("cursor=7; exec=3; rt=12.5s", [], "", [])
STEPS = {
    "Created At": "created",
    "Enqueued": "enqueued",
    "Originally Failed": "failed first",
    "Last Retry": "failed last",
    "Next Retry": "next run",
    "Scheduled": "due",
}
"""What a page of Ruby's calls a moment, and ours."""


class Scene(NamedTuple):
    """What there is: both languages' workers, a page of ours, and an empty one that parses what Ruby's answer."""

    peer: RubyPeer
    ruby: RubyWorker
    python: WorkerProcess
    page: Page
    reader: Page
    redis: RealRedis

    def ours(self, path: str) -> list[list[Row]]:
        """Return the tables of a page of ours."""
        self.page.goto(path)
        return tables(self.reader, self.page.content())

    def theirs(self, path: str) -> list[list[Row]]:
        """Return the tables of a page of Ruby's."""
        return tables(self.reader, self.html(path))

    def html(self, path: str) -> str:
        [page] = self.peer.web([("GET", path)])
        assert page.status == 200, page.body
        return page.body


@pytest.fixture
def app(peer: RubyPeer, redis: RealRedis) -> Iterator[RedisJobs]:
    made = interop_app(redis.url, cast(Wire, f"sidekiq{peer.generation}"))
    yield made
    made.close()


@pytest.fixture
def python(peer: RubyPeer, redis: RealRedis, tmp_path: Path) -> Iterator[WorkerProcess]:
    """A worker of ours that writes times as the peer does."""
    words = [command(), "worker", "tests.interop.apps:app", "-q", "py,2", "-q", "both", "-c", "3"]
    environment = {"REDISJOBS_URL": redis.url, "REDISJOBS_HEARTBEAT_TTL_S": "3"}
    environment["INTEROP_WIRE"] = f"sidekiq{peer.generation}"
    log = tmp_path / "worker.log"
    worker = WorkerProcess(log, [*words, "--tag", "py-shop", "--label", "py-label"], environment)
    yield worker.ready(LONG_S)
    worker.end()


@pytest.fixture
def ruby(peer: RubyPeer, redis: RealRedis, tmp_path: Path) -> RubyWorker:
    """A Sidekiq that tells of itself twice a second."""
    jobs = tmp_path / "quick.rb"
    jobs.write_text(QUICK_RUBY)
    return peer.start_worker(queues=["rb,2", "both"], concurrency=4, require=jobs, arguments=["-g", "rb-shop"])


@pytest.fixture
def scene(
    peer: RubyPeer,
    app: RedisJobs,
    redis: RealRedis,
    ruby: RubyWorker,
    python: WorkerProcess,
    serve: Callable[[Any], Site],
    visitor: Visitor,
    browser: Browser,
) -> Iterator[Scene]:
    """In each language, by jobs that it enqueued and ran: one failed twice, one is dead, done, waits, is due, runs."""
    peer.eval(ENQUEUE)
    app.push("Interop::Fail", ["py failed", 2], queue="py", backtrace=True, tags=["eu", "py-tag"])
    app.push("Interop::Fail", ["py died"], queue="py", retry=0, backtrace=3)
    app.push("Interop::Record", ["py ran"], queue="py")
    app.push("Interop::Record", ["py waits", 7, "é", None, True], queue="idle", tags=["py-tag"])
    app.push("Interop::Record", ["py later", 1.5], queue="idle", tags=["py-tag"], delay_s=3600)
    eventually(lambda: (redis.client.zcard("retry"), redis.client.zcard("dead")) == (2, 2), LONG_S, "failures")
    make_due(redis, "retry")
    peer.promote()
    wait_told(redis, 6, "failed", LONG_S)
    peer.eval('Interop::Hold.set(queue: "rb", tags: ["rb-tag"]).perform_async("rb holds", 1)')
    app.push("Interop::Hold", ["py holds", 1], queue="py", tags=["py-tag"])
    wait_told(redis, 2, "holding", LONG_S)
    eventually(lambda: redis.client.zcard("retry") == 2 and len(list(app.running)) == 2, LONG_S, "work in heartbeats")
    eventually(lambda: [each.busy for each in app.processes] == [1, 1], LONG_S, "busy in heartbeats")
    page = visitor.page(serve(app.web()).url)
    page.set_default_timeout(SOON_MS)
    reader = browser.new_page()
    yield Scene(peer, ruby, python, page, reader, redis)
    reader.close()


def plain(args: str) -> str:
    """Return arguments as ours shows them, whether Ruby's `inspect` or our JSON wrote them."""
    return args.replace("nil", "null").removeprefix("[").removesuffix("]")


def job(row: Row, name: str = "Job", args: str = "Arguments") -> tuple[str, list[str], str]:
    """Return the class, the tags and the arguments that a row tells."""
    told_args = row[args].args or row[args].text if args in row else row[name].args
    return row[name].text, row[name].badges, plain(told_args)


def in_set(rows: list[Row], when: str, count: str = "") -> list[tuple[Any, ...]]:
    """Return all that a page of a set tells of its jobs, whoever shows it."""
    return sorted(
        (
            *(row[when].at, *job(row), row["Queue"].text),
            *(row["Error"].text.replace(": ", " ", 1) if "Error" in row else "", row[count].text if count else ""),
        )
        for row in rows
    )


def test_both_web_uis_tell_the_same(scene: Scene) -> None:
    check_sets(scene)
    check_queues(scene)
    check_job_pages(scene)
    check_fleet(scene)
    check_figures(scene)


def check_sets(scene: Scene) -> None:
    [ours], [theirs] = scene.ours("/retries"), scene.theirs("/retries")
    retries = in_set(ours, "Next run", "Retries")
    assert retries == in_set(theirs, "Next Retry", "Retry Count")
    for at, (_, name, tags, args, queue, error, count) in enumerate(sorted(retries, key=lambda each: each[4])):
        language, kind = (("py", "ValueError"), ("rb", "Interop::Boom"))[at]
        assert (name, tags, args) == ("Interop::Fail", ["eu", f"{language}-tag"], f'"{language} failed", 2')
        assert (queue, error, count) == (language, f"{kind} {language} failed{language} failed", "1")
    [ours], [theirs] = scene.ours("/dead"), scene.theirs("/morgue")
    assert len(ours) == 2 and in_set(ours, "Died") == in_set(theirs, "Last Retry")
    [ours], [theirs] = scene.ours("/scheduled"), scene.theirs("/scheduled")
    assert len(ours) == 2 and in_set(ours, "Due") == in_set(theirs, "When")


def check_queues(scene: Scene) -> None:
    [ours], [theirs] = scene.ours("/queue?name=idle"), scene.theirs("/queues/idle")
    assert [job(row) for row in ours] == [job(row) for row in theirs]
    waits = [("Interop::Record", ["py-tag"], '"py waits", 7, "é", null, true')]
    waits += [("Interop::Configured", ["shop", "été"], '"rb waits", 7, "é", null, true')]
    assert [job(row) for row in ours] == waits
    [ours], [theirs] = scene.ours("/queues"), scene.theirs("/queues")
    sizes = {row["Queue"].text: row["Jobs"].text for row in ours}
    assert sizes["idle"] == "2" and sizes == {row["Queue"].text: row["Size"].text for row in theirs}


def check_job_pages(scene: Scene) -> None:
    entries = scene.peer.eval(ENTRIES)
    assert len(entries) == 6
    for _, jid, _, _ in entries:
        scene.redis.client.hset(f"it-{jid}", mapping={"c": "7", "ex": 3, "rt": 12.5})
    for path, jid, payload, backtrace in entries:
        theirs = {
            head: cell
            for table in tables(scene.reader, scene.html(path))
            for row in table
            for head, cell in row.items()
        }
        page = scene.page
        page.goto(f"/jobs/{jid}")
        found = page.locator(".timeline li").all()
        times = [each.locator("time").get_attribute("datetime") or "" for each in found]
        steps = {
            each.locator(".what").inner_text(): int(datetime.fromisoformat(at).timestamp())
            for each, at in zip(found, times, strict=True)
        }
        names = {**STEPS, "Last Retry": "died"} if "morgue" in path else STEPS
        assert {names[head]: cell.at for head, cell in theirs.items() if cell.times}.items() <= steps.items(), path
        assert ("enqueued" in steps) == bool(theirs["Enqueued"].times)

        assert [page.locator("h1").inner_text(), *page.locator(".tools .badge").all_inner_texts()[1:]] == [
            payload["class"],
            *payload.get("tags", []),
        ]
        assert (theirs["Job"].text, theirs["Job"].badges) == (payload["class"], payload.get("tags", []))
        assert page.locator(".tools .code").inner_text() == jid == theirs["JID"].text
        assert page.locator("dl.pairs").get_by_role("link", name=payload["queue"], exact=True).count() == 1
        assert json.loads(page.locator("pre").first.inner_text()) == payload["args"]
        page.get_by_text("Payload", exact=True).click()
        assert json.loads(page.locator("pre").last.inner_text()) == payload
        if "retries" in path:
            assert page.get_by_text("at 7, begun 3 times, ran 12 s in all").count() == 1
            assert theirs.get("Iteration", ITERATION).text == ITERATION.text  # pages of 7 say nothing of it
        if "scheduled" in path:
            continue
        assert page.get_by_role("heading", name=f"Error: {theirs['Error Class'].text}").count() == 1
        error = page.locator("pre").nth(1).inner_text()
        assert error == theirs["Error Message"].text == payload["error_message"]
        assert page.locator("details pre").first.inner_text().split("\n") == backtrace
        assert theirs["Error Backtrace"].text.startswith(backtrace[0])  # Ruby's page escapes none of it


def check_fleet(scene: Scene) -> None:
    ours, works = scene.ours("/busy")
    their_processes, their_works = scene.theirs("/busy")
    mine = {row["Process"].text.split()[0]: row for row in ours}
    other = {row["Name"].text.split()[0]: row for row in their_processes}
    host = socket.gethostname()
    assert set(mine) == set(other) == {f"{host}:{scene.ruby.pid}", f"{host}:{scene.python.pid}"}
    for name, row in mine.items():
        their = other[name]
        language = "rb" if name.endswith(f":{scene.ruby.pid}") else "py"
        label = {"rb": "ruby-label", "py": "py-label"}[language]
        version = {"rb": f"Ruby · {scene.peer.version}", "py": f"Python · redisjobs {__version__}"}[language]
        assert row["Process"].text == f"{name} {language}-shop {version}"
        assert their["Name"].badges[0] == f"{language}-shop"
        assert label in row["Process"].badges and row["Process"].badges == their["Name"].badges[1:]
        assert (
            row["Use"].text == f"{their['Busy'].text}/{their['Threads'].text}" == {"rb": "1/4", "py": "1/3"}[language]
        )
        queues = re.findall(r"\b(?:rb|py|both)\b", row["Queues"].text)
        assert sorted(queues) == sorted([language, "both"])
        assert set(re.findall(r"\b(?:rb|py|both)\b", their["Name"].text.partition("Queues:")[2])) == set(queues)
        assert row["Started"].at == their["Started"].at
        assert kilobytes(row["Memory"].text) == pytest.approx(kilobytes(their["RSS?"].text), rel=0.2)
        assert re.fullmatch(r"\d+\.\d\d ms", row["Redis"].text) and row["Redis"].number > 0
        assert row["Heartbeat"].at >= row["Started"].at
    told_works = sorted(
        (row["Process"].text, row["JID"].text, *job(row), row["Queue"].text, row["Since"].at) for row in works
    )
    assert len(told_works) == 2
    assert told_works == sorted(
        (f"{row['Process'].text} {row['TID'].text}", row["JID"].text, *job(row), row["Queue"].text, row["Started"].at)
        for row in their_works
    )


def check_figures(scene: Scene) -> None:
    wanted = {"Interop::Fail": (0, 6), "Interop::Record": (2, 0)}

    def theirs() -> dict[str, Row]:
        return {row["Name"].text: row for row in scene.theirs("/metrics")[-1] if len(row) == 5}

    def successes() -> dict[str, tuple[float, float]]:
        return {name: (row["Success"].number, row["Failure"].number) for name, row in theirs().items()}

    eventually(lambda: successes() == wanted, LONG_S, "the metrics of both")
    ours = {row["Class"].text: row for row in scene.ours("/metrics")[-1] if "Class" in row} or {}
    assert {
        name: (row["Runs"].number - row["Failures"].number, row["Failures"].number) for name, row in ours.items()
    } == wanted
    mean = next(cell for head, cell in theirs()["Interop::Record"].items() if head.startswith("Average"))
    assert seconds(ours["Interop::Record"]["Mean"].text) == pytest.approx(mean.number, abs=0.006)

    def stats() -> dict[str, int]:
        return dict(json.loads(scene.html("/stats"))["sidekiq"])

    eventually(lambda: stats()["processed"] == 8, LONG_S, "all that ran is counted")
    figures = stats()
    scene.page.goto("/")
    for name in ("processed", "failed", "busy", "processes", "enqueued", "scheduled", "retries", "dead"):
        expect(scene.page.locator(f'[data-live="{name}"]')).to_have_text(str(figures[name]))


def kilobytes(text: str) -> float:
    number, unit = text.replace(",", "").split()
    return float(number) * {"KB": 1, "KiB": 1, "MB": 1024, "MiB": 1024}[unit]


def seconds(text: str) -> float:
    number, unit = text.split()
    return float(number) * {"ms": 0.001, "s": 1}[unit]


def test_what_our_pages_do_to_ruby_is_what_ruby_sees(scene: Scene) -> None:
    peer, page = scene.peer, scene.page
    jids = {each["args"][0]: each["jid"] for each in map(json.loads, scene.redis.client.zrange("retry", 0, -1))}
    died = next(jid for path, jid, payload, _ in peer.eval(ENTRIES) if payload["args"][0] == "rb died")

    page.goto(f"/jobs/{jids['rb failed']}")
    page.get_by_role("button", name="Retry now").click()
    told(page, "1 enqueued")
    runs = wait_told(scene.redis, 7, "failed", LONG_S)
    assert runs[-1]["jid"] == jids["rb failed"]
    eventually(lambda: peer.eval("Sidekiq::RetrySet.new.size") == 2, LONG_S, "it failed again")
    kill = page.get_by_role("button", name="Kill")
    eventually(  # Ruby tells that it runs until its next heartbeat
        lambda: page.goto(f"/jobs/{jids['rb failed']}") and kill.count(), LONG_S, "its page shows it in the retry set"
    )
    kill.click()
    told(page, "1 killed")
    assert peer.eval("Sidekiq::DeadSet.new.map(&:jid)").count(jids["rb failed"]) == 1
    assert peer.eval("Sidekiq::RetrySet.new.map(&:jid)") == [jids["py failed"]]
    page.goto(f"/jobs/{died}")
    page.get_by_role("button", name="Delete").click()
    sure(page, "Delete")
    told(page, "1 deleted")
    assert died not in peer.eval("Sidekiq::DeadSet.new.map(&:jid)")

    page.goto(f"/busy?process={scene.ruby.identity}")
    page.get_by_role("button", name="Quiet", exact=True).click()
    sure(page, "Quiet")
    told(page, "will take no more jobs")
    quiet = 'Sidekiq::ProcessSet.new.find { |process| process["pid"] == input["pid"] }.stopping?'
    eventually(lambda: peer.eval(quiet, pid=scene.ruby.pid), LONG_S, "Ruby sees it quiet")
    [ours, _] = scene.ours(f"/busy?process={scene.ruby.identity}")
    assert "quiet" in ours[0]["Process"].badges
    scene.redis.client.set("interop:let-go", 1)
    page.get_by_role("button", name="Stop", exact=True).click()
    sure(page, "Stop")
    told(page, "will end")
    assert scene.ruby.wait(LONG_S) == 0
    assert scene.python.running
