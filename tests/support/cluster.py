"""Cluster: a Redis Cluster of three masters, each with a third of the slots, on free ports of the loopback."""

from __future__ import annotations

import binascii

import redis

from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis, free_port

SLOTS = 16384
_DEADLINE_S = 60


class Cluster:
    """Running from the start to `close`. `replicated`: one more server is the replica of whoever has this key."""

    def __init__(self, *, replicated: str = "") -> None:
        self.masters: list[RealRedis] = []
        self.replica: RealRedis | None = None
        try:
            for _ in range(3):
                self.masters.append(_node())
            for number, node in enumerate(self.masters):
                first, last = (SLOTS * (number + more) // 3 for more in (0, 1))
                node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last - 1)
                node.client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            self._meet(*self.masters[1:])
            if replicated:
                self.replica = _node()
                self._meet(self.replica)
                owner = self.owner(replicated)
                eventually(lambda: self._replicates(owner), _DEADLINE_S, "the replica does not know its master")
                eventually(lambda: owner.client.role()[2], _DEADLINE_S, "the replica does not replicate")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def nodes(self) -> list[RealRedis]:
        return [*self.masters, *([self.replica] if self.replica else [])]

    @property
    def url(self) -> str:
        """All nodes, as one URL."""
        return f"redis://{','.join(f'127.0.0.1:{node.port}' for node in self.nodes)}"

    def owner(self, key: str) -> RealRedis:
        """Return the master that got the slot of a key at the start."""
        return self.masters[(slot(key) * 3 + 2) // SLOTS]

    def move(self, key: str, source: RealRedis, target: RealRedis) -> None:
        """Move the slot of a key, with all keys in it, to another master, as an administrator would."""
        number = slot(key)
        target.client.execute_command("CLUSTER", "SETSLOT", number, "IMPORTING", _text(source, "CLUSTER", "MYID"))
        source.client.execute_command("CLUSTER", "SETSLOT", number, "MIGRATING", _text(target, "CLUSTER", "MYID"))
        while found := source.client.execute_command("CLUSTER", "GETKEYSINSLOT", number, 100):
            source.client.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *found)
        for node in (target, source, *self.masters):
            node.client.execute_command("CLUSTER", "SETSLOT", number, "NODE", _text(target, "CLUSTER", "MYID"))

    def close(self) -> None:
        """End all and delete their folders."""
        for node in self.nodes:
            node.close()

    def _meet(self, *others: RealRedis) -> None:
        for other in others:
            bus = other.client.config_get("cluster-port")["cluster-port"]
            self.masters[0].client.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port, bus)
        eventually(lambda: all(self._in_order(node) for node in self.nodes), _DEADLINE_S, "the cluster is not ready")

    def _in_order(self, node: RealRedis) -> bool:
        said = _text(node, "CLUSTER", "INFO")
        return "cluster_state:ok" in said and f"cluster_known_nodes:{len(self.nodes)}\r" in said

    def _replicates(self, owner: RealRedis) -> bool:
        assert self.replica is not None
        try:
            self.replica.client.execute_command("CLUSTER", "REPLICATE", _text(owner, "CLUSTER", "MYID"))
        except redis.ResponseError:  # it has not heard of this node yet
            return False
        return True


def slot(key: str) -> int:
    """Return the slot of a key, as the specification of Redis Cluster has it."""
    name = key.encode("utf-8", "surrogateescape")
    tag, closed, _ = name.partition(b"{")[2].partition(b"}")
    return binascii.crc_hqx(tag if closed and tag else name, 0) % SLOTS


def _node() -> RealRedis:
    return RealRedis(cluster_enabled="yes", cluster_port=free_port(), cluster_node_timeout=1000)


def _text(node: RealRedis, *words: str) -> str:
    answer = node.client.execute_command(*words)
    return answer.decode() if isinstance(answer, bytes) else str(answer)
