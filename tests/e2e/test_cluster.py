"""A Redis Cluster: with a namespace that is a hash tag all of it works, without one it is refused at once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator

import pytest

from redisjobs import ConfigError, Kill, RedisJobs
from redisjobs.cli import main
from tests.support.cluster import Cluster, slot
from tests.support.eventually import eventually
from tests.support.fleet import ROOT, Fleet, command
from tests.support.real_redis import RealRedis, text

NAMESPACE = "{jobs}"
_DEADLINE_S = 60


@pytest.fixture(scope="module")
def started() -> Iterator[Cluster]:
    with Cluster() as made:
        yield made


@pytest.fixture
def cluster(started: Cluster) -> Cluster:
    """Three masters with nothing in them."""
    for node in started.masters:
        node.client.flushall()
    return started


def test_the_doctor_sees_the_node_that_has_the_jobs(cluster: Cluster) -> None:
    other = next(node for node in cluster.masters if node is not cluster.owner(NAMESPACE))
    app = RedisJobs(other.url, namespace=NAMESPACE)
    app.push("noop", [1])

    report = app.doctor()
    app.close()

    assert report.of("unknown") == []
    assert {"unheard", "workers"} <= {finding.check for finding in report.findings}
    assert report.server["mode"] == "cluster"


def test_the_doctor_of_a_cluster_needs_the_namespace_too(cluster: Cluster) -> None:
    app = RedisJobs(cluster.url)

    with pytest.raises(ConfigError, match="namespace"):
        app.doctor()


async def apush(app: RedisJobs, name: str, *args: object) -> None:
    try:
        await app.apush(name, args)
    finally:
        await app.aclose()


def keys(node: RealRedis) -> list[str]:
    return sorted(text(key) for key in node.client.keys("*"))


def test_a_job_lives_its_whole_life_there(cluster: Cluster) -> None:
    """From a node that has none of its keys: queues, leases, sets, counters, blocked waits, the end of them."""
    owner = cluster.owner(NAMESPACE)
    other = next(node for node in cluster.masters if node is not owner)
    app = RedisJobs(other.url, namespace=NAMESPACE)
    ran: list[str] = []

    @app.job
    def good(name: str) -> None:
        ran.append(name)

    @app.job(retry=1)
    def bad() -> None:
        raise ValueError("as told")

    @app.job
    def killed() -> None:
        raise Kill("as told")

    with app.worker(queues=["default", "other{x}"], concurrency=2, max_poll_s=0.05):
        eventually(lambda: owner.client.info("clients")["blocked_clients"] == 2, _DEADLINE_S, "no blocked waits")
        good.enqueue("now")
        good.options(queue="other{x}").enqueue("elsewhere")
        good.enqueue_in(0.1, "later")
        good.enqueue_many([("one",), ("two",)])
        asyncio.run(apush(app, good.name, "async"))
        bad.enqueue()
        killed.enqueue()
        eventually(lambda: len(ran) == 6 and app.stats.failed == 2, _DEADLINE_S)
        assert [entry.name for entry in app.retries] == [bad.name]
        assert [entry.name for entry in app.dead] == [killed.name]
        assert len(list(app.processes)) == 1

    assert sorted(ran) == ["async", "elsewhere", "later", "now", "one", "two"]
    assert all(not keys(node) for node in cluster.masters if node is not owner)
    assert {slot(key) for key in keys(owner)} == {slot(NAMESPACE)}
    app.close()


def test_jobs_of_a_process_that_died_are_brought_back(cluster: Cluster, fleet: Fleet) -> None:
    settings = {"test_namespace": NAMESPACE, "heartbeat_ttl_s": 2, "reap_s": 0.5}
    app = RedisJobs(cluster.url, namespace=NAMESPACE)
    first = fleet.worker(cluster.url, **settings)
    app.push("work", [1, 60.0])
    eventually(lambda: fleet.runs.started()[1] == 1, _DEADLINE_S)

    first.kill9()
    fleet.worker(cluster.url, **settings)

    eventually(lambda: fleet.runs.started()[1] == 2, _DEADLINE_S, "the job was not brought back")
    app.close()


@pytest.mark.parametrize("target", ["{jobs}new", "{other}"])
def test_queues_and_sets_move_to_it_and_within_it(cluster: Cluster, redis: RealRedis, target: str) -> None:
    """To the same slot in one step, to another one as to another server."""
    redis.seed({"queues": {"mail"}, "queue:mail": ["b", "a"], "retry": {"x": 1.5}})
    inside, there = (f"{cluster.masters[0].url}#{namespace}" for namespace in (NAMESPACE, target))

    assert main.run(["--url", redis.url, "move", "--from", "", "--to", inside, "--all"]) == 0
    assert main.run(["move", "--from", inside, "--to", there, "--all"]) == 0

    owner = cluster.owner(target)
    assert owner.value(f"{target}:queue:mail") == ["b", "a"]
    assert owner.value(f"{target}:retry") == {"x": 1.5}
    assert cluster.owner(NAMESPACE).value(f"{NAMESPACE}:queue:mail") is None


@pytest.mark.parametrize("namespace", ["", "jobs", "{}jobs"])
def test_a_namespace_that_would_spread_its_keys_is_refused_at_the_first_push(cluster: Cluster, namespace: str) -> None:
    app = RedisJobs(cluster.url, namespace=namespace)

    with pytest.raises(ConfigError, match=r"this Redis is a cluster.*namespace=\"\{jobs\}\""):
        app.push("noop", [1])
    with pytest.raises(ConfigError, match="this Redis is a cluster"):
        asyncio.run(apush(app, "noop", 1))
    with pytest.raises(ConfigError, match="this Redis is a cluster"):
        app.worker().start()

    assert not any(keys(node) for node in cluster.masters)
    app.close()


def test_a_worker_process_ends_at_once_and_says_what_to_write(cluster: Cluster) -> None:
    done = subprocess.run(
        [command(), "worker", "tests.e2e.jobs:app"],
        env={**os.environ, "REDISJOBS_URL": cluster.url},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=_DEADLINE_S,
    )

    assert done.returncode != 0
    assert "this Redis is a cluster" in done.stderr and 'namespace="{jobs}"' in done.stderr
    assert "Traceback" not in done.stderr


def test_workers_and_producers_follow_a_slot_that_moves(cluster: Cluster) -> None:
    old = cluster.owner(NAMESPACE)
    new = next(node for node in cluster.masters if node is not old)
    app = RedisJobs(cluster.url, namespace=NAMESPACE, patience_s=_DEADLINE_S)
    ran: list[int] = []
    ended = threading.Event()

    @app.job
    def job(number: int) -> None:
        ran.append(number)

    def produce() -> None:
        number = 0
        while not ended.wait(0.005):
            job.enqueue(number)
            number += 1
        pushed.append(number)

    def fifty_more() -> None:
        wanted = len(ran) + 50
        eventually(lambda: len(ran) > wanted, _DEADLINE_S, "no job runs")

    pushed: list[int] = []
    producer = threading.Thread(target=produce)
    with app.worker(concurrency=2) as worker:
        producer.start()
        try:
            for source, target in ((old, new), (new, old)):
                fifty_more()
                cluster.move(NAMESPACE, source, target)
                assert not keys(source)
            fifty_more()
        finally:
            ended.set()
            producer.join()
        assert worker.drain(_DEADLINE_S)

    assert set(ran) == set(range(pushed[0]))
    app.close()


def test_the_node_of_our_keys_dies_and_its_replica_takes_over(fleet: Fleet) -> None:
    with Cluster(replicated=NAMESPACE) as cluster:
        app = RedisJobs(cluster.url, namespace=NAMESPACE, patience_s=_DEADLINE_S)
        fleet.worker(cluster.url, test_namespace=NAMESPACE)
        app.push_many("noop", [[number] for number in range(100)])
        eventually(lambda: len(fleet.runs.started()) == 100, _DEADLINE_S)

        cluster.owner(NAMESPACE).kill9()
        app.push("noop", [1000])
        asyncio.run(apush(app, "noop", 1001))

        eventually(lambda: {1000, 1001} <= set(fleet.runs.started()), _DEADLINE_S, "no job runs any more")
        app.close()
