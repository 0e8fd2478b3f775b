"""Bulk work: all that match, in bounded steps, atomic per job, while others work on the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from redisjobs.config import DeadSetConfig
from redisjobs.errors import RedisJobsError
from redisjobs.inspector import Access, DeadSet, JobSet, Queue, RetrySet, ScheduledSet
from redisjobs.inspector.bulk import Action, Bulk, Counted, Delete, Kill, Move, Progress, Reschedule, Retry, count
from redisjobs.inspector.query import Query
from redisjobs.inspector.sweep import Source
from redisjobs.store.ops.queues import Where
from redisjobs.store.resque_keys import ResqueKeys
from redisjobs.store.stores import BlockingStore
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

SETS: list[tuple[type[JobSet], str]] = [(RetrySet, "retry"), (ScheduledSet, "schedule"), (DeadSet, "dead")]
ALL = Query()


def a_failed(at: int, name: str = "Mail", **fields: Any) -> bytes:
    """Return a job that failed."""
    failed = {"retry_count": 0, "error_class": "Net::ReadTimeout", "error_message": f"timeout {at}"}
    return a_payload(jid=f"j{at}", args=[at], class_=name, **{**failed, **fields})


def mixed(size: int = 250) -> list[bytes]:
    """Return failed jobs: each fifth of them is a Report, the others are Mails."""
    return [a_failed(at, "Report" if at % 5 == 0 else "Mail") for at in range(size)]


def last(source: Source, query: Query, action: Action, **more: Any) -> Progress:
    """Do all of it; return how it ended."""
    return list(Bulk(source, query, action, **more))[-1]


def jids(raws: list[str]) -> list[str]:
    return [json.loads(raw)["jid"] for raw in raws]


@pytest.mark.parametrize(("kind", "key"), SETS)
def test_all_that_match_are_retried_in_order_and_the_others_stay(
    redis: RealRedis, access: Access, kind: type[JobSet], key: str
) -> None:
    redis.seed({key: {raw: 100.0 + at for at, raw in enumerate(mixed())}})

    steps = list(Bulk(kind(access), Query.parse("class=Report"), Retry()))

    assert steps[-1] == Progress(looked=250, total=250, done=50, left=0, finished=True)
    assert [step.looked for step in steps] == [100, 200, 250, 250]
    assert [step.finished for step in steps] == [False, False, False, True]
    assert jids(redis.value("queue:default"))[::-1] == [f"j{at}" for at in range(0, 250, 5)]
    assert redis.client.zcard(key) == 200


@pytest.mark.parametrize(("kind", "key"), SETS)
def test_of_many_with_one_score_none_is_passed_over(
    redis: RealRedis, access: Access, kind: type[JobSet], key: str
) -> None:
    """Ruby's bulk pushes give all jobs one score."""
    redis.seed({key: {raw: 7.0 if at < 240 else 8.0 for at, raw in enumerate(mixed())}})

    assert last(kind(access), Query.parse("class=Report"), Delete()).done == 50
    assert last(kind(access), Query.parse("class=Mail"), Retry()).done == 200
    assert redis.client.zcard(key) == 0


@pytest.mark.parametrize("score", [float("-inf"), float("inf")])
def test_scores_without_end_are_walked_as_well(redis: RealRedis, access: Access, score: float) -> None:
    redis.seed({"retry": dict.fromkeys(mixed(), score)})

    assert last(RetrySet(access), ALL, Delete()) == Progress(250, 250, 250, 0, finished=True)


def test_what_is_no_job_is_left_with_the_reason(redis: RealRedis, access: Access) -> None:
    redis.seed({"retry": {b"junk": 1.0, a_failed(1): 2.0, a_failed(2, queue=3): 3.0}})
    bulk = Bulk(RetrySet(access), ALL, Retry())

    assert list(bulk)[-1] == Progress(3, 3, 1, 2, finished=True)
    assert [reason for _, reason in bulk.reasons][1] == "queue: not the name of a queue: say which"
    assert set(redis.value("retry")) == {"junk", a_failed(2, queue=3).decode()}


def test_jobs_that_match_die_with_what_is_no_job_as_a_worker_buries_it(redis: RealRedis, access: Access) -> None:
    redis.seed({"schedule": {b"null": 1.0, a_payload(jid="j1"): 2.0}})

    assert last(ScheduledSet(access), ALL, Kill()).done == 2
    assert sorted(entry.malformed for entry in DeadSet(access)) == [False, True]
    assert redis.client.exists("schedule") == 0


def test_jobs_are_rescheduled_by_a_shift_once_each(redis: RealRedis, access: Access) -> None:
    """They go where the walk is still to come."""
    redis.seed({"schedule": {a_payload(jid=f"j{at}"): 100.0 + at for at in range(250)}})

    assert last(ScheduledSet(access), ALL, Reschedule(by_s=50)).done == 250
    assert [entry.score for entry in ScheduledSet(access)] == [150.0 + at for at in range(250)]


