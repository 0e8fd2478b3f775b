"""A job that was running each time its process died is buried, and what happened to lie beside it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from redisjobs import clock
from redisjobs.config import WorkerConfig
from redisjobs.inspector import SetEntry
from redisjobs.jobs.retry import RetryPolicy
from redisjobs.store.drive import drive
from redisjobs.store.stores import BlockingStore
from redisjobs.wire import deadletter
from redisjobs.wire.times import Wire
from redisjobs.worker.health import Health
from redisjobs.worker.reaper import Reaper
from redisjobs.worker.wiring import Wiring
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis
from tests.worker.runs import only

pytestmark = pytest.mark.quick

SETTINGS = WorkerConfig(heartbeat_ttl_s=60, reap_s=50)
POISON = a_payload(jid="poison", queue="elsewhere", retry=5, bid="b1", at=1.5, tags="mail")

Die = Callable[..., None]


@pytest.fixture
def die(redis: RealRedis, wiring: Wiring, store: BlockingStore, monkeypatch: pytest.MonkeyPatch) -> Die:
    """A function: a process took these jobs, the oldest first, ran `concurrency` of them, died and was recovered."""
    ahead_s, running, lives = [0.0], clock.monotonic, [0]
    monkeypatch.setattr(clock, "monotonic", lambda: running() + ahead_s[0])

    def one_life(*jobs: bytes, concurrency: int, settings: WorkerConfig = SETTINGS, wire: Wire = "sidekiq8") -> None:
        lives[0] += 1
        identity = f"lost:{lives[0]}:a"
        redis.client.delete("queue:q")
        redis.seed({f"lease:{{queue:q}}:{identity}": list(reversed(jobs))})
        redis.client.hset("lease-owners:{queue:q}", identity, concurrency)
        reaper = Reaper("me", msgspec.structs.replace(wiring, policy=RetryPolicy(wire)), settings, Health(), ["q"])
        drive(reaper.once(), store)
        ahead_s[0] += 15
        drive(reaper.once(), store)

    return one_life


def queued(redis: RealRedis) -> list[bytes]:
    """Return what stands in the queue, the next to run first."""
    return [text.encode() for text in reversed(redis.value("queue:q") or [])]


def rest(redis: RealRedis) -> dict[str, Any]:
    """Return the database without the memory of recoveries."""
    return redis.dump(["lease-recovered:*"])


def test_the_third_death_buries_the_job_that_ran_and_gives_back_those_that_waited(redis: RealRedis, die: Die) -> None:
    waited = [a_payload(jid=f"w{number}") for number in range(3)]
    for _ in range(2):
        die(POISON, *waited, concurrency=1)
        assert queued(redis) == [POISON, *waited]

    die(POISON, *waited, concurrency=1)

    assert queued(redis) == waited
    assert sorted(rest(redis)) == ["dead", "queue:q", "queues"]
    assert list(redis.value("dead").values()) == [pytest.approx(redis.now(), abs=2)]
    for _ in range(3):
        die(*waited[1:], concurrency=0)
    assert queued(redis) == waited[1:]


def test_its_fields_say_why_and_all_others_are_kept(redis: RealRedis, die: Die) -> None:
    """`queue` is where it was taken from; tags that are no array would break Ruby's pages."""
    for _ in range(3):
        die(POISON, concurrency=1)

    dead, _ = only(redis, "dead")
    expected = msgspec.json.decode(POISON) | {
        "queue": "q",
        "tags": ["mail"],
        "error_class": "redisjobs.PoisonPill",
        "error_message": dead["error_message"],
        "failed_at": dead["failed_at"],
    }
    del expected["at"]
    assert dead == expected
    assert dead["error_message"].startswith("poison pill: 3 processes died while they ran this job")
    assert dead["failed_at"] / 1000 == pytest.approx(redis.now(), abs=2)


@pytest.mark.parametrize("wire", ["sidekiq7", "sidekiq6"])
def test_the_moment_is_written_as_the_generation_has_it(redis: RealRedis, die: Die, wire: Wire) -> None:
    for _ in range(3):
        die(POISON, concurrency=1, wire=wire)

    assert only(redis, "dead")[0]["failed_at"] == pytest.approx(redis.now(), abs=2)


def test_of_several_that_ran_together_each_is_counted(redis: RealRedis, die: Die) -> None:
    """Which of them killed the process nobody knows."""
    jobs = [a_payload(jid=f"j{number}") for number in range(3)]
    die(jobs[0], concurrency=2)
    die(*jobs, concurrency=2)

    die(*jobs, concurrency=2)

    assert queued(redis) == jobs[1:]
    die(*jobs[1:], concurrency=2)
    assert queued(redis) == [jobs[2]]
    assert len(redis.value("dead")) == 2


def test_how_many_deaths_it_takes_is_a_setting(redis: RealRedis, die: Die) -> None:
    settings = msgspec.structs.replace(SETTINGS, max_recoveries=1)

    die(POISON, concurrency=1, settings=settings)

    assert only(redis, "dead")[0]["error_message"].startswith("poison pill: 1 ")
    assert queued(redis) == []


def test_it_counts_in_no_statistics(redis: RealRedis, die: Die) -> None:
    """A death is no run, and no failure that the job could tell of."""
    redis.seed({"stat:processed": "7"})

    for _ in range(3):
        die(POISON, concurrency=1)

    assert rest(redis) == {"dead": redis.value("dead"), "queues": {"q"}, "stat:processed": "7"}


@pytest.mark.parametrize(
    ("raw", "bare"), [(b"no JSON", True), (b"[]", False), (b"null", False), (b"\xff", False)], ids=repr
)
def test_poison_that_is_no_job_is_buried_whole(redis: RealRedis, die: Die, raw: bytes, bare: bool) -> None:
    for _ in range(3):
        die(raw, concurrency=1)

    [dead] = redis.value("dead")
    assert (dead.encode() if bare else deadletter.unwrap(msgspec.json.decode(dead))) == raw
    assert sorted(rest(redis)) == ["dead", "queues"]


def test_the_dead_set_keeps_its_bounds(redis: RealRedis, die: Die, wiring: Wiring) -> None:
    now = redis.now()
    redis.seed({"dead": {"too old": now - wiring.dead.max_age_s - 1, "new": now - 1}})

    for _ in range(3):
        die(POISON, concurrency=1)

    assert len(redis.value("dead")) == 2
    assert "too old" not in redis.value("dead")


@pytest.mark.parametrize("members", ['"class":"Mail","args":{"a":1},"jid":"j1"', '"class":"Mail","args":[]'])
def test_poison_that_is_an_object_and_no_job_travels_in_an_envelope(redis: RealRedis, die: Die, members: str) -> None:
    """A retry of it by Ruby would lose it."""
    raw = f"{{{members}}}".encode()

    for _ in range(3):
        die(raw, concurrency=1)

    [buried] = [SetEntry(found) for found in redis.client.zrange("dead", 0, -1)]
    assert buried.problem is None
    assert buried.original == raw
