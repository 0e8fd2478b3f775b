"""inspector/moving.py: what is moved is all there, in its order, whatever request of the move is the last one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from redisjobs.config import DeadSetConfig, RedisConfig
from redisjobs.errors import RedisJobsError, StoreUnavailableError, WrongTypeError
from redisjobs.inspector import Access
from redisjobs.inspector.moving import Move
from redisjobs.store.keys import Keys
from redisjobs.store.ops import leases, moves
from redisjobs.store.stores import BlockingStore
from tests.support.builders import a_payload
from tests.support.faulty import FaultyStore
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

JOBS = [str(number) for number in range(7)]  # the first is the next to run
PLACES = ["namespace", "database", "server"]


class Place:
    """Where jobs are or go: a server, one of its databases, a namespace."""

    def __init__(self, redis: RealRedis, namespace: str = "", db: int = 0) -> None:
        self.redis = redis
        self.prefix = f"{namespace}:" if namespace else ""
        config = RedisConfig(f"{redis.url}?db={db}", namespace=namespace)
        self.access = Access(BlockingStore(config), Keys(namespace), DeadSetConfig(), "sidekiq8")
        self.db = db

    def faulty(self, fail: int, *, after_sending: bool) -> Access:
        return replace(self.access, store=FaultyStore(self.access.store, fail=fail, after_sending=after_sending))

    def seed(self, database: dict[str, Any]) -> None:
        self._here(lambda: self.redis.seed({self.prefix + key: value for key, value in database.items()}))

    def dump(self) -> dict[str, Any]:
        """Return what stands under our prefix; but for what tells a producer from a repetition."""
        found = self._here(lambda: self.redis.dump(ignore=["*pushed:*"]))
        return {key[len(self.prefix) :]: value for key, value in found.items() if key.startswith(self.prefix)}

    def jobs(self) -> Counter[str]:
        """Count each job, in the queue, the retry set or the lease lists."""
        found = self.dump()
        lists = [value for key, value in found.items() if key.startswith(("queue:", "lease:"))]
        return Counter([job for each in lists for job in each] + list(found.get("retry", ())))

    def _here(self, act: Callable[[], Any]) -> Any:
        self.redis.client.select(self.db)
        try:
            return act()
        finally:
            self.redis.client.select(0)


@pytest.fixture(scope="module")
def other_server() -> Iterator[RealRedis]:
    with RealRedis() as made:
        yield made


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three jobs, so that seven are more than two."""
    monkeypatch.setattr(moves, "CHUNK", 3)


