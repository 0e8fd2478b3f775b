"""Whole databases that real Sidekiqs left: we show of them what Ruby's own data API shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from redisjobs import RedisJobs
from redisjobs.inspector.entries import JobEntry, SetEntry
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(file.name for file in GOLDEN.glob("*-database.json"))

Load = Callable[[str], dict[str, Any]]


@pytest.fixture
def load(redis: RealRedis) -> Load:
    """A function that puts a recorded database into Redis, to the byte; returns what Ruby showed of it."""

    def into_redis(file: str) -> dict[str, Any]:
        recorded = json.loads((GOLDEN / file).read_text("utf-8"))
        for key, entry in recorded["keys"].items():
            value = bytes.fromhex(entry["hex"]) if "hex" in entry else entry["value"]
            kinds: dict[str, Callable[[Any], Any]] = {"set": set, "zset": dict}
            redis.seed({key: kinds.get(entry["type"], lambda value: value)(value)})
            if entry["ttl_s"] > 0:
                redis.client.expire(key, entry["ttl_s"])
        return dict(recorded["shown"])

    return into_redis


def shown(entry: JobEntry) -> dict[str, Any]:
    """What an entry tells, under the names of Ruby's API."""
    if entry.malformed and isinstance(entry, SetEntry):
        return {"score": entry.score}
    found = {
        "jid": entry.jid,
        "class": entry.name,
        "display_class": entry.display_name,
        "queue": entry.queue,
        "args": entry.args,
        "tags": entry.tags,
        "created_at": pytest.approx(entry.created_at or 0.0, abs=1e-6),
        "enqueued_at": pytest.approx(entry.enqueued_at or 0.0, abs=1e-6),
    }
    if isinstance(entry, SetEntry):
        found["score"] = pytest.approx(entry.score, abs=1e-6)
        found["retry_count"] = entry.retry_count
        found |= {name: getattr(entry, name) or None for name in ("error_class", "error_message")}
        found["error_backtrace"] = entry.backtrace or None
    return found


def ruby(told: dict[str, Any]) -> dict[str, Any]:
    """What Ruby told, less what is another test's: its display of ActiveJob's arguments."""
    return {name: value for name, value in told.items() if name != "display_args"}


def entries(app: RedisJobs) -> Iterator[JobEntry]:
    for queue in app.queues:
        yield from queue
    for jobs in (app.scheduled, app.retries, app.dead):
        yield from jobs


def test_each_generation_is_recorded() -> None:
    assert [file.split("-")[1].split(".")[0] for file in FILES] == ["6", "7", "8"]


@pytest.mark.parametrize("file", FILES)
def test_each_database_holds_all_kinds_of_things(load: Load, app: RedisJobs, file: str) -> None:
    load(file)

    fields = {name for entry in entries(app) for name in entry.payload or {}}
    assert fields >= {"cattr", "tenant", "tags", "error_backtrace", "failed_at", "wrapped"}
    assert {"日本語", 2**70} <= {arg for entry in entries(app) for arg in entry.args if isinstance(arg, str | int)}
    [broken] = [entry for entry in app.retries if entry.display_name == "Interop::BrokenReport"]
    assert (broken.error_class, broken.error_message) == ("Interop::BrokenReport::Boom", "boom ☃")
    [put_off] = [entry for entry in app.scheduled if entry.display_name == "Interop::PutOffReport"]
    assert put_off.args[0]["executions"] == 1
    assert put_off.args[0]["exception_executions"] == {"[Interop::BrokenReport::Boom]": 1}


@pytest.mark.parametrize("file", FILES)
def test_the_counters_and_sizes_are_rubys(load: Load, app: RedisJobs, file: str) -> None:
    theirs = load(file)["stats"]

    stats = app.stats

    assert theirs == {name: getattr(stats, name) for name in theirs}
    assert stats.problems == []


@pytest.mark.parametrize("file", FILES)
def test_each_entry_of_queues_and_sets_is_shown_as_ruby_shows_it(load: Load, app: RedisJobs, file: str) -> None:
    theirs = load(file)

    assert {queue.name for queue in app.queues} == set(theirs["queues"])
    for name, jobs in theirs["queues"].items():
        assert [ruby(job) for job in jobs] == [shown(entry) for entry in app.queue(name)], name
    ours = {"schedule": app.scheduled, "retry": app.retries, "dead": app.dead}
    for name, jobs in theirs["sets"].items():
        told = sorted((ruby(job) for job in jobs), key=lambda job: job["score"])
        assert told == [shown(entry) for entry in sorted(ours[name], key=lambda entry: entry.score)], name


@pytest.mark.parametrize("file", FILES)
def test_arguments_are_displayed_as_ruby_displays_them(load: Load, app: RedisJobs, file: str) -> None:
    """But for what ActiveJob wrote in notes of its own: there each generation of Ruby shows more or less of them."""
    theirs = {job["jid"]: job["display_args"] for jobs in load(file)["queues"].values() for job in jobs}

    shown = [entry for entry in entries(app) if entry.jid in theirs and b'"_aj_' not in entry.raw]

    assert len(shown) > 35
    assert {entry.jid: entry.display_args for entry in shown} == {entry.jid: theirs[entry.jid] for entry in shown}


@pytest.mark.parametrize("file", FILES)
def test_only_what_is_no_job_is_called_malformed(load: Load, app: RedisJobs, file: str) -> None:
    load(file)

    assert [entry.raw for entry in entries(app) if entry.malformed] == [b"{not JSON"]


@pytest.mark.parametrize("file", FILES)
def test_processes_and_their_work_are_shown_as_ruby_shows_them(load: Load, app: RedisJobs, file: str) -> None:
    theirs = load(file)

    [process] = app.processes
    [work] = app.running

    [told] = theirs["processes"]
    assert told == {
        "identity": process.identity,
        "hostname": process.hostname,
        "pid": process.pid,
        "tag": process.tag,
        "queues": list(process.queues),
        "concurrency": process.concurrency,
        "busy": process.busy,
        "quiet": process.quieted,
        "started_at": process.started_at,
        "beat": pytest.approx(process.beat_at, abs=1e-6),
        "rss": process.rss_kb,
        "labels": list(process.labels),
    }
    assert theirs["running"] == [
        {
            "process": work.process,
            "thread": work.thread,
            "queue": work.queue,
            "run_at": work.run_at,
            "jid": work.jid,
        }
    ]


@pytest.mark.parametrize("file", FILES)
def test_to_look_changes_nothing(load: Load, app: RedisJobs, redis: RealRedis, file: str) -> None:
    load(file)
    before = redis.dump()

    list(entries(app))
    list(app.processes)
    list(app.running)
    app.stats.history()

    assert redis.dump() == before


@pytest.mark.parametrize("file", FILES)
def test_all_that_is_a_job_can_be_moved_and_keeps_its_fields(load: Load, app: RedisJobs, file: str) -> None:
    """All that waits is killed, and all that is dead put back: nothing is lost, and no field of a job."""
    load(file)
    before = {entry.jid: entry.payload for entry in entries(app) if not entry.malformed}

    app.scheduled.kill_all()
    app.retries.kill_all()
    assert {entry.jid for entry in app.dead if not entry.malformed} <= before.keys()
    app.dead.enqueue_all(left=lambda entry, reason: None)

    after = {entry.jid: entry.payload for entry in entries(app) if not entry.malformed}
    assert after.keys() == before.keys()
    for jid, fields in after.items():
        assert fields is not None
        assert without(before[jid] or {}) == without(fields)


def without(fields: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a job that is put back has anew."""
    return {name: value for name, value in fields.items() if name not in ("enqueued_at", "retry_count")}
