"""Every move of a job, in any order, with crashes, zombies and lost replies: after each step each job is in one place.

A walk is compared with a model that keeps the same lists in plain Python. What the model does not know of: Redis
itself, the scripts, and what is sent twice. `REDISJOBS_WALKS=1000` walks longer than the suite does.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from redisjobs.config import DeadSetConfig
from redisjobs.store.op import Op
from redisjobs.store.ops import leases, queues, sets
from redisjobs.store.ops.leases import FAILED, NO_RUN, PROCESSED, Lease, Settlement, Where
from redisjobs.store.ops.queues import Producer
from redisjobs.store.stores import BlockingStore
from tests.support.builders import KEYS
from tests.support.real_redis import RealRedis, text

pytestmark = pytest.mark.quick

WALKS = int(os.environ.get("REDISJOBS_WALKS", "80"))
STEPS = 50

QUEUES = ("a", "b")
CONCURRENCY = 2
MAX_RECOVERIES = 3
FAR = 3600.0

ENDS: tuple[tuple[Where, int, float], ...] = (
    ("gone", PROCESSED, 0.0),
    ("queue", NO_RUN, 0.0),
    ("retry", FAILED, 0.0),
    ("retry", FAILED, FAR),
    ("schedule", NO_RUN, 0.0),
    ("dead", FAILED, 0.0),
)

a_queue = st.sampled_from(QUEUES)
twice = st.booleans()
number = st.integers(min_value=0, max_value=1000)


class Process:
    """A process of ours: what Redis says it holds, newest first, and what it believes to hold."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.held: dict[str, list[bytes]] = {queue: [] for queue in QUEUES}
        self.believed: list[Lease] = []
        self.gone = False
        """Nobody runs under this identity any more, or it sleeps: others may recover what it holds."""


