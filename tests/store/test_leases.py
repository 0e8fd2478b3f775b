"""store/ops/leases.py with its scripts: lease, wait, settle, recover, each on a whole database."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from redisjobs.config import DeadSetConfig
from redisjobs.errors import WrongTypeError
from redisjobs.store.ops import leases as ops
from redisjobs.store.ops.leases import FAILED, NO_RUN, PROCESSED, Settlement, Taken, Where, done, released
from redisjobs.store.stores import BlockingStore
from tests.support.builders import KEYS, a_lease
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis, text

pytestmark = pytest.mark.quick

DEAD = DeadSetConfig()
KEPT = ["stat:*"]


def lease(redis: RealRedis, *queues: str, count: int, identity: str = "p1", concurrency: int = 5) -> list[Taken]:
    found: list[Taken] = redis.run(ops.lease(KEYS, queues, identity=identity, concurrency=concurrency, count=count))
    return found


def settle(
    redis: RealRedis, *settlements: Settlement, identity: str = "p1", dead: DeadSetConfig = DEAD
) -> list[Settlement]:
    lost: list[Settlement] = redis.run(ops.settle(KEYS, settlements, identity=identity, dead=dead))
    return lost


def recover(redis: RealRedis, queue: str = "q", *, identity: str = "p1", most: int = 3) -> tuple[int, list[bytes]]:
    found: tuple[int, list[bytes]] = redis.run(ops.recover(KEYS, queue, identity=identity, max_recoveries=most))
    return found


def settlement(raw: bytes, where: Where, counted: int, **fields: Any) -> Settlement:
    return Settlement(a_lease(raw, queue=fields.pop("queue", "q")), where, counted, **fields)


def held(redis: RealRedis, *raw: str, queue: str = "q", identity: str = "p1") -> None:
    """Seed what a process holds, newest first, as it stands in the list."""
    redis.seed({f"lease:{{queue:{queue}}}:{identity}": list(raw), f"lease-owners:{{queue:{queue}}}": {identity: "5"}})


def payloads(found: Sequence[Taken]) -> list[list[bytes]]:
    return [taken.payloads for taken in found]


# -- lease ----------------------------------------------------------------------------------------------------------


def test_lease_takes_the_oldest_and_leaves_the_rest(redis: RealRedis) -> None:
    """Producers push at the head, so the oldest job is the last of the list."""
    redis.seed({"queue:high": ["third", "second", "first"]})

    found = lease(redis, "high", count=2)

    assert found == [Taken("high", [b"first", b"second"])]
    assert redis.dump() == {
        "queue:high": ["third"],
        "lease:{queue:high}:p1": ["second", "first"],
        "lease-owners:{queue:high}": {"p1": "5"},
    }


def test_leased_jobs_come_behind_those_that_are_held(redis: RealRedis) -> None:
    redis.seed({"queue:q": ["c", "b"]})
    held(redis, "a")

    lease(redis, "q", count=5)

    assert redis.value("lease:{queue:q}:p1") == ["c", "b", "a"]


def test_lease_goes_through_the_queues_in_their_order_until_it_has_enough(redis: RealRedis) -> None:
    redis.seed({"queue:a": ["a1"], "queue:b": ["b3", "b2", "b1"], "queue:c": ["c1"]})

    found = lease(redis, "a", "b", "c", count=3)

    assert payloads(found) == [[b"a1"], [b"b1", b"b2"], []]
    assert redis.dump() == {
        "queue:b": ["b3"],
        "queue:c": ["c1"],
        "lease:{queue:a}:p1": ["a1"],
        "lease:{queue:b}:p1": ["b2", "b1"],
        "lease-owners:{queue:a}": {"p1": "5"},
        "lease-owners:{queue:b}": {"p1": "5"},
    }


def test_an_empty_queue_leaves_no_trace(redis: RealRedis) -> None:
    assert lease(redis, "a", "b", count=5) == [Taken("a", []), Taken("b", [])]
    assert redis.dump() == {}


def test_nobody_takes_from_a_paused_queue(redis: RealRedis) -> None:
    redis.seed({"queue:a": ["a1"], "queue:b": ["b1"], "paused": {"a"}})

    assert lease(redis, "a", "b", count=5) == [Taken("a", [], paused=True), Taken("b", [b"b1"])]
    assert redis.value("queue:a") == ["a1"]


def test_nothing_wanted_is_nothing_taken(redis: RealRedis) -> None:
    redis.seed({"queue:a": ["a1"]})

    assert lease(redis, "a", count=0) == [Taken("a", [])]
    assert redis.dump() == {"queue:a": ["a1"]}


def test_two_processes_never_take_the_same(redis: RealRedis) -> None:
    redis.seed({"queue:q": ["c", "b", "a"]})

    lease(redis, "q", count=2, identity="p1")
    lease(redis, "q", count=2, identity="p2")

    assert redis.value("lease:{queue:q}:p1") == ["b", "a"]
    assert redis.value("lease:{queue:q}:p2") == ["c"]
    assert redis.value("lease-owners:{queue:q}") == {"p1": "5", "p2": "5"}


@pytest.mark.parametrize("name", ["with space", "a:b", "ünïcode", "{braces}", "x" * 10_000, "*", "a\nb"])
def test_a_queue_may_have_any_name(redis: RealRedis, name: str) -> None:
    redis.seed({f"queue:{name}": ["job"]})

    found = lease(redis, name, count=1)
    settle(redis, released(a_lease(b"job", queue=name)))

    assert found == [Taken(name, [b"job"])]
    assert redis.value(f"queue:{name}") == ["job"]
    assert redis.value("queues") == {name}


def test_payloads_are_any_bytes(redis: RealRedis) -> None:
    raw = bytes(range(256))
    redis.seed({"queue:q": [raw, b""]})

    assert payloads(lease(redis, "q", count=5)) == [[b"", raw]]
    assert settle(redis, done(a_lease(raw, queue="q")), done(a_lease(b"", queue="q"))) == []
    assert "lease:{queue:q}:p1" not in redis.dump()


@pytest.mark.parametrize("count", [7_000, 10_000, 100_000])
def test_a_large_lease_loses_no_job(redis: RealRedis, count: int) -> None:
    """Lua hands at most some thousands of values to one call."""
    redis.seed({"queue:q": [str(n) for n in range(count)]})

    try:
        taken = len(lease(redis, "q", count=count)[0].payloads)
    finally:
        left, leased = redis.client.llen("queue:q"), redis.client.llen("lease:{queue:q}:p1")
        assert left + leased == count
    assert taken == leased >= 5_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"queue:b": "text"},
        {"queue:b": {"a": 1.5}},
        {"lease:{queue:b}:p1": "text"},
        {"lease-owners:{queue:b}": "text"},
        {"paused": "text"},
    ],
    ids=repr,
)
def test_a_key_of_another_type_raises_before_anything_is_taken(redis: RealRedis, wrong: dict[str, Any]) -> None:
    redis.seed({"queue:a": ["a1"], **({} if "queue:b" in wrong else {"queue:b": ["b1"]}), **wrong})
    before = redis.dump()

    with pytest.raises(WrongTypeError):
        lease(redis, "a", "b", count=5)

    assert redis.dump() == before


# -- wait -----------------------------------------------------------------------------------------------------------


def test_wait_leases_a_job_as_soon_as_there_is_one(redis: RealRedis) -> None:
    wait = ops.wait(KEYS, "q", identity="p1", concurrency=3, timeout_s=10)
    line = BlockingStore(redis.config).line(timeout_s=20)
    line.send(wait)
    eventually(lambda: redis.client.info("clients")["blocked_clients"] == 1)

    redis.seed({"queue:q": ["job"]})
    found = line.receive(wait[-1:])
    line.close()

    assert found == [b"job"]
    assert redis.dump() == {"lease:{queue:q}:p1": ["job"], "lease-owners:{queue:q}": {"p1": "3"}}


def test_wait_takes_the_oldest_job_at_once(redis: RealRedis) -> None:
    redis.seed({"queue:q": ["second", "first"]})
    wait = ops.wait(KEYS, "q", identity="p1", concurrency=3, timeout_s=10)
    line = BlockingStore(redis.config).line()

    line.send(wait)

    assert line.receive(wait[-1:]) == [b"first"]
    line.close()
    assert redis.value("queue:q") == ["second"]


def test_wait_ends_without_a_job_when_its_time_is_over(redis: RealRedis) -> None:
    wait = ops.wait(KEYS, "q", identity="p1", concurrency=3, timeout_s=0.05)
    line = BlockingStore(redis.config).line()

    line.send(wait)

    assert line.receive(wait[-1:]) == [None]
    line.close()
    assert redis.dump() == {"lease-owners:{queue:q}": {"p1": "3"}}


def test_the_owner_is_known_before_there_is_a_lease(redis: RealRedis) -> None:
    """A process that dies right after BLMOVE took a job must be found by the reaper."""
    wait = ops.wait(KEYS, "q", identity="p1", concurrency=3, timeout_s=10)
    line = BlockingStore(redis.config).line(timeout_s=20)

    line.send(wait)

    assert eventually(lambda: redis.value("lease-owners:{queue:q}")) == {"p1": "3"}
    line.close()


# -- settle ---------------------------------------------------------------------------------------------------------


def test_a_finished_job_is_gone_and_counted(redis: RealRedis) -> None:
    held(redis, "b", "a")
    today = datetime.now(UTC).strftime("%Y-%m-%d")

    assert settle(redis, done(a_lease(b"a", queue="q"))) == []

    assert redis.dump() == {
        "lease:{queue:q}:p1": ["b"],
        "lease-owners:{queue:q}": {"p1": "5"},
        "stat:processed": "1",
        f"stat:processed:{today}": "1",
    }
    assert 5 * 365 * 86_400 - 60 < redis.client.ttl(f"stat:processed:{today}") <= 5 * 365 * 86_400
    assert redis.client.ttl("stat:processed") == -1


@pytest.mark.parametrize("where", ["retry", "schedule"])
def test_a_job_for_later_stands_in_its_set_with_its_moment(redis: RealRedis, where: Where) -> None:
    held(redis, "a")
    before = redis.now()

    assert settle(redis, settlement(b"a", where, FAILED, payload=b"changed", delay_s=12.5)) == []

    assert redis.dump(KEPT) == {
        where: {"changed": pytest.approx(before + 12.5, abs=2)},
        "lease-owners:{queue:q}": {"p1": "5"},
    }
    assert (redis.value("stat:processed"), redis.value("stat:failed")) == ("1", "1")


def test_a_dead_job_stands_in_the_dead_set_with_its_burial(redis: RealRedis) -> None:
    held(redis, "a")

    assert settle(redis, settlement(b"a", "dead", FAILED, payload=b"changed")) == []

    assert redis.dump(KEPT) == {
        "dead": {"changed": pytest.approx(redis.now(), abs=2)},
        "lease-owners:{queue:q}": {"p1": "5"},
    }


def test_a_job_that_is_given_back_runs_next_and_is_not_counted(redis: RealRedis) -> None:
    held(redis, "b", "a")
    redis.seed({"queue:q": ["d", "c"]})

    assert settle(redis, released(a_lease(b"a", queue="q"))) == []

    assert redis.dump() == {
        "queue:q": ["d", "c", "a"],
        "queues": {"q"},
        "lease:{queue:q}:p1": ["b"],
        "lease-owners:{queue:q}": {"p1": "5"},
    }


def test_some_that_are_given_back_keep_their_order(redis: RealRedis) -> None:
    held(redis, "c", "b", "a")
    redis.seed({"queue:q": ["d"]})

    settle(redis, *(released(a_lease(raw, queue="q")) for raw in (b"a", b"b", b"c")))

    assert redis.value("queue:q") == ["d", "c", "b", "a"]


def test_a_given_back_job_is_in_a_queue_that_is_known_again(redis: RealRedis) -> None:
    """Somebody may have cleared the queue, and with it its name."""
    held(redis, "a")

    settle(redis, released(a_lease(b"a", queue="q")))

    assert redis.value("queues") == {"q"}


@pytest.mark.parametrize(
    ("counted", "processed", "failed"), [(NO_RUN, None, None), (PROCESSED, "2", None), (FAILED, "2", "2")]
)
@pytest.mark.parametrize("where", ["gone", "queue", "retry", "schedule", "dead"])
def test_a_run_is_counted_as_it_says_wherever_the_job_goes(
    redis: RealRedis, where: Where, counted: int, processed: str | None, failed: str | None
) -> None:
    held(redis, "b", "a")

    settle(redis, *(settlement(raw, where, counted, payload=raw) for raw in (b"a", b"b")))

    assert (redis.value("stat:processed"), redis.value("stat:failed")) == (processed, failed)


def test_many_of_several_queues_and_ends_go_in_one_step(redis: RealRedis) -> None:
    held(redis, "q4", "q3", "q2", "q1")
    held(redis, "r4", "r3", "r2", "r1", queue="r")
    redis.seed({"dead": {"old": 1_700_000_000.5}})

    lost = settle(
        redis,
        done(a_lease(b"q1", queue="q")),
        done(a_lease(b"r1", queue="r")),
        settlement(b"q2", "retry", FAILED, payload=b"q2'", delay_s=30),
        settlement(b"r2", "retry", FAILED, payload=b"r2'", delay_s=30, queue="r"),
        settlement(b"q3", "dead", FAILED, payload=b"q3'"),
        settlement(b"never", "retry", FAILED, payload=b"never", delay_s=30),
        settlement(b"r3", "schedule", NO_RUN, payload=b"r3", delay_s=5, queue="r"),
        released(a_lease(b"q4", queue="q")),
        released(a_lease(b"r4", queue="r")),
        dead=DeadSetConfig(max_age_s=1e9),
    )

    now = redis.now()
    assert [item.lease.raw for item in lost] == [b"never"]
    assert redis.dump(KEPT) == {
        "queue:q": ["q4"],
        "queue:r": ["r4"],
        "queues": {"q", "r"},
        "retry": {"q2'": pytest.approx(now + 30, abs=2), "r2'": pytest.approx(now + 30, abs=2)},
        "schedule": {"r3": pytest.approx(now + 5, abs=2)},
        "dead": {"old": 1_700_000_000.5, "q3'": pytest.approx(now, abs=2)},
        "lease-owners:{queue:q}": {"p1": "5"},
        "lease-owners:{queue:r}": {"p1": "5"},
    }
    assert (redis.value("stat:processed"), redis.value("stat:failed")) == ("5", "3")


def test_each_entry_of_a_set_has_a_score_of_its_own(redis: RealRedis) -> None:
    """Ruby's pages find a member by its score, and may mix up two of the same."""
    names = [str(n) for n in range(200)]
    held(redis, *reversed(names))

    settle(redis, *(settlement(name.encode(), "retry", FAILED, payload=name.encode(), delay_s=9) for name in names))

    scores = redis.value("retry")
    assert len(set(scores.values())) == 200
    assert sorted(scores, key=scores.get) == names


