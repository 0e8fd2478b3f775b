"""The sorted sets: each job in exactly one place, whatever is asked for and whatever stands there."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from redisjobs.errors import PayloadError, WrongTypeError
from redisjobs.inspector import Access, DeadSet, JobSet, RetrySet, ScheduledSet, SetEntry
from redisjobs.wire import deadletter
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

SETS: list[tuple[type[JobSet], str]] = [(RetrySet, "retry"), (ScheduledSet, "schedule"), (DeadSet, "dead")]
WAITING: list[tuple[type[Any], str]] = [(RetrySet, "retry"), (ScheduledSet, "schedule")]


def envelope(raw: bytes, queue: str = "default") -> bytes:
    """Return what a worker buries for bytes that are no job."""
    return deadletter.wrap(raw, PayloadError("payload", "no job"), queue=queue, at=1.0, wire="sidekiq8")


def members(raws: list[bytes], start: float = 100.0) -> dict[bytes, float]:
    """Return a sorted set, one second between its members."""
    return {raw: start + at for at, raw in enumerate(raws)}


@pytest.mark.parametrize(("kind", "key"), SETS)
def test_an_empty_set_is_empty(access: Access, kind: type[JobSet], key: str) -> None:
    found = kind(access)

    assert (found.size, list(found), list(found.scan("x")), found.find("j1")) == (0, [], [], None)
    assert (found.enqueue("j1"), found.delete("j1"), found.enqueue_all(), found.clear()) == (False, False, 0, 0)


@pytest.mark.parametrize(("kind", "key"), SETS)
def test_entries_come_in_the_order_people_look_for(
    redis: RealRedis, access: Access, kind: type[JobSet], key: str
) -> None:
    """What is due soonest, and of the dead what died last."""
    redis.seed({key: members([a_payload(jid=f"j{number}") for number in range(120)])})
    wanted = [f"j{number}" for number in range(120)]
    if kind is DeadSet:
        wanted.reverse()

    assert [entry.jid for entry in kind(access)] == wanted
    assert [entry.jid for entry in kind(access).page(50, 2)] == wanted[50:52]
    assert kind(access).size == 120


@pytest.mark.parametrize(("kind", "key"), SETS)
def test_whoever_walks_may_delete(redis: RealRedis, access: Access, kind: type[JobSet], key: str) -> None:
    redis.seed({key: members([a_payload(jid=f"j{number}") for number in range(120)])})
    found = kind(access)

    assert [found.delete(entry) for entry in found] == [True] * 120
    assert redis.dump() == {}


def test_a_walk_misses_nothing_while_others_add_and_promote(redis: RealRedis, access: Access) -> None:
    redis.seed({"schedule": members([a_payload(jid=f"j{number}") for number in range(150)])})
    walk = iter(ScheduledSet(access))

    seen = [next(walk).jid for _ in range(50)]
    redis.seed({"schedule": {a_payload(jid="later"): 9e9, a_payload(jid="sooner"): 1.0}})
    seen += [next(walk).jid for _ in range(50)]
    redis.client.zremrangebyrank("schedule", 0, 19)
    seen += [entry.jid for entry in walk]

    assert seen == [*(f"j{number}" for number in range(150)), "later"]


@pytest.mark.parametrize(("kind", "key"), SETS)
def test_what_is_no_job_is_listed_with_the_rest(redis: RealRedis, access: Access, kind: type[JobSet], key: str) -> None:
    """And scores may be anything that Redis takes."""
    redis.seed({key: {b"null": float("-inf"), b"\xff": 1e300, b'{"jid":': float("inf"), a_payload(jid="j1"): -5.5}})

    found = {entry.raw: (entry.score, entry.malformed) for entry in kind(access)}

    assert found == {
        b"null": (float("-inf"), True),
        b"\xff": (1e300, True),
        b'{"jid":': (float("inf"), True),
        a_payload(jid="j1"): (-5.5, False),
    }


@pytest.mark.parametrize("jid", ["b4a577edbccf1d805744efa9", "with-dash_1", 'quo"te', "ключ", "a*[b]?\\", "raw-x"])
def test_a_job_is_found_by_its_jid_however_that_is_written(redis: RealRedis, access: Access, jid: str) -> None:
    escaped = json.dumps({"class": "A", "jid": jid, "args": []}).encode()
    other = a_payload(jid="other", args=[jid])
    redis.seed({"retry": {escaped: 2.0, other: 1.0, b"junk " + jid.encode(): 0.0}})

    found = RetrySet(access).find(jid)

    assert found == SetEntry(escaped, score=2.0)


def test_of_two_entries_with_one_jid_the_first_is_meant(redis: RealRedis, access: Access) -> None:
    redis.seed({key: {a_payload(jid="j1", args=[at]): float(at) for at in (1, 2)} for key in ("retry", "dead")})

    retry, dead = RetrySet(access).find("j1"), DeadSet(access).find("j1")

    assert retry is not None
    assert dead is not None
    assert (retry.args, dead.args) == ([1], [2])


def test_a_text_is_looked_for_literally(redis: RealRedis, access: Access) -> None:
    redis.seed({"retry": {a_payload(jid="star", args=["a*b"]): 1.0, a_payload(jid="other", args=["axb"]): 2.0}})
    redis.seed({"retry": {b"\xff bytes": 3.0}})

    assert [entry.jid for entry in RetrySet(access).scan("a*b")] == ["star"]
    assert [entry.raw for entry in RetrySet(access).scan("\udcff")] == [b"\xff bytes"]


def test_a_text_in_many_entries_gives_each_once(redis: RealRedis, access: Access) -> None:
    redis.seed({"retry": members([a_payload(jid=f"j{number}") for number in range(3000)])})

    assert sorted(entry.jid for entry in RetrySet(access).scan("Mail")) == sorted(f"j{at}" for at in range(3000))


# -- one job ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "key"), [(RetrySet, "retry"), (DeadSet, "dead")])
def test_a_failed_job_that_is_enqueued_gets_its_attempt_back(
    redis: RealRedis, access: Access, kind: type[JobSet], key: str
) -> None:
    """As Ruby's "retry now". Every other byte stays: numbers, order and fields that nobody here knows."""
    raw = b'{"class":"A","jid":"j1","args":[1.0e+20,123456789012345678901],"queue":"low","retry_count":2,"x":{"y":[]}}'
    redis.seed({key: {raw: 9e9}})
    before_ms = int(time.time() * 1000)

    assert kind(access).enqueue("j1")

    (pushed,) = redis.value("queue:low")
    fields = json.loads(pushed)
    assert fields.pop("enqueued_at") >= before_ms
    assert fields == {**json.loads(raw), "retry_count": 1}
    assert b"[1.0e+20,123456789012345678901]" in pushed.encode()
    assert redis.dump() == {"queues": {"low"}, "queue:low": [pushed]}


