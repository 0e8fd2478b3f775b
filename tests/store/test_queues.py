"""store/ops/queues.py with its scripts: push and schedule, once whatever is asked twice; looks, pause, clear."""

from __future__ import annotations

from typing import Any

import pytest

from redisjobs.config import DeadSetConfig
from redisjobs.errors import WrongTypeError
from redisjobs.store.ops import queues as ops
from redisjobs.store.ops.queues import GUARD_TTL_S, Producer, Where
from tests.support.builders import KEYS
from tests.support.real_redis import RealRedis, text

pytestmark = pytest.mark.quick

GUARDS = ["pushed:*"]


# -- push -----------------------------------------------------------------------------------------------------------


def test_a_push_stores_the_first_to_run_first(redis: RealRedis) -> None:
    redis.seed({"queue:q": ["old"]})

    stored = redis.run(ops.push(KEYS, "q", [b"first", b"second"], producer=Producer("p")))

    assert stored is True
    assert redis.dump() == {
        "queue:q": ["second", "first", "old"],
        "queues": {"q"},
        "pushed:{queue:q}:p": "1",
    }
    assert GUARD_TTL_S - 60 < redis.client.ttl("pushed:{queue:q}:p") <= GUARD_TTL_S


def test_a_push_that_is_sent_twice_is_stored_once(redis: RealRedis) -> None:
    """The answer to the first was lost on its way."""
    op = ops.push(KEYS, "q", [b"a", b"b"], producer=Producer("p"))

    assert [redis.run(op), redis.run(op), redis.run(op)] == [True, False, False]

    assert redis.value("queue:q") == ["b", "a"]


def test_the_next_push_of_a_producer_is_another(redis: RealRedis) -> None:
    producer = Producer("p")

    for payload in (b"a", b"a", b"b"):
        assert redis.run(ops.push(KEYS, "q", [payload], producer=producer)) is True

    assert redis.value("queue:q") == ["b", "a", "a"]


def test_a_first_attempt_that_arrives_after_the_second_is_refused(redis: RealRedis) -> None:
    """A packet held up in the network must not add the job a second time, nor must an older one."""
    producer = Producer("p")
    first = ops.push(KEYS, "q", [b"a"], producer=producer)
    second = ops.push(KEYS, "q", [b"b"], producer=producer)
    redis.run(first)
    redis.run(second)

    assert redis.run(first) is False
    assert redis.run(second) is False

    assert redis.value("queue:q") == ["b", "a"]


def test_producers_do_not_stand_in_each_others_way(redis: RealRedis) -> None:
    one, other = Producer("p1"), Producer("p2")

    assert redis.run(ops.push(KEYS, "q", [b"a"], producer=one)) is True
    assert redis.run(ops.push(KEYS, "q", [b"b"], producer=other)) is True
    assert redis.run(ops.push(KEYS, "r", [b"c"], producer=one)) is True
    assert redis.run(ops.push(KEYS, "q", [b"d"], producer=one)) is True

    assert redis.dump(GUARDS) == {"queue:q": ["d", "b", "a"], "queue:r": ["c"], "queues": {"q", "r"}}


@pytest.mark.parametrize("name", ["with space", "a:b", "ünïcode", "{braces}", "x" * 10_000])
def test_a_queue_may_have_any_name(redis: RealRedis, name: str) -> None:
    redis.run(ops.push(KEYS, name, [b"a"], producer=Producer("p")))

    assert redis.dump(GUARDS) == {f"queue:{name}": ["a"], "queues": {name}}


@pytest.mark.parametrize("key", ["queue:q", "queues", "pushed:{queue:q}:p"])
def test_a_key_of_another_type_raises_before_anything_is_stored(redis: RealRedis, key: str) -> None:
    redis.seed({key: {"a": 1.5}})
    before = redis.dump()

    with pytest.raises(WrongTypeError):
        redis.run(ops.push(KEYS, "q", [b"a"], producer=Producer("p")))

    assert redis.dump() == before


# -- schedule -------------------------------------------------------------------------------------------------------


