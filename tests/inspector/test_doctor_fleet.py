"""The doctor's checks of the processes: alive, of one mind about code and time, holding only what they run."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from redisjobs import RedisJobs
from tests.inspector.doctored import doctor, found, python, ruby, the
from tests.support.builders import a_payload
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


# -- leases -----------------------------------------------------------------------------------------------------------


def hold(redis: RealRedis, identity: str, queue: str = "q", *, listed: bool = True) -> None:
    """Write that a process holds two jobs; not `listed`: as if somebody had deleted the lists of who may."""
    redis.seed({f"lease:{{queue:{queue}}}:{identity}": [a_payload(jid="1"), a_payload(jid="2")]})
    if listed:
        redis.seed({"lease-queues": {queue}, f"lease-owners:{{queue:{queue}}}": {identity: "10"}})


@pytest.mark.parametrize(("rescuer", "level"), [(None, "problem"), ("ruby", "problem"), ("python", "warning")])
def test_jobs_of_a_dead_process_are_told(redis: RealRedis, rescuer: str | None, level: str) -> None:
    """Only our workers give them back; while one lives this passes by itself."""
    hold(redis, "dead:1:a")
    if rescuer is not None:
        (ruby if rescuer == "ruby" else python)(redis)

    finding = the(doctor(redis), "leases")

    assert (finding.level, finding.facts["identity"], finding.facts["jobs"]) == (level, "dead:1:a", 2)


def test_jobs_of_a_living_process_are_in_order(redis: RealRedis) -> None:
    python(redis, "python:1:a", queues=["q"])
    hold(redis, "python:1:a")

    assert found(doctor(redis), "leases") == found(doctor(redis), "strays") == []


@pytest.mark.parametrize("namespace", ["", "a*p", "{jobs}"])
def test_leases_on_no_list_are_found_and_the_remedy_brings_them_back(redis: RealRedis, namespace: str) -> None:
    app = RedisJobs(redis.url, namespace=namespace)
    redis.client.rpush(app.keys.lease("gone", "dead:1:a"), a_payload(queue="gone"))
    redis.client.rpush("other:lease:{other:queue:elsewhere}:p", "job")

    finding = the(app.doctor(), "strays")
    commands = finding.remedy.split(": ", 1)[1].split(", and ")
    for command in commands:
        redis.client.execute_command(*command.split())

    assert (finding.level, finding.facts["queue"], finding.facts["identity"]) == ("problem", "gone", "dead:1:a")
    with app.worker(queues=["other"], concurrency=1, heartbeat_ttl_s=1, reap_s=0.1):
        eventually(lambda: app.queue("gone").size == 1, 60)
    app.close()


def test_the_search_for_stray_leases_is_bounded(redis: RealRedis) -> None:
    redis.client.eval("for at = 1, 60000 do redis.call('SET', 'other:' .. at, '') end", 0)

    assert any("50,000 keys were searched" in part for part in doctor(redis).partial)


# -- running, silent --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["work", "workers"])
def test_a_job_that_runs_for_very_long_is_told(redis: RealRedis, key: str) -> None:
    ruby(redis, "ruby:1:a")
    runs = {"t1": ("long", time.time() - 8 * 3600), "t2": ("short", time.time() - 3600)}
    work = {
        thread: json.dumps({"queue": "q", "payload": a_payload(jid=jid).decode(), "run_at": int(at)})
        for thread, (jid, at) in runs.items()
    }
    redis.seed({f"ruby:1:a:{key}": work})

    finding = the(doctor(redis), "long-runs")

    assert (finding.level, finding.facts["jid"], finding.facts["thread"]) == ("warning", "long", "t1")
    assert "Mail has been running for 8 h in ruby:1:a" in finding.what


@pytest.mark.parametrize("write", [ruby, python])
def test_a_process_that_is_silent_is_told_before_its_heartbeat_ends(redis: RealRedis, write: Any) -> None:
    write(redis, "late:1:a", silent_s=40)
    write(redis, "here:1:b", silent_s=12)

    report = doctor(redis)

    assert the(report, "silent").facts["identity"] == "late:1:a"
    assert the(report, "silent").facts["silent_s"] == pytest.approx(40, abs=5)
    assert found(report, "clocks") == []


# -- clocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [ruby, python])
@pytest.mark.parametrize(
    ("ahead_s", "level", "words"),
    [(30, "warning", "30 s ahead of Redis'"), (-30, "warning", "30 s behind Redis'"), (-7200, "problem", "2 h behind")],
)
def test_a_worker_whose_clock_is_wrong_is_told(
    redis: RealRedis, write: Any, ahead_s: float, level: str, words: str
) -> None:
    write(redis, "wrong:1:a", ahead_s=ahead_s, silent_s=8)
    write(redis, "right:1:a", ahead_s=0.5, silent_s=8)

    finding = the(doctor(redis), "clocks")

    assert (finding.level, finding.facts["identity"]) == (level, "wrong:1:a")
    assert finding.facts["off_s"] == pytest.approx(ahead_s, abs=4)
    assert words.split()[2] in finding.what


def test_of_a_heartbeat_without_an_end_no_clock_is_judged(redis: RealRedis) -> None:
    ruby(redis, "odd:1:a", ahead_s=-5000)
    redis.client.persist("odd:1:a")

    assert found(doctor(redis), "clocks") == found(doctor(redis), "silent") == []


# -- code -------------------------------------------------------------------------------------------------------------


def test_several_versions_of_one_application_are_told(redis: RealRedis) -> None:
    ruby(redis, "new:1:a", version="8.1.7")
    ruby(redis, "old:1:a", version="8.0.1", queues=["other"])
    ruby(redis, "going:1:a", version="7.9.9", quiet=True)
    ruby(redis, "else:1:a", version="7.3.2", tag="another app")
    python(redis, queues=["python"])

    finding = the(doctor(redis), "code")

    assert finding.level == "warning"
    assert finding.facts == {"tag": "shop", "versions": {"8.1.7": 1, "8.0.1": 1}}


def test_processes_of_one_queue_that_know_different_jobs_are_told(redis: RealRedis) -> None:
    python(redis, "new:1:a", queues=["q"], jobs=["Mail", "Invoice"])
    python(redis, "old:1:a", queues=["q"], jobs=["Mail"])
    python(redis, "other:1:a", queues=["elsewhere"], jobs=["Report"])

    finding = the(doctor(redis), "code")

    assert (finding.level, finding.facts["lacking"]) == ("warning", {"old:1:a": ["Invoice"]})
    assert "do not know jobs that others there know: Invoice" in finding.what


# -- which Sidekiq ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("generation", [6, 7])
def test_an_old_ruby_and_times_in_milliseconds_do_not_fit(redis: RealRedis, generation: int) -> None:
    ruby(redis, generation=generation)

    finding = the(doctor(redis, wire="sidekiq8"), "generation")

    assert finding.level == "problem"
    assert f"Sidekiq {generation} works here" in finding.what
    assert "wire='sidekiq7'" in finding.remedy
    assert found(doctor(redis, wire="sidekiq7"), "generation") == []
    assert found(doctor(redis, wire="sidekiq6"), "generation") == []


def test_a_worker_of_ours_that_writes_milliseconds_beside_an_old_ruby_is_named(redis: RealRedis) -> None:
    ruby(redis, generation=7)
    python(redis, "python:1:a", queues=["python"], wire="sidekiq8")

    assert "python:1:a writes them" in the(doctor(redis, wire="sidekiq7"), "generation").what


def test_anybody_who_writes_milliseconds_beside_an_old_ruby_is_told(redis: RealRedis) -> None:
    ruby(redis, generation=7)
    redis.seed({"queues": {"q"}, "queue:q": [a_payload(created_at=int(time.time() * 1000))]})

    finding = the(doctor(redis, wire="sidekiq7"), "generation")

    assert (finding.level, finding.facts["units"]) == ("warning", {"seconds": 0, "milliseconds": 1})


def test_times_in_seconds_tell_of_an_old_ruby_that_only_pushes(redis: RealRedis) -> None:
    redis.seed({"queues": {"q"}, "queue:q": [a_payload(created_at=time.time())]})

    assert the(doctor(redis, wire="sidekiq8"), "generation").level == "warning"
    assert found(doctor(redis, wire="sidekiq7"), "generation") == []


def test_times_in_seconds_of_long_ago_or_of_our_own_are_no_finding(redis: RealRedis) -> None:
    redis.seed({"queues": {"q"}, "queue:q": [a_payload(created_at=time.time() - 5 * 86_400)]})
    assert found(doctor(redis, wire="sidekiq8"), "generation") == []

    redis.seed({"queue:q": [a_payload(created_at=time.time())]})
    python(redis, queues=["q"], wire="sidekiq7")
    assert found(doctor(redis, wire="sidekiq8"), "generation") == []


def test_sidekiq_8_fits_either(redis: RealRedis) -> None:
    ruby(redis, generation=8)

    for wire in ("sidekiq8", "sidekiq7"):
        assert found(doctor(redis, wire=wire), "generation") == []
