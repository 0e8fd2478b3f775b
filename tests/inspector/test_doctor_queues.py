"""The doctor's checks of what waits: whether somebody will run it, and whether he can."""

from __future__ import annotations

import json
import time

import pytest

from redisjobs import RedisJobs
from redisjobs.inspector.doctor import Report
from tests.inspector.doctored import doctor, found, python, ruby, the
from tests.support.builders import a_payload
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


def waiting(redis: RealRedis, queue: str = "default", *raws: bytes, **fields: object) -> None:
    """Put a job into a queue, as Ruby would."""
    raw = a_payload(
        queue=queue, created_at=int(redis.now() * 1000), **{"enqueued_at": int(redis.now() * 1000)} | fields
    )
    redis.seed({"queues": {queue}, f"queue:{queue}": raws or [raw]})


def nothing(report: Report, *checks: str) -> bool:
    return not any(found(report, check) for check in checks)


# -- keys that something else wrote to --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "kind", "wanted"),
    [
        ("schedule", "x", "string", "zset"),
        ("retry", ["x"], "list", "zset"),
        ("dead", {"x"}, "set", "zset"),
        ("queues", ["x"], "list", "set"),
        ("processes", "x", "string", "set"),
        ("paused", "x", "string", "set"),
        ("lease-queues", "x", "string", "set"),
        ("stat:processed", {"x"}, "set", "string"),
        ("queue:q", "x", "string", "list"),
    ],
)
def test_a_key_of_another_type_is_named_with_what_to_do(
    redis: RealRedis, key: str, value: str | list[str] | set[str], kind: str, wanted: str
) -> None:
    if key != "queues":
        redis.seed({"queues": {"q"}})
    redis.seed({key: value})

    report = doctor(redis)

    assert the(report, "types").level == "problem"
    assert f"{key!r} is a {kind}, not a {wanted}" in the(report, "types").what
    assert f"DEL {key}" in the(report, "types").remedy
    assert report.of("unknown") == []


def test_the_keys_of_a_namespace_are_looked_at(redis: RealRedis) -> None:
    redis.seed({"app:schedule": "x", "retry": "not ours"})

    assert the(doctor(redis, namespace="app"), "types").facts["key"] == "app:schedule"


# -- nobody listens ---------------------------------------------------------------------------------------------------


def test_no_worker_at_all_is_a_problem_if_something_waits(redis: RealRedis) -> None:
    assert the(doctor(redis), "workers").level == "warning"

    waiting(redis)
    redis.seed({"retry": {a_payload(): time.time() + 100}})

    assert the(doctor(redis), "workers").level == "problem"
    assert "2 jobs waiting" in the(doctor(redis), "workers").what


def test_a_queue_that_nobody_listens_to_is_told_with_its_oldest_job(redis: RealRedis) -> None:
    ruby(redis, queues=["other"])
    waiting(redis, "forgotten", enqueued_at=int((redis.now() - 7300) * 1000))
    redis.client.sadd("queues", "empty")

    finding = the(doctor(redis), "unheard")

    assert (finding.level, finding.facts["queue"], finding.facts["size"]) == ("problem", "forgotten", 1)
    assert finding.facts["oldest_s"] == pytest.approx(7300, abs=60)
    assert "the next one since 2 h" in finding.what


def test_who_was_told_to_take_no_more_does_not_listen(redis: RealRedis) -> None:
    ruby(redis, queues=["q"], quiet=True)
    waiting(redis, "q")

    assert the(doctor(redis), "unheard").facts["quieted"] == ["ruby:1:a"]


def test_many_queues_that_nobody_listens_to_are_summed_up(redis: RealRedis) -> None:
    ruby(redis, queues=["other"])
    for number in range(25):
        waiting(redis, f"q{number:02}")

    findings = found(doctor(redis), "unheard")

    assert len(findings) == 21
    assert (findings[-1].what, findings[-1].facts) == ("5 more like the one above", {"more": 5})


