"""The API's lists and what it does with many jobs: sets, queues, errors, bulk work, tasks, export and import."""

from __future__ import annotations

import json

import msgspec
import pytest

from redisjobs import RedisJobs
from tests.support.builders import JID, a_payload
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.web.api import Api

SLASHED = "a/b?c"
NO_UTF8 = "\udcff\udcfe"


def many(count: int, **fields: object) -> list[bytes]:
    return [a_payload(jid=f"{number:024}", **fields) for number in range(count)]


def fill(redis: RealRedis, key: str, raws: list[bytes]) -> None:
    redis.client.zadd(key, {raw: 1e9 + number for number, raw in enumerate(raws)})


@pytest.mark.parametrize(("path", "key"), [("/retries", "retry"), ("/scheduled", "schedule"), ("/dead", "dead")])
def test_a_set_is_read_page_by_page(api: Api, redis: RealRedis, path: str, key: str) -> None:
    fill(redis, key, many(7))
    fill(redis, key, [a_payload(jid="other", class_="Other")])

    got, cursor = [], ""
    while True:
        page = api.get(path, limit=3, cursor=cursor, **{"class": "Mail"})
        got += [job["id"] for job in page["jobs"]]
        cursor = page["cursor"]
        assert page["partial"] == bool(cursor) and page["total"] == 8
        if not cursor:
            break

    expected = [f"{number:024}" for number in range(7)]
    assert got == (expected[::-1] if key == "dead" else expected)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"limit": 1001}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"clas": "Mail"}, "did you mean 'class'?"),
        ({"since": "yesterdayish"}, "since"),
        ({"where": "class="}, "class"),
        ({"cursor": "odd"}, "cursor"),
        ({"budget_s": 60}, "budget_s"),
    ],
)
def test_what_cannot_be_asked_is_told_by_its_name(api: Api, params: dict[str, object], said: str) -> None:
    assert said in api.refused(400, "GET", "/retries", params=params)["detail"]


def test_errors_are_grouped(api: Api, redis: RealRedis) -> None:
    for key, count in (("retry", 3), ("dead", 5)):
        raws = [
            a_payload(jid=f"{key}{number}", error_class="Boom", error_message=f"id {number}") for number in range(count)
        ]
        fill(redis, key, raws)
    fill(redis, "dead", [a_payload(jid="x", error_class="Other", error_message="no")])

    both = api.get("/errors")
    dead = api.get("/dead/errors", limit=1)

    assert [(group["message"], group["count"], group["places"]) for group in both["groups"]] == [
        ("id <n>", 8, {"retries": 3, "dead": 5}),
        ("no", 1, {"dead": 1}),
    ]
    assert dead["groups_total"] == 2 and [group["count"] for group in dead["groups"]] == [5]
    assert not both["partial"] and both["groups"][1]["sample"]["place"] == "dead"


@pytest.mark.parametrize("name", ["default", SLASHED, NO_UTF8, "ü ü"])
def test_a_queue_of_any_name_is_shown_paused_and_cleared(api: Api, app: RedisJobs, redis: RealRedis, name: str) -> None:
    key = name.encode("utf-8", "surrogateescape")
    redis.client.sadd("queues", key)
    redis.client.lpush(b"queue:" + key, *many(3))

    (told,) = api.get("/queues")["queues"]
    at = f"?name={told['encoded']}"
    assert told["size"] == 3 and not told["paused"] and told["latency_s"] > 0
    jobs = api.get(f"/queues/-/jobs{at}")["jobs"]
    assert [job["id"][-1] for job in jobs] == ["2", "1", "0"] and jobs[0]["queue"] == told["name"]
    assert api.post(f"/queues/-/pause{at}")["paused"] and app.queue(name).paused
    assert not api.post(f"/queues/-/resume{at}")["paused"]
    assert api.delete(f"/queues/-/jobs/{jobs[1]['key']}{at}")["done"] == 1
    assert [entry.jid[-1] for entry in app.queue(name).page()] == ["2", "0"]
    assert api.post(f"/queues/-/clear{at}") == {"deleted": 2}
    assert not redis.client.exists(b"queue:" + key)