def test_what_is_not_ours_any_more_is_left_alone_and_not_counted(redis: RealRedis) -> None:
    """A process that slept through its heartbeats must not finish what another one runs now."""
    held(redis, "a", identity="p2")
    before = redis.dump()
    ends: list[Settlement] = [
        done(a_lease(b"a", queue="q")),
        released(a_lease(b"a", queue="q")),
        settlement(b"a", "retry", FAILED, payload=b"x"),
        settlement(b"a", "schedule", PROCESSED, payload=b"x"),
        settlement(b"a", "dead", FAILED, payload=b"x"),
    ]

    assert settle(redis, *ends) == ends

    assert redis.dump() == before


def test_lost_ones_are_named_though_given_back_ones_were_turned_round(redis: RealRedis) -> None:
    held(redis, "c", "a")

    lost = settle(redis, *(released(a_lease(raw, queue="q")) for raw in (b"a", b"b", b"c")))

    assert [item.lease.raw for item in lost] == [b"b"]
    assert redis.value("queue:q") == ["c", "a"]


def test_sent_twice_it_moves_and_counts_once(redis: RealRedis) -> None:
    held(redis, "d", "c", "b", "a")
    op = ops.settle(
        KEYS,
        [
            done(a_lease(b"a", queue="q")),
            settlement(b"b", "retry", FAILED, payload=b"b'", delay_s=9),
            settlement(b"c", "dead", FAILED, payload=b"c'"),
            released(a_lease(b"d", queue="q")),
        ],
        identity="p1",
        dead=DEAD,
    )

    assert redis.run(op) == []
    before = redis.dump()
    assert len(redis.run(op)) == 4

    assert redis.dump() == before