def test_jobs_are_rescheduled_to_a_moment_each_a_little_apart(redis: RealRedis, access: Access) -> None:
    redis.seed({"schedule": {a_payload(jid=f"j{at}"): 100.0 + at for at in range(120)}})

    assert last(ScheduledSet(access), ALL, Reschedule(at=2e9)).done == 120
    entries = list(ScheduledSet(access))
    assert [entry.jid for entry in entries] == [f"j{at}" for at in range(120)]
    assert len({entry.score for entry in entries}) == 120
    assert all(2e9 <= entry.score < 2e9 + 1 for entry in entries)


def test_a_job_that_somebody_rescheduled_meanwhile_keeps_its_moment(redis: RealRedis, access: Access) -> None:
    redis.seed({"schedule": {a_payload(jid="j1"): 100.0}})
    [entry] = ScheduledSet(access)
    redis.seed({"schedule": {a_payload(jid="j1"): 300.0}})

    assert ScheduledSet(access).reschedule_some([entry], lambda entry: entry.score + 1).count == 0
    assert ScheduledSet(access).last_score == 300.0


def test_a_time_range_looks_at_no_more_than_that(redis: RealRedis, access: Access) -> None:
    redis.seed({"dead": {raw: 1e9 + at for at, raw in enumerate(mixed())}})
    query = Query(since=1e9 + 100, until=1e9 + 119)

    assert count(DeadSet(access), query) == Counted(20, 20, 20)
    assert last(DeadSet(access), query, Delete()) == Progress(20, 20, 20, 0, finished=True)


def test_a_preview_counts_as_far_as_its_time_goes(redis: RealRedis, access: Access) -> None:
    redis.seed({"dead": {raw: 1e9 + at for at, raw in enumerate(mixed(1000))}})
    found = count(DeadSet(access), Query.parse("class=Report"), budget_s=30)
    partial = count(DeadSet(access), Query.parse("class=Report"), budget_s=0)

    assert (found, found.partial) == (Counted(200, 1000, 1000), False)
    assert (partial, partial.partial) == (Counted(20, 100, 1000), True)
    assert count(DeadSet(access), ALL, budget_s=0).count == 1000


@pytest.mark.parametrize(("kind", "key"), SETS)
def test_a_selection_is_just_those(redis: RealRedis, access: Access, kind: type[JobSet], key: str) -> None:
    raws = mixed()
    redis.seed({key: {raw: 100.0 + at for at, raw in enumerate(raws)}})

    ended = last(kind(access), ALL, Delete(), selection=[*raws[:120], b"gone"])

    assert ended == Progress(121, 121, 120, 0, finished=True)
    assert redis.client.zcard(key) == 130


def test_who_stops_in_between_leaves_the_rest_where_it_was(redis: RealRedis, access: Access) -> None:
    redis.seed({"retry": {raw: 100.0 + at for at, raw in enumerate(mixed())}})

    for progress in Bulk(RetrySet(access), ALL, Kill()):
        if progress.done >= 100:
            break

    assert (redis.client.zcard("retry"), redis.client.zcard("dead")) == (150, 100)


def test_a_job_that_fails_again_meanwhile_is_not_retried_twice(redis: RealRedis, access: Access) -> None:
    redis.seed({"retry": {raw: 100.0 + at for at, raw in enumerate(mixed())}})
    bulk = iter(Bulk(RetrySet(access), ALL, Retry()))

    next(bulk)
    again = a_failed(0, "Report", retry_count=1)
    redis.seed({"retry": {again: 300.0}})
    ended = list(bulk)[-1]

    assert ended.done == 250
    assert redis.value("retry") == {again.decode(): 300.0}


# -- queues -----------------------------------------------------------------------------------------------------------


def fill(redis: RealRedis, size: int, name: str = "default") -> None:
    """Push jobs, j0 to run first; each fifth is a Report."""
    for at in range(size):
        redis.client.lpush(f"queue:{name}", a_payload(jid=f"j{at}", class_="Report" if at % 5 == 0 else "Mail"))
    redis.client.sadd("queues", name)


def test_jobs_of_a_queue_that_match_are_deleted_and_the_order_stays(redis: RealRedis, access: Access) -> None:
    fill(redis, 350)

    ended = last(Queue(access, "default"), Query.parse("class=Report"), Delete())

    assert ended == Progress(350, 350, 70, 0, finished=True)
    assert jids(redis.value("queue:default"))[::-1] == [f"j{at}" for at in range(350) if at % 5]


def test_jobs_go_behind_those_of_another_queue_in_their_order(redis: RealRedis, access: Access) -> None:
    fill(redis, 350)
    redis.seed({"queue:slow": [a_payload(jid="first", queue="slow")]})
    redis.client.lpush("queue:default", b"junk")
    bulk = Bulk(Queue(access, "default"), Query.parse("class!=Mail"), Move("slow"))

    assert list(bulk)[-1] == Progress(351, 351, 70, 1, finished=True)
    moved = [json.loads(raw) for raw in redis.value("queue:slow")][::-1]
    assert [each["jid"] for each in moved] == ["first", *(f"j{at}" for at in range(0, 350, 5))]
    assert {each["queue"] for each in moved} == {"slow"}
    assert redis.value("queues") == {"default", "slow"}
    assert redis.value("queue:default")[0] == "junk"


