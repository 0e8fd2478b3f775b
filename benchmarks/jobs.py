"""Payloads as a Sidekiq 8 client writes them, whoever is to run them, and queues filled with them."""

from __future__ import annotations

import json
import secrets
import time

from benchmarks.support import PrivateRedis

QUEUE = "bench"
CHUNK = 1_000


def payload(job: str, args: list[object], queue: str = QUEUE) -> str:
    """Return one job's bytes, as text. Its time of creation is now."""
    now_ms = int(time.time() * 1000)
    fields = {"retry": True, "queue": queue, "args": args, "class": job, "jid": secrets.token_hex(12)}
    return json.dumps(fields | {"created_at": now_ms, "enqueued_at": now_ms}, separators=(",", ":"))


def fill(server: PrivateRedis, job: str, jobs: int) -> None:
    """Push jobs that take their number."""
    pipeline = server.client.pipeline(transaction=False)
    pipeline.sadd("queues", QUEUE)
    for start in range(0, jobs, CHUNK):
        chunk = (payload(job, [index]) for index in range(start, min(start + CHUNK, jobs)))
        pipeline.lpush(f"queue:{QUEUE}", *chunk)
        pipeline.execute()


def push(server: PrivateRedis, job: str, args: list[object]) -> None:
    """Push one job with one LPUSH, as the clients would, less the SADD."""
    server.client.lpush(f"queue:{QUEUE}", payload(job, args))
