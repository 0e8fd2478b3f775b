"""Resque's items and records, byte for byte as the golden ones of the spec."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from redisjobs.errors import PayloadError
from redisjobs.wire import resque as items

pytestmark = pytest.mark.quick

NOON = datetime(2024, 5, 1, 12, 30, tzinfo=UTC).timestamp()
ARCHIVE = b'{"class":"Archive","args":[35,"tar"]}'
WRAPPER = b'{"class":"ActiveJob::QueueAdapters::ResqueAdapter::JobWrapper","args":'


def record(item: bytes, **told: Any) -> dict[str, Any]:
    """Return a record about an item, decoded."""
    given = {"error": ("IOError", "disk full"), "backtrace": ["a.py:1"], "worker": "h:1:q", "queue": "files"} | told
    return json.loads(items.failure(item, at=NOON, **given))  # type: ignore[arg-type, no-any-return]


def test_an_item_has_a_class_and_arguments_and_nothing_else() -> None:
    assert items.encode("Archive", [35, "tar"]) == ARCHIVE
    assert items.encode("A::B", ["é/"]).decode() == '{"class":"A::B","args":["é/"]}'


def test_a_delayed_item_ends_with_its_queue_and_loses_it_when_it_is_due() -> None:
    delayed = items.delayed(ARCHIVE, "files")

    assert delayed == b'{"class":"Archive","args":[35,"tar"],"queue":"files"}'
    assert items.promoted(delayed) == ("files", ARCHIVE)


def test_bytes_of_arguments_and_unknown_fields_survive_the_delay() -> None:
    item = b'{"class":"A","args":[1.50,123456789012345678901234567890,"\\u003c"],"more":1E+2}'

    assert items.promoted(items.delayed(item, "q")) == ("q", item)


@pytest.mark.parametrize("queue", [b"null", b'""', b"7"])
def test_a_delayed_item_that_names_no_queue_is_none(queue: bytes) -> None:
    with pytest.raises(PayloadError, match="queue"):
        items.promoted(b'{"class":"A","args":[],"queue":' + queue + b"}")


def test_arguments_may_be_missing_or_null_as_resque_reads_them() -> None:
    for raw in (b'{"class":"A"}', b'{"class":"A","args":null}', b'{"class":"A","args":[]}'):
        assert items.decode(raw).args == []


def test_a_name_with_dashes_is_the_class_that_resque_looks_for() -> None:
    assert items.decode(b'{"class":"send-mail","args":[]}').name == "SendMail"


def test_the_jid_is_the_same_for_the_same_bytes_and_else_another() -> None:
    assert items.decode(ARCHIVE).jid == items.decode(ARCHIVE).jid == items.jid(ARCHIVE)
    assert len(items.jid(ARCHIVE)) == 24
    assert items.decode(b'{"class":"Archive","args":[36,"tar"]}').jid != items.jid(ARCHIVE)


def test_integers_of_any_length_come_back() -> None:
    digits = "9" * 5000

    assert items.decode(f'{{"class":"A","args":[{digits}]}}'.encode()).args[0] % 10 == 9


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"", "payload"),
        (b"no json", "payload"),
        (b"null", "payload"),
        (b"[]", "payload"),
        (b"7", "payload"),
        (b'"text"', "payload"),
        (b'{"class":"A","args":["\xff"]}', "payload"),
        (b'{"args":[]}', "class"),
        (b'{"class":null,"args":[]}', "class"),
        (b'{"class":"A","args":{"a":1}}', "args"),
        (b'{"class":"A","args":"[1]"}', "args"),
        (b'{"class":"A","args":' + b"[" * 5000, "payload"),
    ],
)
def test_what_is_no_job_is_told_by_its_field(raw: bytes, field: str) -> None:
    with pytest.raises(PayloadError) as caught:
        items.decode(raw)

    assert caught.value.field == field


def test_a_failure_is_the_golden_one() -> None:
    raw = items.failure(
        ARCHIVE,
        error=("IOError", "disk full"),
        backtrace=["app/jobs/archive.rb:9:in `perform'"],
        worker="web-1:4711:files,mail",
        queue="files",
        at=NOON,
    )

    assert raw.decode() == (
        '{"failed_at":"2024/05/01 12:30:00 UTC","payload":{"class":"Archive","args":[35,"tar"]},"exception":"IOError",'
        '"error":"disk full","backtrace":["app/jobs/archive.rb:9:in `perform\'"],"worker":"web-1:4711:files,mail",'
        '"queue":"files"}'
    )


def test_a_failure_keeps_the_item_verbatim_with_fields_that_nobody_knows() -> None:
    item = b'{"class":"A","args":[1.50],"more":[1]}'

    raw = items.failure(item, error=("E", "m"), backtrace=[], worker="h:1:q", queue="q", at=NOON)

    assert b'"payload":' + item + b"," in raw


@pytest.mark.parametrize(
    "item",
    [
        b"no json",
        b"null",
        b"\xff",
        b'{"args":[]}',
        WRAPPER + b"[]}",
        WRAPPER + b'["text"]}',
        b'{"class":"A","args":{}}',
    ],
)
def test_what_the_failed_page_cannot_show_travels_whole_in_an_envelope(item: bytes) -> None:
    found = record(item)

    assert found["payload"]["class"] == "redisjobs.Malformed"
    assert items.original(found) == item


def test_only_an_envelope_has_an_original() -> None:
    assert items.original(record(ARCHIVE)) is None
    assert items.original({"payload": {"class": "redisjobs.Malformed", "redisjobs_original": "no base64"}}) is None
    assert items.original({"payload": {"class": "redisjobs.Malformed", "redisjobs_original": 7}}) is None
    assert items.original({}) is None


def test_what_a_worker_runs_is_the_golden_record() -> None:
    assert items.working(ARCHIVE, queue="files", at=NOON) == (
        b'{"queue":"files","run_at":"2024-05-01T12:30:00Z","payload":{"class":"Archive","args":[35,"tar"]}}'
    )


@pytest.mark.parametrize(
    ("args", "joined"),
    [
        ([7, "hello"], "7-hello"),
        ([1, None, True, [2, [3]]], "1--true-2-3"),
        ([1.5], "1.5"),
    ],
)
def test_a_job_is_called_in_keys_of_retries_as_resque_retry_calls_it(args: list[Any], joined: str) -> None:
    assert items.retry_name("DeliverSMS", args) == f"DeliverSMS:{hashlib.sha1(joined.encode()).hexdigest()}"


def test_a_job_without_arguments_is_called_by_its_class_alone() -> None:
    assert items.retry_name("DeliverSMS", []) == items.retry_name("DeliverSMS", [""]) == "DeliverSMS"
