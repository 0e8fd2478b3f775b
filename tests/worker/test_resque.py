"""A worker on Resque's queues, beside Ruby's workers, scheduler and pages."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec import structs

from redisjobs import Discard, Kill, RedisJobs, Retry, Snooze, current_job
from redisjobs.active_job import RetryOn
from redisjobs.store.drive import drive
from redisjobs.store.resque_keys import ResqueKeys
from redisjobs.store.stores import BlockingStore
from redisjobs.wire import resque as items
from redisjobs.worker.resque import ResquePoller
from redisjobs.worker.worker import Worker
from tests.support.eventually import eventually
from tests.support.real_redis import RealRedis
from tests.support.resque import RubyResque, ago, encode
from tests.worker import resque_jobs
from tests.worker.runs import FAR_S, work_off

pytestmark = pytest.mark.quick

OURS = ("*pushed:*", "*lease-queues", "*settled:*")


@pytest.fixture
def app(redis: RealRedis) -> Iterator[RedisJobs]:
    made = RedisJobs(redis.url, dialect="resque")
    yield made
    made.close()


@pytest.fixture
def ruby(redis: RealRedis) -> RubyResque:
    return RubyResque(redis)


@pytest.fixture
def ran(app: RedisJobs) -> list[list[Any]]:
    """The arguments that the job Archive was run with."""
    found: list[list[Any]] = []

    @app.job(name="Archive", queue="files")
    def archive(*args: Any) -> None:
        found.append(list(args))

    return found


def failing(app: RedisJobs, error: BaseException, **options: Any) -> None:
    """Have the job Broken raise an error."""

    @app.job(name="Broken", queue="files", **options)
    def broken(*args: Any) -> None:
        raise error


def failures(redis: RealRedis) -> list[dict[str, Any]]:
    """Return the failed list, decoded."""
    return [json.loads(raw) for raw in redis.value("resque:failed") or ()]


# -- running --------------------------------------------------------------------------------------------------------


def test_rubys_jobs_run_in_their_order_and_leave_only_counters(
    redis: RealRedis, app: RedisJobs, ruby: RubyResque, ran: list[list[Any]]
) -> None:
    for number in range(3):
        ruby.enqueue("files", "Archive", number, "é")

    work_off(app, concurrency=1, queues=["files"])

    assert ran == [[0, "é"], [1, "é"], [2, "é"]]
    assert redis.dump(OURS) == {"resque:queues": {"files"}, "resque:stat:processed": "3"}


def test_null_arguments_and_unknown_fields_are_no_trouble(
    redis: RealRedis, app: RedisJobs, ruby: RubyResque, ran: list[list[Any]]
) -> None:
    redis.seed({"resque:queue:files": ['{"class":"Archive","args":null}', '{"class":"Archive","args":[1],"x":{}}']})

    work_off(app, concurrency=1, queues=["files"])

    assert ran == [[], [1]]


def test_a_job_that_arrives_while_the_worker_waits_is_run(
    app: RedisJobs, ruby: RubyResque, ran: list[list[Any]]
) -> None:
    with app.worker(queues=["files"], concurrency=2):
        for number in range(20):
            ruby.enqueue("files", "Archive", number)
        eventually(lambda: len(ran) == 20, timeout_s=30)

    assert sorted(ran) == [[number] for number in range(20)]


def test_what_a_stopped_worker_held_goes_back_to_run_next(redis: RealRedis, app: RedisJobs, ruby: RubyResque) -> None:
    started, end = threading.Event(), threading.Event()

    @app.job(name="Slow", queue="files")
    def slow(number: int) -> None:
        started.set()
        end.wait(30)

    for number in range(3):
        ruby.enqueue("files", "Slow", number)
    worker = app.worker(queues=["files"], concurrency=1)
    worker.start()
    started.wait(30)
    ruby.enqueue("files", "Slow", 3)
    worker.stop(0.0)
    end.set()

    assert [json.loads(raw)["args"] for raw in redis.value("resque:queue:files")] == [[0], [1], [2], [3]]


def test_the_jobs_of_a_dead_process_come_back_to_run_next_from_queues_of_patterns_too(
    redis: RealRedis, app: RedisJobs, ruby: RubyResque, ran: list[list[Any]]
) -> None:
    item = encode({"class": "Archive", "args": [1]})
    ruby.enqueue("files", "Archive", 2)
    dead = "gone:1:abcdefabcdef"
    keys = ResqueKeys(listens="*")
    redis.seed(
        {
            keys.lease("files", dead): [item, item],  # equal jobs: the crash of both counts once
            keys.lease_owners("files"): {dead: "2"},
            keys.lease_queues: {"files"},
            keys.processes: {dead},
            keys.worker_ids: {keys.worker_id(dead)},
        }
    )
    ruby.start_worker("files")

    with app.worker(queues=["mail_*"], concurrency=1, reap_s=0.1, heartbeat_ttl_s=9):
        eventually(lambda: redis.client.llen("resque:queue:files") == 3, timeout_s=30)
        eventually(lambda: not any("gone" in one for one in redis.value("resque:workers")), timeout_s=30)

    assert [json.loads(raw)["args"] for raw in redis.value("resque:queue:files")] == [[1], [1], [2]]
    assert redis.value("resque:workers") == {"web-1:4711:files"}


def test_a_worker_of_patterns_notes_the_queues_before_it_takes_from_them(
    redis: RealRedis, app: RedisJobs, ruby: RubyResque, ran: list[list[Any]]
) -> None:
    """Else nobody would look for what it held when it died."""
    ruby.enqueue("files", "Archive", 1)

    work_off(app, queues=["*"])

    assert redis.value("resque:lease-queues") == {"files"}


# -- which queues ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patterns", "order"),
    [
        (["*"], ["a", "b", "mail_in", "mail_out"]),
        (["mail_*", "*"], ["mail_in", "mail_out", "a", "b"]),
        (["b", "*", "!mail_*"], ["b", "a"]),
        (["mail_?n", "a"], ["mail_in", "a"]),
        (["[^ab]*"], ["mail_in", "mail_out"]),
        (["b", "!mail_in"], ["b"]),
        (["b", "a"], ["b", "a"]),
    ],
)
def test_patterns_stand_for_the_queues_that_ruby_takes_from_in_its_order(
    app: RedisJobs, ruby: RubyResque, ran: list[list[Any]], patterns: list[str], order: list[str]
) -> None:
    for queue in ("mail_out", "b", "mail_in", "a"):
        ruby.enqueue(queue, "Archive", queue)

    work_off(app, concurrency=1, queues=patterns)

    assert ran == [[queue] for queue in order]
    for queue in order:
        ruby.enqueue(queue, "Archive", queue)
    assert [item["args"] for item in ruby.work_off(*(name.replace("^", "!") for name in patterns))][: len(order)] == ran


def test_queues_that_appear_later_are_found(app: RedisJobs, ruby: RubyResque, ran: list[list[Any]]) -> None:
    with app.worker(queues=["*"], concurrency=1):
        ruby.enqueue("new", "Archive", 1)
        eventually(lambda: ran == [[1]], timeout_s=30)


def test_nothing_is_taken_while_all_workers_are_paused(
    redis: RealRedis, app: RedisJobs, ruby: RubyResque, ran: list[list[Any]]
) -> None:
    redis.seed({"resque:pause-all-workers": " TRUE\n"})
    ruby.enqueue("files", "Archive", 1)

    with app.worker(queues=["*"], concurrency=1):
        assert ruby.work_off("*") == []
        assert len(redis.value("resque:queue:files")) == 1
        redis.client.delete("resque:pause-all-workers")
        eventually(lambda: ran == [[1]], timeout_s=30)


def test_one_queue_can_be_paused_for_ours(app: RedisJobs, ruby: RubyResque, ran: list[list[Any]]) -> None:
    app.queue("files").pause()
    ruby.enqueue("files", "Archive", 1)
    ruby.enqueue("mail", "Archive", 2)

    with app.worker(queues=["files", "mail"], concurrency=1):
        eventually(lambda: ran == [[2]], timeout_s=30)
        app.queue("files").unpause()
        eventually(lambda: ran == [[2], [1]], timeout_s=30)


# -- failing --------------------------------------------------------------------------------------------------------


def test_a_failure_is_a_record_that_rubys_page_shows(redis: RealRedis, app: RedisJobs, ruby: RubyResque) -> None:
    failing(app, ValueError("no <disk>"))
    ruby.enqueue("files", "Broken", 1, extra=[1.5])

    work_off(app, queues=["files"])

    [record] = failures(redis)
    assert list(record) == ["failed_at", "payload", "exception", "error", "backtrace", "worker", "queue"]
    assert record["payload"] == {"class": "Broken", "args": [1], "extra": [1.5]}
    assert (record["exception"], record["error"], record["queue"]) == ("ValueError", "no <disk>", "files")
    assert "in `broken'" in record["backtrace"][0]
    assert record["worker"].endswith(":files")
    [line] = ruby.failed_page()
    assert "files Broken[1] ValueError no <disk>" in line
    assert redis.value("resque:stat:failed") == redis.value("resque:stat:processed") == "1"


def test_a_failure_can_be_put_back_by_ruby_and_is_run_again(
    redis: RealRedis, app: RedisJobs, ruby: RubyResque, ran: list[list[Any]]
) -> None:
    ruby.enqueue("files", "Unknown", 1)
    work_off(app, queues=["files"])
    assert "UnknownJobError" in failures(redis)[0]["exception"]

    ruby.requeue(0)
    app.job(name="Unknown")(lambda *args: ran.append(list(args)))
    work_off(app, queues=["files"])

    assert ran == [[1]]


@pytest.mark.parametrize(
    "raw",
    [
        b"no json",
        b"null",
        b"7",
        b"[]",
        b"\xff",
        b'{"args":[]}',
        b'{"class":"Archive","args":{"a":1}}',
        b'{"class":"ActiveJob::QueueAdapters::ResqueAdapter::JobWrapper","args":[]}',
    ],
)
def test_bytes_that_are_no_job_are_buried_where_rubys_page_survives_them(
    redis: RealRedis, app: RedisJobs, ruby: RubyResque, ran: list[list[Any]], raw: bytes
) -> None:
    redis.seed({"resque:queue:files": [raw]})
    ruby.enqueue("files", "Archive", 1)

    work_off(app, queues=["files"])

    assert ran == [[1]]
    assert len(ruby.failed_page()) == 1
    assert items.original(failures(redis)[0]) == raw


def test_jobs_that_do_not_ask_for_retries_get_none(redis: RealRedis, app: RedisJobs, ruby: RubyResque) -> None:
    failing(app, ValueError("no"))
    ruby.enqueue("files", "Broken")

    work_off(app, queues=["files"])

    assert len(failures(redis)) == 1
    assert redis.value("resque:delayed_queue_schedule") is None


def test_a_kill_is_a_failure_and_a_discard_and_retry_false_are_none(
    redis: RealRedis, app: RedisJobs, ruby: RubyResque
) -> None:
    @app.job(name="Ends", queue="files", retry=False)
    def ends(how: str) -> Any:
        if how == "kill":
            raise Kill("enough")
        if how == "discard":
            return Discard()
        raise ValueError

    for how in ("kill", "discard", "raise"):
        ruby.enqueue("files", "Ends", how)

    work_off(app, queues=["files"])

    assert [record["payload"]["args"] for record in failures(redis)] == [["kill"]]
    assert redis.value("resque:stat:failed") == "2"


def test_a_snoozed_job_waits_in_the_schedulers_list(redis: RealRedis, app: RedisJobs, ruby: RubyResque) -> None:
    @app.job(name="Later", queue="files")
    def later() -> Any:
        return Snooze(60)

    ruby.enqueue("files", "Later")

    work_off(app, queues=["files"])

    [second] = redis.value("resque:delayed_queue_schedule")
    assert redis.now() + 50 < int(second) < redis.now() + 62
    assert redis.value(f"resque:delayed:{second}") == ['{"class":"Later","args":[],"queue":"files"}']
    assert failures(redis) == []


# -- retries --------------------------------------------------------------------------------------------------------


def test_a_retry_is_a_delayed_job_and_a_count_of_resque_retry(
    redis: RealRedis, app: RedisJobs, ruby: RubyResque
) -> None:
    failing(app, ValueError("no"), retry=2)
    ruby.enqueue("files", "Broken", 7, "hello")
    name = items.retry_name("Broken", [7, "hello"])

    counts = []
    for _ in range(3):
        work_off(app, queues=["files"])
        counts.append(redis.value(f"resque:resque-retry:{name}"))
        if not failures(redis):
            [second] = redis.value("resque:delayed_queue_schedule")
            assert int(second) >= redis.now() + 14
            ruby.remove_delayed("files", "Broken", 7, "hello")
            redis.client.delete("resque:delayed_queue_schedule")
            ruby.enqueue("files", "Broken", 7, "hello")
        if len(counts) == 1:
            assert json.loads(redis.value(f"resque:failure-resque-retry:{name}"))["error"] == "no"

    assert counts == ["0", "1", None]
    assert [record["payload"]["args"] for record in failures(redis)] == [[7, "hello"]]
    assert redis.value("resque:stat:failed") == "3"


def test_a_success_ends_the_count(redis: RealRedis, app: RedisJobs, ruby: RubyResque) -> None:
    app.job(name="Fine", queue="files", retry=2)(lambda: None)
    redis.seed({"resque:resque-retry:Fine": "0"})  # a run in Ruby failed
    ruby.enqueue("files", "Fine")

    work_off(app, queues=["files"])

    assert redis.value("resque:resque-retry:Fine") is None


def test_a_run_that_failed_in_ruby_counts(redis: RealRedis, app: RedisJobs, ruby: RubyResque) -> None:
    failing(app, ValueError("no"), retry=1)
    redis.seed({"resque:resque-retry:Broken": "0"})
    ruby.enqueue("files", "Broken")

    work_off(app, queues=["files"])

    assert len(failures(redis)) == 1


def test_a_delay_of_the_jobs_own_is_kept(redis: RealRedis, app: RedisJobs, ruby: RubyResque) -> None:
    failing(app, Retry(300), retry=1)
    ruby.enqueue("files", "Broken")

    work_off(app, queues=["files"])

    [second] = redis.value("resque:delayed_queue_schedule")
    assert redis.now() + 290 < int(second) < redis.now() + 302


# -- child processes, coroutines, limits ----------------------------------------------------------------------------


@pytest.fixture
def children(redis: RealRedis, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisJobs]:
    """The app that child processes import, on the session's server."""
    monkeypatch.setenv("REDISJOBS_URL", redis.url)
    yield resque_jobs.app
    resque_jobs.app.close()


