"""client.py: many jobs at once, their order and their batches; what is too large, and what is never half sent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from redisjobs import Job, PayloadError, PayloadTooLargeError, Push, RedisJobs, Steps
from tests.client.stored import GUARDS, arguments, jids, queued, scheduled
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

Call = Callable[..., Any]

FAR = 4_000_000_000.0
LIMIT = 100_000


def requests(redis: RealRedis) -> int:
    """Return how many scripts were called since the statistics were reset."""
    found = redis.client.info("commandstats")
    return sum(found.get(name, {}).get("calls", 0) for name in ("cmdstat_evalsha", "cmdstat_eval"))


# -- order and batches ----------------------------------------------------------------------------------------------


def test_many_are_stored_in_order_and_each_gets_its_jid(redis: RealRedis, work: Job[..., None], call: Call) -> None:
    made = call(work.enqueue_many, [(number,) for number in range(5)])

    jobs = queued(redis)
    assert arguments(jobs) == [0, 1, 2, 3, 4]
    assert jids(jobs) == made
    assert len(set(made)) == 5
    assert len({job["created_at"] for job in jobs}) == 1


@pytest.mark.parametrize(("count", "trips"), [(1, 1), (1000, 1), (1001, 2), (2500, 3)])
def test_a_thousand_go_in_each_round_trip(redis: RealRedis, app: RedisJobs, call: Call, count: int, trips: int) -> None:
    call(app.push, "Warm", ["up"])  # the script may have to be loaded
    redis.client.config_resetstat()

    made = call(app.push_many, "Work", [(number,) for number in range(count)])

    assert requests(redis) == trips
    jobs = queued(redis)[1:]
    assert arguments(jobs) == list(range(count))
    assert jids(jobs) == made
    assert len(set(made)) == count


def test_many_may_come_from_a_generator(redis: RealRedis, app: RedisJobs, work: Job[..., None], call: Call) -> None:
    call(work.enqueue_many, ([number] for number in range(3)))
    call(app.push_many, "Work", ((number,) for number in range(3, 6)))

    assert arguments(queued(redis)) == [0, 1, 2, 3, 4, 5]


def test_none_at_all_is_no_push(redis: RealRedis, app: RedisJobs, work: Job[..., None], call: Call) -> None:
    assert call(work.enqueue_many, []) == []
    assert call(work.enqueue_many, [], when=FAR) == []
    assert call(app.push_many, "Work", iter(())) == []
    assert redis.dump() == {}


def test_many_for_one_moment_are_due_in_order_each_with_a_score_of_its_own(
    redis: RealRedis, app: RedisJobs, work: Job[..., None], call: Call
) -> None:
    """Ruby's pages find a member by its score, and may mix up two of the same."""
    call(work.enqueue_many, [(number,) for number in range(500)], when=FAR)
    call(app.push_many, "Work", [(number,) for number in range(500, 1000)], at=FAR + 1)

    found = scheduled(redis)
    assert arguments([job for job, _ in found]) == list(range(1000))
    assert len({score for _, score in found}) == 1000
    assert all(FAR <= score < FAR + 1.01 for _, score in found)


def test_thousands_for_one_moment_keep_their_order(redis: RealRedis, work: Job[..., None], call: Call) -> None:
    """Whatever the number of round trips: each has a score of its own."""
    call(work.enqueue_many, [(number,) for number in range(2500)], when=FAR)

    due = scheduled(redis)
    assert arguments([job for job, _ in due]) == list(range(2500))
    assert len({score for _, score in due}) == 2500


def test_a_thousand_for_later_go_in_each_round_trip(redis: RealRedis, app: RedisJobs, call: Call) -> None:
    call(app.push, "Warm", ["up"], at=FAR)
    redis.client.config_resetstat()

    made = call(app.push_many, "Work", [(number,) for number in range(1500)], delay_s=60)

    assert requests(redis) == 2
    jobs = [job for job, _ in scheduled(redis) if job["class"] == "Work"]
    assert sorted(arguments(jobs)) == list(range(1500))
    assert sorted(jids(jobs)) == sorted(made)


def test_jobs_that_middleware_sends_to_several_queues_keep_their_order_in_each(
    redis: RealRedis, app: RedisJobs, call: Call
) -> None:
    @app.client_middleware.add
    def spread(push: Push) -> Steps[None]:
        push.fields["queue"] = f"q{push.args[0] % 3}"
        yield

    made = call(app.push_many, "Work", [(number,) for number in range(2500)])

    found = {}
    for rest in range(3):
        jobs = queued(redis, f"q{rest}")
        assert arguments(jobs) == list(range(rest, 2500, 3))
        assert {job["queue"] for job in jobs} == {f"q{rest}"}
        found |= dict(zip(arguments(jobs), jids(jobs), strict=True))
    assert [found[number] for number in range(2500)] == made
    assert redis.value("queues") == {"q0", "q1", "q2"}


