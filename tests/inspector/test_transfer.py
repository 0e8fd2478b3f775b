"""Export and import: byte by byte, and no line that is wrong is taken for one that is right."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import pytest

from redisjobs.errors import TransferError
from redisjobs.inspector import Access, Queue
from redisjobs.inspector.places import place
from redisjobs.inspector.query import Query
from redisjobs.inspector.transfer import Import, export
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

ODD = [
    a_payload(jid="j1", args=["ключ", 12345678901234567890123]),
    b'{"jid" : "spaced",  "n": 1.50, "e": 1E2, "u": "\\u00e9\\/"}',
    b' {"jid":"leading"}',
    b'{"jid":"trailing"}\n',
    b'{\n  "jid": "pretty"\n}',
    b'{"jid":"return"}\r',
    b'{"jid":"twice","jid":"twice"}',
    b"null",
    b"junk",
    b"",
    b'"\xff\xfe"',
    b"[" * 3000,
    b'"\\ud800"',
    b'{"nan": NaN}',
    b"\x00",
    "\u2028".encode().join((b'"', b'"')),
]
"""What may stand in Redis."""


def lines_of(access: Access, *names: str, query: Query = Query()) -> list[bytes]:  # noqa: B008
    return [line for name in names for lines in export(place(access, name), query) for line in lines]


@pytest.mark.parametrize("name", ["retries", "scheduled", "dead", "queue:mail"])
def test_what_is_exported_and_imported_is_the_same_to_the_byte(redis: RealRedis, access: Access, name: str) -> None:
    if name == "queue:mail":
        redis.seed({name: ODD[::-1], "queues": {"mail"}})
    else:
        scores: list[float] = [float("inf"), float("-inf"), 1e300, -0.1, 1732406400.123456, 0.1 + 0.2]
        key = {"retries": "retry", "scheduled": "schedule"}.get(name, name)
        redis.seed({key: {raw: scores[at % len(scores)] for at, raw in enumerate(ODD)}})
    before = redis.dump()
    lines = lines_of(access, name)
    redis.client.flushall()

    back = Import(partial(place, access))

    assert len(lines) == len(ODD)
    assert not [line for line in lines if b"\n" in line or b"\r" in line]
    assert back.check(lines) == len(ODD)
    assert sum(back.run(lines)) == len(ODD)
    assert redis.dump(ignore=["pushed:*"]) == before


def test_json_stands_in_a_line_as_it_is(redis: RealRedis, access: Access) -> None:
    redis.seed({"retry": {ODD[1]: 1.5, b"\xff": 2.0}})

    assert lines_of(access, "retries") == [
        b'{"place":"retries","score":1.5,"payload":' + ODD[1] + b"}",
        b'{"place":"retries","score":2.0,"payload_base64":"/w=="}',
    ]


def test_only_what_matches_is_exported(redis: RealRedis, access: Access) -> None:
    redis.seed({"dead": {a_payload(jid=f"j{at}", class_=f"C{at % 2}"): float(at) for at in range(300)}})

    lines = lines_of(access, "dead", query=Query.parse("class=C1"))

    assert [msgspec.json.decode(line)["payload"]["jid"] for line in lines] == [f"j{at}" for at in range(1, 300, 2)]


def test_a_set_is_imported_twice_and_is_the_same(redis: RealRedis, access: Access) -> None:
    redis.seed({"dead": {a_payload(jid=f"j{at}"): float(at) for at in range(250)}})
    before, lines = redis.dump(), lines_of(access, "dead")

    assert list(Import(partial(place, access)).run(lines)) == [100, 100, 50]
    assert redis.dump() == before


def test_all_of_them_go_elsewhere_if_that_is_asked_for(redis: RealRedis, access: Access) -> None:
    """To a queue behind what it has, in the order of the lines."""
    redis.seed({"dead": {a_payload(jid=f"j{at}"): float(at) for at in range(3)}, "queue:mail": [a_payload(jid="old")]})
    lines = lines_of(access, "dead")

    sum(Import(partial(place, access), "queue:mail").run(lines))
    sum(Import(partial(place, access), "retries").run(lines))

    assert [entry.jid for entry in Queue(access, "mail").oldest(0, 9)] == ["old", "j0", "j1", "j2"]
    assert redis.value("retry") == redis.value("dead")
    assert redis.value("queues") == {"mail"}


GOOD = b'{"place":"dead","score":1,"payload":{}}'


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"junk", "JSON"),
        (b"[]", "Expected `object`"),
        (b'{"score":1,"payload":{}}', "`place`"),
        (b'{"place":"dead","score":1,"payload":{},"extra":1}', "unknown field `extra`"),
        (b'{"place":"ded","score":1,"payload":{}}', "did you mean 'dead'?"),
        (b'{"place":"queue:","score":1,"payload":{}}', "'queue:' is no place"),
        (b'{"place":"dead","payload":{}}', "score: missing"),
        (b'{"place":"dead","score":"soon","payload":{}}', "$.score"),
        (b'{"place":"dead","score":"nan","payload":{}}', "$.score"),
        (b'{"place":"dead","score":true,"payload":{}}', "$.score"),
        (b'{"place":"dead","score":1}', "payload: there must be"),
        (b'{"place":"dead","score":1,"payload":{},"payload_base64":""}', "payload: there must be"),
        (b'{"place":"dead","score":1,"payload_base64":"?"}', "$.payload_base64"),
        (b'{"place":"dead","score":1,"payload":"\xff"}', "utf-8"),
    ],
)
def test_a_line_that_is_wrong_is_refused_with_its_number_and_nothing_is_changed(
    redis: RealRedis, access: Access, line: bytes, told: str
) -> None:
    with pytest.raises(TransferError) as error:
        Import(partial(place, access)).check([GOOD, b"\n", line + b"\n", GOOD])

    assert str(error.value).startswith("line 3: ")
    assert told in str(error.value)
    assert redis.dump() == {}


def test_a_job_of_a_queue_has_no_moment_for_a_set(access: Access) -> None:
    with pytest.raises(TransferError, match="line 1: score: missing"):
        Import(partial(place, access), "scheduled").check([b'{"place":"queue:q","payload":{}}'])


def test_a_name_that_is_no_text_is_refused(access: Access) -> None:
    with pytest.raises(TransferError, match="no UTF-8"):
        list(export(Queue(access, "\udcff"), Query()))


def test_an_unknown_place_is_refused_at_once(access: Access) -> None:
    def opened(name: str) -> Any:
        return place(access, name)

    with pytest.raises(Exception, match="did you mean 'retries'"):
        Import(opened, "retrys")
