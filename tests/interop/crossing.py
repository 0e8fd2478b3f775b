"""What the interop tests ask of Redis, and how they move time: by scores, never by waiting."""

from __future__ import annotations

import json
from typing import Any

from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis

LONG_AGO = 1_000_000_000.25  # a score that is due

ARGUMENTS: dict[str, list[Any]] = {
    "none": [],
    "unicode": ["héllo", "日本語", "🎉", "e\u0301", "\u2028", "<b>&amp;</b>"],
    "escapes": ["a/b", 'quote"d', "back\\slash", "tab\tnewline\n", "\x00\x1f\x7f"],
    "integers": [0, -1, 2**31, 2**53 + 1, 2**63, 2**64, 2**70, -(2**70)],
    "floats": [1.5, 1.0, -0.0, 0.1, 1e20, 1e16, 1e-7, 123456789.1234567, 5e-324, 1.7976931348623157e308],
    "nil": [None, True, False, None],
    "nested": [{"a": [1, {"b": [None, [], {}]}], "": ""}, [[[]]]],
    "long": ["x" * 100_000, list(range(1000))],
}


def told(redis: RealRedis, key: str = "ran") -> list[dict[str, Any]]:
    """Return what jobs of either language told, oldest first."""
    return [json.loads(each) for each in redis.client.lrange(f"interop:{key}", 0, -1)]


def wait_told(redis: RealRedis, count: int, key: str = "ran", timeout_s: float = 20) -> list[dict[str, Any]]:
    """Wait until so many jobs told, and return what."""
    eventually(lambda: redis.client.llen(f"interop:{key}") >= count, timeout_s, f"{count} in interop:{key}")
    return told(redis, key)


def wait_size(redis: RealRedis, key: str, size: int) -> None:
    """Wait until a sorted set has so many members."""
    eventually(lambda: redis.client.zcard(key) == size, message=f"{size} in {key}")


def entries(redis: RealRedis, key: str) -> list[dict[str, Any]]:
    """Return the payloads of a queue (next to run first) or of a sorted set."""
    if key.startswith("queue:"):
        return [json.loads(raw) for raw in reversed(redis.client.lrange(key, 0, -1))]
    return [json.loads(raw) for raw in redis.client.zrange(key, 0, -1)]


def make_due(redis: RealRedis, key: str) -> None:
    """Give all members of a sorted set a score of long ago, each its own."""
    for number, raw in enumerate(redis.client.zrange(key, 0, -1)):
        redis.client.zadd(key, {raw: LONG_AGO + number}, xx=True)  # unless it was due and is gone meanwhile


def exactly(values: Any) -> str:
    """Return a text that differs where Python's == does not: 1 and 1.0, 0.0 and -0.0, 1 and True."""
    return repr(values)
