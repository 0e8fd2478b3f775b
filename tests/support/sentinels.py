"""Sentinels: a master, a replica, and three sentinels that watch them, on free ports of the loopback.

All are ended by their own pids.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import redis

from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis, find_binary, free_port

SERVICE = "jobs"
_DEADLINE_S = 60


class Sentinels:
    """Running from the start to `close`; the master is known to be replicated and watched by all when it is made."""

    def __init__(
        self, *, count: int = 3, down_after_ms: int = 500, sentinel_password: str = "", **options: str | int
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="redisjobs-sentinels-"))
        self.servers = [RealRedis(**options)]
        self.ports = [free_port() for _ in range(count)]
        self._password = sentinel_password
        self._sentinels: list[subprocess.Popen[bytes]] = []
        try:
            self.servers.append(RealRedis(**options, replicaof=f"127.0.0.1 {self.servers[0].port}"))
            for port in self.ports:
                self._start_sentinel(port, self.servers[0].port, down_after_ms)
            eventually(self._settled, _DEADLINE_S, "the sentinels do not know each other and a replica")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Sentinels:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        query = f"?sentinel_password={self._password}" if self._password else ""
        return f"redis+sentinel://{hosts}/{SERVICE}/0{query}"

    def master_port(self) -> int:
        """Return where the sentinels say that the master is."""
        return max(self._said(), key=self._said().count)

    @property
    def master(self) -> RealRedis:
        """The server that the sentinels take for the master."""
        return self._on(self.master_port())

    def kill_master(self) -> RealRedis:
        """End the master as a crash would; return it. The sentinels need `down_after_ms` and an election."""
        killed = self.master
        killed.kill9()
        return killed

    def wait_failover(self, killed: RealRedis) -> RealRedis:
        """Wait until all sentinels name another master, which takes writes; return it."""
        eventually(lambda: self._agree(besides=killed.port), _DEADLINE_S, "no failover")
        return self.master

    def revive(self, killed: RealRedis) -> None:
        """Start a server that was killed, as a replica of the master; return when the sentinels could choose it."""
        killed.configure(replicaof=f"127.0.0.1 {self.master_port()}")
        killed.start()
        eventually(self._settled, _DEADLINE_S, "the server that came back is no good replica")

    def close(self) -> None:
        """End all and delete their folders."""
        for sentinel in self._sentinels:
            sentinel.kill()
            sentinel.wait(30)
        for server in self.servers:
            server.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- ----------------------------------------------------------------------------------------------------------

    def _start_sentinel(self, port: int, master_port: int, down_after_ms: int) -> None:
        program = find_binary()
        assert program is not None
        settings = [
            f"port {port}",
            "bind 127.0.0.1",
            f"dir {self.folder}",
            f"logfile {self.folder}/{port}.log",
            f"sentinel monitor {SERVICE} 127.0.0.1 {master_port} {len(self.ports) // 2 + 1}",
            f"sentinel down-after-milliseconds {SERVICE} {down_after_ms}",
            f"sentinel failover-timeout {SERVICE} 3000",
        ]
        if self._password:
            settings.append(f"requirepass {self._password}")
        file = self.folder / f"{port}.conf"
        file.write_text("\n".join([*settings, ""]), "ascii")
        self._sentinels.append(subprocess.Popen([program, str(file), "--sentinel"], stdin=subprocess.DEVNULL))

    def _on(self, port: int) -> RealRedis:
        return next(server for server in self.servers if server.port == port)

    def _settled(self) -> bool:
        """Tell whether every sentinel knows the others, and one replica that is in order."""
        if not self._agree():
            return False
        for port in self.ports:
            others = self._ask(port, "SENTINEL", "SENTINELS", SERVICE)
            replicas = self._ask(port, "SENTINEL", "REPLICAS", SERVICE)
            good = [one for one in replicas if one["flags"] == "slave" and one["master-link-status"] == "ok"]
            if len(others) != len(self.ports) - 1 or len(good) != len(self.servers) - 1:
                return False
        return True

    def _agree(self, besides: int = 0) -> bool:
        named = set(self._said())
        if len(named) != 1 or besides in named or None in named:
            return False
        try:
            return bool(self._on(named.pop()).client.role()[0] == b"master")
        except (redis.ConnectionError, redis.BusyLoadingError):
            return False

    def _said(self) -> list[Any]:
        found = [self._ask(port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE) for port in self.ports]
        return [int(one[1]) if one else None for one in found]

    def _ask(self, port: int, *words: str) -> Any:
        """Return a sentinel's answer, as redis-py reads it; nothing if it does not answer."""
        with self._client(port) as client:
            try:
                answer = client.execute_command(*words)
            except (redis.ConnectionError, redis.TimeoutError):
                return []
        if words[1] == "GET-MASTER-ADDR-BY-NAME":
            return answer
        rows = answer.values() if isinstance(answer, dict) else answer
        return [row if isinstance(row, dict) else dict(zip(row[::2], row[1::2], strict=True)) for row in rows]

    def _client(self, port: int) -> redis.Redis:
        password = self._password or None
        return redis.Redis(port=port, password=password, protocol=2, decode_responses=True, socket_timeout=5)
