"""store/ops/sets.py with its scripts: due, promote, bury, and the looks into the sorted sets."""

from __future__ import annotations

import math

import pytest

from redisjobs.config import DeadSetConfig
from redisjobs.errors import WrongTypeError
from redisjobs.store.ops import sets as ops
from redisjobs.store.ops.sets import Due
from tests.support.builders import KEYS
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

DEAD = DeadSetConfig()


# -- due ------------------------------------------------------------------------------------------------------------


def test_due_is_what_redis_clock_says_oldest_first(redis: RealRedis) -> None:
    now = redis.now()
    redis.seed({"retry": {"b": now - 5, "a": now - 10, "later": now + 100, "much later": now + 200}})
    before = redis.dump()

    found: Due = redis.run(ops.due("retry", count=10))

    assert found.payloads == [b"a", b"b"]
    assert found.now == pytest.approx(now, abs=2)
    assert found.next_at == pytest.approx(now + 100, abs=0.001)
    assert redis.dump() == before


def test_due_takes_a_page_at_a_time(redis: RealRedis) -> None:
    redis.seed({"retry": {str(n): float(n) for n in range(10)}})

    assert redis.run(ops.due("retry", count=3)).payloads == [b"0", b"1", b"2"]
    assert redis.run(ops.due("retry", offset=8, count=3)).payloads == [b"8", b"9"]


def test_of_an_empty_set_nothing_is_due_and_nothing_will_be(redis: RealRedis) -> None:
    found: Due = redis.run(ops.due("retry", count=3))

    assert (found.payloads, found.next_at) == ([], None)


def test_odd_scores_are_due_or_far_off_and_no_error(redis: RealRedis) -> None:
    redis.seed({"retry": {"long ago": -math.inf, "never": math.inf, "negative": -5.5, "tiny": 5e-324, "huge": 1e300}})

    found: Due = redis.run(ops.due("retry", count=10))

    assert found.payloads == [b"long ago", b"negative", b"tiny"]
    assert found.next_at == 1e300
    redis.client.zrem("retry", "huge")
    assert redis.run(ops.due("retry", count=10)).next_at == math.inf


# -- promote --------------------------------------------------------------------------------------------------------


def test_promoted_jobs_run_in_their_order_behind_those_that_wait(redis: RealRedis) -> None:
    redis.seed({"retry": {"a": 1.5, "b": 2.5, "c": 3.5}, "queue:q": ["old"]})

    moved = redis.run(ops.promote(KEYS, "retry", "q", [(b"a", b"a'"), (b"b", b"b'")]))

    assert moved == 2
    assert redis.dump() == {"retry": {"c": 3.5}, "queue:q": ["b'", "a'", "old"], "queues": {"q"}}


def test_what_another_poller_took_is_not_moved(redis: RealRedis) -> None:
    """Ruby's pollers take a member out and push it; whoever takes it out pushes it."""
    redis.seed({"retry": {"b": 2.5}})

    assert redis.run(ops.promote(KEYS, "retry", "q", [(b"a", b"a'"), (b"b", b"b'")])) == 1

    assert redis.dump() == {"queue:q": ["b'"], "queues": {"q"}}


def test_promoting_twice_moves_once(redis: RealRedis) -> None:
    redis.seed({"retry": {"a": 1.5}})
    op = ops.promote(KEYS, "retry", "q", [(b"a", b"a'")])

    assert [redis.run(op), redis.run(op)] == [1, 0]

    assert redis.dump() == {"queue:q": ["a'"], "queues": {"q"}}


def test_promoting_nothing_leaves_no_trace(redis: RealRedis) -> None:
    assert redis.run(ops.promote(KEYS, "retry", "q", [])) == 0
    assert redis.run(ops.promote(KEYS, "retry", "q", [(b"a", b"a")])) == 0
    assert redis.dump() == {}


@pytest.mark.parametrize("key", ["queue:q", "queues"])
def test_a_queue_of_another_type_raises_before_anything_is_moved(redis: RealRedis, key: str) -> None:
    redis.seed({"retry": {"a": 1.5}, key: "text"})
    before = redis.dump()

    with pytest.raises(WrongTypeError):
        redis.run(ops.promote(KEYS, "retry", "q", [(b"a", b"a'")]))

    assert redis.dump() == before


# -- bury -----------------------------------------------------------------------------------------------------------