class Walk(RuleBasedStateMachine):
    """The model, and the moves. Lists are as Redis keeps them: newest first."""

    redis: RealRedis
    store: BlockingStore

    def __init__(self) -> None:
        super().__init__()
        self.redis.client.flushall()
        self.queues: dict[str, list[bytes]] = {queue: [] for queue in QUEUES}
        self.paused: set[str] = set()
        self.sets: dict[str, dict[bytes, float]] = {"schedule": {}, "retry": {}, "dead": {}}
        self.processes = [Process("p0"), Process("p1")]
        self.recovered: Counter[bytes] = Counter()
        self.processed = self.failed = 0
        self.jobs: set[bytes] = set()
        self.producer = Producer("producer")
        self.serial = 0

    # -- helpers ----------------------------------------------------------------------------------------------------

    def new(self) -> bytes:
        self.serial += 1
        self.jobs.add(str(self.serial).encode())
        return f"{self.serial}:0".encode()

    def changed(self, raw: bytes) -> bytes:
        """The same job with other fields, as a retry or a promotion writes it."""
        self.serial += 1
        return raw.partition(b":")[0] + f":{self.serial}".encode()

    def run_op(self, op: Op[Any], again: bool) -> Any:
        """Send; `again`: the reply was lost, and it is sent once more, unchanged."""
        reply = self.store.run(op)
        if again:
            self.store.run(op)
        return reply

    # -- producers --------------------------------------------------------------------------------------------------

    @initialize()
    def some_jobs(self) -> None:
        for queue in QUEUES:
            self.push(queue, 3, again=False)

    @rule(queue=a_queue, count=st.integers(min_value=1, max_value=4), again=twice)
    def push(self, queue: str, count: int, again: bool) -> None:
        raws = [self.new() for _ in range(count)]
        op = queues.push(KEYS, queue, raws, producer=self.producer)

        assert self.run_op(op, again) is True

        self.queues[queue][:0] = reversed(raws)

    @rule(delay=st.sampled_from([0.0, FAR]), again=twice)
    def push_for_later(self, delay: float, again: bool) -> None:
        raw = self.new()
        op = queues.schedule(KEYS, [(f"+{delay:.6f}", raw)], producer=self.producer)

        assert self.run_op(op, again) is True

        self.sets["schedule"][raw] = delay

    # -- workers ----------------------------------------------------------------------------------------------------

    @rule(at=number, order=st.permutations(QUEUES), count=st.integers(min_value=0, max_value=4), lost=twice)
    def lease(self, at: int, order: list[str], count: int, lost: bool) -> None:
        """With `lost` the process does not learn of its leases; it leases again, or finds them by `adopt`."""
        process = self.processes[at % len(self.processes)]
        op = leases.lease(KEYS, order, identity=process.identity, concurrency=CONCURRENCY, count=count)
        for known in (False, True) if lost else (True,):
            wanted, taken = count, []
            for queue in order:
                if queue in self.paused:
                    continue
                some = self.queues[queue][max(0, len(self.queues[queue]) - wanted) :] if wanted else []
                del self.queues[queue][len(self.queues[queue]) - len(some) :]
                process.held[queue][:0] = some
                taken += [(queue, raw) for raw in reversed(some)]
                wanted -= len(some)

            reply = self.store.run(op)

            assert [(one.queue, raw) for one in reply for raw in one.payloads] == taken
            assert {one.queue for one in reply if one.paused} == self.paused
            if known:
                process.believed += [Lease(queue, raw, 0.0) for queue, raw in taken]

    @rule(at=number)
    def adopt(self, at: int) -> None:
        """A process that lost a reply, or woke up, looks at what it holds."""
        process = self.processes[at % len(self.processes)]
        process.believed = []
        for queue in QUEUES:
            raws = self.store.run(leases.held(KEYS, queue, process.identity))
            assert raws == process.held[queue]
            process.believed += [Lease(queue, raw, 0.0) for raw in reversed(raws)]

    @precondition(lambda self: any(process.believed for process in self.processes))
    @rule(at=number, picks=st.lists(st.tuples(number, st.sampled_from(ENDS)), min_size=1, max_size=5), again=twice)
    def settle(self, at: int, picks: list[tuple[int, tuple[Where, int, float]]], again: bool) -> None:
        """A process settles what it believes to hold, whether it does or not."""
        able = [process for process in self.processes if process.believed]
        process = able[at % len(able)]
        settlements = []
        for pick, (where, counted, delay_s) in picks:
            if process.believed:
                lease = process.believed.pop(pick % len(process.believed))
                payload = lease.raw if where == "schedule" else self.changed(lease.raw)
                settlements.append(Settlement(lease, where, counted, payload, delay_s))
        lost = self.settled(process, settlements)
        op = leases.settle(KEYS, settlements, identity=process.identity, dead=DeadSetConfig())

        reply = self.run_op(op, again)

        assert Counter(item.lease.raw for item in reply) == Counter(item.lease.raw for item in lost)

    def settled(self, process: Process, settlements: list[Settlement]) -> list[Settlement]:
        """Move in the model; given-back ones of one queue go back newest first, as long as nothing comes between."""
        lost = []
        for item in in_order_of_moving(settlements):
            held = process.held[item.lease.queue]
            if item.lease.raw not in held:
                lost.append(item)
                continue
            del held[len(held) - 1 - held[::-1].index(item.lease.raw)]
            self.processed += item.counted >= PROCESSED
            self.failed += item.counted == FAILED
            if item.where == "gone":
                self.jobs.discard(item.lease.raw.partition(b":")[0])
            elif item.where == "queue":
                self.queues[item.lease.queue].append(item.lease.raw)
            else:
                self.sets[item.where][item.payload] = item.delay_s
        return lost

    # -- pollers and people -----------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(["retry", "schedule"]), queue=a_queue, again=twice)
    def promote(self, name: str, queue: str, again: bool) -> None:
        """Another poller may have taken some between the look and the move."""
        found = self.store.run(sets.due(getattr(KEYS, name), count=3))
        members = self.sets[name]
        due = [raw for raw, delay in members.items() if delay == 0.0]
        assert set(found.payloads) <= set(due)
        assert len(found.payloads) == min(3, len(due))
        moves = [(raw, self.changed(raw)) for raw in found.payloads]

        moved = self.run_op(sets.promote(KEYS, getattr(KEYS, name), queue, moves), again)

        assert moved == len(moves)
        for raw, payload in moves:
            del members[raw]
            self.queues[queue].insert(0, payload)

    @precondition(lambda self: self.sets["retry"] or self.sets["schedule"])
    @rule(pick=number, again=twice)
    def kill(self, pick: int, again: bool) -> None:
        """A person buries a job that waits for its next run."""
        name = "retry" if self.sets["retry"] else "schedule"
        raw = sorted(self.sets[name])[pick % len(self.sets[name])]
        payload = self.changed(raw)
        op = sets.bury(KEYS, getattr(KEYS, name), [(raw, payload)], dead=DeadSetConfig())

        assert self.run_op(op, again) == 1

        del self.sets[name][raw]
        self.sets["dead"][payload] = 0.0

    @precondition(lambda self: self.sets["dead"])
    @rule(pick=number, queue=a_queue, again=twice)
    def retry_dead(self, pick: int, queue: str, again: bool) -> None:
        """A person has a dead job run again."""
        raw = sorted(self.sets["dead"])[pick % len(self.sets["dead"])]

        assert self.run_op(sets.promote(KEYS, KEYS.dead, queue, [(raw, raw)]), again) == 1

        del self.sets["dead"][raw]
        self.queues[queue].insert(0, raw)

    @rule(queue=a_queue)
    def pause_or_go_on(self, queue: str) -> None:
        if queue in self.paused:
            self.store.run(queues.unpause(KEYS, queue))
            self.paused.discard(queue)
        else:
            self.store.run(queues.pause(KEYS, queue))
            self.paused.add(queue)

    # -- trouble ----------------------------------------------------------------------------------------------------

    @rule(at=number)
    def crash(self, at: int) -> None:
        """A process is killed: nobody acts under its identity any more. Another one starts."""
        process = self.processes[at % len(self.processes)]
        process.believed = []
        process.gone = True
        self.serial += 1
        self.processes.append(Process(f"p{self.serial}"))

    @rule(at=number)
    def fall_asleep(self, at: int) -> None:
        """A process is stopped past its heartbeat; it may wake up at any time, and settle."""
        self.processes[at % len(self.processes)].gone = True

    @precondition(lambda self: any(process.gone for process in self.processes))
    @rule(at=number, queue=a_queue, again=twice, buried=st.booleans())
    def recover(self, at: int, queue: str, again: bool, buried: bool) -> None:
        """Without `buried` the one who recovers dies before it buries the poison; the next one finds it again."""
        dead = [process for process in self.processes if process.gone]
        process = dead[at % len(dead)]
        op = leases.recover(KEYS, queue, identity=process.identity, max_recoveries=MAX_RECOVERIES)
        for _ in range(2 if again else 1):
            given, poison = self.recovered_from(process, queue)

            assert self.store.run(op) == (len(given), poison)

        if poison and buried:
            settlements = [
                Settlement(Lease(queue, raw, 0.0), "dead", NO_RUN, self.changed(raw)) for raw in process.held[queue]
            ]
            assert self.settled(process, settlements) == []
            op2 = leases.settle(KEYS, settlements, identity=process.identity, dead=DeadSetConfig())
            assert self.store.run(op2) == []

    def recovered_from(self, process: Process, queue: str) -> tuple[list[bytes], list[bytes]]:
        held, process.held[queue] = process.held[queue], []
        given, poison = [], []
        known = process.identity in self.owners(queue)
        for at, raw in enumerate(held):
            may_have_run = known and len(held) - at <= CONCURRENCY
            if may_have_run:
                self.recovered[raw] += 1
            if may_have_run and self.recovered[raw] >= MAX_RECOVERIES:
                poison.append(raw)
            else:
                given.append(raw)
        process.held[queue] = poison
        self.queues[queue] += given
        return given, poison

    def owners(self, queue: str) -> set[str]:
        return {text(name) for name in self.redis.client.hkeys(KEYS.lease_owners(queue))}

    # -- what always holds ------------------------------------------------------------------------------------------

    @invariant()
    def all_is_well(self) -> None:
        found = self.redis.dump(["pushed:*", "lease-recovered:*"])
        self.each_job_is_in_exactly_one_place(found)
        self.each_run_is_counted_once(found)
        self.who_holds_something_can_be_found(found)
        self.redis_is_as_the_model(found)

    def each_job_is_in_exactly_one_place(self, found: dict[str, Any]) -> None:
        """Whatever the model thinks of the place."""
        kinds = ("queue:", "lease:", "schedule", "retry", "dead")
        places = [raw for key, raws in found.items() if key.startswith(kinds) for raw in raws]

        assert Counter(raw.partition(":")[0] for raw in places) == Counter(text(job) for job in self.jobs)

    def each_run_is_counted_once(self, found: dict[str, Any]) -> None:
        assert int(found.get("stat:processed", 0)) == self.processed
        assert int(found.get("stat:failed", 0)) == self.failed

    def who_holds_something_can_be_found(self, found: dict[str, Any]) -> None:
        """A lease list without an owner would be recovered by nobody; a queue that is not named is shown to nobody."""
        for queue in QUEUES:
            owners = found.get(KEYS.lease_owners(queue), {})
            assert all(process.identity in owners for process in self.processes if process.held[queue])
            assert not self.queues[queue] or queue in found.get("queues", set())

    def redis_is_as_the_model(self, found: dict[str, Any]) -> None:
        wanted: dict[str, Any] = {"paused": self.paused}
        for queue in QUEUES:
            wanted[KEYS.queue(queue)] = [text(raw) for raw in self.queues[queue]]
            for process in self.processes:
                wanted[KEYS.lease(queue, process.identity)] = [text(raw) for raw in process.held[queue]]
        for name, members in self.sets.items():
            wanted[name] = {text(raw) for raw in members}

        places = {
            key: set(value) if key in self.sets else value
            for key, value in found.items()
            if not key.startswith(("stat:", "queues", "lease-owners:"))
        }
        assert places == {key: value for key, value in wanted.items() if value}


def in_order_of_moving(settlements: list[Settlement]) -> list[Settlement]:
    """Given-back ones that follow each other and are of one queue go back from the newest on."""
    ordered: list[Settlement] = []
    run: list[Settlement] = []
    for item in settlements:
        if run and (item.where, item.lease.queue) != ("queue", run[0].lease.queue):
            ordered += reversed(run)
            run = []
        if item.where == "queue":
            run.append(item)
        else:
            ordered.append(item)
    return [*ordered, *reversed(run)]


def test_wherever_a_walk_goes_each_job_is_in_exactly_one_place(redis: RealRedis) -> None:
    store = BlockingStore(redis.config)
    walk = type("Walk", (Walk,), {"redis": redis, "store": store})
    try:
        run_state_machine_as_test(
            walk,
            settings=settings(
                max_examples=WALKS,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        store.close()