def test_a_scheduled_job_that_is_enqueued_keeps_its_count(redis: RealRedis, access: Access) -> None:
    redis.seed({"schedule": {a_payload(jid="j1", enqueued_at=..., retry_count=2, at=9e9): 9e9}})

    assert ScheduledSet(access).enqueue("j1")

    fields = json.loads(redis.value("queue:default")[0])
    assert fields["retry_count"] == 2
    assert "enqueued_at" in fields
    assert "at" not in fields


def test_older_generations_get_seconds(redis: RealRedis, access: Access) -> None:
    redis.seed({"retry": {a_payload(jid="j1"): 9e9}})

    RetrySet(Access(access.store, access.keys, access.dead, "sidekiq7")).enqueue("j1")

    assert json.loads(redis.value("queue:default")[0])["enqueued_at"] == pytest.approx(time.time(), abs=5)


def test_a_job_goes_to_another_queue_if_told(redis: RealRedis, access: Access) -> None:
    redis.seed({"retry": {a_payload(jid="j1"): 9e9}})

    assert RetrySet(access).enqueue("j1", queue="other")

    assert set(redis.dump()) == {"queues", "queue:other"}


def test_a_job_without_a_queue_goes_to_the_default_one(redis: RealRedis, access: Access) -> None:
    """As a Ruby push has it."""
    redis.seed({"retry": {a_payload(jid="j1", queue=...): 9e9}})

    assert RetrySet(access).enqueue("j1")

    assert redis.value("queues") == {"default"}


def test_an_entry_that_was_moved_meanwhile_is_not_moved_again(redis: RealRedis, access: Access) -> None:
    redis.seed({"retry": {a_payload(jid="j1"): 9e9}})
    found = RetrySet(access)
    (entry,) = found

    assert found.enqueue(entry)
    assert not found.enqueue(entry)
    assert not found.delete(entry)
    assert not found.kill(entry)

    assert len(redis.value("queue:default")) == 1
    assert set(redis.dump()) == {"queues", "queue:default"}