def test_buried_jobs_stand_in_the_dead_set_in_their_order(redis: RealRedis) -> None:
    redis.seed({"retry": {"a": 1.5, "b": 2.5, "c": 3.5}})

    moved = redis.run(ops.bury(KEYS, "retry", [(b"b", b"b'"), (b"never", b"x"), (b"a", b"a'")], dead=DEAD))

    now = redis.now()
    assert moved == 2
    assert redis.dump() == {
        "retry": {"c": 3.5},
        "dead": {"b'": pytest.approx(now, abs=2), "a'": pytest.approx(now, abs=2)},
    }
    assert redis.value("dead")["b'"] < redis.value("dead")["a'"]


def test_burying_twice_moves_once(redis: RealRedis) -> None:
    redis.seed({"retry": {"a": 1.5}})
    op = ops.bury(KEYS, "retry", [(b"a", b"a'")], dead=DEAD)
    assert redis.run(op) == 1
    before = redis.dump()

    assert redis.run(op) == 0

    assert redis.dump() == before


def test_burying_trims_by_number_and_by_age_as_ruby_does(redis: RealRedis) -> None:
    now = redis.now()
    redis.seed({"retry": {"a": 1.5}, "dead": {"too old": now - 101, "b": now - 30, "c": now - 20, "d": now - 10}})

    redis.run(ops.bury(KEYS, "retry", [(b"a", b"a")], dead=DeadSetConfig(max_jobs=4, max_age_s=100)))

    assert sorted(redis.value("dead")) == ["a", "c", "d"]


def test_burying_nothing_trims_nothing(redis: RealRedis) -> None:
    redis.seed({"dead": {"too old": 1.5}})

    assert redis.run(ops.bury(KEYS, "retry", [(b"a", b"a")], dead=DEAD)) == 0

    assert redis.dump() == {"dead": {"too old": 1.5}}


def test_a_dead_set_of_another_type_raises_before_anything_is_moved(redis: RealRedis) -> None:
    redis.seed({"retry": {"a": 1.5}, "dead": "text"})
    before = redis.dump()

    with pytest.raises(WrongTypeError):
        redis.run(ops.bury(KEYS, "retry", [(b"a", b"a'")], dead=DEAD))

    assert redis.dump() == before


# -- looks ----------------------------------------------------------------------------------------------------------


def test_pages_sizes_and_removals(redis: RealRedis) -> None:
    redis.seed({"retry": {"a": 1.5, "b": 2.5, "c": 3.5}})

    assert redis.run(ops.size("retry")) == 3
    assert redis.run(ops.page("retry", start=0, stop=1, newest_first=False)) == [(b"a", 1.5), (b"b", 2.5)]
    assert redis.run(ops.page("retry", start=0, stop=0, newest_first=True)) == [(b"c", 3.5)]
    assert redis.run(ops.remove("retry", [b"a", b"x"])) == 1
    assert redis.run(ops.size("nothing")) == 0
    assert redis.run(ops.page("nothing", start=0, stop=9, newest_first=True)) == []
    assert redis.dump() == {"retry": {"b": 2.5, "c": 3.5}}


@pytest.mark.parametrize("wanted", ["50%*[x]", "a\\b", "what?", "^no", "[a-z]", "héllo"])
def test_a_search_takes_its_text_as_it_is(redis: RealRedis, wanted: str) -> None:
    redis.seed({"retry": {f"<{wanted}>": 1.5, "other": 2.5, "50% xx": 3.5, "ab": 4.5}})
    found: list[tuple[bytes, float]] = []
    cursor = 0

    while True:
        cursor, some = redis.run(ops.search("retry", cursor, text=wanted, count=2))
        found += some
        if cursor == 0:
            break

    assert found == [(f"<{wanted}>".encode(), 1.5)]


def test_members_get_other_scores_if_they_have_the_one_that_was_seen(redis: RealRedis) -> None:
    """Sent twice it shifts nothing twice; who is gone is not brought back."""
    redis.seed({"retry": {"a": 0.1 + 0.2, "b": math.inf, "c": 5.0}})
    op = ops.reschedule("retry", [(b"a", 0.1 + 0.2, 10.3), (b"b", math.inf, 7.0), (b"c", 4.0, 9.0), (b"d", 1.0, 2.0)])

    assert [redis.run(op), redis.run(op)] == [2, 0]

    assert redis.dump() == {"retry": {"a": 10.3, "b": 7.0, "c": 5.0}}


def test_scores_are_read_and_counted(redis: RealRedis) -> None:
    redis.seed({"retry": {"a": 1.0, "b": 2.0, "c": math.inf}})

    assert redis.run(ops.between("retry", "1.0", "2.0")) == 2
    assert redis.run(ops.ranged("retry", 2.0, math.inf, offset=1, count=5)) == [(b"c", math.inf)]
    assert (redis.run(ops.score("retry", b"c")), redis.run(ops.score("retry", b"d"))) == (math.inf, None)
