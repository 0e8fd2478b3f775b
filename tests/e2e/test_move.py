"""Queues move to another server while workers take from both, and the move is killed again and again."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.support.eventually import eventually
from tests.support.fleet import ROOT, Fleet, command
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.e2e

_JOBS = 20_000
_KILLS = 4
_CHUNK = 500


def test_killed_among_working_workers_it_loses_nothing(
    redis: RealRedis, server: Callable[..., RealRedis], fleet: Fleet
) -> None:
    """What a killed move held is given back by a worker of the source, without another run of it."""
    target = server()
    payloads = [f'{{"class":"noop","args":[{number}],"jid":"{number}","queue":"default"}}' for number in range(_JOBS)]
    redis.client.sadd("queues", "default")
    redis.client.lpush("queue:default", *payloads)
    settings = {"heartbeat_ttl_s": 2, "reap_s": 0.5, "job_log": 0}
    fleet.worker(target, "--log-level", "warning", ready=False, **settings)

    for _ in range(_KILLS):
        before = redis.client.llen("queue:default")
        if not before:  # the machine was so slow that the last one got to its end
            break
        move = subprocess.Popen(
            [command(), "move", "--from", redis.url, "--to", target.url, "-q", "default"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        eventually(lambda: redis.client.llen("queue:default") < before, 60)  # noqa: B023
        move.kill()
        move.wait()
    fleet.worker(redis, ready=False, **settings)

    eventually(lambda: len(fleet.runs.started()) == _JOBS, 120, "jobs are lost")
    assert fleet.runs.started().total() <= _JOBS + _KILLS * _CHUNK
    eventually(lambda: redis.client.hlen("lease-owners:{queue:default}") <= 1, 60)  # the worker's own
