"""A master that dies under sentinels: producers and workers go on with the next one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from redisjobs import RedisJobs
from tests.support.eventually import eventually
from tests.support.fleet import Fleet
from tests.support.real_redis import RealRedis
from tests.support.sentinels import Sentinels

_DEADLINE_S = 60


@pytest.fixture
def sentinels() -> Iterator[Sentinels]:
    with Sentinels() as made:
        yield made


def test_the_doctor_looks_at_the_master(sentinels: Sentinels) -> None:
    app = RedisJobs(sentinels.url)

    report = app.doctor()
    app.close()

    assert (report.server["role"], report.server["replicas"] > 0) == ("master", True)
    assert report.of("unknown") == []
    assert [finding.check for finding in report.findings if finding.check == "role"] == []


class Producing:
    """Pushes numbers, one after the other, and remembers when each was acknowledged."""

    def __init__(self, url: str, first: int, *, on_a_loop: bool) -> None:
        self.acknowledged: list[tuple[int, float]] = []
        self._app = RedisJobs(url, patience_s=_DEADLINE_S)
        self._number = first
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._on_a_loop if on_a_loop else self._in_a_thread)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()
        self._app.close()

    def _in_a_thread(self) -> None:
        while not self._ended.wait(0.002):
            self._app.push("noop", [self._number])
            self._done()

    def _on_a_loop(self) -> None:
        async def push() -> None:
            while not self._ended.is_set():
                await self._app.apush("noop", [self._number])
                self._done()
                await asyncio.sleep(0.002)
            await self._app.aclose()

        asyncio.run(push())

    def _done(self) -> None:
        self.acknowledged.append((self._number, time.monotonic()))
        self._number += 1


def replicated(master: RealRedis) -> Callable[[], bool]:
    """Return what tells whether the replica has all that the master had written by now."""
    wanted = master.client.info("replication")["master_repl_offset"]
    return lambda: master.client.info("replication")["slave0"]["offset"] >= wanted


def test_the_master_dies_and_all_that_was_acknowledged_and_replicated_runs(sentinels: Sentinels, fleet: Fleet) -> None:
    """What a master acknowledged in its last moments and did not replicate is lost with it: Redis replicates late."""
    worker = fleet.worker(sentinels.url)
    producers = [Producing(sentinels.url, first, on_a_loop=bool(first)) for first in (0, 1_000_000)]
    must: set[int] = set()
    since = 0.0

    def acknowledged(since: float) -> list[set[int]]:
        return [{number for number, at in list(one.acknowledged) if at > since} for one in producers]

    def go_on(since: float) -> Callable[[], bool]:
        return lambda: all(len(numbers) > 100 for numbers in acknowledged(since))

    try:
        for _ in range(2):
            eventually(go_on(since), _DEADLINE_S, "a producer does not go on")
            must |= set().union(*acknowledged(since))
            eventually(replicated(sentinels.master), _DEADLINE_S)
            killed = sentinels.kill_master()
            since = time.monotonic() + 0.3  # the dead one's last answers are read by then, the next is not chosen yet
            sentinels.wait_failover(killed)
            sentinels.revive(killed)
        eventually(go_on(since), _DEADLINE_S, "a producer does not go on")
        must |= set().union(*acknowledged(since))
    finally:
        for one in producers:
            one.end()

    eventually(lambda: must <= set(fleet.runs.started()), _DEADLINE_S, "jobs are lost")
    assert worker.running
    assert worker.stop() == 0


def test_sentinels_may_want_a_password_of_their_own() -> None:
    with Sentinels(count=1, sentinel_password="hidden") as guarded:
        app = RedisJobs(guarded.url)
        try:
            assert app.push("noop", [1])
            assert guarded.master.client.llen("queue:default") == 1
        finally:
            app.close()
