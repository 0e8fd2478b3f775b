"""The reaper: single looks at whose heartbeat is missing, on whole databases.

Between two looks that count lies time of this process, which no key in Redis can move: `later` puts its clock forward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from msgspec import structs

from redisjobs import clock
from redisjobs.config import WorkerConfig
from redisjobs.errors import StoreUnavailableError
from redisjobs.store.drive import drive
from redisjobs.store.ops import server
from redisjobs.store.stores import BlockingStore
from redisjobs.worker.health import Health
from redisjobs.worker.reaper import Reaper
from redisjobs.worker.wiring import Wiring
from tests.support.faulty import FaultyStore
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

ME = "me:1:aaaaaaaaaaaa"
LOST = "lost:2:bbbbbbbbbbbb"
SETTINGS = WorkerConfig(heartbeat_ttl_s=60, reap_s=50)
AGAIN_S = 15.0
"""How long a heartbeat must have been gone: five beats."""
SILENT_S, UNCONNECTED_S = 6.0, 3.0
"""From which silence on connections are looked at, and how long one must have had none."""

Look = Callable[[], float]
Later = Callable[[float], None]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """A function that puts this process's clock forward by some seconds."""
    ahead_s, running = [0.0], clock.monotonic
    monkeypatch.setattr(clock, "monotonic", lambda: running() + ahead_s[0])

    def forward(by_s: float) -> None:
        ahead_s[0] += by_s

    return forward


@pytest.fixture
def health() -> Health:
    """Whether Redis answered all the time, as the reaper is told."""
    return Health()


@pytest.fixture
def look(wiring: Wiring, store: BlockingStore, health: Health) -> Look:
    """A function that drives one turn of a process that listens to `q`."""
    reaper = Reaper(ME, wiring, SETTINGS, health, ["q"])
    return lambda: drive(reaper.once(), store)


def held(redis: RealRedis, *oldest_first: str | bytes, identity: str = LOST, queue: str = "q") -> None:
    """Have a process without a heartbeat hold these jobs, or none."""
    redis.client.hset(f"lease-owners:{{queue:{queue}}}", identity, 5)
    if oldest_first:
        redis.seed({f"lease:{{queue:{queue}}}:{identity}": list(reversed(oldest_first))})


def recovered(redis: RealRedis, queue: str = "q") -> list[str]:
    """Return what stands in a queue, the next to run first."""
    return list(reversed(redis.value(f"queue:{queue}") or []))


# -- when a process counts as dead ----------------------------------------------------------------------------------


def test_a_process_counts_as_dead_at_the_second_look_that_misses_it(redis: RealRedis, look: Look, later: Later) -> None:
    held(redis, "a", "b")
    before = redis.dump()

    look()
    look()
    later(AGAIN_S - 1)
    look()
    assert redis.dump() == before
    later(1)
    look()

    assert redis.dump(["lease-recovered:*"]) == {"queue:q": ["b", "a"], "queues": {"q"}}


def test_the_next_look_is_soon_only_while_somebody_is_missed(redis: RealRedis, look: Look, later: Later) -> None:
    assert look() == SETTINGS.reap_s

    held(redis, "a")

    assert look() == AGAIN_S
    later(AGAIN_S)
    assert look() == SETTINGS.reap_s


def test_a_process_that_is_heard_again_is_missed_anew(redis: RealRedis, look: Look, later: Later) -> None:
    held(redis, "a")
    look()
    redis.seed({LOST: {"beat": "1732406400.5"}})
    later(AGAIN_S)
    look()
    redis.client.delete(LOST)

    later(AGAIN_S)
    look()
    assert recovered(redis) == []
    later(AGAIN_S)
    look()

    assert recovered(redis) == ["a"]