def test_a_paused_queue_with_jobs_is_told_and_who_does_not_heed_it(redis: RealRedis) -> None:
    ruby(redis, queues=["q", "empty"])
    waiting(redis, "q")
    redis.seed({"paused": {"q", "empty"}})
    redis.client.sadd("queues", "empty")

    finding = the(doctor(redis), "paused")

    assert (finding.level, finding.remedy) == ("warning", "redisjobs queue q resume")
    assert "Ruby's workers take from it all the same" in finding.what


# -- two languages, unknown jobs --------------------------------------------------------------------------------------


def test_a_queue_of_two_languages_is_the_trap(redis: RealRedis) -> None:
    ruby(redis, queues=["shared", "ruby"], generation=7)
    python(redis, queues=["shared", "python"], jobs=["Mail"])
    waiting(redis, "shared", class_="HardWorker")

    finding = the(doctor(redis), "languages")

    assert (finding.level, finding.facts["queue"]) == ("problem", "shared")
    assert finding.facts["listeners"] == {"Ruby": ["ruby:1:a"], "Python": ["python:1:a"]}
    assert finding.facts["unknown_to_python"] == ["HardWorker"]
    assert "unknown to Python: HardWorker" in finding.what


def test_an_exq_node_is_neither_ruby_nor_python(redis: RealRedis) -> None:
    """As Exq writes it: all in `info`, its pid as a text, and no version."""
    info = {"busy": 0, "concurrency": 0, "hostname": "web-1", "identity": "web-1", "labels": [], "pid": "4711"}
    info |= {"queues": ["shared"], "quiet": False, "started_at": time.time() - 60, "tag": ""}
    beat = {"busy": "0", "beat": str(redis.now()), "quiet": "false"}
    redis.seed({"exq:processes": {"web-1"}, "exq:web-1": {"info": json.dumps(info), **beat}})
    redis.client.expire("exq:web-1", 60)
    assert {finding.check for finding in doctor(redis, namespace="exq").findings} <= {"persistence", "slowlog"}

    redis.client.rename("exq:web-1", "web-1")
    redis.client.rename("exq:processes", "processes")
    ruby(redis, queues=["shared"])

    assert "Elixir and Ruby listen to the queue shared" in the(doctor(redis), "languages").what


def test_one_queue_per_language_is_no_finding(redis: RealRedis) -> None:
    ruby(redis, queues=["ruby"], generation=8)
    ruby(redis, "ruby:2:b", queues=["python"], quiet=True)
    python(redis, queues=["python"])

    assert nothing(doctor(redis), "languages")


def test_a_job_that_no_listener_knows_is_a_problem(redis: RealRedis) -> None:
    python(redis, queues=["q"], jobs=["Mail", "Inner"])
    python(redis, "python:2:b", queues=["other"], jobs=["Elsewhere"])
    waiting(redis, "q", *(a_payload(queue="q", class_=name) for name in ("Mail", "Lost", "Lost", "Elsewhere")))
    redis.seed({"retry": {a_payload(queue="q", class_="Failed"): time.time() + 100}})
    redis.seed({"schedule": {a_payload(queue="q", class_="Wrapper", wrapped="Inner"): time.time() + 100}})

    findings = {finding.facts["name"]: finding for finding in found(doctor(redis), "classes")}

    assert set(findings) == {"Lost", "Elsewhere", "Failed"}
    assert findings["Lost"].facts["sampled"] == 2
    assert "waits in the retry set" in findings["Failed"].what
    assert "a worker of other queues knows it" in findings["Elsewhere"].what


def test_of_a_worker_that_does_not_say_nothing_is_concluded(redis: RealRedis) -> None:
    python(redis, queues=["q"], jobs=["Mail"])
    python(redis, "python:2:b", queues=["q"], jobs=None)
    ruby(redis, queues=["r"])
    waiting(redis, "q", class_="Lost")
    waiting(redis, "r", class_="Lost")

    assert nothing(doctor(redis), "classes")