def test_of_two_equal_payloads_each_settlement_takes_one(redis: RealRedis) -> None:
    held(redis, "a", "a")

    assert settle(redis, done(a_lease(b"a", queue="q"))) == []
    assert redis.value("lease:{queue:q}:p1") == ["a"]
    assert settle(redis, done(a_lease(b"a", queue="q")), done(a_lease(b"a", queue="q"))) != []
    assert redis.value("stat:processed") == "2"


def test_nothing_to_settle_is_no_error(redis: RealRedis) -> None:
    assert settle(redis) == []
    assert redis.dump() == {}


def test_ten_thousand_are_settled_in_one_step(redis: RealRedis) -> None:
    names = [str(n) for n in range(10_000)]
    held(redis, *reversed(names))

    assert settle(redis, *(done(a_lease(name.encode(), queue="q")) for name in names)) == []

    assert redis.dump(KEPT) == {"lease-owners:{queue:q}": {"p1": "5"}}
    assert redis.value("stat:processed") == "10000"


@pytest.mark.parametrize(
    ("key", "where"),
    [("queue:q", "queue"), ("retry", "retry"), ("schedule", "schedule"), ("dead", "dead"), ("queues", "queue")],
)
def test_a_target_of_another_type_raises_before_anything_is_moved(redis: RealRedis, key: str, where: Where) -> None:
    held(redis, "b", "a")
    redis.seed({key: "text"})
    before = redis.dump()

    with pytest.raises(WrongTypeError):
        settle(redis, done(a_lease(b"a", queue="q")), settlement(b"b", where, PROCESSED, payload=b"b", delay_s=1))

    assert redis.dump() == before