@pytest.fixture
def source(redis: RealRedis, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(redis.client.connection_pool, "max_connections", 1)  # `select` is of a connection
    return Place(redis)


@pytest.fixture(params=PLACES)
def target(request: pytest.FixtureRequest, redis: RealRedis, other_server: RealRedis) -> Place:
    return _target(request.param, redis, other_server)


def _target(kind: str, redis: RealRedis, other_server: RealRedis) -> Place:
    if kind == "namespace":
        return Place(redis, "shop")
    if kind == "database":
        return Place(redis, db=5)
    other_server.client.flushall()
    return Place(other_server)


def run(move: Move, *names: str) -> int:
    return sum(sum(move.members(name) if name == "retry" else move.queue(name)) for name in names)


def own(found: dict[str, Any]) -> dict[str, Any]:
    """Leave out what stands under the namespace of the other place."""
    return {key: value for key, value in found.items() if not key.startswith("shop:")}


def test_a_queue_goes_in_its_order_behind_what_is_there(source: Place, target: Place) -> None:
    source.seed({"queues": {"mail", "rest"}, "queue:mail": JOBS[::-1], "queue:rest": ["rest"]})
    target.seed({"queues": {"mail"}, "queue:mail": ["there"]})

    assert run(Move(source.access, target.access), "mail") == 7

    assert target.dump() == {"queues": {"mail"}, "queue:mail": [*JOBS[::-1], "there"]}
    left = own(source.dump())
    left.pop("lease-queues", None)
    assert left == {"queues": {"rest"}, "queue:rest": ["rest"]}


def test_a_set_goes_with_its_scores(source: Place, target: Place) -> None:
    scores = {job: 1_732_406_400.123456 + number / 7 for number, job in enumerate(JOBS)}
    source.seed({"retry": {**scores, "first": float("-inf"), "last": float("inf")}})
    target.seed({"retry": {"there": 5.25}})

    assert run(Move(source.access, target.access), "retry") == 9

    assert target.dump() == {"retry": {**scores, "first": float("-inf"), "last": float("inf"), "there": 5.25}}
    assert own(source.dump()) == {}


def test_moving_again_finds_nothing_to_do(source: Place, target: Place) -> None:
    source.seed({"queues": {"mail"}, "queue:mail": JOBS, "retry": {"a": 1.5}})
    move = Move(source.access, target.access)
    run(move, "mail", "retry")
    before = target.dump()

    assert run(Move(source.access, target.access), "mail", "retry") == 0

    assert target.dump() == before


@pytest.mark.parametrize("after_sending", [False, True], ids=["request-lost", "reply-lost"])
@pytest.mark.parametrize("broken", ["source", "target"])
@pytest.mark.parametrize("kind", PLACES)
def test_whichever_request_is_the_last_no_job_is_missing_and_the_next_run_ends_it(
    source: Place, redis: RealRedis, other_server: RealRedis, kind: str, broken: str, after_sending: bool
) -> None:
    """A kill falls between two requests, or while one is on its way: each of them in turn."""
    for fail in count(1):
        redis.client.flushall()
        target = _target(kind, redis, other_server)
        source.seed({"queues": {"mail"}, "queue:mail": JOBS[::-1], "retry": {job: int(job) for job in JOBS}})
        places = {"source": source.access, "target": target.access}
        places[broken] = {"source": source, "target": target}[broken].faulty(fail, after_sending=after_sending)
        try:
            run(Move(**places), "mail", "retry")
        except StoreUnavailableError:
            interrupted = True
        else:
            interrupted = False

        everywhere = source.jobs() + target.jobs()
        assert set(everywhere) == set(JOBS), fail
        if kind != "server":
            assert set(everywhere.values()) == {2}, fail  # one in the queue and one in the set: none twice

        run(Move(source.access, target.access), *Move(source.access, target.access).queue_names(), "retry")

        found = target.dump()
        assert found["queue:mail"] == JOBS[::-1]  # the target knew what it had been given: not even a duplicate
        assert found["retry"] == {job: int(job) for job in JOBS}
        assert own(source.dump()).keys() <= {"lease-queues"}
        if not interrupted:
            assert fail > 1
            return


def test_what_a_killed_move_held_goes_back_to_where_it_was(source: Place, other_server: RealRedis) -> None:
    """The target has forgotten, or another one is meant: better twice than never."""
    target = _target("server", source.redis, other_server)
    source.seed({"queues": {"mail"}, "queue:mail": JOBS[::-1]})
    source.access.store.run(moves.take(Keys(), "mail", moves.mover("killed")))
    assert source.dump()["queue:mail"] == JOBS[:2:-1]
    move = Move(source.access, target.access)
    assert (move.queue_names(), move.queue_size("mail")) == (["mail"], 7)

    assert run(move, "mail") == 7

    assert target.dump()["queue:mail"] == JOBS[::-1]


def test_a_worker_gives_back_what_a_killed_move_held(source: Place) -> None:
    source.seed({"queues": {"mail"}, "queue:mail": JOBS[::-1]})
    source.access.store.run(moves.take(Keys(), "mail", moves.mover("killed")))
    assert source.access.store.run(leases.leased_queues(Keys())) == ["mail"]  # where the reapers look

    [killed] = source.access.store.run(leases.owners(Keys(), "mail"))
    given, poison = source.access.store.run(leases.recover(Keys(), "mail", identity=killed, max_recoveries=1))

    assert (given, poison) == (3, [])
    assert source.dump()["queue:mail"] == JOBS[::-1]


def test_leases_of_workers_are_left_to_them_and_counted(source: Place, target: Place) -> None:
    lease = "lease:{queue:mail}:host:1:abc"
    source.seed({"queues": {"mail"}, "queue:mail": ["waits"], lease: ["held", "too"]})
    source.seed({"lease-owners:{queue:mail}": {"host:1:abc": "5"}, "lease-queues": {"mail"}})
    work = '{"queue":"mail","run_at":1,"payload":"{}"}'
    source.seed({"processes": {"ruby:1:a"}, "ruby:1:a": {"info": "{}"}, "ruby:1:a:work": {"t": work}})
    move = Move(source.access, target.access)

    assert run(move, "mail") == 1

    assert move.left(["mail"]) == 3
    assert move.left(["other"]) == 0
    assert source.dump()[lease] == ["held", "too"]
    assert target.dump() == {"queues": {"mail"}, "queue:mail": ["waits"]}


def test_a_paused_queue_stays_paused(source: Place, target: Place) -> None:
    source.seed({"queues": {"mail"}, "queue:mail": JOBS, "paused": {"mail"}})

    assert run(Move(source.access, target.access), "mail") == 7

    assert target.dump()["paused"] == {"mail"}


def test_large_jobs_go_in_small_chunks(source: Place, target: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves, "CHUNK_BYTES", 1000)
    large = [a_payload(args=["x" * 900, number]).decode() for number in range(3)]
    source.seed({"queues": {"mail"}, "queue:mail": [*large, "a", "b"]})

    assert list(Move(source.access, target.access).queue("mail")) == [2, 1, 1, 1]

    assert target.dump()["queue:mail"] == [*large, "a", "b"]


def test_names_are_any_bytes(source: Place, target: Place) -> None:
    name = b"\xff\x00 {q}".decode("utf-8", "surrogateescape")
    source.redis.client.sadd("queues", b"\xff\x00 {q}")
    source.redis.client.lpush(b"queue:\xff\x00 {q}", b"\x00\xff")
    move = Move(source.access, target.access)

    assert (move.queue_names(), move.queue_size(name)) == ([name], 1)
    assert run(move, name) == 1

    assert target.dump() == {"queues": {name}, f"queue:{name}": ["\x00\udcff"]}


def test_a_key_of_another_kind_at_the_target_stops_it_before_anything_is_taken(source: Place, target: Place) -> None:
    source.seed({"queues": {"mail"}, "queue:mail": JOBS, "retry": {"a": 1.5}})
    target.seed({"queue:mail": {"a": "hash"}, "retry": "text"})
    move = Move(source.access, target.access)

    with pytest.raises(WrongTypeError, match="queue:mail"):
        run(move, "mail")
    with pytest.raises(WrongTypeError, match="retry"):
        run(move, "retry")

    assert source.jobs() == Counter([*JOBS, "a"])


@pytest.mark.parametrize("namespace", ["", "shop"])
def test_the_same_place_is_refused_however_it_is_named(redis: RealRedis, namespace: str) -> None:
    place = Place(redis, namespace)
    by_port = replace(place.access, store=BlockingStore(RedisConfig(redis.tcp_url, namespace=namespace)))

    with pytest.raises(RedisJobsError, match="the source and the target are the same"):
        Move(place.access, by_port)
