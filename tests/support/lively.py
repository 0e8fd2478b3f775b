"""A shop at work, for pictures: Python's and Ruby's processes side by side, the latter as real Sidekiqs wrote them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import seed as seeds
from tests.support.real_redis import RealRedis

GOLDEN = Path(__file__).parents[1] / "interop" / "golden"
SETS = ("retry", "dead", "schedule")


def seed(redis: RealRedis) -> None:
    """Fill an empty database: a shop's jobs and processes, and of three Ruby Sidekiqs a process and some entries."""
    seeds.crowd(redis.client, seeds.SHOP)
    for file in sorted(GOLDEN.glob("sidekiq-*-process.json")):
        _process(redis, json.loads(file.read_text("utf-8")))
    for file in sorted(GOLDEN.glob("sidekiq-*-database.json")):
        keys = json.loads(file.read_text("utf-8"))["keys"]
        for name in SETS:
            _entries(redis, name, keys.get(name, {"value": []})["value"])


def _process(redis: RealRedis, recorded: dict[str, Any]) -> None:
    """Register a process that was recorded, as if it beat now."""
    key, work_key = recorded["key"], recorded["work_key"]
    later_s = time.time() - float(recorded["hash"]["beat"])
    beat = recorded["hash"] | {"beat": repr(time.time()), "info": _later(recorded["hash"]["info"], later_s)}
    redis.client.sadd("processes", key)
    redis.client.hset(key, mapping=beat)
    redis.client.hset(work_key, mapping={thread: _later(work, later_s) for thread, work in recorded["work"].items()})
    redis.client.expire(key, seeds.LIFETIME_S)
    redis.client.expire(work_key, seeds.LIFETIME_S)


def _entries(redis: RealRedis, name: str, recorded: list[tuple[str, float]]) -> None:
    """Add entries of a set that were recorded, as if the last of them had been written now."""
    later_s = time.time() - max((score for _, score in recorded), default=0.0)
    for raw, score in recorded:
        redis.client.zadd(name, {_later(raw, later_s): score + later_s})


def _later(raw: str, by_s: float) -> bytes:
    """Move the moments in a JSON text, and in those within it, to later; bytes that are no JSON stay."""
    try:
        return msgspec.json.encode(_moved("", msgspec.json.decode(raw), by_s))
    except msgspec.DecodeError:
        return raw.encode("utf-8", "surrogateescape")


def _moved(name: str, value: Any, by_s: float) -> Any:
    if isinstance(value, dict):
        return {member: _moved(member, inner, by_s) for member, inner in value.items()}
    if name == "payload" and isinstance(value, str):
        return _later(value, by_s).decode()
    if not name.endswith("_at") or not isinstance(value, int | float):
        return value
    return int(value + by_s * 1000) if value > 1e11 else value + by_s  # milliseconds of generation 8, else seconds
