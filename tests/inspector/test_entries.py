"""Entries: whatever stands there, looking at it does not fail."""

from __future__ import annotations

from typing import Any

import pytest

from redisjobs.errors import PayloadError
from redisjobs.inspector import JobEntry, SetEntry
from redisjobs.wire import backtrace, deadletter, jobdata
from tests.support.builders import JID, a_payload

pytestmark = pytest.mark.quick

NO_JOBS = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    b"17",
    b'{"class":"A","jid":"1","args":[1,',
    b"\xff\xfe",
    b'{"class":"\xff","jid":"1","args":[]}',
    a_payload(args={"a": 1}),
    a_payload(jid=...),
    a_payload(jid=7, class_=[1], queue={}, tags="x", created_at="yesterday", retry_count="two", error_backtrace=3),
    b"[" * 5000 + b"]" * 5000,
]


@pytest.mark.parametrize("raw", NO_JOBS, ids=lambda raw: repr(raw[:30]))
def test_what_is_no_job_can_be_looked_at(raw: bytes) -> None:
    entry = SetEntry(raw, score=float("inf"))

    properties = [name for name in dir(SetEntry) if isinstance(getattr(SetEntry, name), property)]
    shown = {name: getattr(entry, name) for name in properties}

    assert entry.malformed
    assert entry.raw == raw
    assert entry.args == [] or isinstance(entry.args, list)
    assert entry.id.startswith("raw-") or entry.jid
    assert shown["at"] == float("inf")
    assert repr(entry)


def test_a_failed_job_tells_its_story() -> None:
    raw = a_payload(
        args=[1, "two"],
        tags=["nightly"],
        retry_count=2,
        error_class="RuntimeError",
        error_message="boom",
        error_backtrace=backtrace.pack(["a.py:1:in `<module>'"], "sidekiq6"),
        failed_at=1_732_406_401_500,
        retried_at=1732406500.25,
    )

    entry = SetEntry(raw, score=12.5)

    assert not entry.malformed
    assert (entry.jid, entry.id, entry.name, entry.args, entry.queue) == (JID, JID, "Mail", [1, "two"], "default")
    assert (entry.error_class, entry.error_message, entry.retry_count) == ("RuntimeError", "boom", 2)
    assert entry.backtrace == ["a.py:1:in `<module>'"]
    assert (entry.failed_at, entry.retried_at) == (1732406401.5, 1732406500.25)
    assert (entry.at, entry.tags) == (12.5, ["nightly"])


def test_an_activejob_is_shown_by_its_own_class_and_arguments() -> None:
    raw = a_payload(class_="Sidekiq::ActiveJob::Wrapper", wrapped="ReportJob", args=[{"arguments": [1, 2]}])

    entry = JobEntry(raw)

    assert (entry.name, entry.display_name) == ("Sidekiq::ActiveJob::Wrapper", "ReportJob")
    assert entry.display_args == [1, 2]


@pytest.mark.parametrize("class_", sorted(jobdata.WRAPPERS))
def test_an_activejob_is_shown_without_what_is_for_rails_alone(class_: str) -> None:
    """Resque writes no `wrapped`."""
    keywords = {"at": {"_aj_serialized": "ActiveJob::Serializers::DateSerializer", "value": "2024-11-01"}}
    arguments = [{"_aj_globalid": "gid://shop/Order/7"}, {**keywords, "_aj_ruby2_keywords": ["at"]}]

    entry = JobEntry(a_payload(class_=class_, args=[{"job_class": "ReportJob", "arguments": arguments}]))

    assert entry.display_name == "ReportJob"
    assert entry.display_args == ["gid://shop/Order/7", {"at": "2024-11-01"}]


def test_an_activejob_that_is_nested_too_deeply_can_be_shown() -> None:
    nested: Any = []
    for _ in range(700):
        nested = [nested]

    args = [{"job_class": "ReportJob", "arguments": nested}]

    assert JobEntry(a_payload(class_="Sidekiq::ActiveJob::Wrapper", args=args, jid=...)).display_args


def test_a_mail_of_rails_is_shown_by_its_mailer() -> None:
    mail = "ActionMailer::MailDeliveryJob"
    arguments = ["OrderMailer", "shipped", "deliver_now", {"args": [7], "_aj_ruby2_keywords": ["args"]}]
    args = [{"job_class": mail, "arguments": arguments}]

    entry = JobEntry(a_payload(class_="Sidekiq::ActiveJob::Wrapper", wrapped=mail, args=args))

    assert (entry.display_name, entry.display_args) == ("OrderMailer#shipped", [{"args": [7]}])


@pytest.mark.parametrize("args", [[], [None], [{}], [{"arguments": 7}], [{"job_class": 7, "arguments": None}]])
def test_a_wrapper_around_nothing_is_shown_as_it_is(args: list[Any]) -> None:
    entry = JobEntry(a_payload(class_="Sidekiq::ActiveJob::Wrapper", args=args))

    assert (entry.display_name, entry.display_args) == ("Sidekiq::ActiveJob::Wrapper", args)


def test_an_encrypted_argument_is_not_shown() -> None:
    assert JobEntry(a_payload(args=[1, "c2VjcmV0"], encrypt=True)).display_args == [1, "[encrypted]"]
    assert JobEntry(a_payload(args=[], encrypt=True)).display_args == []


def test_an_envelope_knows_the_bytes_it_carries() -> None:
    problem = PayloadError("payload", "not an object")
    entry = JobEntry(deadletter.wrap(b"null", problem, queue="q", at=1.0, wire="sidekiq8"))

    assert entry.malformed
    assert entry.problem is None
    assert entry.original == b"null"
    assert entry.queue == "q"


def test_bytes_without_a_jid_are_asked_for_by_their_digest() -> None:
    assert JobEntry(b"[]").id == JobEntry(b"[]").id
    assert JobEntry(b"[]").id != JobEntry(b"{}").id