@pytest.mark.parametrize(("kind", "key"), WAITING)
@pytest.mark.parametrize(
    "raw", [b"null", b"{}", b"\xff", a_payload(args={}), a_payload(queue=""), a_payload(queue=[1]), b'{"jid":"j1"']
)
def test_what_is_no_job_is_never_enqueued_as_one(
    redis: RealRedis, access: Access, kind: type[JobSet], key: str, raw: bytes
) -> None:
    """A worker would bury it, and a Ruby worker lose it."""
    redis.seed({key: {raw: 9e9}})
    found = kind(access)
    (entry,) = found
    left: list[tuple[SetEntry, str]] = []

    with pytest.raises(PayloadError):
        found.enqueue(entry)
    assert found.enqueue_all(left=lambda *told: left.append(told)) == 0

    assert [told[0] for told in left] == [entry]
    assert redis.client.zrange(key, 0, -1) == [raw]
    assert redis.client.dbsize() == 1


def test_a_wrong_key_in_place_of_the_queue_keeps_the_job_where_it_is(redis: RealRedis, access: Access) -> None:
    redis.seed({"queue:default": "x", "retry": {a_payload(jid="j1"): 9e9, a_payload(jid="j2", queue="fine"): 9e9}})
    left: list[str] = []

    with pytest.raises(WrongTypeError, match="'queue:default' is a string, not a list"):
        RetrySet(access).enqueue("j1")
    moved = RetrySet(access).enqueue_all(left=lambda entry, reason: left.append(f"{entry.jid} {reason}"))

    assert moved == 1
    assert len(left) == 1
    assert left[0].startswith("j1 the key 'queue:default' is a string")
    assert list(redis.value("retry")) == [a_payload(jid="j1").decode()]
    assert redis.value("queue:default") == "x"


@pytest.mark.parametrize(("kind", "key"), WAITING)
def test_a_killed_job_is_buried_unchanged(redis: RealRedis, access: Access, kind: type[Any], key: str) -> None:
    raw = b'{ "class":"A", "jid":"j1", "args":[1.0e+20] }'
    redis.seed({key: {raw: 9e9}})
    before = redis.now()

    assert kind(access).kill("j1")
    assert not kind(access).kill("j1")

    dump = redis.dump()
    assert list(dump) == ["dead"]
    assert list(dump["dead"]) == [raw.decode()]
    assert before <= dump["dead"][raw.decode()] <= redis.now() + 1


def test_what_is_no_job_is_buried_as_a_worker_would(redis: RealRedis, access: Access) -> None:
    """Bare where every Ruby page survives it, else in an envelope that gives the bytes back."""
    redis.seed({"retry": {b"not json": 1.0, b"null": 2.0, a_payload(jid="j1"): 3.0}})

    assert RetrySet(access).kill_all() == 3

    assert redis.value("retry") is None
    dead = list(DeadSet(access))
    assert [entry.raw for entry in dead if entry.original is None] == [a_payload(jid="j1"), b"not json"]
    assert [entry.original for entry in dead if entry.original is not None] == [b"null"]


# -- the dead ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"null", b"[]", b"\xff\xfe", a_payload(jid=...), a_payload(args={"a": 1})])
def test_bytes_go_back_from_their_envelope_exactly_as_they_came(redis: RealRedis, access: Access, raw: bytes) -> None:
    redis.seed({"dead": {envelope(raw, "low"): 5.0}})
    (entry,) = DeadSet(access)

    assert DeadSet(access).enqueue(entry.jid)

    assert redis.client.lrange("queue:low", 0, -1) == [raw]
    assert redis.client.smembers("queues") == {b"low"}
    assert redis.client.exists("dead") == 0


def test_bare_bytes_go_to_the_queue_that_is_named(redis: RealRedis, access: Access) -> None:
    redis.seed({"dead": {b"not json": 5.0}})
    dead = DeadSet(access)
    (entry,) = dead

    with pytest.raises(PayloadError, match="say which queue"):
        dead.enqueue(entry.id)
    assert redis.value("dead") == {"not json": 5.0}
    assert dead.enqueue(entry.id, queue="low")

    assert redis.dump() == {"queues": {"low"}, "queue:low": ["not json"]}


