"""Entries that one language wrote, moved and deleted by the other: by the API and by the buttons of the Web UI."""

from __future__ import annotations

import time
from typing import Any

import pytest

from redisjobs import RedisJobs
from tests.interop.crossing import ARGUMENTS, LONG_AGO, entries, wait_size
from tests.interop.peers import RubyPeer
from tests.support.real_redis import RealRedis

# Ruby's name of each set, and of the set in its URLs.
SETS = {"retry": ("RetrySet", "retries"), "schedule": ("ScheduledSet", "scheduled"), "dead": ("DeadSet", "morgue")}

# The set, the method of Ruby's entry and the name of its page's button, and where the job is then.
MOVES = [
    ("retry", "delete", None),
    ("retry", "retry", "queue:mail"),
    ("retry", "kill", "dead"),
    ("schedule", "delete", None),
    ("schedule", "add_to_queue", "queue:mail"),
    ("dead", "delete", None),
    ("dead", "retry", "queue:mail"),
]


def fill(app: RedisJobs, key: str, count: int = 2) -> list[str]:
    """Let Python put jobs into a set as it does in real life; return their jids, in the set's order."""
    if key == "schedule":
        return [app.push("Interop::Record", [at], queue="mail", delay_s=3600 + at) or "" for at in range(count)]
    for number in range(count):
        app.push("Interop::Fail", [f"fail {number}"], queue="mail", retry=0 if key == "dead" else True, tags=["x"])
    with app.worker(queues=["mail"], concurrency=1) as worker:
        assert worker.drain()
    return [entry.jid for entry in (app.dead.page()[::-1] if key == "dead" else app.retries)]


def check(redis: RealRedis, key: str, left: list[str], moved: str, target: str | None) -> None:
    """Check that one job moved to its target and all others are where they were."""
    assert [each["jid"] for each in entries(redis, key)] == left
    if target is None:
        told = ["interop:*", "*:work", "*:workers"]  # Ruby's last heartbeat may have told that it ran
        assert moved not in str(redis.dump(ignore=told))
        return
    [entry] = entries(redis, target)
    assert (entry["jid"], entry["queue"]) == (moved, "mail")
    if target.startswith("queue:"):
        assert redis.client.sismember("queues", "mail")


@pytest.mark.parametrize(("key", "call", "target"), MOVES, ids=lambda value: str(value).replace(":", "-"))
def test_ruby_moves_an_entry_of_ours(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, key: str, call: str, target: str | None
) -> None:
    moved, stays = fill(app, key)

    peer.eval(f"Sidekiq::{SETS[key][0]}.new.find_job(input['jid']).{call}", jid=moved)

    check(redis, key, [stays], moved, target)


@pytest.mark.parametrize(("key", "button", "target"), MOVES, ids=lambda value: str(value).replace(":", "-"))
def test_a_button_moves_an_entry_of_ours(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, key: str, button: str, target: str | None
) -> None:
    moved, stays = fill(app, key)
    name, path = SETS[key]
    id_ = peer.eval(f"e = Sidekiq::{name}.new.find_job(input['jid']); [e.score, e.jid].join('-')", jid=moved)

    [page, answer] = peer.web([("GET", f"/{path}/{id_}"), ("POST", f"/{path}/{id_}", {button: "1"})])

    assert (page.status, answer.status) == (200, 302)
    assert moved in page.body
    check(redis, key, [stays], moved, target)


