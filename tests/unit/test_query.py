"""query.py: what is asked for, in the words of a command line and of a URL, and whom it finds."""

from __future__ import annotations

import time
from typing import Any

import pytest

from redisjobs.errors import QueryError
from redisjobs.inspector.entries import JobEntry, SetEntry
from redisjobs.inspector.query import Query
from tests.support.builders import a_payload

pytestmark = pytest.mark.quick


def a_job(**fields: Any) -> JobEntry:
    """Return a job in the queue `default`."""
    return JobEntry(a_payload(**fields), "default")


FAILED = a_job(
    class_="Mail::Send",
    args=["Ann", {"city": "Köln", "id": 4711}],
    tags=["slow", "eu"],
    error_class="Net::ReadTimeout",
    error_message='Net::ReadTimeout with "#<TCPSocket:(closed)>"',
)


@pytest.mark.parametrize(
    "text",
    [
        "class=Mail::Send",
        "class~mail",
        "class!=Mail",
        "error~timeout",
        "error=Net::ReadTimeout",
        "error!~refused",
        "error_class = Net::ReadTimeout",
        "message~'tcpsocket:(CLOSED)'",
        'message~"""#<TCP"',
        "args~4711",
        "args~ann",
        "args~köln",
        """args~'"city":"K'""",
        """args='["Ann", {"city": "Köln", "id": 4711}]'""",
        "tag=slow and tag=eu",
        "tag!=us",
        "queue=default",
        "jid=b4a577edbccf1d805744efa9",
        "text~4711 AND q~Köln",
        "class=Mail::Send and error~timeout and tag!~fast",
        "since=1732406400 and until=2024-11-24T00:00:01Z",
        "since=2024-11-24",
    ],
)
def test_terms_find_what_has_all_of_them(text: str) -> None:
    assert Query.parse(text).matches(FAILED)


@pytest.mark.parametrize(
    "text",
    [
        "class=mail::send",
        "class=Mail",
        "class!~send",
        "error=timeout",
        "error!=Net::ReadTimeout",
        "args~default",
        "args~47111",
        "tag=slo",
        "tag=slow and tag!=eu",
        "queue=high",
        "jid=b4a577edbccf1d805744efa",
        "class=Mail::Send and error~refused",
        "since=2h",
        "until=2024-11-23T23:59:59Z",
    ],
)
def test_terms_pass_over_what_lacks_one(text: str) -> None:
    assert not Query.parse(text).matches(FAILED)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "'': no term"),
        ("timeout", "'timeout': no term; write terms such as class=Mail"),
        ("klass=X", "klass: no such field; did you mean 'class'?"),
        ("color=X", "color: no such field. There are: q, class, jid"),
        ("class=X error~y", "'error~y' after 'class=X': join terms by and"),
        ("class=X and", "'and' after 'class=X': join terms by and"),
        ("class='X", "no term"),
        ("class=''", "class='': say which value"),
        ("class=X or class=Y", "'or class=Y' after 'class=X': join"),
        ("since~2h", 'since~"2h": since takes only ='),
        ("since=yesterday", 'since="yesterday": no moment; write 30m'),
        ("until=nan", "no moment"),
        ("until=inf", "no moment"),
        ("until=" + "9" * 400 + "d", "no moment"),
    ],
)
def test_a_term_that_cannot_be_read_is_named_with_the_remedy(text: str, told: str) -> None:
    with pytest.raises(QueryError) as raised:
        Query.parse(text)

    assert told in str(raised.value)


def test_the_words_of_a_url_are_read_and_given_back() -> None:
    asked = {
        "q": "x y",
        "class": "Mail",
        "jid": "a1",
        "queue": "low",
        "error": "Err",
        "error_class": "E",
        "message": "timed out",
        "args": '{"a"',
        "tag": "eu",
        "since": "1000.5",
        "until": "2000.0",
        "where": 'class!="a ""b"" and \'c\'" and error="x"',
    }

    query = Query.of(asked | {"page": "3", "sort": ""})

    assert query.terms() == asked
    assert Query.of(query.terms()) == query
    assert query.text == "x y" and query.since == 1000.5


def test_a_second_term_for_a_field_is_kept_beside_the_first() -> None:
    query = Query.parse("tag=a and tag=b and error~x and error~y and since=5 and since=7")

    assert (query.tag, query.error, query.since) == ("a", "x", 7.0)
    assert query.matches(a_job(tags=["b", "a"], error_class="X", error_message="y"))
    assert not query.matches(a_job(tags=["a"], error_class="X", error_message="y"))
    assert Query.of({"tag": "c", "where": "tag=a"}).where == (("tag", "=", "a"),)