def test_a_lease_list_of_another_type_raises_before_those_of_other_queues_are_settled(redis: RealRedis) -> None:
    held(redis, "a")
    redis.seed({"lease:{queue:other}:p1": "text"})
    before = redis.dump()

    with pytest.raises(WrongTypeError):
        settle(redis, done(a_lease(b"a", queue="q")), done(a_lease(b"b", queue="other")))

    assert redis.dump() == before


@pytest.mark.parametrize("spoiled", ["text", ["a", "list"]])
@pytest.mark.parametrize("key", ["stat:processed", "stat:failed"])
def test_a_spoiled_counter_keeps_no_job_from_being_settled(redis: RealRedis, key: str, spoiled: Any) -> None:
    held(redis, "b", "a")
    redis.seed({key: spoiled})

    assert settle(redis, done(a_lease(b"a", queue="q")), settlement(b"b", "dead", FAILED, payload=b"b")) == []

    assert redis.value(key) == spoiled
    assert list(redis.value("dead")) == ["b"]
    assert "lease:{queue:q}:p1" not in redis.dump()


# -- the dead set is trimmed ----------------------------------------------------------------------------------------


def test_the_dead_set_keeps_the_newest_one_less_than_its_most_as_ruby_does(redis: RealRedis) -> None:
    now = redis.now()
    redis.seed({"dead": {f"old{n}": now - 100 + n for n in range(5)}})
    held(redis, "a")

    settle(redis, settlement(b"a", "dead", FAILED, payload=b"a"), dead=DeadSetConfig(max_jobs=4))

    assert sorted(redis.value("dead")) == ["a", "old3", "old4"]


