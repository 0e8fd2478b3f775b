"""wire/deadletter.py: bytes that are no job, kept so that no Ruby page breaks and no byte is lost."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisjobs.errors import PayloadError
from redisjobs.wire import deadletter, payload
from redisjobs.wire.times import Wire
from tests.support.builders import a_payload

pytestmark = pytest.mark.quick

NOW = 1_732_406_400.123

BARE = [b"hello", b"{", b"{]", b"[1,", a_payload()[:-1], a_payload() + b"x", b"NaN", b"[" * 200, b'["' + b"[" * 200]
"""Ruby's parser refuses these, and its pages show them."""

IN_ENVELOPE = [
    b"",
    b"  \n",
    b"null",
    b"true",
    b"2",
    b'"x"',
    b"[]",
    b"{}",
    a_payload(jid=...),
    a_payload(jid=None),
    a_payload(class_=...),
    a_payload(args={}),
    a_payload(args=None),
    b"\xff\xfe",
    b'{"class":"A","args":[],"jid":"1","x":"\xff"}',
    b'["\\ud800"]',
    b"9" * 5000,
    b"1e999",
]
"""JSON that is no job, or bytes that some Ruby takes for JSON or cannot print."""


def wrapped(raw: bytes, wire: Wire = "sidekiq8") -> bytes:
    with pytest.raises(PayloadError) as caught:
        payload.decode(raw)
    return deadletter.wrap(raw, caught.value, queue="low", at=NOW, wire=wire)


@pytest.mark.parametrize("raw", BARE, ids=lambda raw: repr(raw)[:30])
def test_what_rubys_parser_refuses_stands_bare(raw: bytes) -> None:
    assert wrapped(raw) is raw


@pytest.mark.parametrize("raw", IN_ENVELOPE, ids=lambda raw: repr(raw)[:30])
def test_all_else_travels_in_an_envelope_and_comes_out_as_it_was(raw: bytes) -> None:
    envelope = wrapped(raw)

    assert deadletter.unwrap(payload.fields(envelope)) == raw
    job = payload.decode(envelope)
    assert job.name == "redisjobs.Malformed"
    assert len(job.jid) == 24
    assert isinstance(job.args, list)


def test_an_envelope_has_every_field_that_a_ruby_page_reads() -> None:
    members = json.loads(wrapped(b"null"))
    jid = members.pop("jid")

    assert len(jid) == 24
    assert members == {
        "retry": False,
        "queue": "low",
        "class": "redisjobs.Malformed",
        "args": ["null"],
        "created_at": 1_732_406_400_123,
        "error_class": "redisjobs.PayloadError",
        "error_message": "payload: not an object but null. The bytes as they came: `redisjobs dead show JID`; "
        "back to their queue: `redisjobs dead retry JID`",
        "failed_at": 1_732_406_400_123,
        "retry_count": 0,
        "redisjobs_original": base64.b64encode(b"null").decode(),
    }
    assert json.loads(wrapped(b"null", "sidekiq7"))["failed_at"] == NOW


def test_an_envelope_shows_the_start_of_large_bytes_and_keeps_them_all() -> None:
    raw = b'{"class":"A","args":{"x":"' + b"y" * 100_000 + b'"},"jid":"1"}'

    members = json.loads(wrapped(raw))

    assert len(members["args"][0]) == 200
    assert deadletter.unwrap(members) == raw


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"class": "Mail"},
        {"class": "redisjobs.Malformed"},
        {"class": "redisjobs.Malformed", "redisjobs_original": 7},
        {"class": "redisjobs.Malformed", "redisjobs_original": "no base64!"},
        {"class": "redisjobs.Malformed", "redisjobs_original": "abc"},
        {"class": "redisjobs.Malformed", "redisjobs_original": "héé="},
        {"class": "Mail", "redisjobs_original": "bnVsbA=="},
    ],
    ids=repr,
)
def test_what_is_no_envelope_is_not_unwrapped(members: dict[str, object]) -> None:
    assert deadletter.unwrap(members) is None


@given(st.binary(max_size=60))
def test_no_bytes_are_lost_whatever_they_are(raw: bytes) -> None:
    problem = PayloadError("payload", "test", raw)

    kept = deadletter.wrap(raw, problem, queue="default", at=NOW, wire="sidekiq8")

    assert kept == raw or deadletter.unwrap(payload.fields(kept)) == raw