# -- all or none ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "error"),
    [(("x", object()), PayloadError), (("y" * LIMIT,), PayloadTooLargeError)],
    ids=["no JSON", "too large"],
)
@pytest.mark.parametrize("when", [{}, {"at": FAR}], ids=["now", "later"])
def test_nothing_is_sent_if_the_last_of_many_is_bad(
    redis: RealRedis, apps: Callable[..., RedisJobs], call: Call, when: dict[str, Any], bad: Any, error: type[Exception]
) -> None:
    """Not even the batches before it."""
    app = apps(redis.url, max_payload_bytes=LIMIT)

    with pytest.raises(error):
        call(app.push_many, "Work", [*((number,) for number in range(1500)), bad], **when)

    assert redis.dump() == {}


@pytest.mark.parametrize("bad", ["text", b"bytes", {"a": 1}, 5, None, {1}, iter(())])
def test_nothing_is_sent_if_one_of_many_is_no_sequence(
    redis: RealRedis, work: Job[..., None], call: Call, bad: Any
) -> None:
    with pytest.raises(TypeError, match="each call is a sequence of arguments"):
        call(work.enqueue_many, [(1,), bad])

    assert redis.dump() == {}


def test_nothing_is_sent_if_the_calls_themselves_fail(redis: RealRedis, work: Job[..., None], call: Call) -> None:
    def calls() -> Iterator[list[int]]:
        yield [1]
        raise KeyError("their own")

    with pytest.raises(KeyError, match="their own"):
        call(work.enqueue_many, calls())

    assert redis.dump() == {}


# -- size -----------------------------------------------------------------------------------------------------------


def of_size(app: RedisJobs, redis: RealRedis, size: int) -> str:
    """Return the argument that makes a payload of so many bytes."""
    app.push("Work", [""])
    return "x" * (size - len(redis.client.lpop("queue:default")))


def test_a_payload_may_be_as_large_as_the_limit_and_not_a_byte_larger(
    redis: RealRedis, apps: Callable[..., RedisJobs], call: Call
) -> None:
    app = apps(redis.url, max_payload_bytes=LIMIT)
    text = of_size(app, redis, LIMIT)

    call(app.push, "Work", [text])
    with pytest.raises(
        PayloadTooLargeError, match=r"Work has 100,001 bytes.*max_payload_bytes=100,000.*pass a reference"
    ):
        call(app.push, "Work", [text + "x"])

    assert [len(raw) for raw in redis.value("queue:default")] == [LIMIT]


def test_the_limit_counts_bytes_and_not_letters(redis: RealRedis, apps: Callable[..., RedisJobs], call: Call) -> None:
    app = apps(redis.url, max_payload_bytes=LIMIT)

    with pytest.raises(PayloadTooLargeError):
        call(app.push, "Work", ["ü" * (LIMIT // 2)])

    assert redis.dump(GUARDS) == {}


def test_a_megabyte_is_the_limit_if_nothing_is_said(redis: RealRedis, app: RedisJobs, call: Call) -> None:
    call(app.push, "Work", ["x" * (1024 * 1024 - 1000)])

    with pytest.raises(PayloadTooLargeError):
        call(app.push, "Work", ["x" * 1024 * 1024])


def test_above_64_kib_a_job_is_stored_with_a_warning_that_names_it(
    redis: RealRedis, app: RedisJobs, call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    text = of_size(app, redis, 64 * 1024)

    with caplog.at_level(logging.WARNING, "redisjobs"):
        call(app.push, "Work", [text])
        assert caplog.records == []
        jid = call(app.push, "Work", [text + "x"])

    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == "large payload"
    assert (record.__dict__["class"], record.__dict__["jid"]) == ("Work", jid)
    assert record.__dict__["bytes"] == 64 * 1024 + 1
    assert [len(raw) for raw in reversed(redis.value("queue:default"))] == [64 * 1024, 64 * 1024 + 1]


def test_a_small_limit_counts_too(redis: RealRedis, apps: Callable[..., RedisJobs], call: Call) -> None:
    """Below the size from which on a job is warned about."""
    app = apps(redis.url, max_payload_bytes=1000)

    with pytest.raises(PayloadTooLargeError, match="more than max_payload_bytes=1,000"):
        call(app.push, "Work", ["x" * 1000])

    assert redis.dump() == {}
