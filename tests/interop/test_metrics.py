"""Ruby's page of metrics shows what Python ran, and ours what Ruby ran; generation 6 has none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from redisjobs import RedisJobs
from tests.interop.peers import RubyPeer
from tests.support.real_redis import RealRedis

WIRES = {7: "sidekiq7", 8: "sidekiq8"}


@pytest.fixture
def peer_with_metrics(peer: RubyPeer) -> RubyPeer:
    if peer.generation not in WIRES:
        pytest.skip("Sidekiq 6 has no metrics")
    peer.eval('require "sidekiq/metrics/query"')
    return peer


def test_ruby_shows_the_metrics_of_our_jobs(peer_with_metrics: RubyPeer, redis: RealRedis) -> None:
    peer = peer_with_metrics
    app = RedisJobs(redis.url, wire=WIRES[peer.generation])  # type: ignore[arg-type]

    @app.job(name="Fine")
    def fine() -> None: ...

    @app.job(name="Boom", retry=0)
    async def boom() -> None:
        raise ValueError

    fine.enqueue_many([()] * 5)
    boom.enqueue()
    with app.worker(concurrency=2) as worker:
        assert worker.drain()
    app.close()

    totals = peer.eval(
        """
        found = Sidekiq::Metrics::Query.new.top_jobs(minutes: 60).job_results
        found.to_h { |name, result| [name, result.totals] }
        """
    )
    assert (totals["Fine"]["p"], totals["Fine"].get("f", 0)) == (5, 0)
    assert (totals["Boom"]["p"], totals["Boom"]["f"]) == (1, 1)
    counted = peer.eval(
        'Sidekiq::Metrics::Query.new.for_job("Fine", minutes: 60).job_results["Fine"].hist.values.flatten.sum'
    )
    assert counted == 5
    for page in peer.web([("GET", "/metrics"), ("GET", "/metrics/Fine")]):
        assert page.status == 200
        assert "Fine" in page.body


# -- and we show what Ruby wrote --------------------------------------------------------------------------------------

NOW = datetime(2026, 3, 1, 0, 20, 30, tzinfo=UTC).timestamp()
"""Soon after midnight at the turn of a month: all that keys are called changes within the window."""

RUNS = [
    *[(minutes, "Mail", ms, False) for minutes, ms in ((0, 12), (0, 47), (9, 47), (25, 3_000), (59, 400_000))],
    *[(minutes, "Mail", 5, True) for minutes in (0, 25, 300)],
    *[(minutes, "My::Report", 700 + minutes, False) for minutes in range(0, 70, 3)],
    (61, "Old", 10, False),
    (700, "Older", 10, False),
]
"""Minutes ago, class, milliseconds, whether it failed."""

WRITE = """
require "sidekiq/job_retry"
require "sidekiq/metrics/tracking"
input["runs"].each do |minutes, name, ms, fails|
  tracker = Sidekiq::Metrics::ExecutionTracker.new(Sidekiq.default_configuration)
  ticks = 0
  tracker.define_singleton_method(:mono_ms) { ticks += ms }
  begin
    tracker.track("default", name) { raise "boom" if fails }
  rescue RuntimeError
  end
  tracker.flush(Time.at(input["now"] - minutes * 60))
end
"""
READ = """
require "sidekiq/metrics/query"
query = Sidekiq::Metrics::Query.new(now: Time.at(input["now"]))
found = query.top_jobs(**input["window"].to_h { |name, value| [name.to_sym, value] }).job_results
found.to_h { |name, result| [name, result.totals] }
"""


@pytest.mark.parametrize(("window", "minutes"), [("1h", 60), ("8h", 480)])
def test_we_count_what_ruby_counted_and_as_its_page_does(
    peer_with_metrics: RubyPeer, redis: RealRedis, window: str, minutes: int
) -> None:
    peer_with_metrics.eval(WRITE, runs=RUNS, now=NOW)
    app = RedisJobs(redis.url)

    ours = {job.name: job for job in app.metrics.runs(window, now=NOW).jobs}  # type: ignore[arg-type]
    app.close()

    theirs = peer_with_metrics.eval(READ, now=NOW, window={"minutes": minutes})
    assert theirs
    assert {name: (job.executions, job.failures, round(job.total_s * 1000)) for name, job in ours.items()} == {
        name: (told["p"], told.get("f", 0), told.get("ms", 0)) for name, told in theirs.items()
    }
    histogram = """
        found = Sidekiq::Metrics::Query.new(now: Time.at(input["now"])).for_job("Mail", minutes: input["minutes"])
        found.job_results["Mail"].hist.values.reject(&:empty?).transpose.map(&:sum).reverse
    """
    assert list(ours["Mail"].histogram or ()) == peer_with_metrics.eval(histogram, now=NOW, minutes=minutes)


@pytest.mark.parametrize(("window", "hours"), [("24h", 24), ("72h", 72)])
def test_long_windows_show_what_sidekiq_8_keeps(
    peer_with_metrics: RubyPeer, redis: RealRedis, window: str, hours: int
) -> None:
    if peer_with_metrics.generation != 8:
        pytest.skip("Sidekiq 7 keeps the last 8 hours only")
    peer_with_metrics.eval(WRITE, runs=RUNS, now=NOW)
    app = RedisJobs(redis.url)

    ours = app.metrics.runs(window, now=NOW).jobs  # type: ignore[arg-type]
    app.close()

    theirs = peer_with_metrics.eval(READ, now=NOW, window={"hours": hours})
    assert {job.name: (job.executions, job.failures, round(job.total_s * 1000)) for job in ours} == {
        name: (told["p"], told.get("f", 0), told.get("ms", 0)) for name, told in theirs.items()
    }
    assert all(job.histogram is None for job in ours)


def test_marks_of_deploys_are_seen_on_both_sides(peer_with_metrics: RubyPeer, redis: RealRedis) -> None:
    app = RedisJobs(redis.url)
    app.metrics.mark("ours", NOW - 60)
    peer_with_metrics.eval(
        'require "sidekiq/deploy"; Sidekiq::Deploy.new.mark!(at: Time.at(input["at"]), label: "theirs")', at=NOW - 300
    )

    ours = [(mark.label, mark.at) for mark in app.metrics.runs("1h", now=NOW).marks]
    app.close()

    theirs = peer_with_metrics.eval(
        'Sidekiq::Metrics::Query.new(now: Time.at(input["now"])).top_jobs.marks.map { |m| [m.label, m.time.to_i] }',
        now=NOW,
    )
    minute = int(NOW // 60) * 60
    assert ours == [("theirs", minute - 300), ("ours", minute - 60)]
    assert sorted(tuple(mark) for mark in theirs) == sorted(ours)