def test_a_job_is_scheduled_for_a_moment_or_from_now_by_redis_clock(redis: RealRedis) -> None:
    jobs = [("1795489145.250000", b"a"), ("+30.000000", b"b")]

    assert redis.run(ops.schedule(KEYS, jobs, producer=Producer("p"))) is True

    assert redis.dump() == {
        "schedule": {"a": 1795489145.25, "b": pytest.approx(redis.now() + 30, abs=2)},
        "pushed:{schedule}:p": "1",
    }


def test_a_schedule_that_is_sent_twice_is_stored_once_and_keeps_its_moment(redis: RealRedis) -> None:
    op = ops.schedule(KEYS, [("+30.000000", b"a")], producer=Producer("p"))
    assert redis.run(op) is True
    before = redis.dump()

    assert redis.run(op) is False

    assert redis.dump() == before


def test_a_late_first_attempt_does_not_bring_back_what_ran_already(redis: RealRedis) -> None:
    op = ops.schedule(KEYS, [("+0.000000", b"a")], producer=Producer("p"))
    redis.run(op)
    redis.client.zrem("schedule", b"a")

    assert redis.run(op) is False

    assert redis.value("schedule") is None


def test_each_of_many_for_one_moment_has_a_score_of_its_own_in_their_order(redis: RealRedis) -> None:
    """Ruby's pages find a member by its score, and may mix up two of the same."""
    names = [str(n) for n in range(1000)]

    redis.run(ops.schedule(KEYS, [("1795489145.000000", name.encode()) for name in names], producer=Producer("p")))

    scores = redis.value("schedule")
    assert len(set(scores.values())) == 1000
    assert sorted(scores, key=scores.get) == names
    assert max(scores.values()) - 1795489145 < 0.01


@pytest.mark.parametrize("key", ["schedule", "pushed:{schedule}:p"])
def test_a_schedule_of_another_type_raises_before_anything_is_stored(redis: RealRedis, key: str) -> None:
    redis.seed({key: ["text"]})
    before = redis.dump()

    with pytest.raises(WrongTypeError):
        redis.run(ops.schedule(KEYS, [("+1.0", b"a")], producer=Producer("p")))

    assert redis.dump() == before


# -- looks, pause, clear --------------------------------------------------------------------------------------------


def test_looks_change_nothing(redis: RealRedis) -> None:
    redis.seed({"queue:q": ["c", "b", "a"], "queues": {"q", "r", b"\xff"}, "paused": {"r"}})
    before = redis.dump()

    assert redis.run(ops.names(KEYS)) == ["q", "r", text(b"\xff")]
    assert redis.run(ops.paused(KEYS)) == ["r"]
    assert redis.run(ops.size(KEYS, "q")) == 3
    assert redis.run(ops.size(KEYS, text(b"\xff"))) == 0
    assert redis.run(ops.oldest(KEYS, "q")) == b"a"
    assert redis.run(ops.oldest(KEYS, "r")) is None
    assert redis.run(ops.page(KEYS, "q", start=0, stop=1)) == [3, [b"c", b"b"]]
    assert redis.dump() == before


def test_a_queue_is_paused_and_goes_on(redis: RealRedis) -> None:
    redis.run(ops.pause(KEYS, "q"))
    redis.run(ops.pause(KEYS, "r"))
    assert redis.dump() == {"paused": {"q", "r"}}

    redis.run(ops.unpause(KEYS, "q"))

    assert redis.dump() == {"paused": {"r"}}


def test_one_entry_is_removed_by_its_bytes(redis: RealRedis) -> None:
    redis.seed({"queue:q": ["c", "b", "a"]})

    assert redis.run(ops.remove(KEYS, "q", b"b")) == 1
    assert redis.run(ops.remove(KEYS, "q", b"b")) == 0

    assert redis.dump() == {"queue:q": ["c", "a"]}


