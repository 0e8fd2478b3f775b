"""client.py, jobs/job.py: the enqueue family and what stands in Redis after it, field by field."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from redisjobs import Job, PayloadError, RedisJobs
from tests.client.stored import GUARDS, arguments, jids, queued, scheduled
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

Call = Callable[..., Any]

FAR = 4_000_000_000.25


# -- now ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "moment"), [("sidekiq8", r"\d{13}"), ("sidekiq7", r"\d{10}\.\d+"), ("sidekiq6", r"\d{10}\.\d+")]
)
def test_a_job_stands_in_its_queue_as_ruby_would_write_it(
    redis: RealRedis, apps: Callable[..., RedisJobs], call: Call, wire: str, moment: str
) -> None:
    """Compact, in Ruby's order, and times in the unit of that generation."""
    work = apps(redis.url, wire=wire).job(name="HardJob")(lambda number, name: None)
    started = time.time()

    jid = call(work.enqueue, 1, "bób/")

    database = redis.dump(GUARDS)
    assert set(database) == {"queue:default", "queues"}
    assert database["queues"] == {"default"}
    (raw,) = database["queue:default"]
    found = re.fullmatch(
        r'{"retry":true,"queue":"default","args":\[1,"bób/"\],"class":"HardJob",'
        rf'"jid":"{jid}","created_at":({moment}),"enqueued_at":({moment})}}',
        raw,
    )
    assert found, raw
    unit = 1000 if wire == "sidekiq8" else 1
    created_at, enqueued_at = (float(text) / unit for text in found.groups())
    assert started - 0.001 <= created_at <= enqueued_at <= time.time()


def test_each_jid_is_new_and_of_24_hexadecimal_digits(redis: RealRedis, work: Job[..., None], call: Call) -> None:
    made = [call(work.enqueue), call(work.enqueue), call(work.enqueue_in, 9), *call(work.enqueue_many, [(), ()])]

    assert len(set(made)) == 5
    assert all(re.fullmatch("[0-9a-f]{24}", jid) for jid in made)
    assert [*jids(queued(redis)), scheduled(redis)[0][0]["jid"]] == [made[0], made[1], made[3], made[4], made[2]]


def test_the_first_given_runs_first(redis: RealRedis, work: Job[..., None], call: Call) -> None:
    call(work.enqueue, "a")
    call(work.enqueue_many, [("b",), ("c",)])
    call(work.enqueue, "d")

    assert arguments(queued(redis)) == ["a", "b", "c", "d"]


def test_arguments_come_back_as_they_were_given(redis: RealRedis, work: Job[..., None], call: Call) -> None:
    given = [None, True, 0, -1, 2**70, 1.5, 1e20, "", "ü\u0000\n😀", [], {}, [{"a": [1, {"b": None}]}]]

    call(work.enqueue, *given)

    assert queued(redis)[0]["args"] == given


def test_what_is_changed_after_the_push_does_not_change_the_job(redis: RealRedis, work: Job[..., None]) -> None:
    given = {"names": ["a"]}
    work.enqueue(given)
    given["names"].append("b")
    work.enqueue(given)

    assert arguments(queued(redis)) == [{"names": ["a"]}, {"names": ["a", "b"]}]


@pytest.mark.parametrize("bad", [datetime(2024, 1, 1, tzinfo=UTC), (1,), {1: 2}, float("nan"), b"x", "\ud800"])
def test_an_argument_that_is_no_json_is_refused_with_its_path_and_nothing_is_sent(
    redis: RealRedis, app: RedisJobs, work: Job[..., None], call: Call, bad: Any
) -> None:
    for method, args in (
        (work.enqueue, ("fine", [bad])),
        (work.enqueue_in, (9, "fine", [bad])),
        (work.enqueue_many, ([("fine", 1), ("fine", [bad]), ("fine", 2)],)),
        (app.push, ("Work", ["fine", [bad]])),
        (app.push_many, ("Work", [["fine", 1], ["fine", [bad]]])),
    ):
        with pytest.raises(PayloadError, match=r"^args\[1\]"):
            call(method, *args)

    assert redis.dump() == {}


def test_a_call_that_the_function_would_refuse_is_refused_and_nothing_is_sent(
    redis: RealRedis, app: RedisJobs, call: Call
) -> None:
    pair = app.job(name="Pair")(lambda a, b: None)

    for method, args, kwargs in (
        (pair.enqueue, (1,), {}),
        (pair.enqueue, (1, 2, 3), {}),
        (pair.enqueue, (1,), {"c": 2}),
        (pair.enqueue_in, (60, 1), {}),
        (pair.enqueue_at, (FAR,), {"a": 1}),
        (pair.enqueue_many, ([(1, 2), (1,)],), {}),
    ):
        with pytest.raises(TypeError):
            call(method, *args, **kwargs)

    assert redis.dump() == {}