def test_a_run_in_a_child_process_counts_and_fails_as_elsewhere(
    redis: RealRedis, children: RedisJobs, ruby: RubyResque
) -> None:
    redis.seed({"resque:resque-retry:Fine": "0"})
    for name in ("Fine", "Broken"):
        ruby.enqueue("files", name)

    with children.worker(queues=["files"], concurrency=1) as worker:
        assert worker.drain(60)
        assert redis.value("resque:resque-retry:Broken") == "0"
        assert len(redis.value("resque:delayed_queue_schedule")) == 1
        ruby.enqueue("files", "Broken")
        assert worker.drain(60)
        identity = worker.identity

    [record] = failures(redis)
    assert (record["payload"]["class"], record["exception"]) == ("Broken", "ValueError")
    assert record["worker"] == ResqueKeys(listens="files").worker_id(identity)
    assert redis.client.keys("resque:resque-retry:*") == []


def test_a_job_whose_child_process_died_fails_at_once(redis: RealRedis, children: RedisJobs, ruby: RubyResque) -> None:
    """How often it was tried is known in the child alone; what kills processes had better not be tried for ever."""
    ruby.enqueue("files", "Crash")

    with children.worker(queues=["files"], concurrency=1) as worker:
        assert worker.drain(60)

    assert "ChildDied" in failures(redis)[0]["exception"]
    assert redis.value("resque:resque-retry:Crash") is None
    assert redis.value("resque:delayed_queue_schedule") is None


