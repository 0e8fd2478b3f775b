"""Exq and our workers on one Redis, both ways; Exq is a stand-in that sends the real one's commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redisjobs import RedisJobs, current_job
from redisjobs.jobs.outcome import Snooze
from redisjobs.wire import deadletter
from tests.support.elixir import EXQ_JOB, EXQ_RETRY, VERK_JOB, CrashError, ExqNode
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.worker import exq_jobs
from tests.worker.runs import failing, turn, work_off

pytestmark = pytest.mark.quick


def unique_work(fails: bool) -> None:
    if fails:
        raise ValueError("boom")


async def aunique_work(fails: bool) -> None:
    unique_work(fails)


@pytest.fixture
def app(redis: RealRedis) -> Iterator[RedisJobs]:
    made = RedisJobs(redis.url, wire="exq")
    yield made
    made.close()


@pytest.fixture
def exq(redis: RealRedis) -> ExqNode:
    return ExqNode(redis.client)


# -- from us to Exq -------------------------------------------------------------------------------------------------


def test_exq_runs_what_we_push_under_the_name_that_it_knows(app: RedisJobs, exq: ExqNode) -> None:
    app.push("My::Worker", [1, {"a": []}], queue="mail", retry=3)

    job = exq.take("mail")

    assert job is not None
    assert (job["module"], job["args"], job["retry"]) == ("Elixir.My.Worker", [1, {"a": []}], 3)
    assert exq.client.smembers("exq:queues") == {b"mail"}
    exq.succeed(job)


def test_what_middleware_looked_at_is_written_the_same_way(app: RedisJobs, exq: ExqNode) -> None:
    seen = []

    @app.client_middleware.add
    def look(push: Any) -> Any:
        seen.append(push.args)
        yield

    app.push("My::Worker", [1], retry=False)
    app.push("My::Worker", [1], delay_s=3600)

    job = exq.take()
    assert job is not None
    assert (job["module"], job["args"], job["retry"], job["dead"]) == ("Elixir.My.Worker", [1], 0, False)
    assert seen == [[1], [1]]
    assert exq.page("schedule")[0]["score"] == pytest.approx(exq.page("schedule")[0]["enqueued_at"], abs=5)


def test_what_we_schedule_exq_moves_and_runs(app: RedisJobs, exq: ExqNode, redis: RealRedis) -> None:
    """It moves the bytes as they are, so `enqueued_at` must be there already: its telemetry subtracts it."""
    app.push("My.Worker", [1], delay_s=100)
    app.push("My.Worker", [2], at=redis.now() + 100)

    exq.schedule_due(redis.now() + 101)

    jobs = [exq.take(), exq.take(), exq.take()]
    assert [job["args"] for job in jobs if job] == [[1], [2]]


def test_exq_counts_on_from_our_failures(app: RedisJobs, exq: ExqNode, redis: RealRedis) -> None:
    failing(app, "My::Worker")
    exq.enqueue(retry=2)

    work_off(app)
    [ours] = exq.page("retry")
    exq.schedule_due(redis.now() + 1000)
    again = exq.take()
    assert again is not None
    where = exq.fail(again)

    assert (ours["retry_count"], ours["error_class"], ours["error_message"]) == (1, "ValueError", "boom")
    assert where == "retry"
    assert exq.page("retry")[0]["retry_count"] == 2
    assert exq.page("retry")[0]["failed_at"] == ours["failed_at"]


# -- from Exq to us -------------------------------------------------------------------------------------------------


def test_we_run_what_exq_enqueued_and_scheduled(app: RedisJobs, exq: ExqNode, redis: RealRedis) -> None:
    ran = []

    @app.job(name="My::Worker")
    def work(*args: Any) -> None:
        ran.append((args, current_job().jid))

    exq.enqueue(**{"class": "Elixir.My.Worker"})
    exq.enqueue_at(redis.now() - 1, args=["later"])
    turn(app)
    work_off(app)

    assert sorted(ran) == [(("a", 1), EXQ_JOB["jid"]), (("later",), EXQ_JOB["jid"])]
    assert redis.value("exq:stat:processed") == "2"


def test_we_count_on_from_the_failures_of_exq_and_keep_its_unique_lock(
    app: RedisJobs, exq: ExqNode, redis: RealRedis
) -> None:
    unique = {"unique_for": 60, "unique_until": "success", "unique_token": "t", "unlocks_at": 1714570200.5}
    calls = failing(app, "My::Worker")
    exq.enqueue(**{**EXQ_RETRY, **unique, "retry": 2, "retry_count": 1})

    work_off(app)
    [second] = exq.page("retry")
    exq.retry_now("retry", second["raw"])
    work_off(app)

    assert len(calls) == 2
    [dead] = exq.page("dead")
    assert (second["retry_count"], dead["retry_count"]) == (2, 3)
    assert {name: dead[name] for name in unique} == unique
    assert dead["failed_at"] == EXQ_RETRY["failed_at"]


def test_a_failure_counts_as_failed_only_as_exq_counts(app: RedisJobs, exq: ExqNode, redis: RealRedis) -> None:
    failing(app, "My::Worker")
    exq.enqueue()

    work_off(app)

    assert redis.value("exq:stat:failed") == "1"
    assert redis.value("exq:stat:processed") is None


def test_a_job_of_sidekiq_8_fails_into_an_entry_that_exqs_pages_can_show(app: RedisJobs, exq: ExqNode) -> None:
    failing(app, "My::Worker")
    ruby = {"retry": True, "created_at": 1714566600123, "enqueued_at": 1714566600123, "tags": ["a"]}
    exq.enqueue(**ruby)

    work_off(app)

    [entry] = exq.page("retry")
    assert (entry["enqueued_at"], entry["tags"], entry["retry"]) == (1714566600.123, ["a"], 25)


def test_a_snoozed_job_is_one_that_exq_can_run(app: RedisJobs, exq: ExqNode, redis: RealRedis) -> None:
    @app.job(name="My.Worker")
    def work(*args: Any) -> None:
        raise Snooze(100)

    redis.seed({"exq:queue:default": [json.dumps({**EXQ_JOB, "enqueued_at": None, "queue": None})]})
    work_off(app)
    exq.schedule_due(redis.now() + 200)

    job = exq.take()
    assert job is not None
    assert (job["args"], job["queue"]) == (["a", 1], "default")


def test_an_unknown_class_with_the_jid_of_exq_goes_to_the_retry_set(app: RedisJobs, exq: ExqNode) -> None:
    exq.enqueue(**{"class": "Nobody.Knows"})

    work_off(app)

    [entry] = exq.page("retry")
    assert (entry["jid"], entry["error_class"]) == (EXQ_JOB["jid"], "redisjobs.errors.UnknownJobError")


@pytest.mark.parametrize(
    ("until", "fails", "retry", "held"),
    [
        ("success", False, 5, False),
        ("success", True, 5, True),
        ("success", True, 0, False),
        ("start", True, 5, False),
        ("expiry", False, 5, True),
    ],
)
@pytest.mark.parametrize("job", [unique_work, aunique_work])
def test_the_lock_of_a_unique_job_falls_when_exq_would_let_it_go(
    app: RedisJobs, exq: ExqNode, redis: RealRedis, until: str, fails: bool, retry: int, held: bool, job: Any
) -> None:
    app.job(name="My.Worker")(job)
    redis.seed({"exq:unique:t": EXQ_JOB["jid"], "exq:unique:u": "another"})
    lock = {"unique_for": 60, "unique_until": until, "unlocks_at": 1e10}
    exq.enqueue(args=[fails], retry=retry, unique_token="t", **lock)
    exq.enqueue(args=[fails], retry=retry, unique_token="u", **lock)

    work_off(app)

    assert redis.value("exq:unique:t") == (EXQ_JOB["jid"] if held else None)
    assert redis.value("exq:unique:u") == "another"


def test_a_child_process_runs_jobs_of_both(redis: RealRedis, exq: ExqNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDISJOBS_URL", redis.url)
    redis.seed({"exq:unique:t": EXQ_JOB["jid"]})
    exq.enqueue(args=[False], unique_token="t", unique_until="success", **{"class": "My.Child"})
    redis.seed({"exq:queue:verks": [json.dumps({**VERK_JOB, "class": "Elixir.My.Child", "args": "[true, []]"})]})

    with exq_jobs.app.worker(queues=["default", "verks"], concurrency=1, timeout_s=5) as worker:
        assert worker.drain(60)
    exq_jobs.app.close()

    assert redis.value("exq:unique:t") is None
    assert [(job["args"], job["retry_count"], job["error_message"]) for job in exq.page("retry")] == [
        ([True, []], 1, "boom")
    ]


# -- poison ---------------------------------------------------------------------------------------------------------

POISON = [b"no json", b"[]", b"null", json.dumps({**EXQ_JOB, "queue": None}), json.dumps({**EXQ_JOB, "jid": None})]


@pytest.mark.parametrize("raw", POISON, ids=repr)
@pytest.mark.parametrize("name", ["retry", "schedule"])
def test_a_member_that_stops_or_fools_exqs_scheduler_is_taken_out_of_its_way(
    app: RedisJobs, exq: ExqNode, redis: RealRedis, name: str, raw: bytes
) -> None:
    redis.seed({f"exq:{name}": {raw: 1.0, json.dumps({**EXQ_JOB, "args": ["behind"]}): 2.0}})

    turn(app)

    exq.schedule_due(redis.now())
    [buried] = exq.page("dead")
    assert buried["queue"] == "default"
    assert deadletter.unwrap(buried) == (raw if isinstance(raw, bytes) else raw.encode())
    behind = exq.take()
    assert behind is not None
    assert behind["args"] == ["behind"]


@pytest.mark.parametrize("raw", [POISON[0], POISON[1], json.dumps({**EXQ_JOB, "class": 1}), b'{"args":[]}'], ids=repr)
def test_an_item_that_kills_exqs_workers_is_quarantined_by_ours(
    app: RedisJobs, exq: ExqNode, redis: RealRedis, raw: bytes
) -> None:
    redis.seed({"exq:queue:default": [raw, raw]})
    with pytest.raises(CrashError):
        exq.take()

    work_off(app)

    [buried] = exq.page("dead")
    exq.retry_now("dead", buried["raw"])  # its button does not lose it either
    assert redis.client.llen("exq:queue:default") == 1


@pytest.mark.parametrize("how", ["due", "by hand", "killed"])
def test_a_job_without_a_queue_names_one_wherever_we_put_it(
    app: RedisJobs, exq: ExqNode, redis: RealRedis, how: str
) -> None:
    """Exq would write its retry without one, and lose that when it is due."""
    nameless = json.dumps({name: value for name, value in EXQ_RETRY.items() if name != "queue"})
    redis.seed({"exq:retry": {nameless: 1.0}})

    if how == "due":
        turn(app)
    elif how == "by hand":
        app.retries.enqueue(EXQ_JOB["jid"])
    else:
        app.retries.kill(EXQ_JOB["jid"])
        exq.retry_now("dead", exq.page("dead")[0]["raw"])

    job = exq.take()
    assert job is not None
    exq.fail(job)
    exq.schedule_due(redis.now() + 1000)
    assert exq.take() is not None


def test_a_retry_of_such_bytes_from_exqs_page_comes_back_whole(app: RedisJobs, exq: ExqNode, redis: RealRedis) -> None:
    """It fails in Exq, which keeps none but its own fields."""
    redis.seed({"exq:queue:default": [b"[]"]})
    work_off(app)

    exq.retry_now("dead", exq.page("dead")[0]["raw"])
    envelope = exq.take()
    assert envelope is not None
    assert exq.fail(envelope) == "dead"

    assert [entry.original for entry in app.dead] == [b"[]"]


# -- pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("namespace", ["exq", "", "shop"])
def test_exqs_busy_page_shows_our_process_and_what_it_runs(redis: RealRedis, tmp_path: Path, namespace: str) -> None:
    """Without a namespace Exq looks under keys with a colon in front; there we are too."""
    app = RedisJobs(redis.url, wire="exq", namespace=namespace)
    exq = ExqNode(redis.client, namespace=namespace)
    gate = tmp_path / "gate"

    @app.job(name="My.Worker")
    def work(*args: Any) -> None:
        eventually(gate.exists)

    jid = exq.enqueue()
    with app.worker(queues=["default", "mail"], heartbeat_ttl_s=1) as worker:
        eventually(exq.busy)
        [node] = exq.nodes()
        assert (node["identity"], node["queues"], node["quiet"]) == (worker.identity, "default, mail", False)
        [row] = exq.busy()
        assert (row["host"], row["jid"], row["class"]) == (worker.identity, jid, "My.Worker")
        eventually(lambda: exq.nodes()[0]["busy"] == 1)
        worker.quiet()
        eventually(lambda: exq.nodes()[0]["quiet"] is True)
        gate.touch()
    assert exq.nodes() == []
    assert not [key for key in redis.dump() if worker.identity in key]
    app.close()


@pytest.mark.parametrize("namespace", ["exq", ""])
def test_exqs_quiet_button_reaches_us(redis: RealRedis, namespace: str) -> None:
    app = RedisJobs(redis.url, wire="exq", namespace=namespace)
    exq = ExqNode(redis.client, namespace=namespace)
    told: list[str] = []
    worker = app.build_worker(app.worker(heartbeat_ttl_s=1).settings, embedded=False)
    worker.told = told.append  # type: ignore[method-assign]
    worker.start()

    exq.send(worker.identity, "TSTP")

    eventually(lambda: told == ["TSTP"])
    worker.stop()
    app.close()


@pytest.mark.parametrize("namespace", ["exq", ""])
def test_our_listings_show_exqs_nodes_and_what_they_run(redis: RealRedis, namespace: str) -> None:
    app = RedisJobs(redis.url, wire="exq", namespace=namespace)
    exq = ExqNode(redis.client, namespace=namespace)
    exq.enqueue()
    exq.take()
    exq.ping(queues=["default", "mail"], busy=1)

    [process] = app.processes
    [work] = app.running
    process.quiet()

    assert (process.identity, process.pid, process.queues, process.busy) == ("web-1", 4711, ("default", "mail"), 1)
    assert (work.process, work.jid, work.name, work.args) == ("web-1", EXQ_JOB["jid"], "My.Worker", ["a", 1])
    assert exq.ping() == ["TSTP"]
    app.close()


def test_backup_lists_are_no_queues(app: RedisJobs, exq: ExqNode) -> None:
    exq.enqueue()
    exq.enqueue()
    exq.take()

    assert [(queue.name, queue.size) for queue in app.queues] == [("default", 1)]


def test_each_page_of_exq_shows_what_we_wrote(app: RedisJobs, exq: ExqNode) -> None:
    failing(app, "My.Worker")
    failing(app, "My.Dead", retry=0)
    app.push("My.Worker", [1], delay_s=60)
    app.push("My.Worker", [2])
    app.push("My.Dead", [3], retry=0)

    work_off(app)

    assert [job["args"] for name in ("schedule", "retry", "dead") for job in exq.page(name)] == [[1], [2], [3]]
