"""Redis dies, hangs, is full, is made a replica, forgets scripts, or closes the door."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from chaos.producer import Producer
from chaos.trial import RECOVERED, Trial
from tests.support.real_redis import RealRedis

_AGAIN_S = 5.0
_HEAP_S = 40
_NOT_OURS = "not ours any more"


@contextmanager
def load(trial: Trial, *, patience_s: float = 0.0, url: str = "") -> Iterator[None]:
    """Two workers and a producer, under way; `url` is where the producer connects, if not where the workers do."""
    for _ in range(2):
        trial.worker()
    if not trial.ours:  # no producer of theirs: a heap of jobs that lasts
        trial.push([0.1] * 2 * trial.system.slots * _HEAP_S * 10)
    with Producer(trial, url=url, patience_s=patience_s) if trial.ours else nullcontext():
        steady(trial)
        yield


def steady(trial: Trial) -> None:
    """Wait until more jobs have run than before."""
    before = len(trial.log.read().ended)
    trial.until(lambda: len(trial.log.read().ended) > before + 100, 30, "no jobs run")


def settled(trial: Trial, redis: RealRedis) -> None:
    """Wait for the end of all jobs; check that each was settled once and nobody taken for dead."""
    trial.finish(60 if trial.ours else _HEAP_S + trial.system.patience_s)
    if not trial.ours:
        return
    trial.until(lambda: redis.client.keys(trial.key("lease:*")) == [], 30, "leases are left")
    runs = int(redis.client.get(trial.key("stat:processed")))
    trial.check(trial.bound != 0 or runs == len(trial.log.ended), f"{runs} settled of {len(trial.log.ended)}")
    trial.check(not redis.client.exists(trial.key("dead"), trial.key("retry")), "jobs in the dead or the retry set")
    trial.check_logs(RECOVERED, _NOT_OURS)
    trial.stop_workers()


def restart(fsync: str) -> Callable[[Trial], None]:
    """Return the scenario for one way of writing the append-only file."""

    def scenario(trial: Trial) -> None:
        redis = trial.server(appendonly="yes", appendfsync=fsync)
        with load(trial):
            for _ in range(trial.pick(2, 10) if trial.ours else 3):
                steady(trial)
                redis.kill9()
                time.sleep(1)
                redis.start()
                trial.consuming_again(time.monotonic(), _AGAIN_S, each=True)
        settled(trial, redis)

    scenario.__doc__ = f"kill -9 Redis and start it again a second later, with appendfsync {fsync}."
    return scenario


def hang(seconds: float) -> Callable[[Trial], None]:
    """Return the scenario for one length of the silence."""

    def scenario(trial: Trial) -> None:
        redis = trial.server()
        with load(trial):
            if trial.system.slots > 3:
                trial.push([seconds + 5] * 3)  # these run all the time: whoever recovers them is wrong
            time.sleep(1)
            redis.sigstop()
            time.sleep(seconds)
            redis.sigcont()
            trial.consuming_again(time.monotonic(), _AGAIN_S, each=True)
        settled(trial, redis)

    scenario.__doc__ = f"SIGSTOP Redis for {seconds:g} s; jobs of {seconds + 5:g} s run meanwhile."
    return scenario


def memory(trial: Trial) -> None:
    """Have Redis reach maxmemory with noeviction, and give it more after a while."""
    redis = trial.server(maxmemory_policy="noeviction")
    with load(trial):
        for _ in range(trial.pick(1, 5)):
            steady(trial)
            redis.client.config_set("maxmemory", 1)
            time.sleep(3)
            redis.client.config_set("maxmemory", 0)
            trial.consuming_again(time.monotonic(), _AGAIN_S, each=True)
    settled(trial, redis)


def demotion(trial: Trial) -> None:
    """Make the master a replica for some seconds, so that it answers READONLY, and a master again."""
    redis, other = trial.server(), trial.server()
    with load(trial):
        for _ in range(trial.pick(1, 5)):
            steady(trial)
            other.client.replicaof("127.0.0.1", redis.port)  # whoever takes over has all
            trial.until(lambda: other.client.info("replication")["master_link_status"] == "up", 20, "no replica")
            redis.client.client_pause(10_000, all=False)  # so that both have the same when they swap
            trial.until(lambda: _offset(redis) == _offset(other), 8, "the replica lags")
            other.client.replicaof("NO", "ONE")
            redis.client.replicaof("127.0.0.1", other.port)
            redis.client.execute_command("CLIENT", "UNPAUSE")
            time.sleep(3)
            redis.client.replicaof("NO", "ONE")
            trial.consuming_again(time.monotonic(), _AGAIN_S, each=True)
    settled(trial, redis)


def _offset(redis: RealRedis) -> int:
    """Return how far the stream of writes has come there."""
    return int(redis.client.info("replication")["master_repl_offset"])


def forgetting(trial: Trial) -> None:
    """SCRIPT FLUSH and CLIENT KILL of every connection, many times a second."""
    redis = trial.server()
    with load(trial, patience_s=5):
        for _ in range(trial.pick(60, 600)):
            time.sleep(0.05)
            redis.client.script_flush()
            redis.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        trial.consuming_again(time.monotonic(), _AGAIN_S, each=True)
    settled(trial, redis)


def doors(trial: Trial) -> None:
    """Close all connections and let none in (maxclients) for some seconds."""
    redis = trial.server()
    with load(trial):
        for _ in range(trial.pick(1, 5)):
            steady(trial)
            redis.client.config_set("maxclients", 1)  # the one is ours
            redis.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            time.sleep(3)
            redis.client.config_set("maxclients", 10_000)
            trial.consuming_again(time.monotonic(), _AGAIN_S, each=True)
    settled(trial, redis)