# -- later ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", ["sidekiq8", "sidekiq7", "sidekiq6"])
def test_a_job_for_later_stands_in_the_schedule_without_at_and_enqueued_at(
    redis: RealRedis, apps: Callable[..., RedisJobs], call: Call, wire: str
) -> None:
    """Nor does its queue get a name yet: Ruby names it when the job is moved there."""
    work = apps(redis.url, wire=wire).job(name="Reports::Nightly", queue="low", tags=["eu"], retry=5)(print)

    jid = call(work.enqueue_at, FAR)

    assert set(redis.dump(GUARDS)) == {"schedule"}
    ((job, score),) = scheduled(redis)
    assert score == FAR
    assert list(job) == ["retry", "queue", "tags", "args", "class", "jid", "created_at"]
    created_at = job.pop("created_at")
    assert isinstance(created_at, int if wire == "sidekiq8" else float)
    assert created_at / (1000 if wire == "sidekiq8" else 1) == pytest.approx(time.time(), abs=5)
    assert job == {
        "retry": 5, "queue": "low", "tags": ["eu"], "args": [{}], "class": "Reports::Nightly", "jid": jid,
    }  # fmt: skip


@pytest.mark.parametrize(
    "when", [FAR, int(FAR), datetime.fromtimestamp(FAR, UTC), datetime.fromtimestamp(FAR)], ids=str
)
def test_a_moment_is_a_number_or_a_datetime(redis: RealRedis, work: Job[..., None], call: Call, when: Any) -> None:
    call(work.enqueue_at, when, "a")
    call(work.enqueue_many, [("b",)], when=when)

    wanted = when.timestamp() if isinstance(when, datetime) else float(when)
    assert [score for _, score in scheduled(redis)] == [wanted, wanted]


@pytest.mark.parametrize("delay", [90, 90.0, timedelta(minutes=1, seconds=30)], ids=str)
def test_a_delay_counts_from_now(redis: RealRedis, work: Job[..., None], call: Call, delay: Any) -> None:
    before = redis.now()

    call(work.enqueue_in, delay, "a")

    ((job, score),) = scheduled(redis)
    assert job["args"] == ["a"]
    assert before + 90 - 1e-5 <= score <= redis.now() + 90


@pytest.mark.parametrize(
    "past",
    [0, time.time() - 1, datetime(2024, 11, 24, tzinfo=UTC), datetime.now() - timedelta(seconds=1)],
    ids=["epoch", "a second ago", "aware", "naive"],
)
def test_a_moment_that_has_passed_is_now(redis: RealRedis, app: RedisJobs, call: Call, past: Any) -> None:
    work = app.job(name="Work")(lambda name: None)

    call(work.enqueue_at, past, "a")
    call(work.enqueue_many, [("b",)], when=past)
    call(app.push, "Work", ["c"], at=past)
    call(app.push_many, "Work", [["d"]], at=past)

    assert arguments(queued(redis)) == ["a", "b", "c", "d"]
    assert all("enqueued_at" in job and "at" not in job for job in queued(redis))
    assert scheduled(redis) == []


@pytest.mark.parametrize("delay", [0, -0.001, -1e9, timedelta(0), timedelta(seconds=-1)], ids=str)
def test_a_delay_of_zero_or_less_is_now(redis: RealRedis, app: RedisJobs, call: Call, delay: Any) -> None:
    work = app.job(name="Work")(lambda name: None)

    call(work.enqueue_in, delay, "a")
    call(app.push, "Work", ["b"], delay_s=delay)
    call(app.push_many, "Work", [["c"]], delay_s=delay)

    assert arguments(queued(redis)) == ["a", "b", "c"]
    assert set(redis.dump(GUARDS)) == {"queue:default", "queues"}


def test_milliseconds_and_other_slips_are_no_moment_and_nothing_is_sent(
    redis: RealRedis, work: Job[..., None], call: Call
) -> None:
    for method in (work.enqueue_at, work.enqueue_in):
        for slip in (time.time() * 1000, float("nan"), float("inf")):
            with pytest.raises(ValueError, match=r"no (moment|delay)"):
                call(method, slip)
        for slip in ("5", True, None):
            with pytest.raises(TypeError, match="a number of seconds"):
                call(method, slip)

    assert redis.dump() == {}


def test_jobs_of_one_call_carry_one_moment(redis: RealRedis, work: Job[..., None], call: Call) -> None:
    """As Ruby's bulk push has it."""
    call(work.enqueue_many, [(number,) for number in range(3000)])

    assert len({(job["created_at"], job["enqueued_at"]) for job in queued(redis)}) == 1


# -- keywords -------------------------------------------------------------------------------------------------------


def test_keywords_of_ordinary_parameters_go_to_their_places(redis: RealRedis, app: RedisJobs, call: Call) -> None:
    @app.job
    def add(a: int, b: int = 2, c: int = 3) -> None: ...

    call(add.enqueue, 1, c=9)
    call(add.enqueue, b=8, a=7)
    call(add.enqueue_in, -1, a=5)

    assert [job["args"] for job in queued(redis)] == [[1, 2, 9], [7, 8], [5]]


def test_keyword_only_parameters_are_an_object_at_the_end(redis: RealRedis, app: RedisJobs, call: Call) -> None:
    """Always, `{}` too: so that a last argument that is an object is not taken for them."""

    @app.job
    def mail(to: Any, *, subject: str = "hi", when: str = "now") -> None: ...

    call(mail.enqueue, "bob", subject="x")
    call(mail.enqueue, {"subject": "mine"})
    call(mail.enqueue_at, 0, to="ann", when="later")
    call(mail.enqueue_many, [("cid",), ("dan", {"subject": "y"})])

    assert [job["args"] for job in queued(redis)] == [
        ["bob", {"subject": "x"}],
        [{"subject": "mine"}, {}],
        ["ann", {"when": "later"}],
        ["cid", {}],
        ["dan", {"subject": "y"}],
    ]