def test_all_the_dead_rise_in_the_order_they_died_but_those_that_name_no_queue(
    redis: RealRedis, access: Access
) -> None:
    jobs = [a_payload(jid=f"j{number}") for number in range(5)]
    redis.seed({"dead": members([*jobs[:2], b"not json", *jobs[2:], envelope(b"null", "low")])})
    left: list[str] = []

    assert DeadSet(access).enqueue_all(left=lambda entry, reason: left.append(reason)) == 6

    pushed = [json.loads(raw)["jid"] for raw in reversed(redis.value("queue:default"))]
    assert pushed == ["j0", "j1", "j2", "j3", "j4"]
    assert redis.value("queue:low") == ["null"]
    assert list(redis.value("dead")) == ["not json"]
    assert len(left) == 1
    assert "say which queue" in left[0]


# -- many -------------------------------------------------------------------------------------------------------


def test_all_are_enqueued_in_bounded_steps(redis: RealRedis, access: Access) -> None:
    """More than a step of them cannot be moved, and those behind them are reached all the same."""
    stuck = [f"junk {number}".encode() for number in range(150)]
    jobs = [a_payload(jid=f"j{number}", queue=f"q{number % 3}") for number in range(250)]
    redis.seed({"retry": members([*stuck, *jobs])})
    left: list[SetEntry] = []

    assert RetrySet(access).enqueue_all(left=lambda entry, _: left.append(entry)) == 250

    assert [entry.raw for entry in left] == stuck
    assert redis.client.zrange("retry", 0, -1) == stuck
    assert sum(redis.client.llen(f"queue:q{at}") for at in range(3)) == 250
    assert [json.loads(raw)["jid"] for raw in redis.value("queue:q0")][-1] == "j0"
    assert redis.value("queues") == {"q0", "q1", "q2"}


def test_what_is_left_is_logged_if_nobody_asks(
    redis: RealRedis, access: Access, caplog: pytest.LogCaptureFixture
) -> None:
    redis.seed({"retry": {b"junk": 1.0}})

    RetrySet(access).enqueue_all()

    assert [record.getMessage() for record in caplog.records] == ["left where it is"]


def test_all_are_killed_in_bounded_steps(redis: RealRedis, access: Access) -> None:
    redis.seed({"schedule": members([a_payload(jid=f"j{number}") for number in range(250)])})

    assert ScheduledSet(access).kill_all() == 250

    assert redis.client.exists("schedule") == 0
    assert [entry.jid for entry in DeadSet(access)] == [f"j{number}" for number in range(249, -1, -1)]


def test_a_job_that_comes_back_at_once_does_not_keep_a_bulk_move_going(redis: RealRedis, access: Access) -> None:
    """A worker may fail each job as fast as it is enqueued."""
    redis.seed({"retry": members([a_payload(jid=f"j{number}") for number in range(10)])})
    found = RetrySet(access)
    revived = found._revived

    def come_back(entry: SetEntry, queue: str | None) -> tuple[str, bytes]:
        redis.seed({"retry": {a_payload(jid=f"again {entry.jid}"): 9e9}})
        return revived(entry, queue)

    found._revived = come_back  # type: ignore[method-assign]

    assert found.enqueue_all() == 10
    assert found.size == 10


@pytest.mark.parametrize(("kind", "key"), SETS)
def test_clear_counts_what_it_deletes(redis: RealRedis, access: Access, kind: type[JobSet], key: str) -> None:
    redis.seed({key: {a_payload(jid="j1"): 1.0, b"junk": 2.0}, "queue:default": ["job"]})

    assert kind(access).clear() == 2

    assert redis.dump() == {"queue:default": ["job"]}


@pytest.mark.parametrize(("kind", "key"), SETS)
def test_a_key_of_another_type_is_named_and_left_alone(
    redis: RealRedis, access: Access, kind: type[JobSet], key: str
) -> None:
    redis.seed({key: "x"})
    found = kind(access)

    for action in (lambda: found.size, lambda: list(found), lambda: found.find("j1"), found.clear, found.enqueue_all):
        with pytest.raises(WrongTypeError, match=f"'{key}' is a string, not a zset"):
            action()
    assert redis.dump() == {key: "x"}


def test_an_empty_set_is_not_false(access: Access) -> None:
    """`if app.retries:` asks whether there is such a thing, not whether it is full."""
    assert RetrySet(access)
    assert len(RetrySet(access)) == 0
