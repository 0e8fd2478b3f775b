"""Queues: looking never fails, and nothing is deleted but what was named."""

from __future__ import annotations

import time

import pytest

from redisjobs.errors import WrongTypeError
from redisjobs.inspector import Access, Queue, all_queues, summaries
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

NAMES = ["with space", "a:b::c", "grün-キュー", "x" * 10_000, "\udcff\udcfe"]


def jobs(count: int, **fields: object) -> list[bytes]:
    """Return jobs `j<count>` ... `j1`, newest first, as they stand in a queue."""
    return [a_payload(jid=f"j{number}", **fields) for number in range(count, 0, -1)]


def test_a_queue_that_nobody_pushed_to_is_empty(access: Access) -> None:
    queue = Queue(access, "default")

    assert (queue.size, queue.latency_s, queue.paused, list(queue)) == (0, 0.0, False, [])
    assert queue.find("j1") is None
    assert not queue.delete("j1")
    assert queue.clear() == 0
    assert all_queues(access) == []
    assert summaries(access) == []


def test_the_job_that_runs_next_says_how_long_the_queue_takes(redis: RealRedis, access: Access) -> None:
    """Generation 7 writes seconds, 8 milliseconds; what was never enqueued was at least made."""
    now = time.time()
    redis.seed({"queue:old": [a_payload(), a_payload(enqueued_at=now - 60.5)]})
    redis.seed({"queue:new": [a_payload(enqueued_at=int((now - 30) * 1000))]})
    redis.seed({"queue:made": [a_payload(enqueued_at=..., created_at=int((now - 10) * 1000))]})
    redis.seed({"queue:ahead": [a_payload(enqueued_at=now + 60)]})

    found = {name: Queue(access, name).latency_s for name in ("old", "new", "made", "ahead")}

    assert found == {
        "old": pytest.approx(60.5, abs=2),
        "new": pytest.approx(30, abs=2),
        "made": pytest.approx(10, abs=2),
        "ahead": 0.0,
    }


@pytest.mark.parametrize("tail", [b"null", b"[]", b"{}", b"\xff", b"{", a_payload(enqueued_at="x", created_at=None)])
def test_a_malformed_job_at_the_pop_end_hides_no_queue(redis: RealRedis, access: Access, tail: bytes) -> None:
    redis.seed({"queues": {"default"}, "queue:default": [a_payload(), tail]})

    assert Queue(access, "default").latency_s == 0.0
    assert [(one.name, one.size, one.latency_s) for one in summaries(access)] == [("default", 2, 0.0)]
    assert [entry.raw for entry in Queue(access, "default")] == [a_payload(), tail]


def test_all_jobs_are_given_newest_first(redis: RealRedis, access: Access) -> None:
    redis.seed({"queue:default": jobs(120)})

    assert [entry.jid for entry in Queue(access, "default")] == [f"j{number}" for number in range(120, 0, -1)]
    assert [entry.jid for entry in Queue(access, "default").page(118, 10)] == ["j2", "j1"]
    assert Queue(access, "default").page(0, 0) == []


def test_a_walk_goes_on_while_jobs_come_and_go(redis: RealRedis, access: Access) -> None:
    """Producers push in front, workers take from the back, and neither makes the walk skip or repeat a job."""
    redis.seed({"queue:default": jobs(150)})
    walk = iter(Queue(access, "default"))

    first = [next(walk).jid for _ in range(50)]
    redis.client.lpush("queue:default", a_payload(jid="newer1"), a_payload(jid="newer2"))
    second = [next(walk).jid for _ in range(50)]
    redis.client.rpop("queue:default", 20)
    rest = [entry.jid for entry in walk]

    assert first + second + rest == [f"j{number}" for number in range(150, 20, -1)]


def test_whoever_walks_may_delete(redis: RealRedis, access: Access) -> None:
    redis.seed({"queue:default": jobs(120)})
    queue = Queue(access, "default")

    deleted = [queue.delete(entry) for entry in queue]

    assert deleted == [True] * 120
    assert redis.dump() == {}


