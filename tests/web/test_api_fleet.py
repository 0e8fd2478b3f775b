"""The API's figures: stats, Redis, the doctor, processes, what runs, metrics and deploys."""

from __future__ import annotations

import threading
import time
from urllib.parse import quote

import pytest

from redisjobs import RedisJobs
from tests.inspector.test_fleet import seed
from tests.support import hostile
from tests.support.builders import a_payload
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.web.api import SPEC, V1, Api

LONG_S = 60


def test_the_figures_of_everything(api: Api, redis: RealRedis) -> None:
    redis.seed({"stat:processed": "7", "stat:failed": "2", "retry": {a_payload(): 1.0}})
    redis.seed({"queues": {"low", "odd"}, "queue:low": [a_payload()], "queue:odd": "text"})
    seed(redis, 1, busy=2)

    stats = api.get("/stats", days=2)

    assert (stats["processed"], stats["failed"], stats["retries"], stats["busy"]) == (7, 2, 1, 2)
    assert stats["queues"] == {"low": 1, "odd": 0} and "queue:odd" in stats["problems"][0]
    assert stats["rates"]["low"] == {"in_s": None, "out_s": None} and stats["processed_s"] is None
    assert len(stats["history"]) == 2 and api.get("/stats")["history"] == []
    api.refused(400, "GET", "/stats?days=99999")


def test_redis_and_the_doctor(api: Api, redis: RealRedis) -> None:
    redis.seed({"queues": {"reports"}, "queue:reports": [a_payload()]})

    assert api.get("/redis")["used_bytes"] > 0
    report = api.get("/doctor")
    assert not report["healthy"] and any("reports" in one["what"] and one["remedy"] for one in report["findings"])


def test_processes_and_what_they_run(api: Api, redis: RealRedis) -> None:
    identity = seed(redis, 1, busy=2)
    seed(redis, 2, embedded=True)

    listed = api.get("/processes")
    one = api.get(f"/processes/{identity}")
    running = api.get("/running", limit=1)

    assert [process["identity"] for process in listed["processes"]] == [identity, "h:2:a"]
    assert (listed["busy"], listed["concurrency"], one["language"]) == (2, 8, "Python")
    assert [work["job"]["id"] for work in one["running"]] == ["1-0", "1-1"] and one["running"][0]["cancellable"]
    assert running["total"] == 2 and len(running["running"]) == 1
    api.refused(404, "GET", "/processes/nobody")


@pytest.mark.parametrize(("order", "signal"), [("quiet", b"TSTP"), ("stop", b"TERM"), ("dump", b"TTIN")])
def test_processes_are_told_what_to_do(api: Api, redis: RealRedis, order: str, signal: bytes) -> None:
    identity, embedded = seed(redis, 1), seed(redis, 2, embedded=True)

    assert api.post(f"/processes/{identity}/{order}")["told"] == [identity]
    assert api.post(f"/processes/{order}")["told"] == [identity]
    assert redis.client.lrange(f"{identity}-signals", 0, -1) == [signal, signal]
    assert "embedded" in api.refused(409, "POST", f"/processes/{embedded}/{order}")["detail"]
    api.refused(404, "POST", f"/processes/nobody/{order}")


def test_a_running_job_is_cancelled(api: Api, app: RedisJobs, redis: RealRedis) -> None:
    begun = threading.Event()

    @app.job
    def forever() -> None:
        begun.set()
        end = time.monotonic() + LONG_S
        while time.monotonic() < end:
            time.sleep(0.01)

    jid = forever.enqueue()
    with app.worker(concurrency=1):
        assert begun.wait(LONG_S)
        eventually(lambda: api.get("/running")["total"] == 1, timeout_s=LONG_S)
        assert api.get(f"/jobs/{jid}")["actions"] == ["cancel"]
        api.post(f"/jobs/{jid}/cancel")
        eventually(lambda: redis.client.zcard("dead") == 1, timeout_s=LONG_S)
    assert api.get(f"/jobs/{jid}")["error_class"].endswith("JobCancelled")


def test_metrics_of_all_classes_and_of_one(api: Api, redis: RealRedis) -> None:
    at = time.gmtime()
    minute = time.strftime("%y%m%d|", at) + f"{at.tm_hour}:{at.tm_min:02}"
    redis.client.hset(f"j|{minute}", mapping={"Mail::Er|p": 4, "Mail::Er|f": 1, "Mail::Er|ms": 300})

    every = api.get("/metrics", window="1h")
    one = api.get("/metrics/Mail::Er")

    assert [(job["name"], job["executions"], job["failures"]) for job in every["classes"]] == [("Mail::Er", 4, 1)]
    assert (one["executions"], one["mean_s"]) == (4, pytest.approx(0.1)) and len(one["series"]) == 60
    assert one["histogram"][-1]["below_ms"] is None
    assert api.get("/metrics/Nothing", window="72h")["histogram"] is None
    assert "window" in api.refused(400, "GET", "/metrics?window=2h")["detail"]


def test_deploys_are_noted_and_listed(api: Api) -> None:
    api.post("/marks", {"label": "v1", "at": time.time() - 3600})
    api.post("/marks", {"label": "v2"})

    assert [mark["label"] for mark in api.get("/marks")["marks"]] == ["v1", "v2"]
    assert "90 days" in api.refused(400, "GET", "/marks?since=0")["detail"]
    assert "label" in api.refused(400, "POST", "/marks", {})["detail"]


def test_what_means_ill_breaks_no_answer(api: Api, redis: RealRedis) -> None:
    hostile.seed(redis)

    for path, operations in SPEC["paths"].items():
        if "get" in operations and "{" not in path and not path.endswith("/export"):
            found = api.ask("GET", path.removeprefix(V1), params={"budget_s": 5} if path.endswith("/find") else None)
            assert found.status_code == 200, (path, found.text[:500])
    for listed in ("/retries", "/queues/hostile/jobs"):
        for job in api.get(listed, limit=1_000)["jobs"]:
            at = f"{job['place']}:{job['at']!r}" if job["at"] else "queue:hostile"
            found = api.ask("GET", f"/jobs/{quote(job['id'][:1_000], safe='')}", params={"at": at})
            assert found.status_code in (200, 404), found.text
    for queue in api.get("/queues")["queues"]:
        assert api.ask("GET", f"/queues/-/jobs?name={queue['encoded']}").status_code == 200
