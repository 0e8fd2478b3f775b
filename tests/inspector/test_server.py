"""What a server tells of itself."""

from __future__ import annotations

import pytest

from redisjobs.errors import StoreError
from redisjobs.inspector import Access
from redisjobs.inspector.server import Server
from redisjobs.store.ops import diagnosis
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


def test_a_server_tells_what_it_is_and_how_it_is(redis: RealRedis, access: Access) -> None:
    told = redis.client.info()

    server = Server.look(access)

    assert (server.role, server.mode) == ("master", "standalone")
    assert (server.name, server.version) == (
        ("valkey", told["valkey_version"]) if "valkey_version" in told else ("redis", told["redis_version"])
    )
    assert server.used_bytes > 100_000
    assert server.most_clients == told["maxclients"]
    assert server.clients >= 1
    assert (server.appendonly, server.save_failed, server.limit_bytes) == (bool(told["aof_enabled"]), False, 0)


def test_what_a_server_does_not_tell_is_nothing(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "_info", lambda reply: {"used_memory": "much"})

    server = Server.look(access)

    assert (server.version, server.used_bytes, server.saved_at, server.role) == ("", 0, None, "")


def test_who_may_not_ask_is_told_so(redis: RealRedis, access: Access) -> None:
    redis.client.execute_command("ACL", "SETUSER", "default", "-info")
    try:
        with pytest.raises(StoreError):
            Server.look(access)
    finally:
        redis.client.execute_command("ACL", "SETUSER", "default", "+info")
