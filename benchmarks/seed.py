"""A crowd of jobs and processes as it stands in the Redis of a large shop, for what looks at it: pages and pictures.

Must not know: who looks, or how.
Always holds: the same sizes give the same jobs, whose jids count up; only times are of the moment of seeding.
"""

from __future__ import annotations

import base64
import math
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import msgspec
import redis

from redisjobs.version import __version__

CHUNK = 1_000
QUEUE = "default"
QUEUES = ("critical", QUEUE, "mailers", "reports", "search")
WAITED_S = {"critical": 0.9, QUEUE: 95.0, "mailers": 12.0, "reports": 840.0, "search": 31.0}
"""For how long the oldest job of each queue has waited."""
CLASSES = (
    *("Mail::Welcome", "Mail::Receipt", "Orders::Capture", "Orders::Refund", "Search::Index", "Search::Prune"),
    *("Reports::Daily", "Reports::Export", "Images::Resize", "Webhooks::Deliver"),
)
ERRORS = (
    ("Net::OpenTimeout", "connection to payments-{0} timed out after {1} s"),
    ("ActiveRecord::Deadlocked", "Deadlock found when trying to get lock on orders {0}"),
    ("TimeoutError", "no answer from https://hooks.example.com/{0} within {1} s"),
    ("KeyError", "'sku-{0}'"),
    ("Stripe::CardError", "Your card was declined (request req_{0:08x})"),
    ("NoMethodError", "undefined method `price' for nil:NilClass"),
    ("ValueError", "could not convert string to float: '{1},{0}'"),
)
LINES = (
    "app/jobs/orders/capture.rb:{0}:in `perform'",
    "lib/payments/client.rb:118:in `post'",
    'File "/srv/shop/jobs/webhooks.py", line {0}, in deliver',
    "net/http.rb:1603:in `initialize'",
    "sidekiq/processor.rb:219:in `execute_job'",
)
PLACES = ("", "retry", "dead", "work")
TAGS: tuple[list[str], ...] = (["eu"], ["us", "vip"], [], ["bulk"])
LIFETIME_S = 86_400
"""Of heartbeats: nobody beats, and the crowd should be there as long as somebody looks."""


@dataclass(frozen=True)
class Sizes:
    """How many of each there are; `minutes` are those with metrics."""

    queue: int = 1_000_000
    others: int = 500
    retry: int = 100_000
    dead: int = 10_000
    scheduled: int = 10_000
    processes: int = 200
    minutes: int = 480
    days: int = 5 * 365


FULL = Sizes()
QUICK = Sizes(queue=50_000, others=50, retry=5_000, dead=1_000, scheduled=1_000, processes=20, minutes=60, days=365)
SHOP = Sizes(queue=1_873, others=41, retry=312, dead=146, scheduled=204, processes=5, minutes=480, days=365)
"""What fits a picture."""

PAGES = {
    "dashboard": "/",
    "dashboard-5y": "/?range=5y",
    "queues": "/queues",
    "queue": f"/queue?name={QUEUE}",
    "queue-deep": f"/queue?name={QUEUE}&start=500000",
    "queue-search": f"/queue?name={QUEUE}&class=Orders::Refund&q=c97",
    "busy": "/busy",
    "busy-deep": "/busy?start=1000&from=150",
    "retries": "/retries",
    "retries-search": "/retries?error=Deadlocked&q=c97",
    "retries-errors": "/retries/errors",
    "scheduled": "/scheduled",
    "dead": "/dead",
    "dead-deep": "/dead?start=5000",
    "job": f"/jobs/1{0:023x}",
    "metrics": "/metrics",
    "metrics-8h": "/metrics?window=8h&by=p95",
    "metrics-72h": "/metrics?window=72h",
    "metrics-class": "/metrics/class?name=Reports::Daily&window=8h",
    "tasks": "/tasks",
    "import": "/import",
}
"""The web UI's pages over the crowd, by what reports and pictures call them."""


