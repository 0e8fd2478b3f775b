"""The server as it tells of itself: what it is, its memory, its clients, how it keeps its data."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from redisjobs.inspector.access import Access
from redisjobs.inspector.doctor.server_checks import brand
from redisjobs.store.ops import diagnosis


class Server(Struct, frozen=True):
    """One server, as of now. What it does not tell is 0, empty or None.

    `saved_at`: when its last snapshot was written (Unix seconds). `policy`: what it evicts at `limit_bytes`.
    """

    name: str
    version: str
    role: str
    mode: str
    uptime_s: float
    used_bytes: int
    peak_bytes: int
    limit_bytes: int
    policy: str
    clients: int
    most_clients: int
    commands_s: float
    appendonly: bool
    saved_at: float | None
    save_failed: bool

    @classmethod
    def look(cls, access: Access) -> Server:
        """Ask it. Cost: one INFO.

        Raises:
            StoreError: this user may not ask.
        """
        info = access.run(diagnosis.info())
        name, version = brand(info)
        return cls(
            name,
            version,
            "replica" if info.get("role") == "slave" else info.get("role", ""),
            info.get("redis_mode", info.get("server_mode", "")),
            _number(info, "uptime_in_seconds"),
            int(_number(info, "used_memory")),
            int(_number(info, "used_memory_peak")),
            int(_number(info, "maxmemory")),
            info.get("maxmemory_policy", ""),
            int(_number(info, "connected_clients")),
            int(_number(info, "maxclients")),
            _number(info, "instantaneous_ops_per_sec"),
            info.get("aof_enabled") == "1",
            _number(info, "rdb_last_save_time") or None,
            info.get("rdb_last_bgsave_status") == "err" or info.get("aof_last_write_status") == "err",
        )


def _number(info: Mapping[str, str], name: str) -> float:
    try:
        return float(info.get(name, 0))
    except ValueError:
        return 0.0
