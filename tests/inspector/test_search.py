"""search.py: what matches is found within bounds, wherever it is, while jobs come and go."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from redisjobs.errors import QueryError
from redisjobs.inspector import Access, DeadSet, Queue, RetrySet, ScheduledSet
from redisjobs.inspector.query import Query
from redisjobs.inspector.search import find, locate, search
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

MALFORMED = [b"\xff\xfe", b"null", b'{"class":"A\\ud800"}', b"x" * 3_000_000]


def jobs(count: int, **fields: Any) -> list[bytes]:
    """Return jobs `j<count>` ... `j1`, newest first; every tenth is of the class `Rare`."""
    return [
        a_payload(jid=f"j{number}", class_="Rare" if number % 10 == 0 else "Mail", **fields)
        for number in range(count, 0, -1)
    ]


def pages(source: Queue | RetrySet | ScheduledSet | DeadSet, query: Query, **options: Any) -> list[list[str]]:
    """Return the ids of all pages, each got by the cursor of the one before."""
    cursor, found = "", []
    while True:
        page = search(source, query, cursor=cursor, **options)
        found.append([entry.id for entry in page.entries])
        if not page.partial:
            return found
        cursor = page.cursor


def test_a_queue_is_searched_newest_first_and_each_entry_knows_its_index(redis: RealRedis, access: Access) -> None:
    redis.seed({"queue:default": jobs(2500)})
    rare = [f"j{number}" for number in range(2500, 0, -10)]

    page = search(Queue(access, "default"), Query(name="Rare"), limit=3, budget_s=30)

    assert [(entry.jid, entry.index) for entry in page.entries] == [("j2500", 0), ("j2490", 10), ("j2480", 20)]
    assert (page.partial, page.looked, page.total) == (True, 21, 2500)
    found = pages(Queue(access, "default"), Query(name="Rare"), limit=99, budget_s=30)
    assert [jid for part in found for jid in part] == rare
    assert [entry.index for entry in Queue(access, "default").page(7, 2)] == [7, 8]


@pytest.mark.parametrize(("kind", "key"), [(RetrySet, "retry"), (ScheduledSet, "schedule"), (DeadSet, "dead")])
def test_a_set_is_searched_in_its_own_order_also_where_scores_are_equal(
    redis: RealRedis, access: Access, kind: Any, key: str
) -> None:
    redis.seed({key: {raw: float(at // 70) for at, raw in enumerate(jobs(1000))}})
    everything = [entry.id for entry in kind(access)]
    wanted = [jid for jid in everything if int(jid[1:]) % 10 == 0]

    found = pages(kind(access), Query(error="", name="Rare"), limit=7, budget_s=30)

    assert [jid for page in found for jid in page] == wanted
    assert [jid for page in pages(kind(access), Query(), limit=64, budget_s=30) for jid in page] == everything


def test_a_time_range_is_all_that_counts_of_a_set(redis: RealRedis, access: Access) -> None:
    scores = [*map(float, range(100)), float("inf"), float("-inf")]
    redis.seed({"dead": {a_payload(jid=f"at{score:g}"): score for score in scores}})
    query = Query(since=20.0, until=29.0)

    page = search(DeadSet(access), query, limit=4)

    assert [entry.score for entry in page.entries] == [29.0, 28.0, 27.0, 26.0]
    assert (page.looked, page.total, page.partial) == (4, 10, True)
    assert sum(len(part) for part in pages(DeadSet(access), query, limit=4)) == 10
    assert sum(len(part) for part in pages(DeadSet(access), Query(), limit=1)) == 102
    assert search(DeadSet(access), Query(since=200.0, until=300.0)).total == 0


def test_no_time_left_gives_what_was_seen_and_where_to_go_on(redis: RealRedis, access: Access) -> None:
    redis.seed({"queue:default": jobs(500), "retry": dict.fromkeys(jobs(500), 1.0)})

    for source in (Queue(access, "default"), RetrySet(access)):
        page = search(source, Query(text="nobody"), budget_s=0)

        assert page.partial and page.entries == []
        assert 0 < page.looked < page.total == 500
        assert search(source, Query(text="nobody"), budget_s=0, cursor=page.cursor).looked > page.looked


def test_jobs_that_go_and_come_in_front_let_none_be_passed_over(redis: RealRedis, access: Access) -> None:
    raws = jobs(200)
    redis.seed({"dead": {raw: float(at // 3) for at, raw in enumerate(raws)}})
    first = search(DeadSet(access), Query(), limit=100)
    gone = [entry.raw for entry in first.entries[:40]]

    redis.client.zrem("dead", *gone)
    redis.client.zadd("dead", {a_payload(jid=f"new{at}"): 1000.0 for at in range(5)})
    second = search(DeadSet(access), Query(), limit=1000, cursor=first.cursor)

    assert {entry.raw for entry in (*first.entries, *second.entries)} == set(raws)
    assert len(second.entries) == 100


def test_jobs_pushed_meanwhile_let_none_of_a_queue_be_passed_over(redis: RealRedis, access: Access) -> None:
    raws = jobs(60)
    redis.seed({"queue:default": raws})
    first = search(Queue(access, "default"), Query(), limit=30)

    redis.client.lpush("queue:default", *(a_payload(jid=f"new{at}") for at in range(5)))
    redis.client.rpop("queue:default", 3)
    second = search(Queue(access, "default"), Query(), limit=100, cursor=first.cursor)

    assert {entry.raw for entry in (*first.entries, *second.entries)} >= set(raws[:-3])


def test_any_bytes_are_searched(redis: RealRedis, access: Access) -> None:
    redis.seed({"queue:default": [*MALFORMED, a_payload()], "dead": dict.fromkeys(MALFORMED, 1.0)})

    assert [entry.raw for entry in search(Queue(access, "default"), Query(text="x" * 50)).entries] == MALFORMED[3:]
    for raw in MALFORMED:
        for source in (Queue(access, "default"), DeadSet(access)):
            entry = next(entry for entry in source if entry.raw == raw)
            assert [one.raw for one in search(source, Query(jid=entry.id), budget_s=30).entries] == [raw]


@pytest.mark.parametrize(
    "cursor", ["x", "-1", "1:2", "nan:1:1", "1_0:1:1", "9" * 30, "1:1:1:1", '["a"', "[1]", "[0,1,2]"]
)
def test_what_is_no_cursor_is_refused(access: Access, cursor: str) -> None:
    looks = (
        lambda: search(Queue(access, "default"), Query(), cursor=cursor),
        lambda: search(DeadSet(access), Query(), cursor=cursor),
        lambda: find(access, Query(), cursor=cursor),
    )
    for look in looks:
        with pytest.raises(QueryError, match="is no cursor"):
            look()


# -- wherever it is -----------------------------------------------------------------------------------------------


def a_fleet(redis: RealRedis) -> None:
    """Seed a job in each place."""
    work = {"queue": "low", "payload": a_payload(jid="run", queue="low").decode(), "run_at": 1_732_406_400}
    redis.seed(
        {
            "queues": {"low", "high", "odd"},
            "queue:low": [a_payload(jid="new"), a_payload(jid="old")],
            "queue:high": [a_payload(jid="high")],
            "queue:odd": "no list",
            "retry": {a_payload(jid="again"): 100.5},
            "schedule": {a_payload(jid="later"): 200.0},
            "dead": {a_payload(jid="gone"): 50.0, b"\xff": 1.0},
            "processes": {"p1"},
            "p1": {"info": "{}", "busy": "1"},
            "p1:work": {"t1": msgspec.json.encode(work)},
            "lease-queues": {"low"},
            "lease-owners:{queue:low}": {"p1": "5"},
            "lease:{queue:low}:p1": [a_payload(jid="ahead"), a_payload(jid="run", queue="low")],
        }
    )


@pytest.mark.parametrize(
    ("jid", "place", "hint"),
    [
        ("run", "running", ""),
        ("ahead", "leased", ""),
        ("again", "retry", "retry:100.5"),
        ("later", "schedule", "schedule:200"),
        ("gone", "dead", "dead:50.0"),
        ("gone", "dead", "retry:100.5"),
        ("old", "queue", "queue:low"),
        ("old", "queue", "queue:gone"),
        ("high", "queue", "dead:x"),
        ("high", "queue", "queue:odd"),
    ],
)
def test_a_job_is_located_wherever_it_is(redis: RealRedis, access: Access, jid: str, place: str, hint: str) -> None:
    a_fleet(redis)

    found = locate(access, jid, hint=hint, budget_s=30)

    assert found and found.entry is not None
    assert (found.place, found.entry.jid, found.partial) == (place, jid, False)
    assert found.process == ("p1" if place in ("running", "leased") else "")
    if jid == "run":
        assert (found.thread, found.run_at, found.entry.queue) == ("t1", 1_732_406_400, "low")
    if jid == "old":
        assert (found.entry.queue, found.entry.index) == ("low", 1)


@pytest.mark.parametrize(("version", "place"), [("redisjobs 1.0.0", "retry"), ("7.3.2", "running")])
def test_a_job_of_ours_that_has_ended_since_the_heartbeat_is_where_it_went(
    redis: RealRedis, access: Access, version: str, place: str
) -> None:
    work = {"queue": "low", "payload": a_payload(jid="again", queue="low").decode(), "run_at": 1_732_406_400}
    redis.seed(
        {
            "retry": {a_payload(jid="again", queue="low", retry_count=0): 100.5},
            "processes": {"p1"},
            "p1": {"info": msgspec.json.encode({"version": version}), "busy": "1"},
            "p1:work": {"t1": msgspec.json.encode(work)},
        }
    )

    assert locate(access, "again", budget_s=30).place == place


def test_a_job_that_is_nowhere_is_told_apart_from_one_that_was_not_found_in_time(
    redis: RealRedis, access: Access
) -> None:
    a_fleet(redis)
    assert (bool(locate(access, "none", budget_s=30)), locate(access, "none", budget_s=30).partial) == (False, False)

    redis.seed({"queue:low": jobs(2000)})

    assert locate(access, "none", budget_s=0).partial


def test_matches_are_found_in_all_places_and_page_by_page(redis: RealRedis, access: Access) -> None:
    a_fleet(redis)
    everything = ["run", "ahead", "again", "gone", "raw-85e53271e14006f0", "later", "high", "new", "old"]

    whole = find(access, Query(), budget_s=30)

    assert [one.entry.id for one in whole.found if one.entry] == everything
    assert not whole.partial and "queue:odd" in whole.problems[0]
    found, cursor = [], ""
    while True:
        page = find(access, Query(), limit=2, budget_s=30, cursor=cursor)
        found += [one.entry.id for one in page.found if one.entry]
        cursor = page.cursor
        if not page.partial:
            break
    assert found == everything


def test_only_the_places_and_the_queue_that_were_named_are_searched(redis: RealRedis, access: Access) -> None:
    a_fleet(redis)

    def ids(query: Query, *places: Any) -> list[str]:
        return [one.entry.id for one in find(access, query, places=places, budget_s=30).found if one.entry]

    assert ids(Query(name="Mail"), "dead", "retry") == ["again", "gone"]
    assert ids(Query(queue="low"), "queue") == ["new", "old"]
    assert ids(Query(queue="low"), "running") == ["run"]