def test_a_queue_is_named_by_its_path(api: Api, redis: RealRedis) -> None:
    redis.seed({"queues": {"low"}, "queue:low": many(2)})

    assert api.get("/queues/low")["size"] == 2
    assert api.get("/queues/nothing")["size"] == 0
    assert len(api.get("/queues/low/jobs", limit=1)["jobs"]) == 1


def test_a_job_that_others_pushed_back_in_its_queue_is_still_the_one_that_is_deleted(
    api: Api, app: RedisJobs, redis: RealRedis
) -> None:
    redis.seed({"queues": {"default"}, "queue:default": many(3_000)})
    key = api.get("/queues/default/jobs", jid=f"{1_000:024}")["jobs"][0]["key"]
    redis.client.lpush("queue:default", *(a_payload(jid=f"new{number}") for number in range(700)))

    assert api.delete(f"/queues/default/jobs/{key}")["done"] == 1

    assert app.queue().find(f"{1_000:024}") is None and app.queue().size == 3_699
    api.refused(404, "DELETE", f"/queues/default/jobs/{key}")
    api.refused(404, "DELETE", "/queues/default/jobs/odd")


def test_bulk_work_counts_first_and_then_does_what_matches(api: Api, redis: RealRedis) -> None:
    fill(redis, "retry", [*many(5), *(a_payload(jid=f"x{number}", class_="Other") for number in range(3))])

    counted = api.post("/retries/bulk", {"action": "kill", "where": "class=Mail", "dry_run": True})
    assert counted["matched"] == 5 and redis.client.zcard("retry") == 8
    done = api.post("/retries/bulk", {"action": "kill", "where": "class=Mail"})

    assert done["done"] == 5 and not done["task"]
    assert (redis.client.zcard("retry"), redis.client.zcard("dead")) == (3, 5)


def test_bulk_work_on_some_takes_their_keys(api: Api, redis: RealRedis) -> None:
    fill(redis, "schedule", many(5))
    keys = [job["key"] for job in api.get("/scheduled")["jobs"][1:3]]

    assert api.post("/scheduled/bulk", {"action": "retry", "keys": keys, "dry_run": True})["matched"] == 2
    assert api.post("/scheduled/bulk", {"action": "retry", "keys": [*keys, "odd"], "queue": "high"})["done"] == 2
    assert api.post("/scheduled/bulk", {"action": "delete", "keys": []})["done"] == 0

    assert (redis.client.zcard("schedule"), redis.client.llen("queue:high")) == (3, 2)


def test_bulk_work_on_a_queue_moves_kills_and_deletes(api: Api, redis: RealRedis, app: RedisJobs) -> None:
    redis.seed({"queues": {"default"}, "queue:default": [*many(6), a_payload(jid="x", class_="Other")]})
    keys = [job["key"] for job in api.get("/queues/default/jobs", limit=2)["jobs"]]

    assert api.post("/queues/default/bulk", {"action": "kill", "keys": keys})["done"] == 2
    assert api.post("/queues/default/bulk", {"action": "move", "queue": "low", "where": "class=Mail"})["done"] == 4
    assert api.post("/queues/default/bulk", {"action": "delete", "all": True})["done"] == 1

    assert (redis.client.zcard("dead"), app.queue("low").size, app.queue().size) == (2, 4, 0)
    assert {entry.payload["queue"] for entry in app.queue("low") if entry.payload} == {"low"}


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/retries", {"action": "kill"}, 400, "give one of them"),
        ("/retries", {"action": "kill", "all": True, "where": "class=X"}, 400, "give one of them"),
        ("/retries", {"action": "explode", "all": True}, 400, "explode"),
        ("/retries", {"action": "reschedule", "all": True}, 400, "at, delay_s"),
        ("/retries", {"action": "kill", "where": "clas=X"}, 400, "did you mean"),
        ("/retries", {"action": "move", "queue": "x", "all": True}, 409, "moved"),
        ("/dead", {"action": "kill", "all": True}, 409, "dead already"),
        ("/queues/default", {"action": "retry", "all": True}, 409, "in a queue already"),
        ("/queues/default", {"action": "move", "all": True}, 409, "moved"),
    ],
)
def test_bulk_work_that_is_not_clear_does_nothing(
    api: Api, redis: RealRedis, path: str, body: object, status: int, said: str
) -> None:
    fill(redis, "retry", many(2))
    fill(redis, "dead", many(2))
    redis.seed({"queues": {"default"}, "queue:default": many(2)})
    before = redis.dump()

    assert said in api.refused(status, "POST", f"{path}/bulk", body)["detail"]
    assert redis.dump() == before


