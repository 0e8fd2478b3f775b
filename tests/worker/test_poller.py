"""The poller: single turns over the retry and schedule sets, on whole databases."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from redisjobs.errors import StoreUnavailableError
from redisjobs.jobs.retry import RetryPolicy
from redisjobs.store.drive import drive
from redisjobs.store.keys import Keys
from redisjobs.store.op import Steps
from redisjobs.store.stores import BlockingStore
from redisjobs.wire.times import Wire
from redisjobs.worker.poller import BATCH, Poller
from redisjobs.worker.wiring import Wiring
from tests.support.builders import CREATED_MS, a_payload
from tests.support.faulty import FaultyStore
from tests.support.real_redis import RealRedis
from tests.worker.runs import FAR_S, due, members

pytestmark = pytest.mark.quick


def some(count: int, **fields: Any) -> list[bytes]:
    """Return so many jobs, told apart by their one argument."""
    return [a_payload(args=[number], **fields) for number in range(count)]


def numbers(redis: RealRedis, queue: str) -> list[int]:
    """Return the arguments of the jobs in a queue, the next to run first."""
    return [job["args"][0] for job in reversed(members(redis, f"queue:{queue}"))]


# -- what is moved --------------------------------------------------------------------------------------------------


def test_due_jobs_of_both_sets_go_to_the_queues_they_name_oldest_first(
    redis: RealRedis, store: BlockingStore, poller: Poller
) -> None:
    jobs = [a_payload(args=[number], queue=queue) for number, queue in enumerate(["mail", "pdf", "mail", "mail"])]
    redis.seed({"retry": due(redis, *jobs[:3]), "schedule": due(redis, jobs[3]), "queue:mail": [a_payload(args=[9])]})

    drive(poller.once(), store)

    assert numbers(redis, "mail") == [9, 0, 2, 3]
    assert numbers(redis, "pdf") == [1]
    assert redis.value("queues") == {"mail", "pdf"}
    assert sorted(redis.dump()) == ["queue:mail", "queue:pdf", "queues"]


def test_only_the_stamp_is_new_and_at_is_gone_all_other_bytes_stay(
    redis: RealRedis, store: BlockingStore, poller: Poller
) -> None:
    """Numbers, escapes and fields that only Ruby understands are not ours to write anew."""
    raw = (
        '{"class":"Mail","args":[1.50,-0,123456789012345678901234567890,"\\u003cb>\\/"],"jid":"j1","queue":"q",'
        f'"created_at":1732406400.100,"enqueued_at":{CREATED_MS},"at":1732406400.5,'
        '"cattr":[["k",1E+2]],"bid":null,"error_message":"\\ud83d\\ude00"}'
    )
    redis.seed({"schedule": due(redis, raw)})
    before = int(redis.now() * 1000)

    drive(poller.once(), store)

    [stored] = redis.value("queue:q")
    stamp = msgspec.json.decode(stored)["enqueued_at"]
    assert before <= stamp <= redis.now() * 1000
    assert stored == raw.replace('"at":1732406400.5,', "").replace(
        f'"enqueued_at":{CREATED_MS}', f'"enqueued_at":{stamp}'
    )


@pytest.mark.parametrize(("wire", "kind"), [("sidekiq8", int), ("sidekiq7", float), ("sidekiq6", float)])
def test_the_stamp_has_the_unit_of_the_generation(
    redis: RealRedis, store: BlockingStore, wiring: Wiring, wire: Wire, kind: type
) -> None:
    """Members of the schedule have no stamp; a wrong unit is the year 1970 or 56,000 on Ruby's pages."""
    redis.seed({"schedule": due(redis, a_payload(enqueued_at=...))})
    poller = Poller(msgspec.structs.replace(wiring, policy=RetryPolicy(wire)), FAR_S)

    drive(poller.once(), store)

    [job] = members(redis, "queue:default")
    assert type(job["enqueued_at"]) is kind
    assert job["enqueued_at"] == pytest.approx(redis.now() * (1000 if kind is int else 1), rel=1e-8)
    assert job["created_at"] == CREATED_MS


def test_a_job_that_names_no_queue_goes_to_the_default_one(
    redis: RealRedis, store: BlockingStore, poller: Poller
) -> None:
    redis.seed({"retry": due(redis, a_payload(args=[1], queue=...))})

    drive(poller.once(), store)

    assert numbers(redis, "default") == [1]
    assert redis.value("queues") == {"default"}


def test_everything_stays_inside_the_namespace(redis: RealRedis, store: BlockingStore, wiring: Wiring) -> None:
    redis.seed({"ns:retry": due(redis, a_payload(args=[1]), "no job"), "retry": due(redis, a_payload(args=[2]))})
    other = redis.value("retry")
    poller = Poller(msgspec.structs.replace(wiring, keys=Keys("ns")), FAR_S)

    drive(poller.once(), store)

    assert redis.dump(["ns:queue:default", "ns:dead"]) == {"ns:queues": {"default"}, "retry": other}
    assert list(redis.value("ns:dead")) == ["no job"]


