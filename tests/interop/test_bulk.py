"""Bulk work of both languages on one set at the same time: no job is lost, none multiplied."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from redisjobs import RedisJobs
from redisjobs.inspector.bulk import Action, Bulk, Kill, Retry
from redisjobs.inspector.query import Query
from redisjobs.inspector.transfer import export
from tests.interop.peers import RubyPeer
from tests.support.fleet import command
from tests.support.real_redis import RealRedis

COUNT = 2000

# What Ruby's own `retry_all` and `kill_all` do, which end with an error when somebody else takes the last entry between
# their two looks; here they go on until there is none.
_RUBY_TOO = """
set = Sidekiq::RetrySet.new
moved = 0
while set.size > 0
  entry = set.first or next
  begin
    moved += 1 if entry.%s
  rescue NoMethodError, TypeError # it was not there any more
  end
end
moved
"""


def fill(redis: RealRedis, count: int = COUNT) -> list[str]:
    """Put failed jobs into the retry set; return their jids."""
    jids = [f"{number:024x}" for number in range(count)]
    with redis.client.pipeline(transaction=False) as pipe:
        for number, jid in enumerate(jids):
            job = {"class": "Interop::Record", "args": [number], "queue": "mail", "jid": jid, "retry": True}
            failed = {"retry_count": 1, "error_class": "Boom", "error_message": f"no {number}", "tags": ["\u00e9"]}
            times = {"created_at": 1_732_406_400.5, "enqueued_at": 1_732_406_400.5, "failed_at": 1_732_406_401.5}
            pipe.zadd("retry", {msgspec.json.encode({**job, **failed, **times}): 2e9 + number / 4})
        pipe.execute()
    return jids


def jids_of(redis: RealRedis, key: str) -> Counter[str]:
    raws = redis.client.lrange(key, 0, -1) if key.startswith("queue:") else redis.client.zrange(key, 0, -1)
    return Counter(json.loads(raw)["jid"] for raw in raws)


@pytest.mark.parametrize(("action", "call", "target"), [(Retry(), "retry", "queue:mail"), (Kill(), "kill", "dead")])
def test_ruby_and_python_move_the_same_jobs_at_once(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, action: Action, call: str, target: str
) -> None:
    jids = fill(redis)
    peer.eval("1")

    with ThreadPoolExecutor() as pool:
        ruby = pool.submit(peer.eval, _RUBY_TOO % call, timeout_s=120)
        ours = 0
        while redis.client.zcard("retry"):  # Ruby puts back for a moment what has the score of another one
            ours += list(Bulk(app.retries, Query(), action))[-1].done
        ruby.result(120)

    assert ours > 0
    assert jids_of(redis, target) == Counter(jids)
    assert redis.client.zcard("retry") == 0


def test_two_commands_retry_the_same_jobs_at_once(redis: RealRedis) -> None:
    jids = fill(redis)
    words = [command(), "--url", redis.url, "--json", "retry", "--where", "error_class=Boom", "--yes"]
    both = [subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) for _ in range(2)]

    told: list[dict[str, Any]] = [json.loads(each.communicate(timeout=120)[0]) for each in both]

    assert jids_of(redis, "queue:mail") == Counter(jids)
    assert redis.client.zcard("retry") == 0
    assert sum(each.get("enqueued", 0) for each in told) == COUNT


def test_ruby_runs_what_was_exported_and_imported(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    """To the byte: each entry of its API, score and fields, is what it was."""
    look = "Sidekiq::RetrySet.new.map { |entry| [entry.score, entry.item] }"
    jid = peer.eval("Interop::Record.set('queue' => 'mail').perform_in(3600, 'nädel', 2**70, 1.5)")
    redis.client.zunionstore("retry", ["schedule"])
    redis.client.delete("schedule")
    before = peer.eval(look)

    lines = [line for some in export(app.retries, Query()) for line in some]
    redis.client.delete("retry")
    process = subprocess.run(
        [command(), "--url", redis.url, "import", "-"], input=b"\n".join(lines), capture_output=True, check=True
    )

    assert process.stdout == b"1 imported\n"
    assert peer.eval(look) == before
    assert before[0][1]["jid"] == jid