def test_clearing_takes_the_jobs_and_the_name_and_leaves_what_is_held(redis: RealRedis) -> None:
    rest: dict[str, Any] = {"queue:r": ["x"], "queues": {"r"}, "lease:{queue:q}:p1": ["held"]}
    redis.seed({**rest, "queue:q": ["b", "a"]})
    redis.seed({"queues": {"q"}})

    assert redis.run(ops.clear(KEYS, "q")) == 2

    assert redis.dump() == rest
    assert redis.run(ops.clear(KEYS, "q")) == 0


def test_a_key_that_is_no_queue_is_not_cleared(redis: RealRedis) -> None:
    redis.seed({"queue:q": "somebody's"})

    with pytest.raises(WrongTypeError):
        redis.run(ops.clear(KEYS, "q"))

    assert redis.dump() == {"queue:q": "somebody's"}


# -- some of many -----------------------------------------------------------------------------------------------------

MOVES = [(b"b", b"B"), (b"d", b"D"), (b"gone", b"GONE")]
PLACES = [ops.ANYWHERE, Where(0, 9), Where(1, 3), Where(0, 4)]
"""Where `b` and `d` are found in a queue of five."""


@pytest.mark.parametrize("where", PLACES)
def test_some_are_withdrawn_and_the_others_keep_their_order(redis: RealRedis, where: Where) -> None:
    redis.seed({"queue:q": ["e", "d", "c", "b", "a"]})

    assert redis.run(ops.withdraw(KEYS, "q", [b"b", b"d", b"gone"], where)) == 2

    assert redis.dump() == {"queue:q": ["e", "c", "a"]}


@pytest.mark.parametrize("where", PLACES)
def test_some_are_diverted_behind_what_the_other_queue_has(redis: RealRedis, where: Where) -> None:
    redis.seed({"queue:q": ["e", "d", "c", "b", "a"], "queue:r": ["first"]})

    assert redis.run(ops.divert(KEYS, "q", "r", MOVES, where)) == 2
    assert redis.run(ops.divert(KEYS, "q", "r", MOVES, where)) == 0

    assert redis.dump() == {"queue:q": ["e", "c", "a"], "queue:r": ["D", "B", "first"], "queues": {"r"}}


@pytest.mark.parametrize("where", PLACES)
def test_some_are_condemned(redis: RealRedis, where: Where) -> None:
    redis.seed({"queue:q": ["e", "d", "c", "b", "a"]})

    assert redis.run(ops.condemn(KEYS, "q", MOVES, where, dead=DeadSetConfig())) == 2

    assert redis.client.zrange("dead", 0, -1) == [b"B", b"D"]
    assert all(abs(score - redis.now()) < 60 for score in redis.value("dead").values())
    assert redis.value("queue:q") == ["e", "c", "a"]


def test_what_stands_elsewhere_than_where_it_is_looked_for_stays(redis: RealRedis) -> None:
    redis.seed({"queue:q": ["e", "d", "c", "b", "a"]})

    assert redis.run(ops.withdraw(KEYS, "q", [b"a", b"e"], Where(1, 3))) == 0

    assert redis.value("queue:q") == ["e", "d", "c", "b", "a"]


def test_of_equal_ones_as_many_go_as_are_asked_for(redis: RealRedis) -> None:
    redis.seed({"queue:q": ["x", "x", "b", "x"]})

    assert redis.run(ops.withdraw(KEYS, "q", [b"x", b"x"], Where(0, 9))) == 2

    assert redis.value("queue:q") == ["x", "b"]


@pytest.mark.parametrize("where", PLACES)
def test_nothing_is_taken_if_the_target_is_something_else(redis: RealRedis, where: Where) -> None:
    before = {"queue:q": ["e", "d", "c", "b", "a"], "queue:r": "somebody's", "dead": ["somebody's"]}
    redis.seed(before)

    with pytest.raises(WrongTypeError):
        redis.run(ops.divert(KEYS, "q", "r", MOVES, where))
    with pytest.raises(WrongTypeError):
        redis.run(ops.condemn(KEYS, "q", MOVES, where, dead=DeadSetConfig()))

    assert redis.dump() == before
