"""Bulk work that is too large for one answer: it goes on, tells how far it is, and can be stopped."""

from __future__ import annotations

import re

from redisjobs import RedisJobs
from redisjobs.inspector import DeadSet
from redisjobs.inspector.bulk import Bulk, Delete
from redisjobs.inspector.query import Query
from redisjobs.web.tasks import Tasks
from tests.support.builders import a_payload
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.web.browser import Browser


def seed(redis: RealRedis, count: int) -> None:
    redis.seed({"dead": {a_payload(jid=f"{number:024}"): number for number in range(count)}})


def test_many_jobs_are_done_in_steps_that_a_page_follows(web: Browser, redis: RealRedis) -> None:
    seed(redis, 1200)

    page = web.sure("/dead/act", action="delete", scope="all")

    assert page.url.path.startswith("/tasks/") and "Delete 1,200 jobs of Dead" in page.text
    eventually(lambda: "data-runs" not in web.get(page.url.path).text, timeout_s=30)
    ended = web.get(page.url.path).text
    assert "1,200 of 1,200" in ended and 'http-equiv="refresh"' not in ended
    assert redis.client.zcard("dead") == 0
    assert page.url.path in web.get("/tasks").text
    assert 0 < redis.client.ttl("web-tasks") <= 3600


def test_a_stop_of_any_process_ends_it_after_a_step(app: RedisJobs, web: Browser, redis: RealRedis) -> None:
    seed(redis, 1200)
    jobs = DeadSet(app.access)

    class Held(Bulk):
        """Stops of itself after the first step, until the page's stop was heard."""

        def __iter__(self):
            for number, progress in enumerate(super().__iter__()):
                if number == 1:
                    eventually(lambda: redis.client.hlen("web-tasks") > 1, timeout_s=30)
                yield progress

    task = Tasks(app.access).begin(Held(jobs, Query(), Delete()), title="Delete", who="x", back="/dead")
    eventually(lambda: "100 of 1,200" in web.get(f"/tasks/{task.id}").text, timeout_s=30)
    running = web.get(f"/tasks/{task.id}").text
    web.post(f"/tasks/{task.id}/stop")

    eventually(lambda: "stopped" in web.get(f"/tasks/{task.id}").text, timeout_s=30)
    assert 'http-equiv="refresh"' in running
    assert 0 < redis.client.zcard("dead") < 1200


def test_a_task_whose_process_ended_says_so(app: RedisJobs, web: Browser, redis: RealRedis) -> None:
    seed(redis, 1)
    tasks = Tasks(app.access)
    task = tasks.begin(Bulk(DeadSet(app.access), Query(), Delete()), title="Delete", who="x", back="/dead")
    eventually(lambda: not next(iter(tasks)).runs, timeout_s=30)
    told = redis.client.hget("web-tasks", task.id)
    silent = re.sub(rb'"told_at":[0-9.]+', b'"told_at":1', told.replace(b'"finished":true', b'"finished":false'))
    redis.client.hset("web-tasks", task.id, silent)

    page = web.get(f"/tasks/{task.id}").text

    assert "not heard of" in page and "data-runs" not in page


def test_a_task_that_nobody_knows_is_no_page(web: Browser) -> None:
    assert web.get("/tasks/nothing").status_code == 404


def test_what_stands_there_and_is_no_task_is_passed_over(web: Browser, redis: RealRedis) -> None:
    redis.client.hset("web-tasks", mapping={"x": b"\xff", "y": "{}"})

    assert web.get("/tasks").status_code == 200