def crowd(client: redis.Redis, sizes: Sizes) -> None:
    """Write all of it into an empty database. A million jobs take some 15 s."""
    now = time.time()
    _queues(client, sizes, now)
    for key, count, spread_s in (("retry", sizes.retry, 6 * 3600.0), ("dead", sizes.dead, -60 * 86_400.0)):
        entries = ((failed(number, now), now + spread_s * ((number * 7919) % count) / count) for number in range(count))
        _zset(client, key, entries)
    later = ((job(number, now, queue=QUEUES[number % 5]), now + 60 + 37 * number) for number in range(sizes.scheduled))
    _zset(client, "schedule", later)
    for number in range(sizes.processes):
        process(client, number, now)
    _counters(client, sizes.days, now)
    _metrics(client, sizes.minutes, now)


def jid(number: int, place: str = "") -> str:
    """Return the jid of the nth job of a place, or of the queues and the schedule."""
    return f"{PLACES.index(place):x}{number:023x}"


def job(number: int, at: float, *, queue: str = QUEUE, place: str = "", **more: Any) -> bytes:
    """Return the nth job's payload; it was enqueued at that moment."""
    created_ms = int(at * 1000)
    fields = {
        "retry": True,
        "queue": queue,
        "args": [
            number,
            {"locale": ("en", "de", "fr")[number % 3], "customer": f"customer-{number % 977}@example.com"},
        ],
        "class": CLASSES[number % len(CLASSES)],
        "jid": jid(number, place),
        "created_at": created_ms,
        "enqueued_at": created_ms,
    }
    if TAGS[number % 4]:
        fields["tags"] = TAGS[number % 4]
    return msgspec.json.encode(fields | more)


def failed(number: int, now: float, place: str = "retry") -> bytes:
    """Return the nth job that failed; every seventh with its backtrace."""
    error, message = ERRORS[(number * number) % len(ERRORS)]
    at_ms = int((now - 30 - number % 80_000) * 1000)
    more: dict[str, Any] = {
        "error_class": error,
        "error_message": message.format(number * 31, number % 59 + 1),
        "failed_at": at_ms - 40_000,
        "retried_at": at_ms,
        "retry_count": number % 12,
    }
    if number % 7 == 0:
        lines = [line.format(number % 300) for line in LINES]
        more["error_backtrace"] = base64.b64encode(zlib.compress(msgspec.json.encode(lines))).decode()
    return job(number, at_ms / 1000 - 90, queue=QUEUES[number % 5], place=place, **more)


def process(client: redis.Redis, number: int, now: float) -> None:
    """Register the nth process, which runs 5 of the 10 jobs that it may; every other is ours, and holds one more."""
    host, ours = f"worker-{number // 4 + 1}", number % 2 == 0
    identity = f"{host}:{1000 + number}:{number:012x}"
    info = {
        "hostname": host,
        "started_at": now - 3_600 * (number % 50 + 1),
        "pid": 1000 + number,
        "tag": "shop" if ours else "storefront",
        "concurrency": 10,
        "queues": list(QUEUES[: number % 5 + 1]),
        "weights": [dict.fromkeys(QUEUES[: number % 5 + 1], 0)],
        "labels": ["python", "spot"] if ours else ["rails"],
        "identity": identity,
        "version": f"redisjobs {__version__}" if ours else "8.1.7",
        "embedded": False,
    }
    quiet = "true" if number % 11 == 4 else "false"
    beat: dict[Any, Any] = {
        "busy": 5,
        "concurrency": 10,
        "beat": now,
        "quiet": quiet,
        "rss": 60_000 + number * 997,
        "rtt_us": 210 + number,
    }
    work: dict[Any, Any] = {}
    held = [(QUEUE, job(7 * number + 5, now, place="work"))]
    for thread in range(5):
        running = job(thread + 7 * number, now, queue=QUEUES[thread], place="work")
        held.append((QUEUES[thread], running))
        run_at = int(now) - thread**4 - number % 7
        work[f"t{thread}"] = msgspec.json.encode(
            {"queue": QUEUES[thread], "payload": running.decode(), "run_at": run_at}
        )
    with client.pipeline(transaction=False) as pipe:
        pipe.sadd("processes", identity)
        pipe.hset(identity, mapping={"info": msgspec.json.encode(info), **beat})
        pipe.hset(f"{identity}:work", mapping=work)
        if ours:
            pipe.sadd("lease-queues", *QUEUES)
            for queue, raw in held:
                pipe.hset(f"lease-owners:{{queue:{queue}}}", identity, 10)
                pipe.lpush(f"lease:{{queue:{queue}}}:{identity}", raw)
        pipe.expire(identity, LIFETIME_S)
        pipe.expire(f"{identity}:work", LIFETIME_S)
        pipe.execute()