def test_coroutines_run_retry_and_are_limited(redis: RealRedis, app: RedisJobs, ruby: RubyResque) -> None:
    @app.job(name="Async", queue="files", retry=1, timeout=0.2)
    async def endless() -> None:
        await asyncio.Event().wait()

    ruby.enqueue("files", "Async")
    work_off(app, queues=["files"])
    assert redis.value("resque:resque-retry:Async") == "0"
    ruby.enqueue("files", "Async")
    work_off(app, queues=["files"])

    [record] = failures(redis)
    assert "JobTimeout" in record["exception"]


# -- delayed jobs ---------------------------------------------------------------------------------------------------


@pytest.fixture
def promote(redis: RealRedis, app: RedisJobs) -> Iterator[Callable[[], float]]:
    """One turn of our poller."""
    store = BlockingStore(redis.config)
    yield lambda: drive(a_poller(app).once(), store)
    store.close()


def a_poller(app: RedisJobs) -> ResquePoller:
    """Return a poller of a worker's."""
    parts = app.worker_parts(app.worker().settings)
    return ResquePoller(structs.replace(parts, identity="h:1:abcdefabcdef"), ResqueKeys(), FAR_S)


def test_due_jobs_go_to_their_queues_in_order_and_nothing_stays(
    redis: RealRedis, ruby: RubyResque, promote: Callable[[], float]
) -> None:
    for second, number in ((100, 1), (100, 2), (100, 1), (200, 3)):
        ruby.enqueue_at(second, "files", "Archive", number)
    ruby.enqueue_at(4_102_444_800, "files", "Archive", 4)

    assert promote() == 0.0
    assert promote() == FAR_S

    assert [json.loads(raw)["args"] for raw in redis.value("resque:queue:files")] == [[1], [2], [1], [3]]
    assert redis.value("resque:queue:files")[0] == '{"class":"Archive","args":[1]}'
    assert list(redis.value("resque:delayed_queue_schedule")) == ["4102444800"]
    assert sorted(key for key in redis.dump() if "delayed:" in key or "timestamps" in key) == [
        "resque:delayed:4102444800",
        'resque:timestamps:{"class":"Archive","args":[4],"queue":"files"}',
    ]


