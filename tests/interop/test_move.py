"""Out of the namespace that Sidekiq 7 and newer do not know: what was moved, each real Sidekiq sees and runs."""

from __future__ import annotations

from redisjobs.cli import main
from tests.interop.apps import interop_app
from tests.interop.crossing import make_due, wait_told
from tests.interop.peers import RubyPeer
from tests.support.real_redis import RealRedis


def test_jobs_that_left_a_namespace_run_in_ruby(peer: RubyPeer, redis: RealRedis) -> None:
    app = interop_app(redis.url, "sidekiq7", "shop")
    app.push_many("Interop::Record", [[number] for number in range(700)], queue="ruby")
    app.push("Interop::Record", ["later"], queue="ruby", delay_s=3600)
    app.push("Interop::Fail", ["retry"])
    app.push("Interop::Fail", ["dead"], retry=0)
    with app.worker(concurrency=1) as worker:
        assert worker.drain()
    app.close()

    assert main.run(["--url", redis.url, "move", "--from", "shop", "--to", "", "--all"]) == 0

    sets = "[Sidekiq::ScheduledSet, Sidekiq::RetrySet, Sidekiq::DeadSet].map { |set| set.new.map { |job| job.args } }"
    assert peer.eval("Sidekiq::Queue.all.to_h { |queue| [queue.name, queue.size] }") == {"ruby": 700}
    assert peer.eval(sets) == [[["later"]], [["retry"]], [["dead"]]]

    make_due(redis, "schedule")
    peer.promote()
    peer.start_worker(queues=["ruby"], concurrency=1)
    assert [one["args"] for one in wait_told(redis, 701)] == [*([number] for number in range(700)), ["later"]]
