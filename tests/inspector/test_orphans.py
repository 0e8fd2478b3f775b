"""What nodes of Exq and Verk left behind: shown, and given back without losing any of it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from redisjobs import RedisJobs, RedisJobsError
from redisjobs.errors import StoreError
from redisjobs.inspector import Access, Held, Orphans
from redisjobs.inspector.orphans import STEP
from redisjobs.store.keys import Keys
from redisjobs.store.stores import BlockingStore
from redisjobs.wire import deadletter
from tests.support.elixir import EXQ_JOB, VERK_JOB, ExqNode, VerkNode
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


@pytest.fixture(params=["exq", ""], ids=["namespace", "bare"])
def exq(request: pytest.FixtureRequest, redis: RealRedis) -> ExqNode:
    return ExqNode(redis.client, namespace=request.param)


@pytest.fixture
def app(exq: ExqNode, redis: RealRedis) -> Iterator[RedisJobs]:
    made = RedisJobs(redis.url, wire="exq", namespace=exq.namespace)
    yield made
    made.close()


@pytest.fixture
def verks(redis: RealRedis) -> Iterator[RedisJobs]:
    made = RedisJobs(redis.url, wire="verk")
    yield made
    made.close()


def crashed(exq: ExqNode, queue: str = "default", count: int = 3) -> None:
    """Have a node take jobs, and die."""
    for number in range(count + 1):
        exq.enqueue(args=[number], queue=queue)
    for _ in range(count):
        exq.take(queue)
    exq.ping()
    exq.die()


def numbers(exq: ExqNode, queue: str = "default") -> list[int]:
    """Return the arguments of the jobs of a queue, the next to run first."""
    raws = exq.client.lrange(exq.key(f"queue:{queue}"), 0, -1)
    return [json.loads(raw)["args"][0] for raw in reversed(raws)]


# -- Exq ------------------------------------------------------------------------------------------------------------


def test_a_dead_node_of_exq_is_shown_and_its_jobs_run_next_in_their_order(app: RedisJobs, exq: ExqNode) -> None:
    crashed(exq, count=STEP * 2 + 1)
    crashed(exq, "mail:a::b", count=1)

    shown = list(app.orphans("exq"))
    moved = app.orphans("exq").adopt("web-1")

    assert shown == [Held("web-1", "default", STEP * 2 + 1, "dead"), Held("web-1", "mail:a::b", 1, "dead")]
    assert moved == {"default": STEP * 2 + 1, "mail:a::b": 1}
    assert numbers(exq) == list(range(STEP * 2 + 2))
    assert list(app.orphans("exq")) == []
    assert exq.client.keys("*web-1*") == []
    assert exq.client.smembers(exq.bare("processes")) == set()


def test_a_living_node_keeps_its_jobs_unless_it_is_forced(app: RedisJobs, exq: ExqNode) -> None:
    crashed(exq)
    exq.ping()
    before = numbers(exq)

    with pytest.raises(RedisJobsError, match="web-1 is alive"):
        app.orphans("exq").adopt("web-1")

    assert numbers(exq) == before
    assert [held.state for held in app.orphans("exq")] == ["alive"]
    assert app.orphans("exq").adopt("web-1", force=True) == {"default": 3}
    assert numbers(exq) == [0, 1, 2, 3]
    assert [node["identity"] for node in exq.nodes()] == ["web-1"]


def test_a_node_that_comes_back_meanwhile_keeps_its_jobs(app: RedisJobs, exq: ExqNode) -> None:
    """The script looks again: between the first look and the move a node may have started."""
    crashed(exq)
    orphans = app.orphans("exq")
    orphans.state = lambda node: "dead"  # type: ignore[method-assign, assignment]
    exq.ping()

    with pytest.raises(RedisJobsError, match="web-1 is alive"):
        orphans.adopt("web-1")

    assert numbers(exq) == [3]


def test_a_node_whose_beat_is_only_in_the_set_lives(app: RedisJobs, exq: ExqNode, redis: RealRedis) -> None:
    """Exq 0.14 and 0.15 had no other."""
    crashed(exq)
    exq.client.zadd(exq.bare("heartbeats"), {"web-1": redis.now() - 60})
    assert app.orphans("exq").state("web-1") == "alive"

    exq.client.zadd(exq.bare("heartbeats"), {"web-1": redis.now() - 400})
    assert app.orphans("exq").state("web-1") == "dead"


def test_what_is_no_job_goes_to_the_dead_set(app: RedisJobs, exq: ExqNode) -> None:
    """Back in the queue it would kill the next worker of Exq's."""
    crashed(exq)
    exq.client.lpush(exq.key("queue:backup::web-1::default"), b"no json")

    assert app.orphans("exq").adopt("web-1") == {"default": 4}

    assert numbers(exq) == [0, 1, 2, 3]
    assert [deadletter.unwrap(job) for job in exq.page("dead")] == [b"no json"]


