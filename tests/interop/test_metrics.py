"""Ruby's page of metrics shows what Python ran; generation 6 has none."""

from __future__ import annotations

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
