"""The details of a row: all of it, as far as it can be read, and no more than can be laid out."""

from __future__ import annotations

import pytest

from redisjobs import RedisJobs
from redisjobs.tui import rows
from redisjobs.tui.details import details
from redisjobs.tui.rows import Wanted
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


def of_retry(app: RedisJobs, redis: RealRedis, raw: bytes) -> str:
    """Return the details of a job in the retry set."""
    redis.client.zadd("retry", {raw: redis.now() + 60})
    [row] = rows.retries(app, Wanted()).rows
    return details(app, row)


def test_a_job_is_told_with_its_error_and_backtrace(app: RedisJobs, redis: RealRedis) -> None:
    error = {"error_class": "IOError", "error_message": "disk", "error_backtrace": ["a.rb:1", "b.rb:2"]}

    text = of_retry(app, redis, a_payload(tags=["eu", "big"], args=[{"order": 7}], retry_count=3, **error))

    assert "error       IOError: disk" in text
    assert "    a.rb:1\n    b.rb:2" in text
    assert "tags        eu, big" in text
    assert "retries     3" in text
    assert '"order": 7' in text


@pytest.mark.parametrize(
    "raw",
    [
        b"no job",
        b"\xff\xfe",
        b"",
        b"[]",
        a_payload(args=["x" * 10_000_000]),
        a_payload(args=list(range(1_000_000))),
        a_payload(class_=..., args=...),
        b'{"class":"A","args":' + b"[" * 900 + b"]" * 900 + b"}",
        b"[" * 100_000,
    ],
    ids=lambda raw: f"{raw[:12]!r}, {len(raw)} bytes",
)
def test_anything_can_be_looked_at_and_stays_short(app: RedisJobs, redis: RealRedis, raw: bytes) -> None:
    text = of_retry(app, redis, raw)

    assert len(text) < 1_100_000
    assert len(text.split("\n")) <= 1_001


def test_a_queue_whose_key_is_none_says_so(app: RedisJobs, redis: RealRedis) -> None:
    redis.seed({"queues": {"odd"}, "queue:odd": "text"})
    [row] = rows.queues(app, Wanted()).rows

    assert row.tone == "bad"
    assert "queue:odd" in details(app, row)