def test_one_job_is_found_and_deleted_by_its_exact_bytes(redis: RealRedis, access: Access) -> None:
    """The bytes of a job may not be what anybody would print: spaces, escapes, an order of its own."""
    odd = b'{ "jid" : "odd\\u0031", "class":"A", "args":[1.0e+20] }'
    redis.seed({"queue:default": [*jobs(60), odd, b"[]"]})
    queue = Queue(access, "default")

    found = queue.find("odd1")

    assert found is not None
    assert found.raw == odd
    assert queue.delete("odd1")
    assert not queue.delete("odd1")
    assert queue.delete(next(entry for entry in queue if entry.malformed).id)
    assert redis.value("queue:default") == [raw.decode() for raw in jobs(60)]


def test_clear_deletes_the_waiting_jobs_and_the_name_only(redis: RealRedis, access: Access) -> None:
    held = {"lease:{queue:high}:p1": ["held"], "lease-owners:{queue:high}": {"p1": "5"}, "queue:low": ["other"]}
    redis.seed({"queues": {"high", "low"}, "queue:high": ["second", "first"], **held})

    assert Queue(access, "high").clear() == 2

    assert redis.dump() == {"queues": {"low"}, **held}


def test_a_key_of_another_type_is_named_and_left_alone(redis: RealRedis, access: Access) -> None:
    redis.seed({"queues": {"default", "fine"}, "queue:default": "x", "queue:fine": ["job"]})
    queue = Queue(access, "default")

    for action in (lambda: queue.size, lambda: list(queue), lambda: queue.latency_s, queue.clear):
        with pytest.raises(WrongTypeError, match="'queue:default' is a string, not a list"):
            action()
    bad, fine = summaries(access)

    assert "'queue:default' is a string, not a list" in bad.problem
    assert (fine.name, fine.size, fine.problem) == ("fine", 1, "")
    assert redis.value("queue:default") == "x"
    assert redis.value("queues") == {"default", "fine"}


def test_pausing_is_a_name_in_the_set_that_workers_read(redis: RealRedis, access: Access) -> None:
    queue = Queue(access, "mailers")

    queue.pause()
    paused = queue.paused
    dump = redis.dump()
    queue.unpause()

    assert paused
    assert dump == {"paused": {"mailers"}}
    assert not queue.paused
    assert redis.dump() == {}


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:20]))
def test_a_queue_may_have_any_name(redis: RealRedis, access: Access, name: str) -> None:
    raw = name.encode("utf-8", "surrogateescape")
    redis.client.sadd("queues", raw)
    redis.client.rpush(b"queue:" + raw, a_payload(jid="j1"))

    assert [queue.name for queue in all_queues(access)] == [name]
    queue = Queue(access, name)
    queue.pause()
    assert (queue.size, queue.paused, [entry.jid for entry in queue]) == (1, True, ["j1"])
    queue.unpause()
    assert queue.delete("j1")
    assert queue.clear() == 0
    assert redis.dump() == {}


def test_a_namespace_is_kept_apart(redis: RealRedis, access: Access) -> None:
    spaced = Access(access.store, type(access.keys)("shop"), access.dead, access.wire)
    redis.seed({"shop:queues": {"q"}, "shop:queue:q": ["job"], "queues": {"other"}})

    assert [queue.name for queue in all_queues(spaced)] == ["q"]
    assert Queue(spaced, "q").clear() == 1
    assert redis.dump() == {"queues": {"other"}}


def test_a_wrong_key_is_named_with_its_namespace(redis: RealRedis, access: Access) -> None:
    spaced = Access(access.store, type(access.keys)("shop"), access.dead, access.wire)
    redis.seed({"shop:queues": {"q"}, "shop:queue:q": {"a": "hash"}})

    with pytest.raises(WrongTypeError, match="'shop:queue:q' is a hash, not a list"):
        _ = Queue(spaced, "q").size