def test_what_ruby_pushes_back_python_runs(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    """With the attempt given back that led to the set, as Ruby does."""
    fill(app, "retry", 1)
    peer.eval("Sidekiq::RetrySet.new.first.retry")
    assert [each["retry_count"] for each in entries(redis, "queue:mail")] == [-1]

    with app.worker(queues=["mail"], concurrency=1) as worker:
        assert worker.drain()

    assert [each["retry_count"] for each in entries(redis, "retry")] == [0]


@pytest.mark.parametrize(
    ("key", "call", "target"),
    [("retry", "retry_all", "queue:mail"), ("retry", "kill_all", "dead"), ("dead", "retry_all", "queue:mail")],
)
def test_ruby_moves_all_of_ours(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, key: str, call: str, target: str
) -> None:
    jids = fill(app, key, 5)

    peer.eval(f"Sidekiq::{SETS[key][0]}.new.{call}")

    assert redis.client.zcard(key) == 0
    assert sorted(each["jid"] for each in entries(redis, target)) == sorted(jids)


@pytest.mark.parametrize("name", [name for name in ARGUMENTS if name != "floats"])
def test_ruby_reschedules_an_entry_of_ours(peer: RubyPeer, app: RedisJobs, redis: RealRedis, name: str) -> None:
    """It writes the payload anew: a byte that differs would make a second entry, and run the job twice."""
    app.push("Interop::Record", ARGUMENTS[name], delay_s=3600, tags=["é"])
    at = time.time() + 7200

    peer.eval("Sidekiq::ScheduledSet.new.first.reschedule(input['at'])", at=at)

    assert [entry.at for entry in app.scheduled] == [pytest.approx(at, abs=0.001)]


def test_ruby_finds_and_scans_entries_of_ours(peer: RubyPeer, app: RedisJobs) -> None:
    jid = app.push("Interop::Record", ["nädel"], delay_s=3600)
    app.push("Interop::Record", ["hay"], delay_s=3600)

    assert peer.eval("Sidekiq::ScheduledSet.new.scan('nädel').map(&:jid)") == [jid]
    assert peer.eval("Sidekiq::ScheduledSet.new.find_job(input['jid']).args", jid=jid) == ["nädel"]


def test_ruby_deletes_from_a_queue_of_ours(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    jids = app.push_many("Interop::Record", [[1], [2], [3]], queue="mail")

    peer.eval("Sidekiq::Queue.new('mail').find_job(input['jid']).delete", jid=jids[1])
    assert [each["jid"] for each in entries(redis, "queue:mail")] == [jids[0], jids[2]]
    raw = redis.client.lindex("queue:mail", -1).decode()
    [answer] = peer.web([("POST", "/queues/mail/delete", {"key_val": raw})])
    assert (answer.status, [each["jid"] for each in entries(redis, "queue:mail")]) == (302, [jids[2]])

    assert peer.web([("POST", "/queues/mail", {"delete": "Delete"})])[0].status == 302
    assert (redis.client.exists("queue:mail"), redis.client.smembers("queues")) == (0, set())


def test_a_queue_that_ruby_cleared_takes_our_jobs_again(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    app.push("Interop::Record", [1], queue="mail")
    peer.eval("Sidekiq::Queue.new('mail').clear")

    app.push("Interop::Record", [2], queue="mail")

    assert peer.eval("Sidekiq::Queue.all.map { |queue| [queue.name, queue.size] }") == [["mail", 1]]


def fill_by_ruby(peer: RubyPeer, redis: RealRedis, key: str) -> list[str]:
    """Let Ruby put two jobs into a set as it does in real life; return their jids."""
    if key == "schedule":
        return list(peer.eval("[1, 2].map { |i| Interop::Record.set('queue' => 'mail').perform_in(3600 + i, i) }"))
    options: dict[str, Any] = {"queue": "mail", "retry": 0 if key == "dead" else 5}
    jids = list(peer.eval("[1, 2].map { |i| Interop::Fail.set(input['o']).perform_async(i.to_s) }", o=options))
    peer.start_worker(queues=["mail"])
    wait_size(redis, key, 2)
    peer.kill_workers()
    return jids


@pytest.mark.parametrize(
    ("key", "call", "target"),
    [
        ("retry", "delete", None),
        ("retry", "enqueue", "queue:mail"),
        ("retry", "kill", "dead"),
        ("schedule", "delete", None),
        ("schedule", "enqueue", "queue:mail"),
        ("dead", "delete", None),
        ("dead", "enqueue", "queue:mail"),
    ],
    ids=lambda value: str(value).replace(":", "-"),
)
def test_python_moves_an_entry_of_ruby(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis, key: str, call: str, target: str | None
) -> None:
    moved, stays = fill_by_ruby(peer, redis, key)
    jobs = {"retry": app.retries, "schedule": app.scheduled, "dead": app.dead}[key]

    assert getattr(jobs, call)(moved)

    check(redis, key, [stays], moved, target)


def test_ruby_runs_what_python_moved_on(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    fill_by_ruby(peer, redis, "retry")

    assert app.retries.enqueue_all() == 2
    peer.start_worker(queues=["mail"])
    wait_size(redis, "retry", 2)

    assert [each["retry_count"] for each in entries(redis, "retry")] == [0, 0]
    assert redis.client.llen("interop:failed") == 4


def test_scores_stay_apart(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    """Ruby moves an entry by its score and pushes back the others of the same: each of ours has its own."""
    app.push_many("Interop::Record", [[number] for number in range(100)], delay_s=3600)
    fill(app, "retry", 50)

    for key in ("schedule", "retry"):
        scores = [score for _, score in redis.client.zrange(key, 0, -1, withscores=True)]
        assert len(set(scores)) == len(scores), key


def test_nothing_is_lost_from_an_entry_that_both_move_to_and_fro(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis
) -> None:
    [jid] = fill(app, "retry", 1)
    [before] = entries(redis, "retry")

    for _ in range(10):
        peer.eval("Sidekiq::RetrySet.new.first.kill")
        assert app.dead.enqueue(jid)
        redis.client.zadd("retry", {redis.client.rpop("queue:mail"): LONG_AGO})
        peer.promote()
        redis.client.zadd("retry", {redis.client.rpop("queue:mail"): LONG_AGO})

    [after] = entries(redis, "retry")
    changed = {"retry_count", "enqueued_at"}
    assert {name: after[name] for name in after if name not in changed} == {
        name: before[name] for name in before if name not in changed
    }
