"""What others may have written into Redis, and a disk that is full: nothing is lost, the worker goes on."""

from __future__ import annotations

import json
import math
import time
from collections import Counter

import pytest

from redisjobs import RedisJobs
from redisjobs.inspector import SetEntry, Work
from tests.support.builders import JID, a_payload
from tests.support.eventually import eventually
from tests.support.fleet import Fleet, cli
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.e2e

_LARGE = "ä" * 5_000_000  # 10 MB
_MALFORMED: dict[str, bytes] = {
    "null": b"null",
    "array": b"[]",
    "empty object": b"{}",
    "string": b'"x"',
    "number": b"2",
    "true": b"true",
    "empty": b"",
    "blank": b" \n ",
    "truncated": a_payload(class_="noop", args=[1])[:-20],
    "10 MB, truncated": a_payload(class_="take", args=[1, _LARGE])[:-7],
    "10 MB of brackets": b"[" * 10_000_000,
    "not UTF-8": a_payload(class_="noop", args=[1, "x"]).replace(b'"x"', b'"\xff\xfe"'),
    "not UTF-8, elsewhere": a_payload(class_="noop", args=[1], extra="x").replace(b'"x"', b'"\xc3"'),
    "bytes": bytes(range(256)),
    "args an object": a_payload(class_="noop", args={"number": 1}),
    "args missing": a_payload(class_="noop", args=...),
    "args null": a_payload(class_="noop", args=None),
    "jid missing": a_payload(class_="noop", args=[1], jid=...),
    "jid a number": a_payload(class_="noop", args=[1], jid=7),
    "class a number": a_payload(class_=5, args=[1]),
    "class missing": a_payload(class_=..., args=[1]),
    "nested 200": a_payload(class_="noop", args=[1]).replace(b"[1]", b"[" * 200 + b"]" * 200),
    "two objects": a_payload(class_="noop", args=[1]) * 2,
    "lone surrogate": a_payload(class_="noop", args=[1, "x"]).replace(b'"x"', b'"\\ud800"'),
}
_ODD: dict[str, bytes] = {  # odd, and yet to be run
    "retry yes": a_payload(class_="noop", args=[0], retry="yes"),
    "retry missing": a_payload(class_="noop", args=[1], retry=...),
    "retry_count a string": a_payload(class_="noop", args=[2], retry_count="3"),
    "retry_count negative": a_payload(class_="noop", args=[3], retry_count=-3),
    "retry_count a fraction": a_payload(class_="noop", args=[4], retry_count=1.5),
    "queue another": a_payload(class_="noop", args=[5], queue="elsewhere"),
    "queue a number": a_payload(class_="noop", args=[6], queue=4),
    "times odd": a_payload(class_="noop", args=[7], enqueued_at="yesterday", created_at=None),
    "log_level odd": a_payload(class_="noop", args=[8], log_level=["loud"]),
    "10 MB": a_payload(class_="take", args=[9, _LARGE]),
}


def test_malformed_payloads_are_buried_whole_and_restored_to_the_byte(
    redis: RealRedis, app: RedisJobs, fleet: Fleet
) -> None:
    worker = fleet.worker(redis, "-q", "odd: one", concurrency=3)
    queue = "odd: one"
    for raw in _MALFORMED.values():
        redis.client.lpush(f"queue:{queue}", raw)
    app.push("noop", [1], queue=queue)

    eventually(lambda: redis.client.zcard("dead") == len(_MALFORMED), 20)
    eventually(lambda: fleet.runs.started() == Counter([1]), 5)
    eventually(lambda: redis.value("stat:processed") == "1")
    assert len(worker.lines("malformed payload, moved to the dead set")) == len(_MALFORMED)
    assert max(map(len, worker.log.splitlines())) < 2000, "a line names the payload, and does not repeat it all"
    assert worker.stop() == 0
    assert redis.client.keys("lease:*") == []

    listed = json.loads(cli(redis, "--json", "dead", "ls", "-n", "100"))
    assert len(listed) == len(_MALFORMED)
    entries = list(app.dead)
    assert sorted(map(_bytes, entries)) == sorted(_MALFORMED.values())
    cli(redis, "dead", "retry", *(entry.id for entry in entries), "--queue", "restored")
    assert sorted(redis.client.lrange("queue:restored", 0, -1)) == sorted(_MALFORMED.values())
    assert redis.client.exists("dead") == 0


@pytest.mark.parametrize("set_name", ["retry", "schedule"])
def test_malformed_members_of_sets_are_buried_whole_and_the_others_run(
    redis: RealRedis, app: RedisJobs, fleet: Fleet, set_name: str
) -> None:
    bad = [raw for raw in _MALFORMED.values() if len(raw) < 1000]
    nameless = a_payload(class_="noop", args=[7], queue="", jid="1")
    due = time.time() - 5
    redis.client.zadd(set_name, dict.fromkeys([*bad, nameless], due))
    for number, score in enumerate((-math.inf, due, 0, -1e300, math.inf, 1e300)):
        redis.client.zadd(set_name, {a_payload(class_="noop", args=[number], jid=f"{JID}{number}"): score})

    worker = fleet.worker(redis)
    eventually(lambda: len(fleet.runs.started()) == 4, 5)
    eventually(lambda: redis.client.zcard("dead") == len(bad) + 1, 10)

    assert fleet.runs.started() == Counter(range(4))
    assert redis.client.zcard(set_name) == 2, "what is never due waits, and keeps nobody from being due"
    app.push("noop", [8], delay_s=0.2)
    eventually(lambda: fleet.runs.started()[8] == 1, 5)
    found = sorted(map(_bytes, app.dead))
    assert found == sorted([*bad, nameless])
    assert len(worker.lines("malformed payload, moved to the dead set")) == len(bad) + 1
    assert worker.stop() == 0


