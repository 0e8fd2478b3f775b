"""What people see of Resque: queues, failures, sizes, workers, what recurs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from redisjobs import RedisJobs
from redisjobs.errors import PayloadError, RedisJobsError
from redisjobs.inspector.query import Query
from tests.support.real_redis import RealRedis
from tests.support.resque import RubyResque, encode

pytestmark = pytest.mark.quick

NOON = 1714566600.0


@pytest.fixture
def app(redis: RealRedis) -> Iterator[RedisJobs]:
    made = RedisJobs(redis.url, dialect="resque")
    yield made
    made.close()


@pytest.fixture
def ruby(redis: RealRedis) -> RubyResque:
    return RubyResque(redis)


def fail(ruby: RubyResque, *numbers: int) -> None:
    for number in numbers:
        ruby.fail("web-1:4711:files", "files", {"class": "Archive", "args": [number]}, "IOError", f"disk {number}")


# -- wherever it is ---------------------------------------------------------------------------------------------------


def test_jobs_are_found_by_what_is_in_them_and_by_the_digest_that_is_their_jid(
    app: RedisJobs, ruby: RubyResque
) -> None:
    for number in (1, 2, 2):
        ruby.enqueue("files", "Archive", number)
    jid = app.queue("files").page(2, 1)[0].jid

    found = app.locate(jid, budget_s=30)

    assert found.entry is not None
    assert (found.place, found.entry.args, found.entry.index) == ("queue", [1], 2)
    assert [one.entry.args for one in app.find(Query(args="2"), budget_s=30).found if one.entry] == [[2], [2]]
    assert not app.locate("1" * 24, budget_s=30)


# -- queues -----------------------------------------------------------------------------------------------------------


def test_a_queue_shows_the_newest_first_and_its_jobs_are_well_formed(app: RedisJobs, ruby: RubyResque) -> None:
    for number in range(120):
        ruby.enqueue("files", "Archive", number)
    queue = app.queue("files")

    assert [entry.args[0] for entry in queue] == list(reversed(range(120)))
    assert [entry.args[0] for entry in queue.page(1, 2)] == [118, 117]
    entry = queue.page(0, 1)[0]
    assert (entry.name, entry.queue, entry.malformed) == ("Archive", "files", False)
    assert queue.size == 120
    assert queue.latency_s == 0.0


def test_a_job_is_found_and_deleted_by_the_jid_that_its_producer_got(app: RedisJobs) -> None:
    app.push_many("Archive", [[1], [2]], queue="files")
    jid = app.push("Archive", [3], queue="files")
    assert jid is not None

    found = app.queue("files").find(jid)

    assert found is not None
    assert found.args == [3]
    assert app.queue("files").delete(jid)
    assert app.queue("files").size == 2


def test_an_active_job_is_known_by_its_own_name(app: RedisJobs, ruby: RubyResque) -> None:
    wrapper = "ActiveJob::QueueAdapters::ResqueAdapter::JobWrapper"
    ruby.enqueue("files", wrapper, {"job_class": "ReportJob", "arguments": [7]})
    ruby.enqueue("files", wrapper)

    empty, entry = app.queue("files").page()

    assert (entry.display_name, entry.display_args) == ("ReportJob", [7])
    assert (empty.display_name, empty.display_args) == (wrapper, [])


def test_stats_count_what_resque_has(redis: RealRedis, app: RedisJobs, ruby: RubyResque) -> None:
    ruby.enqueue("files", "Archive", 1)
    for second, number in ((4_102_444_800, 1), (4_102_444_800, 2), (4_102_444_900, 3)):
        ruby.enqueue_at(second, "files", "Archive", number)
    fail(ruby, 1, 2)
    redis.seed({"resque:stat:processed": "7", "resque:stat:failed": "2", "resque:delayed:last_enqueued_at": {"a": "b"}})

    found = app.stats

    assert (found.processed, found.failed, found.enqueued) == (7, 2, 1)
    assert (found.retries, found.scheduled, found.dead) == (0, 3, 2)


# -- failures ---------------------------------------------------------------------------------------------------------


def test_a_failure_of_rubys_is_read_whole(redis: RealRedis, app: RedisJobs) -> None:
    golden = (
        '{"failed_at":"2024/05/01 12:30:00 UTC","payload":{"class":"Archive","args":[35,"tar"]},"exception":"IOError",'
        '"error":"disk full","backtrace":["app/jobs/archive.rb:9:in `perform\'"],"worker":"web-1:4711:files,mail",'
        '"queue":"files","retried_at":"2024/05/01 12:40:00"}'
    )
    redis.seed({"resque:failed": [golden]})

    [entry] = app.resque.failed

    assert (entry.name, entry.args, entry.queue) == ("Archive", [35, "tar"], "files")
    assert (entry.error_class, entry.error_message) == ("IOError", "disk full")
    assert entry.backtrace == ["app/jobs/archive.rb:9:in `perform'"]
    assert entry.worker == "web-1:4711:files,mail"
    assert (entry.failed_at, entry.retried_at) == (NOON, NOON + 600)
    assert entry.job.raw == b'{"class":"Archive","args":[35,"tar"]}'
    assert not entry.malformed


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2024/05/01 12:30:00 CEST", NOON), ("2024/05/01 12:30:00", NOON), ("", None), ("yesterday", None)],
)
def test_dates_are_read_as_far_as_they_can_be(
    redis: RealRedis, app: RedisJobs, text: str, seconds: float | None
) -> None:
    redis.seed({"resque:failed": [encode({"failed_at": text, "payload": {"class": "A", "args": []}})]})

    assert app.resque.failed.page()[0].failed_at == seconds


@pytest.mark.parametrize("raw", ["no json", "null", "[]", "{}", '{"payload":null}', '{"payload":7,"queue":[]}'])
def test_a_record_that_is_none_is_shown_as_such_and_hides_no_other(
    redis: RealRedis, app: RedisJobs, ruby: RubyResque, raw: str
) -> None:
    redis.seed({"resque:failed": [raw, ""]})
    fail(ruby, 1)

    good, odd = app.resque.failed

    assert good.args == [1]
    assert odd.malformed
    assert (odd.name, odd.args, odd.error_class, odd.backtrace) == ("", [], "", [])
    assert app.resque.failed.requeue_all() == 1
    with pytest.raises(PayloadError):
        app.resque.failed.requeue(odd)


def test_putting_back_leaves_the_failure_with_the_moment_as_resque_does(
    redis: RealRedis, app: RedisJobs, ruby: RubyResque
) -> None:
    fail(ruby, 1, 2)
    newest, oldest = app.resque.failed

    assert app.resque.failed.requeue(newest.id)
    assert not app.resque.failed.requeue(newest.id)  # by now it is another one

    assert redis.value("resque:queue:files") == ['{"class":"Archive","args":[2]}']
    assert redis.value("resque:queues") == {"files"}
    again, same = app.resque.failed
    assert again.retried_at is not None
    assert same.raw == oldest.raw
    assert len(ruby.failed_page()) == 2
    assert app.resque.failed.requeue_all() == 1
    assert app.resque.failed.requeue_all() == 0


def test_bytes_from_an_envelope_go_back_as_they_came(redis: RealRedis, app: RedisJobs) -> None:
    raw = b'{"class":"Archive","args":{"a":1.50}}'
    redis.seed({"resque:queue:files": [raw]})
    with app.worker(queues=["files"]) as worker:
        assert worker.drain()
    [entry] = app.resque.failed
    assert entry.error_class == "redisjobs.PayloadError"

    assert app.resque.failed.requeue(entry, queue="other")

    assert redis.client.lrange("resque:queue:other", 0, -1) == [raw]


def test_two_who_delete_at_once_never_take_the_wrong_one(redis: RealRedis, app: RedisJobs, ruby: RubyResque) -> None:
    fail(ruby, 1, 2, 3)
    newest, middle, _ = app.resque.failed

    ruby.remove_failure(2)

    assert not app.resque.failed.delete(newest)
    assert app.resque.failed.delete(middle.id)
    assert [entry.args for entry in app.resque.failed] == [[1]]
    assert app.resque.failed.clear() == 1
    assert redis.value("resque:failed") is None


# -- workers, and what recurs -----------------------------------------------------------------------------------------


def test_workers_of_rubys_are_seen_with_what_they_run(redis: RealRedis, app: RedisJobs, ruby: RubyResque) -> None:
    worker = ruby.start_worker("files", "mail")
    job: dict[str, Any] = {"queue": "files", "run_at": "2024-05-01T12:30:00Z", "payload": {"class": "A", "args": [1]}}
    redis.seed({f"resque:worker:{worker}": encode(job), "resque:workers": {"odd"}})

    odd, theirs = app.resque.workers

    assert (odd.id, odd.job, odd.heartbeat) == ("odd", None, "")
    assert (theirs.id, theirs.queues, theirs.is_ours) == ("web-1:4711:files,mail", ("files", "mail"), False)
    assert theirs.job is not None
    assert (theirs.job.name, theirs.job.args, theirs.job.queue) == ("A", [1], "files")


def test_ours_are_seen_in_both_registries(app: RedisJobs) -> None:
    with app.worker(queues=["files", "*"], concurrency=2):
        assert [worker.is_ours for worker in app.resque.workers] == [True, True]
        assert [process.queues for process in app.processes] == [("files", "*")]


def test_all_workers_are_paused_and_continued(redis: RealRedis, app: RedisJobs, ruby: RubyResque) -> None:
    ruby.enqueue("files", "Archive", 1)
    assert not app.resque.paused

    app.resque.pause()
    assert app.resque.paused
    assert ruby.work_off("files") == []

    app.resque.unpause()
    assert len(ruby.work_off("files")) == 1


def test_what_recurs_is_read_and_written_as_resque_scheduler_does(redis: RealRedis, app: RedisJobs) -> None:
    golden = '{"cron":"0 3 * * *","class":"Nightly","queue":"low","args":["full"],"description":"nightly run"}'
    app.resque.recurring.save(
        "nightly", job="Nightly", queue="low", when={"cron": "0 3 * * *"}, args=["full"], description="nightly run"
    )
    app.resque.recurring.save("often", job="A", queue="q", when={"every": "30s"})

    assert redis.value("resque:persistent_schedules")["nightly"] == golden
    assert redis.value("resque:schedules_changed") == {"nightly", "often"}
    redis.client.hset("resque:persistent_schedules", "odd", "no json")
    assert list(app.resque.recurring) == ["nightly", "often"]
    assert app.resque.recurring.all()["nightly"] == json.loads(golden)
    assert app.resque.recurring.delete("often")
    assert not app.resque.recurring.delete("often")
    with pytest.raises(ValueError, match="one of cron and every"):
        app.resque.recurring.save("x", job="A", queue="q", when={})


def test_sidekiqs_apps_have_none_of_this(redis: RealRedis) -> None:
    app = RedisJobs(redis.url)

    with pytest.raises(RedisJobsError, match="only Resque has this"):
        _ = app.resque
    app.close()
