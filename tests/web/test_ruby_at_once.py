"""Ruby's Web UI and ours act on all retries at the same time: no job is lost, none is there twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from redisjobs import RedisJobs
from redisjobs.inspector import bulk
from redisjobs.web.tasks import Tasks
from tests.interop.peers import RubyPeer
from tests.support.builders import a_payload
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.web.client import Client

pytestmark = pytest.mark.interop

MANY, STEP = 2_000, 100


@pytest.mark.parametrize("action", ["retry", "kill"])
def test_both_act_on_all_retries_at_once(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, client: Client, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    class Held(bulk.Bulk):
        """Goes on behind its first step when Ruby has begun."""

        def __iter__(self) -> Iterator[bulk.Progress]:
            for number, progress in enumerate(super().__iter__()):
                if number == 0:
                    eventually(lambda: app.retries.size < MANY - STEP, 30, "Ruby has begun")  # in a thread of its own
                yield progress

    monkeypatch.setattr(bulk, "Bulk", Held)
    jids = [f"{number:024}" for number in range(MANY)]
    failed = {
        "error_class": "Boom",
        "error_message": "boom",
        "retry_count": 3,
        "failed_at": 1_700_000_000,
        "tags": ["eu"],
    }
    redis.seed({"retry": {a_payload(jid=jid, queue=f"q{jid[-1]}", **failed): 2e9 + int(jid) for jid in jids}})
    peer.web([("GET", "/retries")])  # so that it is loaded

    sent = client.post("/retries/act?tag=eu", action=action, scope="all", sure="1")
    assert sent.headers["location"].startswith("/tasks/"), sent.text
    eventually(lambda: redis.client.zcard("retry") == MANY - STEP, 30, "ours has begun")
    [answer] = peer.web([("POST", "/retries/all/retry")])
    assert answer.status == 302, answer.body
    eventually(lambda: not any(task.runs for task in Tasks(app.access)), 30, "ours has ended")

    raws = [raw for key in redis.client.scan_iter("queue:*") for raw in redis.client.lrange(key, 0, -1)]
    dead = redis.client.zrange("dead", 0, -1)
    assert Counter(json.loads(raw)["jid"] for raw in raws + dead) == Counter(jids)
    assert redis.client.zcard("retry") == 0
    assert {json.loads(raw)["queue"][-1] == json.loads(raw)["jid"][-1] for raw in raws} == {True}
    assert (STEP <= len(dead) < MANY) if action == "kill" else not dead