# -- when -----------------------------------------------------------------------------------------------------------


def test_what_is_not_due_stays_and_the_pause_ends_when_the_next_one_is(
    redis: RealRedis, store: BlockingStore, poller: Poller
) -> None:
    now = redis.now()
    redis.seed({"retry": {a_payload(args=[1]): now + 30}, "schedule": {a_payload(args=[2]): now + 20}})
    before = redis.dump()

    pause_s = drive(poller.once(), store)

    assert pause_s == pytest.approx(now + 20 - redis.now(), abs=0.5)
    assert redis.dump() == before


def test_the_pause_is_bounded_since_others_may_add_sooner_ones(
    redis: RealRedis, store: BlockingStore, wiring: Wiring
) -> None:
    poller = Poller(wiring, 0.2)
    assert drive(poller.once(), store) == 0.2

    redis.seed({"schedule": {a_payload(): redis.now() + 20}})

    assert drive(poller.once(), store) == 0.2


def test_without_jobs_the_pause_is_the_bound_and_nothing_is_written(
    redis: RealRedis, store: BlockingStore, poller: Poller
) -> None:
    assert drive(poller.once(), store) == FAR_S
    assert redis.dump() == {}


def test_odd_scores_are_due_or_never(redis: RealRedis, store: BlockingStore, poller: Poller) -> None:
    scores = (-math.inf, -5.5, math.inf)
    redis.seed({"retry": dict(zip(some(3), scores, strict=True))})

    assert drive(poller.once(), store) == FAR_S

    assert numbers(redis, "default") == [0, 1]
    assert list(redis.value("retry").values()) == [math.inf]


def test_more_than_a_batch_goes_on_at_once_and_in_order(redis: RealRedis, store: BlockingStore, poller: Poller) -> None:
    redis.seed({"schedule": due(redis, *some(2 * BATCH + 1))})

    pauses = []
    for done in (BATCH, 2 * BATCH, 2 * BATCH + 1):
        pauses.append(drive(poller.once(), store))
        assert numbers(redis, "default") == list(range(done))

    assert pauses == [0.0, 0.0, FAR_S]


# -- together with others -------------------------------------------------------------------------------------------


def until(steps: Steps[float], store: BlockingStore, name: str) -> Any:
    """Drive a turn until it asks for an Op of this name, and return that unsent."""
    wanted = next(steps)
    while wanted.name != name:
        wanted = steps.send(store.run(wanted))
    return wanted


def go_on(steps: Steps[float], store: BlockingStore, wanted: Any) -> None:
    """Drive a turn that stands before an Op to its end."""
    try:
        while True:
            wanted = steps.send(store.run(wanted))
    except StopIteration:
        pass


def test_a_job_that_another_poller_took_in_between_is_not_doubled(
    redis: RealRedis, store: BlockingStore, poller: Poller
) -> None:
    """As Ruby's do: it removes the member, and pushes it somewhere in its own time."""
    jobs = some(3)
    redis.seed({"retry": due(redis, *jobs)})
    steps = poller.once()
    wanted = until(steps, store, "promote")
    redis.client.zrem("retry", jobs[1])

    go_on(steps, store, wanted)

    assert numbers(redis, "default") == [0, 2]


def test_a_malformed_member_that_another_took_in_between_is_not_buried(
    redis: RealRedis, store: BlockingStore, poller: Poller
) -> None:
    redis.seed({"retry": due(redis, "no job")})
    steps = poller.once()
    wanted = until(steps, store, "bury")
    redis.client.zrem("retry", "no job")

    go_on(steps, store, wanted)

    assert redis.dump() == {}


def test_two_pollers_in_step_move_each_job_once(redis: RealRedis, store: BlockingStore, wiring: Wiring) -> None:
    redis.seed({"retry": due(redis, *some(5))})
    slow = Poller(wiring, FAR_S).once()
    wanted = until(slow, store, "promote")

    drive(Poller(wiring, FAR_S).once(), store)
    go_on(slow, store, wanted)

    assert numbers(redis, "default") == [0, 1, 2, 3, 4]


def test_a_turn_whose_answer_was_lost_is_done_again_without_doubling(
    redis: RealRedis, store: BlockingStore, poller: Poller
) -> None:
    redis.seed({"retry": due(redis, *some(2)), "schedule": due(redis, a_payload(args=[2]))})

    with pytest.raises(StoreUnavailableError):
        drive(poller.once(), FaultyStore(store, fail=2, after_sending=True))
    assert numbers(redis, "default") == [0, 1]
    drive(poller.once(), store)

    assert numbers(redis, "default") == [0, 1, 2]
