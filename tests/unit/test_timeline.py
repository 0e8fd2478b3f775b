"""timeline.py: what an entry says of its past and future."""

from __future__ import annotations

import pytest

from redisjobs.inspector.entries import JobEntry, SetEntry
from redisjobs.inspector.timeline import Step, timeline
from tests.support.builders import a_payload

pytestmark = pytest.mark.quick

FAILED = a_payload(
    created_at=1_000_000_000.0,
    enqueued_at=1_000_000_001.0,
    failed_at=1_000_000_002.0,
    retried_at=1_000_000_009.0,
    retry_count=3,
    error_class="Boom",
    error_message="no",
)


@pytest.mark.parametrize(("place", "what"), [("retry", "next run"), ("dead", "died"), ("schedule", "due")])
def test_a_job_in_a_set_tells_its_whole_life(place: str, what: str) -> None:
    assert timeline(SetEntry(FAILED, score=1_000_000_050.0), place) == [
        Step("created", 1_000_000_000.0),
        Step("enqueued", 1_000_000_001.0, "default"),
        Step("failed first", 1_000_000_002.0),
        Step("failed last", 1_000_000_009.0, "retry 3, Boom: no"),
        Step(what, 1_000_000_050.0),
    ]


def test_a_job_that_runs_tells_since_when() -> None:
    steps = timeline(JobEntry(a_payload(enqueued_at=...), "low"), "running", run_at=2_000_000_000.0)

    assert [step.what for step in steps] == ["created", "started"]


@pytest.mark.parametrize("raw", [b"\xff", b"null", b'{"created_at":"x","retry_count":[],"failed_at":true}'])
def test_what_says_nothing_has_no_past(raw: bytes) -> None:
    assert timeline(JobEntry(raw), "queue") == []