def _queues(client: redis.Redis, sizes: Sizes, now: float) -> None:
    client.sadd("queues", *QUEUES)
    client.sadd("paused", "reports")
    for queue, waited_s in WAITED_S.items():
        count = sizes.queue if queue == QUEUE else sizes.others
        moments = ((number, now - waited_s * (1 - number / count)) for number in range(count))
        for _ in range(0, count, CHUNK):
            client.lpush(f"queue:{queue}", *(job(number, at, queue=queue) for number, at in islice(moments, CHUNK)))


def _zset(client: redis.Redis, key: str, entries: Iterator[tuple[bytes, float]]) -> None:
    chunk: dict[bytes, float] = {}
    for raw, score in entries:
        chunk[raw] = score
        if len(chunk) == CHUNK:
            client.zadd(key, chunk)
            chunk = {}
    if chunk:
        client.zadd(key, chunk)


def _counters(client: redis.Redis, days: int, now: float) -> None:
    """Write the counters of some years: weekends are calm, and each year is busier than the one before."""
    today = datetime.fromtimestamp(now, UTC).date()
    values: dict[str, int] = {}
    for ago in range(days):
        day = today - timedelta(days=ago)
        weekend = 0.45 if day.weekday() > 4 else 1.0
        runs = int(180_000 * weekend * (1 - ago / days / 2) * (1 + 0.2 * math.sin(ago)))
        values[f"stat:processed:{day}"] = runs
        values[f"stat:failed:{day}"] = runs // (60 + ago % 31)
    sums = {name: sum(count for key, count in values.items() if name in key) for name in ("processed", "failed")}
    client.mset({**values, **{f"stat:{name}": count for name, count in sums.items()}})


def _metrics(client: redis.Redis, minutes: int, now: float) -> None:
    """Write each class's sums and histogram of some minutes, as generation 8 does, and a deploy in their midst."""
    with client.pipeline(transaction=False) as pipe:
        for ago in range(minutes):
            at = datetime.fromtimestamp(now, UTC) - timedelta(minutes=ago)
            minute = f"{at:%y%m%d}|{at.hour}:{at:%M}"
            for number, name in enumerate(CLASSES):
                runs = int(40 + 30 * math.sin(ago / 30 + number) + number)
                failures = runs // (9 + number) if number % 3 == 0 else 0
                for key in (f"j|{minute}", f"j|{minute[:-1]}"):
                    pipe.hincrby(key, f"{name}|p", runs)
                    pipe.hincrby(key, f"{name}|f", failures)
                    pipe.hincrby(key, f"{name}|ms", (runs - failures) * (25 << number // 2))
                    pipe.expire(key, 3 * LIFETIME_S)
                bits = pipe.bitfield(f"h|{name}-{at.day}-{at.hour}:{at.minute}")
                for place, share in enumerate((5, 2, 4, 9)):
                    bits.set("u16", f"#{number + place}", runs // share)
                bits.execute()
                pipe.expire(f"h|{name}-{at.day}-{at.hour}:{at.minute}", LIFETIME_S)
            pipe.execute()
    deployed = datetime.fromtimestamp(now, UTC) - timedelta(minutes=minutes // 3)
    client.hset(f"{deployed:%Y%m%d}-marks", f"{deployed:%Y-%m-%dT%H:%M:00Z}", "v412 Capture orders twice as fast")