def test_a_query_that_asks_for_nothing_is_false_and_matches_all() -> None:
    assert not Query()
    assert not Query.of({"q": "", "page": "2"})
    assert Query.of({"q": "x"})
    assert Query().matches(JobEntry(b"\xff")) and Query().terms() == {}
    assert Query().needle == Query().folded == ""


def test_a_time_is_the_score_in_a_set_else_when_it_was_enqueued_or_made() -> None:
    now = time.time()
    query = Query.of({"since": "1h", "until": "+1h"})

    assert query.matches(SetEntry(a_payload(), score=now))
    assert not query.matches(SetEntry(a_payload(enqueued_at=now), score=1.0))
    assert query.matches(a_job(enqueued_at=int(now * 1000)))
    assert query.matches(a_job(enqueued_at=..., created_at=now))
    assert not query.matches(a_job(enqueued_at=..., created_at=...))
    assert not query.matches(SetEntry(a_payload(), score=float("inf")))
    assert Query(since=5.0).matches(SetEntry(a_payload(), score=float("inf")))


@pytest.mark.parametrize(
    ("text", "needle", "folded"),
    [
        ("class=Mail::Send", "Mail", "mail"),
        ("error~timeout", "", "timeout"),
        ("error_class=TimeoutError and args~4711", "TimeoutError", "timeouterror"),
        ("args~4711", "4711", "4711"),
        ("args~köln", "", "ln"),
        ("class!=Mail and queue=low and since=2h", "", ""),
        ("jid=raw-0123456789abcdef", "", ""),
        ("jid=b4a577edbccf1d805744efa9", "b4a577edbccf1d805744efa9", "b4a577edbccf1d805744efa9"),
    ],
)
def test_the_needle_is_what_the_bytes_of_every_match_contain(text: str, needle: str, folded: str) -> None:
    query = Query.parse(text)

    assert (query.needle, query.folded) == (needle, folded)


def test_text_is_found_however_json_writes_it() -> None:
    """Ruby writes Unicode as it is, others as escapes; quotes and newlines are always escaped."""
    escaped = JobEntry(b'{"class":"Mail","args":["K\\u00f6ln \\"am\\nRhein\\" "]}', "default")

    for text in ("köln", 'köln "AM\nrhein"', '["Köln'):
        assert Query(args=text).matches(escaped), text
        assert Query(text=text).matches(escaped), text


def test_a_text_that_json_cannot_write_is_looked_for_as_it_is() -> None:
    assert not Query(text="\udcff").matches(FAILED)
    assert not Query(args="\udcff").matches(FAILED)
    assert Query(text="\udcff").matches(JobEntry(b"\xff", "default"))


def test_encrypted_arguments_are_not_searched() -> None:
    secret = a_job(args=["open", "BAhJc2VjcmV0"], encrypt=True)

    assert Query(args="open").matches(secret)
    assert not Query(args="BAhJ").matches(secret)
    assert not Query(text="BAhJ").matches(secret)
    assert Query(text=secret.jid[:9]).matches(secret)


def test_packed_backtraces_are_not_searched() -> None:
    packed = a_job(error_backtrace="eJzT0yMAAGTvBe8=")

    assert not Query(text="eJzT0yMAAGTvBe8").matches(packed)
    assert Query(text="mail").matches(packed)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"\xff\xfe needle",
        b'{"args":"needle"}',
        b'{"class":5,"args":{"a":1},"tags":"x","jid":[],"enqueued_at":"x"} needle',
        b'{"class":"A\\ud800","args":["needle"],"jid":"1"}',
        b'{"args":[%s%s],"class":"needle"}' % (b"[" * 5000, b"]" * 5000),
        b'{"args":[%s],"class":"needle"}' % (b"9" * 6000),
        b'{"args":[1e999],"class":"needle"}',
    ],
)
def test_any_bytes_can_be_asked(raw: bytes) -> None:
    """What cannot be read as a job is found by its bytes."""
    for entry in (JobEntry(raw, "default"), SetEntry(raw, score=1.0)):
        assert Query(text="needle").matches(entry) == (b"needle" in raw)
        assert Query(jid=entry.id).matches(entry)
        for name in ("class", "error", "error_class", "message", "args", "tag", "since"):
            Query.of({name: "1"}).matches(entry)