def test_the_dead_set_drops_what_is_too_old(redis: RealRedis) -> None:
    now = redis.now()
    redis.seed({"dead": {"too old": now - 101, "just so": now - 90}})
    held(redis, "a")

    settle(redis, settlement(b"a", "dead", FAILED, payload=b"a"), dead=DeadSetConfig(max_age_s=100))

    assert sorted(redis.value("dead")) == ["a", "just so"]


def test_only_a_burial_trims(redis: RealRedis) -> None:
    redis.seed({"dead": {"too old": 1.5}})
    held(redis, "a")

    settle(redis, done(a_lease(b"a", queue="q")))

    assert redis.value("dead") == {"too old": 1.5}


# -- recover --------------------------------------------------------------------------------------------------------


def test_recovered_jobs_run_next_in_their_old_order(redis: RealRedis) -> None:
    held(redis, "c", "b", "a")
    redis.seed({"queue:q": ["e", "d"]})

    assert recover(redis) == (3, [])

    assert redis.dump(["lease-recovered:*"]) == {"queue:q": ["e", "d", "c", "b", "a"], "queues": {"q"}}


def test_recovering_twice_finds_nothing_the_second_time(redis: RealRedis) -> None:
    held(redis, "b", "a")
    recover(redis)
    before = redis.dump()

    assert recover(redis) == (0, [])

    assert redis.dump() == before


def test_a_process_that_holds_nothing_is_only_forgotten(redis: RealRedis) -> None:
    redis.seed({"lease-owners:{queue:q}": {"p1": "5", "p2": "5"}})

    assert recover(redis) == (0, [])

    assert redis.dump() == {"lease-owners:{queue:q}": {"p2": "5"}}


def test_only_jobs_that_may_have_been_running_count_their_recoveries(redis: RealRedis) -> None:
    """A process starts its jobs oldest first: what waited behind them did not kill it."""
    redis.seed({"lease:{queue:q}:p1": ["e", "d", "c", "b", "a"], "lease-owners:{queue:q}": {"p1": "2"}})

    recover(redis)

    counters = {key: value for key, value in redis.dump().items() if key.startswith("lease-recovered:{queue:q}:")}
    assert list(counters.values()) == ["1", "1"]
    assert all(72 * 3600 - 60 < redis.client.ttl(key) <= 72 * 3600 for key in counters)


