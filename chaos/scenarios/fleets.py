"""Several servers: sentinels that make a replica the master, and a cluster."""

from __future__ import annotations

import subprocess
import time
from typing import Any

import redis as redis_py
import redis.sentinel as redis_sentinel
from redis.backoff import NoBackoff
from redis.retry import Retry

from chaos.producer import Producer
from chaos.scenarios.outages import load, settled, steady
from chaos.trial import RECOVERED, SkippedError, Trial
from redisjobs.errors import RedisJobsError
from tests.support.real_redis import RealRedis, find_binary, free_port

_MASTER = "mymaster"
_AGAIN_S = 20.0
_SENTINEL = """
port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor {name} 127.0.0.1 {master} 2
sentinel down-after-milliseconds {name} 1000
sentinel failover-timeout {name} 5000
"""


class Fence:
    """Tells whether a push has reached a replica, so that it outlives its master: redis' WAIT, on its own connection.

    The replication stream is in order: when a write of ours that came after the push is on a replica, the push is. The
    connection is from before the push, so that both met the same master.
    """

    def __init__(self, sentinels: list[int]) -> None:
        self._sentinel: Any = redis_sentinel.Sentinel(  # type: ignore[no-untyped-call]
            [("127.0.0.1", port) for port in sentinels], socket_timeout=1
        )
        self._client: Any = None

    def master(self) -> int:
        """Return the port of the master that the sentinels know."""
        try:
            return int(self._sentinel.discover_master(_MASTER)[1])
        except redis_py.RedisError:
            return 0

    def before(self) -> None:
        """Be connected to the master."""
        if self._client is not None or not (port := self.master()):
            return
        try:
            never = Retry(NoBackoff(), 0)
            self._client = redis_py.Redis(port=port, single_connection_client=True, retry=never, socket_timeout=3)
        except redis_py.RedisError:
            pass

    def after(self) -> bool:
        """Return whether all that was written before is on a replica."""
        if self._client is None:
            return False
        try:
            self._client.incr("chaos:fence")
            return bool(self._client.wait(1, 1000))
        except redis_py.RedisError:
            self._client = None
            return False


def sentinels(trial: Trial) -> None:
    """Kill -9 the master of three servers and three sentinels, again and again; confirmed means on a replica."""
    servers = [trial.server(min_replicas_to_write=1, min_replicas_max_lag=5) for _ in range(3)]
    for replica in servers[1:]:
        replica.client.replicaof("127.0.0.1", servers[0].port)
    trial.until(lambda: servers[0].client.info("replication")["connected_slaves"] == 2, 30, "no replicas")
    ports = [_sentinel(trial, servers[0].port, at) for at in range(3)]
    fence = Fence(ports)
    trial.until(lambda: _know_all(ports), 30, "the sentinels do not know each other")
    trial.url = "redis+sentinel://" + ",".join(f"127.0.0.1:{port}" for port in ports) + f"/{_MASTER}"
    _probe(trial)
    trial.bound = None  # a settle that no replica had is forgotten, and its job runs again
    for _ in range(2):
        trial.worker()
    with Producer(trial, fence=fence):
        for _ in range(trial.pick(1, 10)):
            _fail_over(trial, servers, fence)
    trial.finish(90)
    trial.check_logs(RECOVERED)
    trial.stop_workers()


def _fail_over(trial: Trial, servers: list[RealRedis], fence: Fence) -> None:
    steady(trial)
    old = next(server for server in servers if server.port == fence.master())
    old.kill9()
    killed_at = time.monotonic()
    trial.until(lambda: fence.master() not in (0, old.port), 30, "the sentinels have chosen nobody")
    trial.consuming_again(killed_at, _AGAIN_S, each=True)
    old.start()
    old.client.replicaof("127.0.0.1", fence.master())
    trial.until(lambda: _is_whole(servers, fence.master()), 60, "the master has not two replicas")


def _is_whole(servers: list[RealRedis], master: int) -> bool:
    told = [server.client.info("replication") for server in servers if server.port == master]
    return any(one["role"] == "master" and one["connected_slaves"] == len(servers) - 1 for one in told)


def _sentinel(trial: Trial, master: int, at: int) -> int:
    folder = trial.folder / f"sentinel-{at}"
    folder.mkdir()
    port = free_port()
    file = folder / "sentinel.conf"
    file.write_text(_SENTINEL.format(port=port, folder=folder, name=_MASTER, master=master))
    program = find_binary() or "redis-server"
    process = subprocess.Popen(
        [program, str(file), "--sentinel"], stdin=subprocess.DEVNULL, stdout=(folder / "log").open("wb")
    )
    trial.at_end(process.wait)
    trial.at_end(process.kill)
    return port


def _know_all(ports: list[int]) -> bool:
    try:
        told: list[Any] = [redis_py.Redis(port=port).sentinel_master(_MASTER) for port in ports]
    except redis_py.RedisError:
        return False
    return all(one["num-other-sentinels"] == 2 and one["num-slaves"] == 2 for one in told)


def cluster(trial: Trial) -> None:
    """Three masters in cluster mode, all keys in one slot by the namespace; its node dies and comes back."""
    options: dict[str, Any] = {"cluster_enabled": "yes", "appendonly": "yes", "appendfsync": "always"}
    nodes = [trial.server(cluster_port=free_port(), **options) for _ in range(3)]
    addresses = [f"127.0.0.1:{node.port}" for node in nodes]
    line = ["redis-cli", "--cluster", "create", *addresses, "--cluster-yes"]
    subprocess.run(line, check=True, capture_output=True, timeout=60)
    trial.until(lambda: all(node.client.cluster("info")["cluster_state"] == "ok" for node in nodes), 30, "no cluster")
    trial.namespace = "{jobs}"
    slot = nodes[0].client.cluster("keyslot", trial.namespace)
    owner = nodes[min(slot * 3 // 16384, 2)]
    trial.url = next(node for node in nodes if node is not owner).tcp_url
    _probe(trial)
    with load(trial):
        for _ in range(trial.pick(1, 5)):
            steady(trial)
            owner.kill9()
            owner.start()
            trial.until(lambda: owner.client.cluster("info")["cluster_state"] == "ok", 30, "no cluster")
            trial.consuming_again(time.monotonic(), _AGAIN_S, each=True)
    settled(trial, owner)


def _probe(trial: Trial) -> None:
    """Skip what this version cannot do."""
    try:
        trial.app().push("work", [*trial.numbers(1), 0.0])
    except RedisJobsError as error:
        raise SkippedError(f"this version says: {error}") from None