def test_odd_payloads_are_run(redis: RealRedis, fleet: Fleet) -> None:
    worker = fleet.worker(redis)
    for raw in _ODD.values():
        redis.client.lpush("queue:default", raw)

    eventually(lambda: redis.value("stat:processed") == str(len(_ODD)), 15)
    assert fleet.runs.started() == Counter(range(len(_ODD)))
    assert fleet.runs.told("length") == [(9, len(_LARGE))]
    assert redis.value("stat:failed") is None
    assert redis.client.exists("dead", "retry") == 0
    assert worker.stop() == 0


def test_a_set_of_the_wrong_type_keeps_outcomes_waiting_until_it_is_gone(
    redis: RealRedis, app: RedisJobs, fleet: Fleet
) -> None:
    worker = fleet.worker(redis)
    redis.client.set("retry", "x")
    app.push("fail", [1])
    app.push_many("noop", [(number,) for number in range(2, 12)])
    app.push("fail", [12])

    eventually(lambda: redis.value("stat:processed") == "10", 5)
    eventually(lambda: worker.lines("outcomes refused by redis"), 5)
    eventually(lambda: worker.lines("a set cannot be read"), 5)
    assert redis.client.llen(f"lease:{{queue:default}}:{worker.identity}") == 2
    redis.client.delete("retry")

    eventually(lambda: redis.client.zcard("retry") == 2, 5)
    assert (redis.value("stat:processed"), redis.value("stat:failed")) == ("12", "2")
    assert fleet.runs.started() == Counter(range(1, 13))
    assert redis.client.keys("lease:*") == []
    assert worker.stop() == 0


def test_a_queue_of_the_wrong_type_is_said_and_worked_when_it_is_gone(redis: RealRedis, fleet: Fleet) -> None:
    redis.client.set("queue:default", "x")
    worker = fleet.worker(redis, "-q", "default", "-q", "other")
    app = RedisJobs(redis.url)
    app.push("noop", [1], queue="other")
    eventually(lambda: fleet.runs.started()[1] == 1, 5)
    (line, *_) = eventually(lambda: worker.lines("another type"), 5)
    assert "key=queue:default type=string wanted=list" in line

    redis.client.delete("queue:default")
    app.push("noop", [2])
    eventually(lambda: fleet.runs.started()[2] == 1, 15)
    app.close()
    assert worker.stop() == 0


def test_names_of_queues_may_be_anything(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    names = ["two words", "a:b::c", "Übergröße ☃", "{braces}", "q'\"\\$(x)", "-dash", "x" * 10_240]
    worker = fleet.worker(redis, *(word for name in names for word in ("-q", name)), heartbeat_ttl_s=2, reap_s=0.5)
    for number, name in enumerate(names):
        app.push("noop", [number], queue=name)
        app.push("slow_failure", [100 + number, 0.0], queue=name, retry=5)
        app.push("noop", [200 + number], queue=name, delay_s=0.1)

    eventually(lambda: redis.value("stat:processed") == str(3 * len(names)), 10)
    assert {entry.queue for entry in app.retries} == set(names)
    assert {queue.name for queue in app.queues} == set(names)
    app.push_many("work", [(300 + number, 60.0) for number in range(2)], queue=names[6])
    app.push_many("work", [(310 + number, 60.0) for number in range(2)], queue=names[2])
    eventually(lambda: len(fleet.runs.started()) == 3 * len(names) + 4)
    assert {work.queue for work in _running(app, 4)} == {names[2], names[6]}
    worker.kill9()
    fleet.worker(redis, "-q", "default", heartbeat_ttl_s=2, reap_s=0.5)
    eventually(lambda: [app.queue(names[at]).size for at in (2, 6)] == [2, 2], 15, "not recovered")
    assert redis.client.keys("lease:*") == []


def test_a_full_disk_under_the_log_costs_lines_and_no_jobs(redis: RealRedis, app: RedisJobs, fleet: Fleet) -> None:
    worker = fleet.worker(redis, "--log-file", "/dev/full", ready=False)
    app.push_many("noop", [(number,) for number in range(500)])
    app.push_many("fail", [(number,) for number in range(500, 510)])
    redis.client.lpush("queue:default", b"null")

    eventually(lambda: redis.value("stat:processed") == "510", 10)
    eventually(lambda: redis.client.zcard("dead") == 1)
    assert fleet.runs.started() == Counter(range(510))
    assert redis.client.zcard("retry") == 10
    assert worker.stop() == 0
    assert worker.log == ""


def test_a_log_that_cannot_be_opened_is_an_error_of_one_line(redis: RealRedis, fleet: Fleet) -> None:
    worker = fleet.worker(redis, "--log-file", "/nowhere/at/all.log", ready=False)

    assert worker.wait() == 2
    assert len(worker.log.splitlines()) == 1
    assert "/nowhere/at/all.log" in worker.log


def _bytes(entry: SetEntry) -> bytes:
    """Return the bytes as they came, out of their envelope if they have one."""
    return entry.raw if entry.original is None else entry.original


def _running(app: RedisJobs, count: int) -> list[Work]:
    return eventually(lambda: (found := list(app.running)) and len(found) == count and found, 5)