def test_what_interrupts_an_adoption_leaves_the_rest_to_the_next(exq: ExqNode, redis: RealRedis) -> None:
    class Breaking(BlockingStore):
        left = 6

        def run(self, wanted):  # type: ignore[no-untyped-def]
            self.left -= 1
            if self.left < 0:
                raise StoreError("interrupted")
            return super().run(wanted)

    crashed(exq, count=STEP + 1)
    app = RedisJobs(redis.url, wire="exq", namespace=exq.namespace)
    keys = Keys(exq.namespace, "exq")

    with pytest.raises(StoreError, match="interrupted"):
        Orphans(Access(Breaking(redis.config), keys, app.config.dead, "exq"), "exq").adopt("web-1")

    assert len(numbers(exq)) == STEP + 1
    assert [held.size for held in app.orphans("exq")] == [1]
    assert app.orphans("exq").adopt("web-1") == {"default": 1}
    assert numbers(exq) == list(range(STEP + 2))
    app.close()


# -- Verk -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queue", ["default", "mail:a"])
def test_a_dead_node_of_verk_gives_its_jobs_back(verks: RedisJobs, redis: RealRedis, queue: str) -> None:
    node = VerkNode(redis.client, "4026531840123456789", generated=True)
    for number in range(4):
        node.enqueue(args=json.dumps([number]), queue=queue)
    for _ in range(3):
        node.take(queue)

    shown = list(verks.orphans("verk"))
    moved = verks.orphans("verk").adopt(node.node)

    assert shown == [Held(node.node, queue, 3, "dead")]
    assert moved == {queue: 3}
    assert [entry.args for entry in reversed(verks.queue(queue).page())] == [[0], [1], [2], [3]]
    assert sorted(redis.dump()) == [f"queue:{queue}", "queues"]


def test_a_living_node_of_verk_keeps_its_jobs(verks: RedisJobs, redis: RealRedis) -> None:
    node = VerkNode(redis.client, "77", generated=True)
    node.enqueue()
    node.take()
    node.beat()

    with pytest.raises(RedisJobsError, match="77 is alive"):
        verks.orphans("verk").adopt("77")

    assert list(verks.orphans("verk")) == [Held("77", "default", 1, "alive")]


def test_a_node_of_verk_with_a_fixed_id_must_be_forced(verks: RedisJobs, redis: RealRedis) -> None:
    """All nodes are called 1 then, and none has a heartbeat."""
    node = VerkNode(redis.client)
    node.enqueue()
    node.take()

    with pytest.raises(RedisJobsError, match="1 has no heartbeat"):
        verks.orphans("verk").adopt("1")

    assert list(verks.orphans("verk")) == [Held("1", "default", 1, "unknown")]
    assert verks.orphans("verk").adopt("1", force=True) == {"default": 1}


def test_lists_of_one_kind_of_node_are_not_those_of_the_other(app: RedisJobs, redis: RealRedis, exq: ExqNode) -> None:
    redis.seed(
        {
            exq.key("queue:backup::web-1::q"): [json.dumps(EXQ_JOB)],
            exq.key("inprogress:q:1"): [json.dumps(VERK_JOB)],
            exq.key("queue:q"): [json.dumps(EXQ_JOB)],
        }
    )

    assert [held.node for held in app.orphans("exq")] == ["web-1"]
    assert [held.node for held in app.orphans("verk")] == ["1"]