def test_much_bulk_work_becomes_a_task_that_can_be_followed(api: Api, redis: RealRedis) -> None:
    fill(redis, "dead", many(1_200))

    begun = api.post("/dead/bulk", {"action": "delete", "all": True})

    assert begun["matched"] == 1_200 and begun["task"]
    eventually(lambda: api.get(f"/tasks/{begun['task']}")["state"] == "finished", timeout_s=30)
    task = api.get(f"/tasks/{begun['task']}")
    assert (task["looked"], task["done"], task["left"]) == (1_200, 1_200, 0)
    assert [one["id"] for one in api.get("/tasks")["tasks"]] == [begun["task"]]
    assert not redis.client.exists("dead")
    assert api.delete(f"/tasks/{begun['task']}")["state"] == "finished"
    api.refused(404, "GET", "/tasks/nothing")
    api.refused(404, "DELETE", "/tasks/nothing")


@pytest.mark.parametrize(("place", "key"), [("retries", "retry"), ("scheduled", "schedule"), ("dead", "dead")])
def test_the_page_of_a_task_leads_back_to_where_its_jobs_are(api: Api, redis: RealRedis, place: str, key: str) -> None:
    fill(redis, key, many(600))

    begun = api.post(f"/{place}/bulk", {"action": "delete", "all": True})

    page = api.http.get(f"/tasks/{begun['task']}").text
    assert f'href="/{place}"' in page.partition("<main")[2]


def test_jobs_are_exported_and_imported_byte_by_byte(api: Api, redis: RealRedis) -> None:
    raws = [*many(150), b"\xff no job"]
    fill(redis, "dead", raws)
    redis.seed({"queues": {"default"}, "queue:default": many(3)})
    before = redis.dump()

    dead = api.ask("GET", "/dead/export").content
    queue = api.ask("GET", "/queues/default/export").content
    assert len(dead.splitlines()) == 151 and msgspec.json.decode(queue.splitlines()[0])["place"] == "queue:default"
    assert len(api.ask("GET", "/dead/export?jid=" + "0" * 24).content.splitlines()) == 1
    redis.client.flushall()
    lines = {"content-type": "application/jsonl"}
    assert api.ask("POST", "/import?dry_run=true", content=dead, headers=lines).json() == {"jobs": 151, "dry_run": True}
    assert not redis.dump()
    api.ask("POST", "/import", content=dead + queue, headers=lines)

    after = redis.dump()
    assert {name: after[name] for name in before} == before


def test_a_line_that_is_none_is_told_and_nothing_is_imported(api: Api, redis: RealRedis) -> None:
    lines = {"content-type": "application/jsonl"}

    problem = api.refused(400, "POST", "/import", content=b'{"place":"nowhere","payload":{}}', headers=lines)

    assert "line 1" in problem["detail"] and not redis.dump()
    api.refused(415, "POST", "/import", content=b"{}", headers={"content-type": "application/json"})
    api.refused(400, "POST", "/import?to=nowhere", content=b"{}", headers=lines)


def test_large_jobs_come_without_arguments_in_lists_and_whole_alone(api: Api, redis: RealRedis) -> None:
    redis.seed({"retry": {a_payload(args=["x" * 100_000]): 1.0}})

    (listed,) = api.get("/retries")["jobs"]
    assert listed["args"] is None and listed["size_bytes"] > 100_000
    assert json.dumps(api.get(f"/jobs/{JID}")["args"]).count("x") == 100_000