def test_nothing_moves_while_a_scheduler_of_rubys_is_master(
    redis: RealRedis, ruby: RubyResque, promote: Callable[[], float]
) -> None:
    """It pushes before it removes: who moved meanwhile would double jobs."""
    ruby.enqueue_at(100, "files", "Archive", 1)
    assert ruby.is_master()
    before = redis.dump()

    assert promote() == FAR_S

    assert redis.dump() == before
    ruby.release()
    assert promote() == 0.0
    assert ruby.move_due() == 0


def test_pollers_in_step_move_each_job_once(
    redis: RealRedis, app: RedisJobs, ruby: RubyResque, promote: Callable[[], float]
) -> None:
    for number in range(5):
        ruby.enqueue_at(100, "files", "Archive", number)
    slow = a_poller(app).once()
    store = BlockingStore(redis.config)
    wanted = slow.send(store.run(next(slow)))  # it looked, and is about to move

    promote()
    with pytest.raises(StopIteration):
        slow.send(store.run(wanted))
    store.close()

    assert [json.loads(raw)["args"][0] for raw in redis.value("resque:queue:files")] == [0, 1, 2, 3, 4]


def test_more_than_a_batch_goes_on_at_once_and_in_order(
    redis: RealRedis, ruby: RubyResque, promote: Callable[[], float]
) -> None:
    for number in range(250):
        ruby.enqueue_at(100 + number // 50, "files", "Archive", number)

    pauses = [promote() for _ in range(4)]

    assert pauses == [0.0, 0.0, 0.0, FAR_S]
    assert [json.loads(raw)["args"][0] for raw in redis.value("resque:queue:files")] == list(range(250))


def test_delayed_bytes_that_are_no_job_are_buried_and_odd_entries_stop_nobody(
    redis: RealRedis, ruby: RubyResque, promote: Callable[[], float]
) -> None:
    redis.seed(
        {
            "resque:delayed_queue_schedule": {"100": 100, "vanished": 50, "99": 99, "98": 98},
            "resque:delayed:100": ["no json", encode({"class": "A", "args": [], "queue": None})],
            "resque:delayed:98": "no list",
        }
    )
    ruby.enqueue_at(100, "files", "Archive", 1)

    promote()
    pause_s = promote()

    assert pause_s == 1.0  # what is no list stays; Ruby's page would show an error, and so does our log
    assert len(ruby.failed_page()) == 2
    assert [items.original(record) is not None for record in failures(redis)] == [True, False]
    assert redis.value("resque:queue:files") == ['{"class":"Archive","args":[1]}']
    assert list(redis.value("resque:delayed_queue_schedule")) == ["98"]


# -- the registry ---------------------------------------------------------------------------------------------------


@pytest.fixture
def working(app: RedisJobs, ruby: RubyResque) -> Iterator[Worker]:
    """A worker that runs two jobs and has a free slot."""
    end, started = threading.Event(), threading.Barrier(3)

    @app.job(name="Slow", queue="files")
    def slow(number: int) -> None:
        started.wait(30)
        end.wait(60)

    for number in range(2):
        ruby.enqueue("files", "Slow", number)
    with app.worker(queues=["files", "mail_*", "!mail_x"], concurrency=3, heartbeat_ttl_s=1) as worker:
        started.wait(30)
        yield worker
        end.set()


def test_rubys_pages_show_each_job_that_we_run_in_a_worker_of_its_own(
    redis: RealRedis, ruby: RubyResque, working: Worker
) -> None:
    eventually(lambda: len(ruby.working()) == 2, timeout_s=30)

    assert sorted(ruby.working().values()) == [("files", "Slow", [0]), ("files", "Slow", [1])]
    assert [queues for _, _, _, queues in ruby.workers()] == [["files", "mail_*"]] * 3
    assert len(redis.value("resque:workers:heartbeat")) == 3
    for worker, *_ in ruby.workers():
        assert redis.value(f"resque:worker:{worker}:started").endswith(" +0000")


def test_a_starting_worker_of_rubys_on_our_host_leaves_us_alone(
    redis: RealRedis, ruby: RubyResque, working: Worker
) -> None:
    """It removes all workers of its host whose process `ps` does not show, their heartbeats notwithstanding."""
    host = working.identity.split(":")[0]
    eventually(lambda: len(ruby.working()) == 2, timeout_s=30)

    RubyResque(redis, host=host, pid=1).start_worker("*")

    assert len(ruby.workers()) == 4
    assert failures(redis) == []


def test_rubys_workers_stay_where_they_are_when_ours_come_and_go(
    redis: RealRedis, app: RedisJobs, ruby: RubyResque
) -> None:
    theirs = ruby.start_worker("files")
    redis.client.hset("resque:workers:heartbeat", theirs, ago(10_000))  # dead for long: Ruby's to say
    before = redis.dump()

    work_off(app, queues=["files"])

    assert redis.dump(OURS) == before


def test_a_process_that_died_while_no_other_was_there_is_pruned_by_ruby_and_its_job_still_comes_back(
    redis: RealRedis, app: RedisJobs, ruby: RubyResque, ran: list[list[Any]]
) -> None:
    dead = "gone:1:abcdefabcdef"
    keys = ResqueKeys(listens="files")
    worker = keys.worker_id(dead)
    item = encode({"class": "Archive", "args": [1]})
    redis.seed(
        {
            keys.lease("files", dead): [item],
            keys.lease_owners("files"): {dead: "1"},
            keys.lease_queues: {"files"},
            keys.worker_ids: {worker},
            keys.heartbeats: {worker: ago(301)},
            keys.worker(worker): items.working(item.encode(), queue="files", at=redis.now()),
        }
    )

    ruby.start_worker("*")

    assert "did not gracefully exit while processing Archive" in ruby.failed_page()[0]
    with app.worker(queues=["files"], concurrency=1, reap_s=0.1, heartbeat_ttl_s=9):
        eventually(lambda: ran == [[1]], timeout_s=30)
    assert redis.value("resque:workers") == {"web-1:4711:*"}


def test_a_worker_that_leaves_leaves_nothing(redis: RealRedis, app: RedisJobs) -> None:
    work_off(app, queues=["files", "*"])

    assert redis.dump(OURS) == {}


# -- both at once ---------------------------------------------------------------------------------------------------


def test_one_worker_serves_sidekiqs_queues_and_resques(redis: RealRedis, ruby: RubyResque) -> None:
    app = RedisJobs(redis.url, shards={"resque": {"url": redis.url, "dialect": "resque"}})
    ran = []

    @app.job(name="Archive", queue="files", shard="resque")
    def archive(number: int) -> None:
        ran.append(("resque", number))
        mail.enqueue(number)

    @app.job(name="Mail", queue="files")
    def mail(number: int) -> None:
        ran.append(("sidekiq", number))
        if number < 3:
            archive.enqueue(number + 1)

    ruby.enqueue("files", "Archive", 1)
    with app.worker(queues=["files"], concurrency=1):
        eventually(lambda: len(ran) == 6, timeout_s=30)
    app.close()

    assert sorted(ran) == [(where, number) for where in ("resque", "sidekiq") for number in (1, 2, 3)]
    assert redis.value("stat:processed") == redis.value("resque:stat:processed") == "3"


# -- ActiveJob ------------------------------------------------------------------------------------------------------


def test_a_job_of_rails_on_the_resque_adapter_runs_and_is_retried_as_rails_does(
    redis: RealRedis, app: RedisJobs, ruby: RubyResque
) -> None:
    """As Rails writes it: the wrapper's class, and the one argument; a retry is a new delayed item of the same form."""
    seen: list[Any] = []

    @app.active_job("ReportJob", queue="files", retry_on=RetryOn(ValueError, wait=60, attempts=2))
    def report(number: int, *, since: str) -> None:
        seen.append((number, since, current_job().active_job.executions))
        raise ValueError("no")

    data = {
        "job_class": "ReportJob",
        "job_id": "0b6f4c1e-3f0e-4d8e-9a55-2a1a6c6c7d10",
        "queue_name": "files",
        "arguments": [7, {"since": "may", "_aj_ruby2_keywords": ["since"]}],
        "executions": 0,
        "exception_executions": {},
    }
    ruby.enqueue("files", items.ACTIVE_JOB, data)

    work_off(app, queues=["files"])

    assert seen == [(7, "may", 1)]
    [second] = redis.value("resque:delayed_queue_schedule")
    assert redis.now() + 30 < int(second) <= redis.now() + 61
    [waiting] = redis.value(f"resque:delayed:{second}")
    again = json.loads(waiting)
    assert (list(again), again["class"], again["queue"]) == (["class", "args", "queue"], items.ACTIVE_JOB, "files")
    assert (again["args"][0]["job_id"], again["args"][0]["executions"]) == (data["job_id"], 1)
    assert again["args"][0]["exception_executions"] == {"[ValueError]": 1}
    assert failures(redis) == []


def test_what_is_pushed_for_rails_has_the_wrapper_of_the_resque_adapter(redis: RealRedis, app: RedisJobs) -> None:
    app.push_active_job("ReportJob", [7], queue="files")

    [raw] = redis.value("resque:queue:files")
    item = json.loads(raw)
    assert (list(item), item["class"]) == (["class", "args"], items.ACTIVE_JOB)
    assert (item["args"][0]["job_class"], item["args"][0]["arguments"]) == ("ReportJob", [7])
