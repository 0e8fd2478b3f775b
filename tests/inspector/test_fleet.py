"""All workers in one look: what each runs, holds and took ahead; and orders to all of them."""

from __future__ import annotations

import json
import threading

import pytest

from redisjobs import RedisJobs
from redisjobs.inspector import Access, Fleet
from redisjobs.store.stores import BlockingStore
from tests.support.builders import a_payload
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis

LONG_S = 60


def seed(redis: RealRedis, number: int, *, busy: int = 0, embedded: bool = False) -> str:
    """Write a process that runs so many jobs and started 90 s ago; return its identity."""
    identity = f"h:{number}:a"
    info = {"hostname": "h", "pid": number, "embedded": embedded, "concurrency": 4, "version": "redisjobs 1.0"}
    told = json.dumps({**info, "started_at": redis.now() - 90})
    work = {
        f"t{at}": json.dumps({"queue": "q", "payload": a_payload(jid=f"{number}-{at}").decode(), "run_at": at})
        for at in range(busy)
    }
    redis.seed({"processes": {identity}, identity: {"info": told, "busy": str(busy), "beat": "1", "quiet": "false"}})
    if work:
        redis.seed({f"{identity}:work": work})
    return identity


@pytest.mark.quick
def test_each_process_is_shown_with_what_it_runs_and_holds(redis: RealRedis, access: Access) -> None:
    for number, busy in ((10, 2), (9, 0), (11, 1)):
        seed(redis, number, busy=busy)
    redis.seed({"lease-queues": {"a", "b", "odd"}, "lease-owners:{queue:odd}": "text"})
    redis.seed({"lease-owners:{queue:a}": {"h:10:a": "4", "gone:1:x": "4"}, "lease-owners:{queue:b}": {"h:10:a": "4"}})
    redis.seed({"lease:{queue:a}:h:10:a": ["1", "2", "3"], "lease:{queue:b}:h:10:a": ["4", "5"]})
    redis.seed({"lease:{queue:a}:gone:1:x": ["9"]})

    fleet = Fleet(access)

    assert [(one.process.pid, len(one.running), one.held, one.ahead) for one in fleet.members] == [
        (9, 0, 0, 0),
        (10, 2, 5, 3),
        (11, 1, 0, 0),  # a heartbeat that is older than the lease list
    ]
    assert [work.jid for work in fleet.members[1].running] == ["10-0", "10-1"]
    assert (fleet.busy, fleet.concurrency) == (3, 12)
    assert fleet.uptime_s(fleet.members[0].process) == pytest.approx(90, abs=10)
    assert fleet.at == pytest.approx(redis.now(), abs=10)


@pytest.mark.quick
def test_without_processes_there_is_nothing(redis: RealRedis, access: Access) -> None:
    fleet = Fleet(access)

    assert (fleet.members, fleet.busy, fleet.concurrency, fleet.stop()) == ([], 0, 0, [])


@pytest.mark.quick
def test_orders_reach_all_that_are_not_embedded(redis: RealRedis, access: Access) -> None:
    for number in (1, 2, 3):
        seed(redis, number, embedded=number == 2)
    fleet = Fleet(access)

    told = [fleet.quiet(), fleet.stop(), fleet.dump_threads()]

    assert [[process.pid for process in each] for each in told] == [[1, 3]] * 3
    assert redis.value("h:1:a-signals") == redis.value("h:3:a-signals") == ["TTIN", "TERM", "TSTP"]
    assert redis.value("h:2:a-signals") is None


@pytest.mark.quick
def test_a_look_takes_as_many_trips_however_many_processes_there_are(redis: RealRedis, access: Access) -> None:
    trips = [0]
    run = BlockingStore.run

    class Counting(BlockingStore):
        def run(self, wanted: object) -> object:  # type: ignore[override]
            trips[0] += 1
            return run(self, wanted)  # type: ignore[call-overload]

    def look() -> int:
        store = Counting(redis.config)
        trips[0] = 0
        found = Fleet(Access(store, access.keys, access.dead, access.wire)).members
        store.close()
        assert found
        return trips[0]

    seed(redis, 1, busy=2)
    few = look()
    for number in range(2, 202):
        seed(redis, number, busy=2)

    assert look() == few <= 10


def test_a_real_worker_is_seen_with_what_it_took_ahead(app: RedisJobs) -> None:
    gate = threading.Event()

    @app.job(name="Wait", queue="q")
    def wait() -> None:
        gate.wait(LONG_S)

    with app.worker(queues=["q"], concurrency=2, heartbeat_ttl_s=3, timeout_s=5):
        for _ in range(5):
            wait.enqueue()
        [member] = eventually(lambda: (found := app.fleet.members) and found[0].process.busy == 2 and found, LONG_S)
        gate.set()

    assert member.held - member.ahead == len(member.running) == 2