@pytest.mark.parametrize("spoiled", ["text", ["a", "list"]])
def test_a_spoiled_count_of_recoveries_costs_no_job(redis: RealRedis, spoiled: Any) -> None:
    held(redis, "b", "a")
    redis.seed({f"lease-recovered:{{queue:q}}:{hashlib.sha1(b'a').hexdigest()}": spoiled})

    assert recover(redis) == (2, [])

    assert redis.value("queue:q") == ["b", "a"]


def test_a_process_of_unknown_size_poisons_nothing(redis: RealRedis) -> None:
    redis.seed({"lease:{queue:q}:p1": ["a"]})

    assert recover(redis, most=1) == (1, [])


def test_the_third_recovery_is_poison_and_stays_for_burial(redis: RealRedis) -> None:
    for _ in range(2):
        held(redis, "innocent", "poison")
        redis.client.hset("lease-owners:{queue:q}", "p1", 1)
        assert recover(redis) == (2, [])
        redis.client.delete("queue:q")
    held(redis, "innocent", "poison")
    redis.client.hset("lease-owners:{queue:q}", "p1", 1)

    assert recover(redis) == (1, [b"poison"])

    assert redis.dump(["lease-recovered:*"]) == {
        "queue:q": ["innocent"],
        "queues": {"q"},
        "lease:{queue:q}:p1": ["poison"],
        "lease-owners:{queue:q}": {"p1": "1"},
    }
    # whoever recovers buries it, in the dead process's name; a second recoverer finds it again
    assert recover(redis) == (0, [b"poison"])
    assert settle(redis, settlement(b"poison", "dead", NO_RUN, payload=b"why")) == []
    assert recover(redis) == (0, [])
    assert redis.dump(["lease-recovered:*", "dead"]) == {"queue:q": ["innocent"], "queues": {"q"}}
    assert list(redis.value("dead")) == ["why"]


def test_a_queue_of_another_type_raises_before_anything_is_moved(redis: RealRedis) -> None:
    held(redis, "a")
    redis.seed({"queue:q": "text"})
    before = redis.dump()

    with pytest.raises(WrongTypeError):
        recover(redis)

    assert redis.dump() == before


def test_many_are_recovered_in_one_step(redis: RealRedis) -> None:
    names = [str(n) for n in range(20_000)]
    redis.seed({"lease:{queue:q}:p1": list(reversed(names)), "lease-owners:{queue:q}": {"p1": "10"}})

    assert recover(redis) == (20_000, [])

    assert redis.value("queue:q") == list(reversed(names))


def test_of_two_who_recover_at_once_one_finds_the_jobs(redis: RealRedis) -> None:
    names = [str(n) for n in range(500)]
    held(redis, *reversed(names))
    found: list[tuple[int, list[bytes]]] = []
    barrier = threading.Barrier(4)

    def one() -> None:
        barrier.wait()
        found.append(recover(redis))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(count for count, _ in found) == [0, 0, 0, 500]
    assert redis.value("queue:q") == list(reversed(names))


# -- looks ----------------------------------------------------------------------------------------------------------


def test_what_a_process_holds_and_who_may_hold_are_read(redis: RealRedis) -> None:
    held(redis, "b", "a")
    held(redis, "c", identity="p2")
    redis.seed({"lease-queues": {"q", "r"}, "queue:q": ["d"]})

    assert redis.run(ops.held(KEYS, "q", "p1")) == [b"b", b"a"]
    assert redis.run(ops.held(KEYS, "q", "nobody")) == []
    assert redis.run(ops.owners(KEYS, "q")) == ["p1", "p2"]
    assert redis.run(ops.leased_queues(KEYS)) == ["q", "r"]
    assert redis.run(ops.left(KEYS, "q", "p1")) == [1, 2]


def test_a_process_that_holds_something_stays_an_owner(redis: RealRedis) -> None:
    held(redis, "a")

    assert redis.run(ops.disown(KEYS, "q", "p1")) is False
    settle(redis, done(a_lease(b"a", queue="q")))
    assert redis.run(ops.disown(KEYS, "q", "p1")) is True
    assert redis.run(ops.disown(KEYS, "q", "p1")) is False

    assert redis.dump(KEPT) == {}


def test_names_that_are_no_text_are_read_and_come_back(redis: RealRedis) -> None:
    redis.seed({"lease-queues": {b"\xff"}})

    assert redis.run(ops.leased_queues(KEYS)) == [text(b"\xff")]
