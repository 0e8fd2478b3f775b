"""What real Sidekiqs wrote, recorded by scripts/record-golden: read here without a Ruby."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from redisjobs.config import WorkerConfig
from redisjobs.errors import PayloadError
from redisjobs.inspector.entries import JobEntry, SetEntry
from redisjobs.wire import backtrace, payload, times
from redisjobs.wire.times import Wire
from redisjobs.worker.heartbeat import process_info

pytestmark = pytest.mark.quick

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(file.name for file in GOLDEN.glob("*.json") if file.name.count("-") == 1)
TIMES = ("created_at", "enqueued_at", "failed_at", "retried_at")
# Ruby's own versions disagree on these: 1.0e+20, 1e+20.
FLOATS = {"arguments: floats"}


def load(file: str) -> list[dict[str, Any]]:
    return list(json.loads((GOLDEN / file).read_text("utf-8")))


def jobs(file: str) -> list[dict[str, Any]]:
    """All but what is no job."""
    return [entry for entry in load(file) if entry["name"] != "dead, not JSON"]


def the(file: str, name: str) -> SetEntry:
    [entry] = [entry for entry in load(file) if entry["name"] == name]
    return SetEntry(entry["raw"].encode(), score=entry["score"] or 0.0)


def wire_of(file: str) -> Wire:
    generations: dict[str, Wire] = {"6": "sidekiq6", "7": "sidekiq7", "8": "sidekiq8"}
    return generations[file.removeprefix("sidekiq-")[0]]


def test_each_generation_is_recorded_with_the_same_cases() -> None:
    assert [wire_of(file) for file in FILES] == ["sidekiq6", "sidekiq7", "sidekiq8"]
    names = [[(entry["name"], entry["key"]) for entry in load(file)] for file in FILES]
    assert names[0] == names[1] == names[2]


@pytest.mark.parametrize("file", FILES)
def test_all_are_read_as_ruby_reads_them(file: str) -> None:
    for entry in jobs(file):
        decoded, plain = payload.decode(entry["raw"].encode()), json.loads(entry["raw"])
        assert (decoded.name, decoded.jid) == (plain["class"], plain["jid"]), entry["name"]
        assert repr(decoded.args) == repr(plain["args"]), entry["name"]
        assert decoded.attempt == (plain["retry_count"] + 2 if "retry_count" in plain else 1), entry["name"]


@pytest.mark.parametrize("file", FILES)
def test_all_times_are_read_in_seconds(file: str) -> None:
    for entry in jobs(file):
        plain = json.loads(entry["raw"])
        moments = [times.seconds(plain[name]) for name in TIMES if name in plain]
        assert moments, entry["name"]
        assert all(moment is not None and 1.7e9 < moment < 4e9 for moment in moments), entry["name"]
        kinds = {type(plain[name]) for name in TIMES if name in plain}
        assert kinds == {int if wire_of(file) == "sidekiq8" else float}, entry["name"]


@pytest.mark.parametrize("file", FILES)
def test_a_change_leaves_all_other_bytes(file: str) -> None:
    """Floats too: the text of what is not changed is not written anew."""
    for entry in jobs(file):
        raw = entry["raw"].encode()
        assert payload.change(raw, {}) == raw, entry["name"]
        assert payload.change(raw, {"x": 1}) == raw[:-1] + b',"x":1}', entry["name"]


@pytest.mark.parametrize("file", FILES)
def test_we_write_what_ruby_would_write(file: str) -> None:
    """Else `reschedule`, which writes a payload anew, would make a second entry of ours (spec: sidekiq.md 3.8)."""
    for entry in jobs(file):
        if entry["name"] not in FLOATS:
            raw = entry["raw"].encode()
            assert payload.encode(json.loads(raw)) == raw, entry["name"]


@pytest.mark.parametrize("file", FILES)
def test_failures_are_shown(file: str) -> None:
    failed = the(file, "failed, unicode message")
    assert (failed.error_class, failed.error_message) == ("Interop::Boom", "naïve 日本 🎉 <b>")
    assert (failed.retry_count, failed.backtrace) == (0, [])
    assert failed.at - (failed.failed_at or 0) == pytest.approx(20, abs=6)
    twice = the(file, "failed twice")
    assert twice.retry_count == 1
    assert (twice.failed_at or 0) < (twice.retried_at or 0)
    assert len(the(file, "failed, long message").error_message) == 10_000
    assert the(file, "failed, retry_queue").queue == "low"
    assert the(file, "failed, tags and custom field").tags == ["a", "β"]


@pytest.mark.parametrize("file", FILES)
def test_backtraces_are_read_and_written_alike(file: str) -> None:
    entry = the(file, "failed, backtrace: 3")
    field = (entry.payload or {})["error_backtrace"]

    assert len(entry.backtrace) == 3
    assert entry.backtrace[0].startswith("/app/jobs.rb:")
    assert backtrace.pack(entry.backtrace, wire_of(file)) == field
    assert len(the(file, "failed, backtrace: true").backtrace) > 10


@pytest.mark.parametrize("file", FILES)
def test_jobs_of_active_job_show_what_they_wrap(file: str) -> None:
    entry = the(file, "ActiveJob")

    assert entry.display_name == "Interop::Report"
    assert entry.display_args[:2] == [1, "é"]


@pytest.mark.parametrize("file", FILES)
def test_all_that_active_job_wrote_is_read_and_written_alike(file: str) -> None:
    recorded = json.loads((GOLDEN / file.replace(".json", "-activejob.json")).read_text("utf-8"))

    assert recorded["rails"].startswith("6.1" if wire_of(file) == "sidekiq6" else "7.2")
    assert len(recorded["entries"]) == (18 if wire_of(file) == "sidekiq6" else 20)
    for each in recorded["entries"]:
        raw, plain = each["raw"].encode(), json.loads(each["raw"])
        entry = SetEntry(raw, score=each["score"] or 0.0)
        assert entry.display_name == plain["wrapped"]
        assert len(entry.display_args) == len(plain["args"][0]["arguments"])
        assert repr(payload.decode(raw).args) == repr(plain["args"])
        assert payload.encode(json.loads(raw)) == raw == payload.change(raw, {})


@pytest.mark.parametrize("file", FILES)
def test_what_is_no_json_is_known_as_such(file: str) -> None:
    entry = the(file, "dead, not JSON")

    assert (entry.malformed, entry.jid, entry.name) == (True, "", "")
    with pytest.raises(PayloadError):
        payload.decode(entry.raw)


@pytest.mark.parametrize("file", FILES)
def test_our_process_tells_all_that_theirs_tell(file: str) -> None:
    recorded = json.loads((GOLDEN / file.replace(".json", "-process.json")).read_text("utf-8"))
    theirs = json.loads(recorded["hash"]["info"])
    [work] = [json.loads(raw) for raw in recorded["work"].values()]

    ours = json.loads(process_info("app-1:1:0123456789ab", WorkerConfig(), embedded=False))

    assert theirs.keys() <= ours.keys()
    assert {name: type(theirs[name]) for name in theirs} == {name: type(ours[name]) for name in theirs}
    assert JobEntry(work["payload"].encode(), work["queue"]).name == "Interop::Hold"