def test_an_outage_between_two_looks_makes_the_second_one_the_first(
    redis: RealRedis, look: Look, later: Later, health: Health
) -> None:
    """While Redis was silent nobody could beat."""
    held(redis, "a")
    look()
    health.failed("heartbeat", StoreUnavailableError("no answer"))
    health.answered("heartbeat")

    later(AGAIN_S)
    look()
    assert recovered(redis) == []
    later(AGAIN_S)
    look()

    assert recovered(redis) == ["a"]


def test_a_short_heartbeat_is_waited_for_two_seconds(
    redis: RealRedis, wiring: Wiring, store: BlockingStore, health: Health, later: Later
) -> None:
    reaper = Reaper(ME, wiring, WorkerConfig(heartbeat_ttl_s=0.6, reap_s=60), health, ["q"])
    held(redis, "a")

    assert drive(reaper.once(), store) == 2.0
    later(1.9)
    drive(reaper.once(), store)
    assert recovered(redis) == []
    later(0.2)
    drive(reaper.once(), store)

    assert recovered(redis) == ["a"]


# -- connections ----------------------------------------------------------------------------------------------------


@pytest.fixture
def named(redis: RealRedis) -> Iterator[BlockingStore]:
    """A store whose connections bear this process's name, as a worker's do."""
    made = BlockingStore(structs.replace(redis.config, client_name=ME))
    yield made
    made.close()


@pytest.fixture
def look_named(wiring: Wiring, named: BlockingStore, health: Health) -> Look:
    """See `look`: by a process whose connections have its name."""
    reaper = Reaper(ME, wiring, SETTINGS, health, ["q"])
    return lambda: drive(reaper.once(), named)


def beaten(redis: RealRedis, ago_s: float, identity: str = LOST) -> None:
    """Have a process have beaten so long ago, and never since."""
    redis.seed({identity: {"beat": "1732406400.5"}})
    redis.client.pexpire(identity, int((SETTINGS.heartbeat_ttl_s - ago_s) * 1000))


def test_who_is_silent_and_has_no_connection_is_recovered_soon(
    redis: RealRedis, look_named: Look, later: Later
) -> None:
    held(redis, "a", "b")
    beaten(redis, SILENT_S + 0.1)

    assert look_named() == UNCONNECTED_S
    later(UNCONNECTED_S - 0.5)
    look_named()
    assert recovered(redis) == []
    later(0.5)
    look_named()

    assert recovered(redis) == ["a", "b"]


def test_who_beat_lately_is_alive_without_any_connection(redis: RealRedis, look_named: Look, later: Later) -> None:
    held(redis, "a")
    for _ in range(5):
        beaten(redis, SILENT_S - 2)
        assert look_named() == SETTINGS.reap_s
        later(AGAIN_S)

    assert recovered(redis) == []


def test_who_is_silent_but_connected_is_alive_until_its_heartbeat_runs_out(
    redis: RealRedis, look_named: Look, later: Later
) -> None:
    """Code that holds the GIL keeps a process from beating, for as long as it likes."""
    held(redis, "a")
    stuck = BlockingStore(structs.replace(redis.config, client_name=LOST))
    stuck.run(server.ping())

    for _ in range(3):
        beaten(redis, SETTINGS.heartbeat_ttl_s - 1)
        look_named()
        later(AGAIN_S)
    assert recovered(redis) == []
    redis.client.delete(LOST)
    look_named()
    later(AGAIN_S)
    look_named()

    assert recovered(redis) == ["a"]
    stuck.close()


def test_who_connects_again_before_the_second_look_is_alive(redis: RealRedis, look_named: Look, later: Later) -> None:
    held(redis, "a")
    beaten(redis, SILENT_S + 1)
    look_named()

    with closing(BlockingStore(structs.replace(redis.config, client_name=LOST))) as back:
        back.run(server.ping())
        later(UNCONNECTED_S)
        look_named()

    assert recovered(redis) == []


def test_where_names_do_not_reach_redis_only_heartbeats_count(redis: RealRedis, look: Look, later: Later) -> None:
    """A proxy may stand in between: not even our own name is on the list."""
    held(redis, "a")
    beaten(redis, SILENT_S + 1)

    for _ in range(3):
        look()
        later(UNCONNECTED_S)

    assert recovered(redis) == []


