"""Metrics: the sums of runs that workers keep, and marks of deploys; what Ruby wrote is in tests/interop."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from redisjobs.inspector import Access, Metrics
from redisjobs.inspector.metrics import percentile
from redisjobs.store.ops import metrics as ops
from redisjobs.store.ops.metrics import Sums
from redisjobs.wire.metrics import LIMITS_MS, Generation, Tally
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick

NOW = datetime(2026, 3, 1, 0, 20, 30, tzinfo=UTC).timestamp()


def tallied(*times_s: float, failures: int = 0) -> Tally:
    tally = Tally()
    for took_s in times_s:
        tally.note(took_s, failed=False)
    for _ in range(failures):
        tally.note(1.0, failed=True)
    return tally


def write(
    access: Access,
    at: float,
    tallies: dict[str, Tally],
    generations: Iterable[Generation] = (8,),
    writer: str = "one",
) -> None:
    """Write sums as a worker does that knows these generations."""
    op = ops.tally(
        access.keys, Sums(tallies), at=at, generations=list(generations), identity=f"{writer}:{at}", number=1
    )
    assert access.run(op)


def test_an_empty_redis_has_no_runs(access: Access) -> None:
    for window, steps in (("1h", 60), ("8h", 480), ("24h", 144), ("72h", 432)):
        assert Metrics(access).runs(window).jobs == []  # type: ignore[arg-type]
        job = Metrics(access).job("Nothing", window)  # type: ignore[arg-type]
        assert (job.executions, job.mean_s, job.p95_s, len(job.series)) == (0, None, None, steps)


def test_an_unknown_window_is_refused(access: Access) -> None:
    with pytest.raises(ValueError, match=r"no window '2h'; there are: 1h, 8h, 24h, 72h"):
        Metrics(access).runs("2h")  # type: ignore[arg-type]


def test_runs_are_added_up_and_stand_in_the_step_they_ended_in(access: Access) -> None:
    write(access, NOW, {"Mail": tallied(0.5, 1.5, failures=1)})
    write(access, NOW - 1800, {"Mail": tallied(2.0), "Other": tallied(failures=2)})
    write(access, NOW - 3600, {"Mail": tallied(9.0)})  # too long ago

    runs = Metrics(access).runs(now=NOW)

    mail, other = runs.jobs
    assert (mail.name, mail.executions, mail.failures, mail.total_s) == ("Mail", 4, 1, 4.0)
    assert mail.mean_s == pytest.approx(4 / 3)
    assert (other.name, other.executions, other.failures, other.mean_s, other.p50_s) == ("Other", 2, 2, None, None)
    assert {(step.at - runs.until, step.executions) for step in mail.series if step.executions} == {
        (-30, 3),
        (-1830, 1),
    }
    assert Metrics(access).job("Mail", now=NOW) == mail


def test_what_one_worker_wrote_for_both_generations_counts_once(access: Access) -> None:
    write(access, NOW, {"Mail": tallied(0.5, 0.5)}, (7, 8), "ours")
    write(access, NOW, {"Mail": tallied(0.5)}, (7,), "ruby 7")
    write(access, NOW, {"Mail": tallied(0.5, failures=1)}, (8,), "ruby 8")

    for job in (Metrics(access).runs(now=NOW).jobs[0], Metrics(access).job("Mail", now=NOW)):
        assert (job.executions, job.failures, job.total_s) == (5, 1, 2.0)
        assert sum(job.histogram or ()) == 4
        assert job.histogram is not None
        assert job.histogram[9] == 4


def test_the_long_windows_have_no_histogram(access: Access) -> None:
    write(access, NOW - 80_000, {"Mail": tallied(0.5)}, (7, 8))
    write(access, NOW - 200_000, {"Mail": tallied(0.5)})

    day, days = (Metrics(access).job("Mail", window, now=NOW) for window in ("24h", "72h"))  # type: ignore[arg-type]

    assert (day.executions, days.executions) == (1, 2)
    assert (day.histogram, day.p95_s) == (None, None)


def test_only_as_many_classes_as_asked_for_have_histograms(access: Access) -> None:
    write(access, NOW, {"Many": tallied(0.1, 0.1), "Few": tallied(0.1)})

    many, few = Metrics(access).runs(now=NOW, detailed=1).jobs

    assert (many.p50_s is None, few.p50_s) == (False, None)


def test_the_top_is_ranked_by_what_was_asked_for(access: Access) -> None:
    write(access, NOW, {"Slow": tallied(30.0), "Often": tallied(*[0.1] * 9), "Bad": tallied(0.01, failures=3)})

    runs = Metrics(access).runs(now=NOW)

    first = {by: [job.name for job in runs.top(by, 2)] for by in ("executions", "failures", "total", "mean", "p95")}  # type: ignore[arg-type]
    assert first == {
        "executions": ["Often", "Bad"],
        "failures": ["Bad"],
        "total": ["Slow", "Often"],
        "mean": ["Slow", "Often"],
        "p95": ["Slow", "Often"],
    }


def test_what_anybody_else_wrote_there_hides_nothing(redis: RealRedis, access: Access) -> None:
    write(access, NOW, {"Mail": tallied(0.5)})
    bucket = "j|260301|0:20"
    redis.client.hset(bucket, mapping={"Mail|f": "many", "nothing": "3", b"\xff|p": "2", "Mail|x": "9"})
    redis.client.set("j|20260301|0:19", "text")
    redis.client.set("h|Mail-1-0:20", b"short")
    redis.client.hset("20260301-marks", mapping={"whenever": "bad", "2026-03-01T00:05:00Z": "good"})

    runs = Metrics(access).runs(now=NOW)

    assert [(job.name, job.executions, job.failures) for job in runs.jobs] == [("\udcff", 2, 0), ("Mail", 1, 0)]
    assert [mark.label for mark in runs.marks] == ["good"]


def test_a_deploy_is_marked_once_a_minute(redis: RealRedis, access: Access) -> None:
    metrics = Metrics(access)
    for at, label in ((NOW, "v2"), (NOW + 5, "v2 again"), (NOW - 7200, "v1")):
        metrics.mark(label, at)

    marks = metrics.marks(NOW - 86_400, NOW)

    assert [(mark.label, mark.at) for mark in marks] == [("v1", NOW - 7230), ("v2", NOW - 30)]
    assert redis.client.ttl("20260301-marks") > 89 * 86_400


@pytest.mark.parametrize(
    ("counts", "share", "wanted"),
    [
        ({}, 0.5, None),
        ({0: 10}, 0.5, 0.010),
        ({0: 10}, 1.0, 0.020),
        ({1: 4}, 0.5, 0.025),
        ({0: 1, 8: 1}, 0.5, 0.020),
        ({0: 1, 8: 1}, 0.75, 0.4175),
        ({25: 3}, 0.99, 335.0),
    ],
)
def test_percentiles_are_interpolated_inside_a_bucket(
    counts: dict[int, int], share: float, wanted: float | None
) -> None:
    histogram = [counts.get(at, 0) for at in range(len(LIMITS_MS) + 1)]

    assert percentile(histogram, share) == (wanted if wanted is None else pytest.approx(wanted))