def test_jobs_of_a_queue_die_each_with_its_bytes(redis: RealRedis, access: Access) -> None:
    """Two envelopes for two that are no jobs and equal."""
    fill(redis, 10)
    redis.client.rpush("queue:default", b"null", b"null")

    assert last(Queue(access, "default"), ALL, Kill()).done == 12
    dead = list(DeadSet(access))
    assert sorted(entry.jid for entry in dead if not entry.malformed) == sorted(f"j{at}" for at in range(10))
    assert [entry.original for entry in dead if entry.malformed] == [b"null", b"null"]
    assert redis.client.exists("queue:default") == 0


@pytest.mark.parametrize("end", ["head", "tail"])
def test_a_selection_of_a_queue_is_just_those(redis: RealRedis, access: Access, end: str) -> None:
    fill(redis, 150)
    raws = redis.client.lrange("queue:default", *((0, 2) if end == "head" else (-3, -1)))

    assert last(Queue(access, "default"), ALL, Delete(), selection=[*raws, b"gone"]).done == 3
    assert redis.client.llen("queue:default") == 147


@pytest.mark.parametrize("taken", [1, 99, 130, 450, 900])
def test_workers_that_take_from_a_queue_meanwhile_hide_no_job(redis: RealRedis, access: Access, taken: int) -> None:
    """And what producers push meanwhile is at the other end."""
    fill(redis, 1000)
    bulk = iter(Bulk(Queue(access, "default"), Query.parse("class=Report"), Delete()))

    done = next(bulk).done
    for _ in range(taken):
        redis.client.rpop("queue:default")
    redis.client.lpush("queue:default", *(a_payload(jid=f"new{at}") for at in range(20)))
    list(bulk)

    assert done == 20
    left = [json.loads(raw) for raw in redis.value("queue:default")]
    assert not [each for each in left if each["class"] == "Report"]


def test_what_workers_give_back_meanwhile_hides_no_job(redis: RealRedis, access: Access) -> None:
    fill(redis, 1000)
    bulk = iter(Bulk(Queue(access, "default"), Query.parse("class=Report and jid!=back"), Delete()))

    next(bulk)
    redis.client.rpush("queue:default", *(a_payload(jid=f"back{at}") for at in range(150)))
    list(bulk)

    assert not [raw for raw in redis.value("queue:default") if "Report" in raw]


@pytest.mark.parametrize("taken", [50, 350, 1000])
def test_jobs_that_moved_up_since_the_look_are_found(redis: RealRedis, access: Access, taken: int) -> None:
    """Workers took many others in between."""
    fill(redis, 2000)
    source = Queue(access, "default")
    [entry] = source.oldest(1500, 1)
    redis.client.rpop("queue:default", taken)

    assert source.delete_some([entry], Where(1450, 100)).count == 1
    assert redis.client.llen("queue:default") == 2000 - taken - 1


def test_jobs_that_workers_took_since_the_look_are_left_to_them(redis: RealRedis, access: Access) -> None:
    fill(redis, 300)
    source = Queue(access, "default")
    bulk = Bulk(source, ALL, Delete())
    act = bulk._act

    def taken_first(entries: Any, where: Any) -> Any:
        redis.client.rpop("queue:default", 30)
        return act(entries, where)

    bulk._act = taken_first  # as if they were quicker

    assert list(bulk)[-1].done == 300 - 3 * 30
    assert redis.client.llen("queue:default") == 0


def test_the_same_bytes_are_found_wherever_they_stand(redis: RealRedis, access: Access) -> None:
    """In a queue of which the place to look is nearer to one end, or to the other."""
    fill(redis, 1000)
    for at in (3, 700, 995):
        redis.client.lset("queue:default", at, a_payload(jid="twin"))

    assert last(Queue(access, "default"), Query(jid="twin"), Delete()).done == 3
    assert redis.client.llen("queue:default") == 997


@pytest.mark.parametrize(
    ("source", "action"),
    [
        (DeadSet, Kill()),
        (DeadSet, Reschedule(by_s=1)),
        (RetrySet, Move("other")),
        (lambda access: Queue(access, "q"), Retry()),
        (lambda access: Queue(access, "q"), Reschedule(at=1)),
        (lambda access: Queue(access, "q"), Move("q")),
        (lambda access: Queue(access, "q"), Move("")),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(access: Access, source: Any, action: Action) -> None:
    with pytest.raises(RedisJobsError):
        Bulk(source(access), ALL, action)


def test_queues_of_resque_are_refused(redis: RealRedis) -> None:
    """Their next job stands at the other end."""
    store = BlockingStore(redis.config)
    redis.seed({"resque:queue:q": ['{"class":"A","args":[]}']})
    access = Access(store, ResqueKeys(), DeadSetConfig(), "sidekiq8")

    with pytest.raises(RedisJobsError, match="Resque's queues"):
        list(Bulk(Queue(access, "q"), ALL, Delete()))
    store.close()
