"""Read what pushes stored: payloads as dicts, in the order in which they will run."""

from __future__ import annotations

import json
from typing import Any

from tests.support.real_redis import RealRedis

GUARDS = ["*pushed:*"]


def queued(redis: RealRedis, queue: str = "default") -> list[dict[str, Any]]:
    """Return the jobs of a queue, the next to run first; the tail of the list is taken first."""
    return [json.loads(raw) for raw in reversed(redis.value(f"queue:{queue}") or [])]


def scheduled(redis: RealRedis) -> list[tuple[dict[str, Any], float]]:
    """Return the jobs of the schedule with their moments, the first due first."""
    return [(json.loads(raw), score) for raw, score in (redis.value("schedule") or {}).items()]


def arguments(jobs: list[dict[str, Any]]) -> list[Any]:
    """Return the first argument of each job."""
    return [job["args"][0] for job in jobs]


def jids(jobs: list[dict[str, Any]]) -> list[str]:
    """Return the jid of each job."""
    return [job["jid"] for job in jobs]
