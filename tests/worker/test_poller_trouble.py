"""The poller among members that are no jobs, and keys that are of another type."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from redisjobs import RedisJobs
from redisjobs.store.drive import drive
from redisjobs.store.stores import BlockingStore
from redisjobs.wire import deadletter
from redisjobs.worker.poller import BATCH, Poller
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis
from tests.worker.runs import FAR_S, due, left, members, only, work_off

pytestmark = pytest.mark.quick

NO_QUEUES = [a_payload(queue=""), a_payload(queue=None), a_payload(queue=5), a_payload(queue=["q"])]
NO_JOBS = [
    b"",
    b"no JSON",
    b"null",
    b"[]",
    b'"text"',
    b"{}",
    a_payload(jid=...),
    a_payload(class_=...),
    a_payload(args={"a": 1}),
    a_payload(args=["\x00"]).replace(b"\\u0000", b"\xff"),
    b"[" * 2000 + b"]" * 2000,
]


def comparable(dead: dict[str, Any]) -> dict[str, Any]:
    """Return an entry of the dead set without what no two burials have in common."""
    return {name: value for name, value in dead.items() if name not in ("jid", "created_at", "failed_at")}


def buried(redis: RealRedis) -> Any:
    """Return the one entry of the dead set: its text where it stands bare, else its fields."""
    [raw] = redis.value("dead")
    return comparable(msgspec.json.decode(raw)) if raw.startswith("{") else raw


@pytest.mark.parametrize("set_key", ["retry", "schedule"])
@pytest.mark.parametrize("raw", NO_JOBS, ids=lambda raw: repr(raw[:30]))
def test_a_malformed_member_is_buried_as_a_worker_would_and_the_others_go_on(
    app: RedisJobs, redis: RealRedis, store: BlockingStore, poller: Poller, raw: bytes, set_key: str
) -> None:
    redis.seed({set_key: due(redis, a_payload(args=[1]), raw, a_payload(args=[2]))})

    drive(poller.once(), store)

    assert [job["args"] for job in members(redis, "queue:default")] == [[2], [1]]
    assert redis.value("dead")[next(iter(redis.value("dead")))] == pytest.approx(redis.now(), abs=2)
    assert sorted(redis.dump()) == ["dead", "queue:default", "queues"]  # no run, so nothing is counted
    by_poller = buried(redis)
    redis.client.flushdb()
    redis.seed({"queue:default": [raw]})
    work_off(app, concurrency=1)
    assert buried(redis) == by_poller
    assert sorted(left(redis)) == ["dead"]


@pytest.mark.parametrize("raw", NO_QUEUES, ids=repr)
def test_a_queue_that_is_no_name_is_buried_to_the_byte(
    redis: RealRedis, store: BlockingStore, poller: Poller, raw: bytes
) -> None:
    """Ruby would remove it from the set, and then refuse to push it."""
    redis.seed({"schedule": due(redis, raw)})

    drive(poller.once(), store)

    dead, _ = only(redis, "dead")
    assert deadletter.unwrap(dead) == raw == base64.b64decode(dead[deadletter.ORIGINAL])
    assert dead["error_message"].startswith("queue: ")
    assert list(redis.dump()) == ["dead"]


def test_a_whole_batch_of_malformed_members_is_not_the_end(
    redis: RealRedis, store: BlockingStore, poller: Poller
) -> None:
    redis.seed({"retry": due(redis, *(f"no job {number}" for number in range(BATCH)), a_payload(args=[1]))})

    assert drive(poller.once(), store) == 0.0
    assert drive(poller.once(), store) == FAR_S

    assert [job["args"] for job in members(redis, "queue:default")] == [[1]]
    assert redis.client.zcard("dead") == BATCH


# -- keys of another type -------------------------------------------------------------------------------------------


def test_jobs_of_a_queue_of_another_type_wait_until_it_is_gone(
    redis: RealRedis, store: BlockingStore, poller: Poller, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = a_payload(queue="bad", args=[1])
    redis.seed({"retry": due(redis, stuck, a_payload(queue="good", args=[2])), "queue:bad": "text"})
    score = redis.value("retry")[stuck.decode()]

    pause_s = drive(poller.once(), store)

    assert 0 < pause_s <= 1
    assert [job["args"] for job in members(redis, "queue:good")] == [[2]]
    assert redis.dump(["queue:good"]) == {"retry": {stuck.decode(): score}, "queue:bad": "text", "queues": {"good"}}
    drive(poller.once(), store)
    assert [vars(record)["key"] for record in caplog.records] == ["queue:bad"], "said once, not at every turn"
    redis.client.delete("queue:bad")
    drive(poller.once(), store)
    assert [job["args"] for job in members(redis, "queue:bad")] == [[1]]
    assert redis.value("retry") is None


@pytest.mark.parametrize("stuck", [1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH])
def test_any_number_of_jobs_that_cannot_move_are_passed_over(
    redis: RealRedis, store: BlockingStore, poller: Poller, stuck: int
) -> None:
    jobs = [a_payload(queue="bad", args=[number]) for number in range(stuck)]
    redis.seed({"schedule": due(redis, *jobs, a_payload(queue="good")), "queue:bad": "text"})

    turns = 0
    while drive(poller.once(), store) == 0.0:
        turns += 1
        assert turns <= stuck / BATCH + 1

    assert redis.client.llen("queue:good") == 1
    assert redis.client.zcard("schedule") == stuck
    redis.client.delete("queue:bad")
    while drive(poller.once(), store) <= 1:
        pass
    assert [job["args"][0] for job in reversed(members(redis, "queue:bad"))] == list(range(stuck))


@pytest.mark.parametrize(("bad", "good"), [("retry", "schedule"), ("schedule", "retry")])
def test_a_set_of_another_type_does_not_hold_up_the_other(
    redis: RealRedis, store: BlockingStore, poller: Poller, caplog: pytest.LogCaptureFixture, bad: str, good: str
) -> None:
    redis.seed({bad: "text", good: due(redis, a_payload())})

    pause_s = drive(poller.once(), store)

    assert 0 < pause_s <= 1
    assert redis.dump(["queue:*"]) == {bad: "text", "queues": {"default"}}
    assert redis.client.llen("queue:default") == 1
    assert [vars(record).get("key") for record in caplog.records] == [bad]


def test_a_dead_set_of_another_type_keeps_only_the_malformed_waiting(
    redis: RealRedis, store: BlockingStore, poller: Poller, caplog: pytest.LogCaptureFixture
) -> None:
    redis.seed({"retry": due(redis, b"null", a_payload(args=[1])), "dead": "text"})

    drive(poller.once(), store)

    assert [job["args"] for job in members(redis, "queue:default")] == [[1]]
    assert list(redis.value("retry")) == ["null"]
    assert [vars(record)["key"] for record in caplog.records] == ["dead"]
    redis.client.delete("dead")
    drive(poller.once(), store)
    assert redis.value("retry") is None
    assert redis.client.zcard("dead") == 1


def test_one_job_that_is_stuck_does_not_make_the_next_one_late(
    redis: RealRedis, store: BlockingStore, poller: Poller
) -> None:
    stuck, soon = a_payload(queue="bad"), a_payload(queue="good")
    redis.seed({"retry": {**due(redis, stuck), soon: redis.now() + 0.5}, "queue:bad": "text"})

    assert 0 < drive(poller.once(), store) <= 0.5
