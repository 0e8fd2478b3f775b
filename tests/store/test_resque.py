"""Resque's Ops on whole databases: sent twice, on keys of a wrong type, in the hands of others."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest

from redisjobs.errors import WrongTypeError
from redisjobs.store.op import Op
from redisjobs.store.ops import leases, resque
from redisjobs.store.ops.leases import FAILED, NO_RUN, Lease, Settlement, done, released
from redisjobs.store.ops.queues import Producer
from redisjobs.store.resque_keys import ResqueKeys
from redisjobs.store.stores import BlockingStore
from redisjobs.wire import resque as items
from redisjobs.worker.settler import Lots
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

ME = "web-1:7:abcdefabcdef"
KEYS = ResqueKeys(listens="files")
HELD = KEYS.lease("files", ME)
WORKER = KEYS.worker_id(ME)


def lease(raw: str) -> Lease:
    return Lease("files", raw.encode(), 0.0)


def take(redis: RealRedis, count: int = 10) -> list[bytes]:
    [taken] = redis.run(leases.lease(KEYS, ["files"], identity=ME, concurrency=2, count=count))
    return [] if taken.paused else taken.payloads


def test_the_oldest_are_leased_and_stand_in_the_lease_list_as_sidekiqs_do(redis: RealRedis) -> None:
    redis.seed({"resque:queue:files": ["first", "second", "third"]})

    assert take(redis, 2) == [b"first", b"second"]

    assert redis.dump() == {
        "resque:queue:files": ["third"],
        HELD: ["second", "first"],
        KEYS.lease_owners("files"): {ME: "2"},
    }


@pytest.mark.parametrize(
    ("said", "paused"),
    [("true", True), (" TRUE\n", True), ("false", False), ("", False), ("untrue", False), ({"a"}, False)],
)
def test_all_are_paused_as_ruby_reads_it(redis: RealRedis, said: Any, paused: bool) -> None:
    redis.seed({"resque:queue:files": ["first"], "resque:pause-all-workers": said})

    assert take(redis) == ([] if paused else [b"first"])


def test_what_a_dead_process_held_comes_back_in_order_and_equal_jobs_died_once(redis: RealRedis) -> None:
    redis.seed({"resque:queue:files": ["c"], HELD: ["b", "a", "a"], KEYS.lease_owners("files"): {ME: "3"}})
    recover = leases.recover(KEYS, "files", identity=ME, max_recoveries=2)

    assert redis.run(recover) == (3, [])
    assert redis.run(recover) == (0, [])

    assert redis.dump(["*recovered*", "*taken*"]) == {
        "resque:queue:files": ["a", "a", "b", "c"],
        "resque:queues": {"files"},
    }
    assert [redis.value(key) for key in redis.dump() if "recovered" in key] == ["1", "1"]


def each_kind() -> list[Settlement]:
    """Return an end of each kind."""
    return [
        done(lease("done")),
        released(lease("back 1")),
        released(lease("back 2")),
        Settlement(lease("bad"), "dead", FAILED, b"record"),
        Settlement(lease("again"), "retry", FAILED, b"item", 30.0),
        Settlement(lease("later"), "schedule", NO_RUN, b"item", 60.0),
        Settlement(lease("dropped"), "gone", FAILED),
    ]


def seed_held(redis: RealRedis) -> None:
    raws = [item.lease.raw for item in reversed(each_kind())]
    redis.seed({HELD: raws, "resque:queue:files": ["waits"]})


def test_each_end_goes_to_its_place_once_even_if_it_is_sent_twice(redis: RealRedis) -> None:
    seed_held(redis)
    settle = resque.settle(KEYS, each_kind(), identity=ME)
    before = redis.now()

    assert redis.run(settle) == []
    after = redis.dump()
    assert [item.lease.raw for item in redis.run(settle)] == [item.lease.raw for item in ordered()]

    assert redis.dump() == after
    seconds = sorted(after["resque:delayed_queue_schedule"], key=int)
    assert before + 30 <= int(seconds[0]) <= redis.now() + 31
    assert before + 60 <= int(seconds[1]) <= redis.now() + 61
    assert after == {
        "resque:queue:files": ["back 1", "back 2", "waits"],
        "resque:queues": {"files"},
        "resque:failed": ["record"],
        "resque:delayed_queue_schedule": {second: float(second) for second in seconds},
        f"resque:delayed:{seconds[0]}": ["item"],
        f"resque:delayed:{seconds[1]}": ["item"],
        "resque:timestamps:item": {f"delayed:{second}" for second in seconds},
        "resque:stat:processed": "4",
        "resque:stat:failed": "3",
        f"resque:stat:processed:{WORKER}": "4",
        f"resque:stat:failed:{WORKER}": "3",
    }


def test_outcomes_whose_answer_was_lost_do_not_take_the_leases_of_equal_jobs(redis: RealRedis) -> None:
    """Else an equal job that still runs would be settled in its place, and lost when it fails."""
    redis.seed({HELD: ["same"] * 5})
    lots = Lots(ME)
    one, two, three = (done(lease("same")) for _ in range(3))
    first = resque.settle(KEYS, [one], identity=ME, lot=lots.next([one]))
    redis.run(first)  # the answer is lost
    second = resque.settle(KEYS, [one, two], identity=ME, lot=lots.next([one, two]))  # never sent
    third = resque.settle(KEYS, [one, two, three], identity=ME, lot=lots.next([one, two, three]))

    assert redis.run(third) == []
    assert redis.value(HELD) == ["same"] * 2
    assert redis.run(third) == redis.run(second) == redis.run(first) == []  # they come late after all

    assert redis.value(HELD) == ["same"] * 2
    assert redis.value("resque:stat:processed") == "3"


def test_a_process_that_was_only_silent_does_not_settle_a_new_job_in_the_place_of_an_equal_one_that_others_took(
    redis: RealRedis,
) -> None:
    redis.seed({HELD: ["same"] * 2, KEYS.lease_owners("files"): {ME: "2"}})
    old, older, new = (done(lease("same")) for _ in range(3))
    redis.run(leases.recover(KEYS, "files", identity=ME, max_recoveries=9))
    assert take(redis, 1) == [b"same"]
    lots = Lots(ME)

    assert redis.run(resque.settle(KEYS, [old], identity=ME, lot=lots.next([old]))) == [old]
    assert redis.value(HELD) == ["same"]
    assert redis.run(resque.settle(KEYS, [older, new], identity=ME, lot=lots.next([older, new]))) == [older]

    assert redis.value(HELD) is None
    assert redis.value("resque:queue:files") == ["same"]
    assert redis.value("resque:stat:processed") == "1"


def ordered() -> list[Settlement]:
    """Return the ends in the order that they are sent in."""
    every = each_kind()
    return [item for item in every if item.where != "queue"] + [item for item in every if item.where == "queue"][::-1]


@pytest.mark.parametrize(
    "key", ["resque:queue:files", "resque:queues", "resque:failed", "resque:delayed_queue_schedule"]
)
def test_a_key_of_another_type_is_found_before_anything_is_moved(redis: RealRedis, key: str) -> None:
    seed_held(redis)
    redis.client.delete(key)
    redis.client.set(key, "odd")
    before = redis.dump()

    with pytest.raises(WrongTypeError):
        redis.run(resque.settle(KEYS, each_kind(), identity=ME))

    assert redis.dump() == before


def test_a_spoiled_counter_keeps_nothing_from_being_settled(redis: RealRedis) -> None:
    redis.seed({HELD: ["done"], "resque:stat:processed": "odd"})

    assert redis.run(resque.settle(KEYS, [done(lease("done"))], identity=ME)) == []

    assert redis.value(HELD) is None


@pytest.mark.parametrize("push", ["now", "later"])
def test_a_push_whose_answer_was_lost_is_stored_once(redis: RealRedis, push: str) -> None:
    producer = Producer("p")
    op: Op[bool] = (
        resque.push(KEYS, "files", [b"a", b"b"], producer=producer)
        if push == "now"
        else resque.schedule(KEYS, [("4102444800", b"a"), ("4102444800", b"b")], producer=producer)
    )

    assert redis.run(op) is True
    assert redis.run(op) is False

    assert redis.value("resque:queue:files" if push == "now" else "resque:delayed:4102444800") == ["a", "b"]


def test_workers_of_one_process_leave_and_those_of_others_stay(redis: RealRedis) -> None:
    other = "web-1:77:abcdefabcdef"
    for identity in (ME, other):
        work = {KEYS.worker_id(identity, slot): b"{}" for slot in (1, 2)}
        moment = redis.run(resque.server_time())
        redis.run(resque.beat(KEYS, moment, moment, work))
    redis.seed({"resque:workers": {"web-1:7:files"}})

    assert redis.run(resque.leave(KEYS, [ME])) == 2
    assert redis.run(resque.leave(KEYS, [ME])) == 0

    theirs = {KEYS.worker_id(other, slot) for slot in (1, 2)}
    assert redis.value("resque:workers") == theirs | {"web-1:7:files"}
    assert set(redis.value("resque:workers:heartbeat")) == theirs
    assert len(redis.client.keys("resque:worker:*")) == 4


def test_a_host_with_colons_makes_an_id_that_ruby_can_take_apart() -> None:
    host, pid, queue = ResqueKeys(listens="a:b,c").worker_id("fe80::1:7:abcdefabcdef", 3).split(":", 2)

    assert (host, pid, queue) == ("fe80..1.redisjobs", "7-abcdefabcdef-3", "a:b,c")


# -- every move in any order ------------------------------------------------------------------------------------------


class Walk:
    """Moves jobs at random, sends each move twice now and then, and knows which jobs there are."""

    def __init__(self, redis: RealRedis, store: BlockingStore, seed: int) -> None:
        self.redis, self.store = redis, store
        self.chance = random.Random(seed)
        self.jobs: Counter[int] = Counter()
        self.runs = 0
        self.producer = Producer("p")
        self.held: dict[str, list[Lease]] = {}
        self.lots: dict[str, Lots] = {}
        self.silent: set[str] = set()
        for pid in (1, 2, 3):
            self.start(f"h:{pid}:abcdefabcdef")

    def send(self, op: Op[Any]) -> Any:
        reply = self.store.run(op)
        if self.chance.random() < 0.3:
            self.store.run(op)
        return reply

    def step(self) -> None:
        often, seldom = [self.lease, self.settle], [self.push, self.push_later, self.die, self.promote]
        self.chance.choice(3 * often + seldom)()
        assert self.places() == self.jobs
        assert int(self.redis.client.get("resque:stat:processed") or 0) == self.runs

    def places(self) -> Counter[int]:
        found: Counter[int] = Counter()
        for key, raws in self.redis.dump().items():
            if key.startswith(("resque:queue:", "resque:lease:", "resque:delayed:")):
                found.update(json.loads(raw)["args"][0] for raw in raws)
            elif key == "resque:failed":
                found.update(json.loads(raw)["payload"]["args"][0] for raw in raws)
        return found

    def new(self) -> bytes:
        number = self.chance.randrange(8)  # often the same: Resque's jobs are not told apart
        self.jobs[number] += 1
        return items.encode("Archive", [number])

    def push(self) -> None:
        self.send(resque.push(KEYS, self.queue(), [self.new(), self.new()], producer=self.producer))

    def push_later(self) -> None:
        when = self.chance.choice(["100", "200", "+3600.000000"])
        self.send(resque.schedule(KEYS, [(when, items.delayed(self.new(), self.queue()))], producer=self.producer))

    def lease(self) -> None:
        identity = self.chance.choice(list(self.held))
        order = self.chance.sample(["a", "b"], 2)
        op = leases.lease(KEYS, order, identity=identity, concurrency=2, count=self.chance.randrange(4))
        for taken in self.store.run(op):
            self.held[identity] += [Lease(taken.queue, raw, 0.0) for raw in taken.payloads]

    def settle(self) -> None:
        identity = self.chance.choice(list(self.held))
        ends = []
        for held in self.held[identity][: self.chance.randrange(1, 4)]:
            self.held[identity].remove(held)
            where = self.chance.choice(["gone", "queue", "retry", "schedule", "dead"])
            payload = items.delayed(held.raw, held.queue)
            if where == "dead":
                payload = items.failure(held.raw, error=("E", "m"), backtrace=[], worker="h:1:q", queue="a", at=0.0)
            counted = NO_RUN if where in ("queue", "schedule") else FAILED
            ends.append(Settlement(held, where, counted, payload, self.chance.choice([0.0, 3600.0])))  # type: ignore[arg-type]
        if not ends:
            return
        lost = self.send(resque.settle(KEYS, ends, identity=identity, lot=self.lots[identity].next(ends)))
        self.lots[identity].forget(ends)
        assert len(lost) == 0 or identity in self.silent
        for end in ends:
            if end not in lost:
                self.runs += end.counted == FAILED
                if end.where == "gone":
                    self.jobs -= Counter([json.loads(end.lease.raw)["args"][0]])

    def die(self) -> None:
        """Recover what a process held: it died, or it was only silent and will settle that all the same."""
        identity = self.chance.choice(list(self.held))
        for queue in ("a", "b"):
            _, poison = self.send(leases.recover(KEYS, queue, identity=identity, max_recoveries=1000))
            assert poison == []
        if self.chance.random() < 0.5:
            self.silent.add(identity)
        else:
            del self.held[identity]
            self.start(f"h:{self.chance.randrange(10**6)}:abcdefabcdef")

    def start(self, identity: str) -> None:
        self.held[identity] = []
        self.lots[identity] = Lots(identity)

    def promote(self) -> None:
        for second, found in self.store.run(resque.due(KEYS, count=5)).jobs.items():
            moves = [(item, *reversed(items.promoted(item))) for item in found]
            moved = self.store.run(resque.promote(KEYS, second, moves))
            assert moved == len(moves)

    def queue(self) -> str:
        return self.chance.choice(["a", "b"])


@pytest.mark.parametrize("seed", range(12))
def test_after_each_of_many_moves_each_job_is_in_exactly_one_place(redis: RealRedis, seed: int) -> None:
    store = BlockingStore(redis.config)
    walk = Walk(redis, store, seed)

    for _ in range(150):
        walk.step()

    assert walk.runs
    store.close()
