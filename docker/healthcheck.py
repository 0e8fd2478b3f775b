"""Exit 0 if a worker of this container is in Redis' process registry with a fresh beat, else 1 with the reason.

Must not know: redisjobs. It reads what any Sidekiq-compatible process writes, so it judges the worker from outside.
Always holds: it only reads, and it ends within a few seconds, whatever Redis does.
"""

import os
import socket
import sys
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

FRESH_S = 30.0  # three beats; the registry itself forgets a silent process after 60 s
TIMEOUT_S = 2.0


def connect() -> "redis.Redis":
    """Connect to the worker's Redis without redis-py's own retries: a second try is the next check."""
    url = os.environ.get("REDISJOBS_URL") or os.environ.get("REDIS_URL") or "redis://localhost:6379/0"
    once = Retry(NoBackoff(), 0)
    return redis.Redis.from_url(
        url, decode_responses=True, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=once
    )


def beat_ages(client: "redis.Redis", hostname: str) -> list[float]:
    """Return the seconds since the last beat of each listed process whose identity begins with this host name."""
    identities = map(str, client.smembers("processes"))
    beats = [client.hget(identity, "beat") for identity in identities if identity.startswith(f"{hostname}:")]
    return [time.time() - float(beat) for beat in beats if beat is not None]


def verdict() -> str | None:
    """Return what is wrong, or None."""
    hostname = os.environ.get("DYNO") or socket.gethostname()
    try:
        ages = beat_ages(connect(), hostname)
    except (redis.RedisError, OSError) as error:
        return f"Redis: {error}"
    if not ages:
        return f"no worker of {hostname} is registered"
    if min(ages) > FRESH_S:
        return f"the last beat was {min(ages):.0f} s ago"
    return None


if __name__ == "__main__":
    sys.exit(verdict())  # a text is printed, with exit status 1