def test_where_connections_may_not_be_listed_only_heartbeats_count(
    redis: RealRedis, wiring: Wiring, health: Health, later: Later
) -> None:
    redis.client.acl_setuser("plain", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-client|list"])
    url = redis.url.replace("unix://", "unix://plain:any@")
    reaper = Reaper(ME, wiring, SETTINGS, health, ["q"])
    held(redis, "a")
    beaten(redis, SILENT_S + 1)

    with closing(BlockingStore(structs.replace(redis.config, url=url, client_name=ME))) as store:
        for _ in range(3):
            drive(reaper.once(), store)
            later(UNCONNECTED_S)
    redis.client.acl_deluser("plain")

    assert recovered(redis) == []


def test_a_large_fleet_looks_no_more_often_than_a_small_one(redis: RealRedis, look: Look) -> None:
    """Each process the less often, the more there are."""
    redis.seed({"processes": {f"p{number}" for number in range(400)}})
    for number in range(400):
        redis.seed({f"p{number}": {"beat": "1732406400.5"}})

    assert look() >= 60


def test_a_reaper_never_recovers_its_own_leases(redis: RealRedis, look: Look, later: Later) -> None:
    """Whatever became of its heartbeat, it lives."""
    held(redis, "a", identity=ME)
    before = redis.dump()

    for _ in range(4):
        look()
        later(AGAIN_S)

    assert redis.dump() == before


# -- what is recovered ----------------------------------------------------------------------------------------------


def test_recovered_jobs_run_next_and_in_their_order(redis: RealRedis, look: Look, later: Later) -> None:
    held(redis, "a", "b", "c")
    redis.seed({"queue:q": ["e", "d"]})

    look()
    later(AGAIN_S)
    look()

    assert recovered(redis) == ["a", "b", "c", "d", "e"]


def test_several_dead_processes_lose_all_their_leases_and_a_living_one_none(
    redis: RealRedis, look: Look, later: Later
) -> None:
    for identity, queue in ((LOST, "q"), (LOST, "r"), ("lost:3:c", "q"), ("alive:4:d", "q"), ("alive:4:d", "r")):
        held(redis, f"{identity} of {queue}", identity=identity, queue=queue)
    redis.seed({"alive:4:d": {"beat": "1732406400.5"}, "lease-queues": {"q", "r"}})

    look()
    later(AGAIN_S)
    look()

    assert sorted(recovered(redis)) == [f"{LOST} of q", "lost:3:c of q"]
    assert recovered(redis, "r") == [f"{LOST} of r"]
    assert redis.dump(["lease-recovered:*", "queue:*"]) == {
        "alive:4:d": {"beat": "1732406400.5"},
        "lease-queues": {"q", "r"},
        "queues": {"q", "r"},
        "lease:{queue:q}:alive:4:d": ["alive:4:d of q"],
        "lease:{queue:r}:alive:4:d": ["alive:4:d of r"],
        "lease-owners:{queue:q}": {"alive:4:d": "5"},
        "lease-owners:{queue:r}": {"alive:4:d": "5"},
    }


def test_a_queue_that_nobody_listens_to_any_more_is_looked_at(redis: RealRedis, look: Look, later: Later) -> None:
    """The last worker of a queue may be the one that died."""
    held(redis, "a", queue="old")
    redis.seed({"lease-queues": {"old"}})

    look()
    later(AGAIN_S)
    look()

    assert recovered(redis, "old") == ["a"]


def test_a_recovery_is_no_run_and_counts_nothing(redis: RealRedis, look: Look, later: Later) -> None:
    redis.seed({"stat:processed": "7", "stat:failed": "3"})
    held(redis, "a")

    look()
    later(AGAIN_S)
    look()

    assert redis.dump(["queue:*", "queues", "lease-recovered:*"]) == {"stat:processed": "7", "stat:failed": "3"}


def test_further_looks_change_nothing(redis: RealRedis, look: Look, later: Later) -> None:
    held(redis, "a", "b")
    look()
    later(AGAIN_S)
    look()
    before = redis.dump()

    for _ in range(3):
        later(AGAIN_S)
        look()

    assert redis.dump() == before


def test_of_two_reapers_one_recovers(
    redis: RealRedis, wiring: Wiring, store: BlockingStore, health: Health, later: Later
) -> None:
    held(redis, "a", "b")
    reapers = [Reaper(name, wiring, SETTINGS, health, ["q"]) for name in ("r1", "r2")]

    for _ in range(2):
        for reaper in reapers:
            drive(reaper.once(), store)
        later(AGAIN_S)

    assert recovered(redis) == ["a", "b"]


def test_a_recovery_whose_answer_was_lost_is_not_doubled(
    redis: RealRedis, wiring: Wiring, store: BlockingStore, health: Health, later: Later
) -> None:
    reaper = Reaper(ME, wiring, SETTINGS, health, ["q"])
    held(redis, "a", "b")
    drive(reaper.once(), store)
    later(AGAIN_S)
    faulty = FaultyStore(store, fail=4, after_sending=True)

    with pytest.raises(StoreUnavailableError):
        drive(reaper.once(), faulty)
    assert [getattr(sent, "name", "") for sent in faulty.sent][-1] == "recover"
    for _ in range(2):
        drive(reaper.once(), store)
        later(AGAIN_S)

    assert recovered(redis) == ["a", "b"]


# -- the registry ---------------------------------------------------------------------------------------------------


def test_processes_without_a_heartbeat_and_without_leases_leave_the_registry(redis: RealRedis, look: Look) -> None:
    """Ruby's too, as their own cleanup does."""
    redis.seed({"processes": {"ruby:1:a", "ruby:2:b", ME}, "ruby:2:b": {"info": "{}"}, ME: {"info": "{}"}})

    look()

    assert redis.value("processes") == {"ruby:2:b", ME}


def test_a_process_with_leases_leaves_the_registry_when_they_are_recovered(
    redis: RealRedis, look: Look, later: Later
) -> None:
    held(redis, "a")
    redis.seed({"processes": {LOST}})

    look()
    assert redis.value("processes") == {LOST}
    later(AGAIN_S)
    look()

    assert redis.value("processes") is None


# -- keys that hold something else ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    ["queue:a", f"lease:{{queue:a}}:{LOST}", "lease-owners:{queue:a}"],
)
def test_a_key_of_another_type_keeps_only_its_own_queue_from_being_recovered(
    redis: RealRedis, look: Look, later: Later, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    held(redis, "of a", queue="a")
    held(redis, "of q")
    redis.seed({"lease-queues": {"a", "q"}})
    redis.client.delete(key)
    redis.seed({key: "text"})

    look()
    later(AGAIN_S)
    look()

    assert recovered(redis) == ["of q"]
    assert any("a" in str(vars(record).get("queue", "")) or key in record.error for record in caplog.records)


def test_a_register_of_queues_of_another_type_hides_only_those_nobody_listens_to(
    redis: RealRedis, look: Look, later: Later
) -> None:
    held(redis, "of q")
    redis.seed({"lease-queues": "text"})

    look()
    later(AGAIN_S)
    look()

    assert recovered(redis) == ["of q"]


def test_a_queue_whose_name_is_no_text_is_recovered_too(redis: RealRedis, look: Look, later: Later) -> None:
    redis.client.sadd("lease-queues", b"\xff")
    redis.client.hset(b"lease-owners:{queue:\xff}", LOST, 1)
    redis.client.rpush(b"lease:{queue:\xff}:" + LOST.encode(), b"a")

    look()
    later(AGAIN_S)
    look()

    assert redis.client.lrange(b"queue:\xff", 0, -1) == [b"a"]
