"""Processes as Ruby's and our heartbeats write them, and the doctor's findings about a server."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from redisjobs import RedisJobs
from redisjobs.inspector.doctor import Finding, Report
from tests.support.real_redis import RealRedis

SOUND = {"appendonly": "yes", "slowlog_log_slower_than": 5_000_000}
"""Options of a server that the doctor has nothing to say about; a busy machine is no reason for a slow log."""

RUBY_VERSIONS = {6: "", 7: "7.3.2", 8: "8.1.7"}


def doctor(redis: RealRedis, **settings: Any) -> Report:
    """Examine a server as the app does that `settings` describe."""
    app = RedisJobs(settings.pop("url", redis.url), **settings)
    try:
        return app.doctor()
    finally:
        app.close()


def found(report: Report, check: str) -> list[Finding]:
    """Return what one check found."""
    return [finding for finding in report.findings if finding.check == check]


def the(report: Report, check: str) -> Finding:
    """Return the one thing that a check found."""
    (finding,) = found(report, check)
    return finding


def ruby(
    redis: RealRedis,
    identity: str = "ruby:1:a",
    *,
    queues: Sequence[str] = ("default",),
    generation: int = 8,
    silent_s: float = 0.0,
    ahead_s: float = 0.0,
    **info: Any,
) -> None:
    """Write a process as a Ruby's heartbeat would, `silent_s` ago by a clock that is `ahead_s` ahead."""
    told: dict[str, Any] = {"hostname": "ruby", "pid": 1, "tag": "shop", "queues": list(queues), "labels": []}
    told |= {"started_at": time.time() - 3600, "identity": identity, "concurrency": 5}
    if generation > 6:
        told |= {"version": RUBY_VERSIONS[generation], "embedded": False}
    _beat(redis, identity, told | info, silent_s, ahead_s, {})


def python(
    redis: RealRedis,
    identity: str = "python:1:a",
    *,
    queues: Sequence[str] = ("default",),
    jobs: Sequence[str] | None = ("Mail",),
    wire: str = "sidekiq8",
    silent_s: float = 0.0,
    ahead_s: float = 0.0,
    **info: Any,
) -> None:
    """See `ruby`: as a worker of ours would, which knows `jobs`; None: it does not say."""
    told: dict[str, Any] = {"hostname": "python", "pid": 1, "tag": "shop", "queues": list(queues)}
    told |= {"labels": ["python"], "version": "redisjobs 0.1.0", "embedded": False}
    abilities = {"wire": wire, "heartbeat_ttl_s": 60.0} | ({} if jobs is None else {"jobs": list(jobs)})
    _beat(redis, identity, told | info, silent_s, ahead_s, {"redisjobs": json.dumps(abilities)})


def _beat(
    redis: RealRedis, identity: str, info: dict[str, Any], silent_s: float, ahead_s: float, more: dict[str, str]
) -> None:
    quiet = "true" if info.pop("quiet", False) else "false"
    beat = {"busy": "0", "beat": str(redis.now() - silent_s + ahead_s), "quiet": quiet, "rss": "1", "rtt_us": "1"}
    redis.seed({"processes": {identity}, identity: {"info": json.dumps(info), **beat, **more}})
    redis.client.pexpire(identity, int((60 - silent_s) * 1000))