def test_a_running_worker_says_what_it_knows(redis: RealRedis) -> None:
    """The whole way: our heartbeat tells, and what it does not know is found though the poller has not moved it yet."""
    app = RedisJobs(redis.url, wire="sidekiq7")
    app.job(name="Known", queue="q")(lambda: None)
    with app.worker(queues=["q"], concurrency=1):
        app.push("Unknown", queue="q", delay_s=3600)
        report = app.doctor()
        [process] = app.processes
        told = json.loads(redis.value(process.identity)["redisjobs"])
    app.close()

    assert (process.language, process.generation) == ("Python", 0)
    assert told == {"jobs": ["Known"], "wire": "sidekiq7", "heartbeat_ttl_s": 60.0}
    assert the(report, "classes").facts["name"] == "Unknown"


# -- what is late or large --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["retry", "schedule"])
@pytest.mark.parametrize("alive", [False, True])
def test_jobs_due_long_ago_are_a_problem(redis: RealRedis, name: str, alive: bool) -> None:
    if alive:
        python(redis)
    redis.seed({name: {a_payload(jid="1"): redis.now() - 600, a_payload(jid="2"): redis.now() - 90}})
    redis.seed({name: {a_payload(jid="3"): redis.now() - 1, a_payload(jid="4"): redis.now() + 9}})

    finding = the(doctor(redis), "promotion")

    assert (finding.level, finding.facts["set"], finding.facts["overdue"]) == ("problem", name, 2)
    assert "the oldest for 10 min" in finding.what
    assert ("logs" if alive else "start a worker") in finding.remedy


def test_a_job_due_since_ever_does_not_upset_the_doctor(redis: RealRedis) -> None:
    redis.client.zadd("schedule", {a_payload(): "-inf"})
    redis.client.zadd("retry", {a_payload(): "+inf"})

    assert the(doctor(redis), "promotion").facts["oldest_s"] == 1e12


def test_very_large_jobs_are_told_with_their_names(redis: RealRedis) -> None:
    """Of ten megabytes only the end is read: Ruby and we write the name behind the arguments."""
    python(redis, queues=["q"], jobs=["Small", "Large"])
    large = a_payload(class_="Large", jid="large", args=["x" * 10_000_000], queue="q")
    waiting(redis, "q", a_payload(class_="Small"), large, a_payload(class_="Large", args=["x" * 200_000]))
    redis.seed({"retry": {a_payload(class_="Later", args=["x" * 200_000]): time.time() + 100}})

    in_queue, in_set = found(doctor(redis), "payloads")

    assert (in_queue.level, in_queue.facts["where"], in_queue.facts["sampled"]) == ("warning", "queue q", 2)
    assert (in_queue.facts["name"], in_queue.facts["jid"]) == ("Large", "large")
    assert in_queue.facts["largest_bytes"] == len(large)
    assert in_set.facts["where"] == "retry set"


def test_bytes_that_are_no_job_do_not_upset_the_doctor(redis: RealRedis) -> None:
    python(redis, queues=["q"])
    waiting(redis, "q", b"junk", b"\xff" * 10_000, b"[]", b'{"class":3,"created_at":"x","enqueued_at":true}', b"")
    redis.seed({"retry": {b"junk": 1.0, b'{"queue":[]}': 2.0}})

    assert doctor(redis).of("unknown") == []


# -- bounds -----------------------------------------------------------------------------------------------------------


def test_long_queues_and_many_of_them_are_sampled(redis: RealRedis) -> None:
    python(redis, queues=["long"])
    redis.client.lpush("queue:long", *[a_payload(class_=f"C{number}", queue="long") for number in range(10_000)])
    redis.client.sadd("queues", "long", *[f"q{number}" for number in range(150)])
    for number in range(150):
        redis.client.lpush(f"queue:q{number}", a_payload())
    redis.client.config_resetstat()

    report = doctor(redis)

    assert report.server["waiting"] == 10_150
    assert found(report, "classes")[-1].facts == {"more": 20}  # of forty that were looked at
    assert report.partial == ["100 of 151 queues were sampled"]
    assert redis.client.info("stats")["total_net_output_bytes"] < 1_000_000


def test_what_worked_off_meanwhile_is_no_finding(redis: RealRedis) -> None:
    """The findings come and go with their conditions."""
    waiting(redis, "q")
    ruby(redis, queues=["other"])
    assert found(doctor(redis), "unheard") != []

    ruby(redis, "ruby:2:b", queues=["q"])

    eventually(lambda: found(doctor(redis), "unheard") == [])
