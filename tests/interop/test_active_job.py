"""Rails enqueues for Python, Python for Rails; both retry each other's jobs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from random import Random
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from redisjobs import DeserializationError, RedisJobs, current_job
from redisjobs.active_job import (
    Duration,
    GlobalID,
    IndifferentHash,
    Module,
    Range,
    RetryOn,
    RubyTime,
    Symbol,
    current_attributes,
)
from redisjobs.wire import activejob
from redisjobs.wire.times import Wire
from tests.interop.crossing import entries, exactly, make_due, wait_size, wait_told
from tests.interop.peers import RUBY, RubyPeer
from tests.support.real_redis import RealRedis

RAILS = RUBY / "active_jobs.rb"

VALUES: list[Any] = [
    *(1, 2**70, 1.5, "text", "é", None, True, [1, [Symbol("in"), "array"]], Symbol("sym")),
    *({"s": 1}, {"y": {"z": Symbol("deep")}}, {"y": 1, "s": 2}, {}, IndifferentHash(i=IndifferentHash(n=1))),
    datetime(2023, 11, 14, 22, 13, 20, 123_456, UTC),
    datetime(1970, 1, 1, 5, 30, 0, 0, timezone(timedelta(hours=5, minutes=30))),
    datetime(2024, 10, 27, 12, 30, 1, 250_000, ZoneInfo("Europe/Berlin")),
    date(2024, 2, 29),
    datetime(2024, 2, 29, 1, 2, 3, 500_000, timezone(timedelta(hours=-3))),
    *(timedelta(seconds=2_629_746), timedelta(days=3, minutes=90), timedelta(hours=1.5)),
    *(GlobalID("shop", "Interop::Person", "7"), GlobalID("shop", "Interop::Person", "a b/c?d")),
    *(Module("Interop::Person"), Module("Interop")),
]
OF_LATER_RAILS: list[Any] = [
    *(Decimal("1.50"), Decimal("-1e-30"), Range(1, 3), Range(1, 3, exclude_end=True), Range("a", "c"), Range(1, None)),
    Range(None, date(2024, 1, 1)),
]


@pytest.fixture(scope="module")
def session_peer(session_peer: RubyPeer, session_redis: RealRedis) -> Iterator[RubyPeer]:
    """A Ruby with Rails' ActiveJob, apart from the one of the other tests: ActiveSupport changes much in it."""
    with RubyPeer(session_peer.generation, session_redis.url) as rails:
        rails.eval(f"require {json.dumps(str(RAILS))}; nil")
        yield rails


def run_python(app: RedisJobs, *queues: str) -> None:
    """Run all that is ready, and what becomes ready meanwhile."""
    with app.worker(queues=queues or ["python"], concurrency=2) as worker:
        assert worker.drain()


def test_every_kind_of_argument_crosses_and_comes_back(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    got: list[Any] = []

    @app.active_job("Interop::Report")
    def report(*args: Any, **keywords: Any) -> None:
        got.extend([list(args), keywords])
        app.push_active_job("Interop::Compare", args, keywords, queue="ruby")

    peer.eval("Interop::Report.perform_later(*Interop.values, **Interop.keywords); nil")
    run_python(app)

    wanted = VALUES if peer.generation == 6 else VALUES + OF_LATER_RAILS
    assert got == [wanted, {"since": date(2024, 11, 1), "nested": {"a": "b"}}]
    assert type(got[0][8]) is Symbol
    assert type(next(iter(got[0][10]))) is Symbol
    assert isinstance(got[0][14], RubyTime)
    assert (got[0][14].nanosecond, got[0][15].nanosecond) == (123_456_789, 1)
    assert isinstance(got[0][19], Duration)
    assert got[0][19].parts == {"months": 1}
    peer.start_worker(queues=["ruby"], require=RAILS)
    [compared] = wait_told(redis, 1, "compared")
    assert compared["args"] == [True, []]


def test_whatever_is_nested_in_what_comes_back_from_ruby_as_it_was(peer: RubyPeer) -> None:
    """300 values, the same ones each time: written here, read and written by Rails, read here."""
    random = Random(5)
    leaves = [
        each for each in (VALUES if peer.generation == 6 else VALUES + OF_LATER_RAILS) if not isinstance(each, list)
    ]

    def value(depth: int = 0) -> Any:
        kind = random.randrange(4) if depth < 5 else 3
        if kind == 0:
            return [value(depth + 1) for _ in range(random.randrange(4))]
        if kind < 3:
            key = str if kind == 1 else Symbol
            members = {key(f"k{at}"): value(depth + 1) for at in range(random.randrange(4))}
            return IndifferentHash(members) if kind == 1 and random.random() < 0.2 else members
        return random.choice(leaves)

    values = [value() for _ in range(300)]
    written = [activejob.encode(each, "", cast(Wire, f"sidekiq{peer.generation}")) for each in values]

    again = peer.eval(
        """
        args = JSON.parse(input["written"])
        JSON.generate(ActiveJob::Arguments.serialize(ActiveJob::Arguments.deserialize(args)))
        """,
        written=json.dumps(written),
    )

    assert [activejob.decode(each) for each in json.loads(again)] == values


def test_what_rails_says_of_a_job_is_right(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    seen: list[Any] = []

    @app.active_job("Interop::Report")
    async def report() -> None:
        seen.append((current_job().name, current_job().active_job, current_job().payload["wrapped"]))

    before = time.time()
    job_id, jid = peer.eval(
        """
        job = Time.use_zone("Europe/Berlin") { Interop::Report.set(priority: 7).perform_later }
        [job.job_id, job.provider_job_id]
        """
    )
    run_python(app)

    [(name, told, wrapped)] = seen
    assert (name, wrapped, told.job_class) == ("Interop::Report",) * 3
    assert (told.job_id, told.provider_job_id, told.queue_name, told.priority) == (job_id, jid, "python", 7)
    assert (told.executions, told.exception_executions) == (1, {})
    assert (told.locale, told.timezone, told.scheduled_at) == ("en", "Europe/Berlin", None)
    assert before - 1 <= told.enqueued_at.timestamp() <= time.time()  # Rails 6.1 writes whole seconds


def test_what_rails_gets_of_a_job_of_ours_is_right(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    jid = app.push_active_job("Interop::Plain", [1, "é"], queue="ruby", priority=3, timezone="Europe/Berlin")
    peer.start_worker(queues=["ruby"], require=RAILS)

    [told] = wait_told(redis, 1)

    assert (told["jid"], told["args"], told["queue"], told["priority"]) == (jid, [1, "é"], "ruby", 3)
    assert (told["locale"], told["timezone"], told["executions"]) == ("en", "Europe/Berlin", 1)
    assert len(told["job_id"]) == 36
    assert told["enqueued_at"].startswith(f"{datetime.now(UTC):%Y-%m-%d}")


def test_rails_runs_the_wrapper_of_its_own_generation_and_of_older_ones(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis
) -> None:
    """The new name is of Sidekiq 8; Rails' own, which 6 and 7 look for, 8 knows too."""
    wires: list[Wire] = ["sidekiq6", "sidekiq7", "sidekiq8"]
    for wire in wires[: peer.generation - 5]:
        older = RedisJobs(redis.url, wire=wire)
        older.push_active_job("Interop::Plain", [wire], queue="ruby")
        older.close()

    peer.start_worker(queues=["ruby"], require=RAILS)

    ran = wait_told(redis, peer.generation - 5)
    assert sorted(each["args"][0] for each in ran) == wires[: peer.generation - 5]
    assert app.retries.size == 0


def test_wait_puts_a_job_into_the_schedule_where_ruby_sees_and_promotes_it(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis
) -> None:
    before = time.time()
    app.push_active_job("Interop::Plain", [1], queue="ruby", wait=timedelta(hours=1))

    [[shown, args, at]] = peer.eval(
        "Sidekiq::ScheduledSet.new.map { |e| [e.display_class, e.display_args, e.at.to_f] }"
    )
    assert (shown, args) == ("Interop::Plain", [1])
    assert before + 3599 < at < time.time() + 3601
    [stored] = entries(redis, "schedule")
    scheduled_at = datetime.fromisoformat(stored["args"][0]["scheduled_at"]).timestamp()
    assert scheduled_at == pytest.approx(at, abs=5)
    make_due(redis, "schedule")
    peer.promote()
    peer.start_worker(queues=["ruby"], require=RAILS)
    assert [each["args"] for each in wait_told(redis, 1)] == [[1]]


def test_a_job_that_rails_scheduled_runs_with_its_scheduled_at(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis
) -> None:
    seen: list[Any] = []
    app.active_job("Interop::Report")(lambda: seen.append(current_job().active_job.scheduled_at))
    peer.eval("Interop::Report.set(wait: 3600).perform_later; nil")
    make_due(redis, "schedule")

    with app.worker(queues=["python"], concurrency=1) as worker:
        wait_size(redis, "schedule", 0)
        assert worker.drain()

    [scheduled_at] = seen
    if peer.generation == 6:  # Rails writes it from 7.1 on
        assert scheduled_at is None
    else:
        assert scheduled_at.timestamp() == pytest.approx(time.time() + 3600, abs=60)


def test_retry_on_of_each_language_counts_on_what_the_other_counted(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis
) -> None:
    seen: list[Any] = []

    @app.active_job("Interop::Flaky", retry_on=RetryOn(ZeroDivisionError, wait=3600))
    def flaky(*args: Any) -> None:
        seen.append((args, current_job().active_job, current_job().jid))
        raise ZeroDivisionError("in Python")

    job_id = peer.eval("Interop::Flaky.set(queue: 'shared').perform_later(:a, 1).job_id")
    ruby = peer.start_worker(queues=["shared"], require=RAILS)
    wait_size(redis, "schedule", 1)
    ruby.kill()
    make_due(redis, "schedule")
    peer.promote()
    run_python(app, "shared")

    [(args, told, jid)] = seen
    assert (args, told.job_id, told.executions) == (("a", 1), job_id, 2)
    assert told.exception_executions == {"[Interop::Boom]": 1}
    [again] = entries(redis, "schedule")
    assert again["jid"] != jid
    assert again["args"][0]["provider_job_id"] == jid
    make_due(redis, "schedule")
    peer.promote()
    peer.start_worker(queues=["shared"], require=RAILS)
    [_, failed] = wait_told(redis, 2, "failed")
    assert (failed["jid"], failed["job_id"], failed["executions"]) == (again["jid"], job_id, 3)
    assert failed["exceptions"] == {"[Interop::Boom]": 1, "[ZeroDivisionError]": 1}
    assert (redis.client.zcard("retry"), int(redis.client.get("stat:failed") or 0)) == (0, 0)


def test_an_error_without_a_rule_goes_the_way_of_sidekiq(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    """The same payload, so that `executions` stays, and Ruby's pages show the class inside; then Ruby runs it."""

    @app.active_job("Interop::Plain", discard_on=DeserializationError)
    def plain(*args: Any) -> None:
        raise ZeroDivisionError("in Python")

    peer.eval("Interop::Plain.set(queue: 'python').perform_later(1, {a: :b}); nil")
    [enqueued] = entries(redis, "queue:python")
    run_python(app)

    [failed] = entries(redis, "retry")
    assert {name: failed[name] for name in ("args", "class", "wrapped", "jid")} == {
        name: enqueued[name] for name in ("args", "class", "wrapped", "jid")
    }
    shown = peer.eval("Sidekiq::RetrySet.new.map { |e| [e.display_class, e['error_class'], e.klass] }")
    assert shown == [["Interop::Plain", "ZeroDivisionError", enqueued["class"]]]
    page = peer.web([("GET", "/retries")])[0].body
    assert "Interop::Plain" in page
    make_due(redis, "retry")
    peer.promote()
    peer.start_worker(queues=["python"], require=RAILS)
    [told] = wait_told(redis, 1)
    assert (told["jid"], told["executions"]) == (enqueued["jid"], 1)


def test_current_attributes_survive_retry_kill_and_resurrection(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis
) -> None:
    seen: list[Any] = []

    @app.active_job("Interop::Plain")
    def plain() -> None:
        seen.append(current_attributes(current_job().payload))
        raise ZeroDivisionError

    peer.eval(
        """
        Interop.with_current(user_id: 7, tenant: "shop") do
          Interop::Plain.set(queue: "python").perform_later
        end
        nil
        """
    )
    [enqueued] = entries(redis, "queue:python")
    run_python(app)
    make_due(redis, "retry")
    peer.promote()
    run_python(app)
    app.retries.kill(next(iter(app.retries)))
    assert entries(redis, "dead")[0]["cattr"] == enqueued["cattr"]
    peer.eval("Sidekiq::DeadSet.new.first.retry")

    peer.start_worker(queues=["python"], require=RAILS)
    [told] = wait_told(redis, 1)

    assert seen == [{"user_id": 7, "tenant": "shop"}] * 2
    assert told["cattr"] == [7, "shop"]


def test_every_field_of_a_payload_survives_failure_death_and_resurrection(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis
) -> None:
    """`cattr` of a real middleware, the others as their middleware writes them."""
    peer.eval(
        """
        Interop.with_current(user_id: 7, tenant: "shop") do
          fields = {"locale" => "de", "trace" => {"id" => "t-1"}, "tags" => ["a", "β"], "of_others" => [1.0, 2**70, {}]}
          Interop::Fail.set(fields).perform_async("x")
        end
        nil
        """
    )
    [enqueued] = entries(redis, "queue:default")
    run_python(app, "default")
    make_due(redis, "retry")
    peer.promote()
    run_python(app, "default")
    [failed] = entries(redis, "retry")
    app.retries.kill(next(iter(app.retries)))
    [dead] = entries(redis, "dead")
    peer.eval("Sidekiq::DeadSet.new.first.retry")
    [revived] = entries(redis, "queue:default")

    enqueued.pop("enqueued_at")
    assert enqueued["cattr"]
    for stored in (failed, dead, revived):
        assert exactly({name: stored[name] for name in enqueued}) == exactly(enqueued)


def test_fields_that_are_forwarded_reach_the_jobs_of_a_job(peer: RubyPeer, app: RedisJobs, redis: RealRedis) -> None:
    app.forward("cattr*", "trace")

    @app.active_job("Interop::Report")
    def report() -> None:
        app.push_active_job("Interop::Plain", queue="ruby")
        app.push("Interop::Record", queue="low")

    peer.eval("Interop.with_current(user_id: 7, tenant: 'shop') { Interop::Report.perform_later }; nil")
    run_python(app)
    app.push_active_job("Interop::Plain", queue="other")

    [record], [outside] = entries(redis, "queue:low"), entries(redis, "queue:other")
    assert current_attributes(record) == {"user_id": 7, "tenant": "shop"}
    assert "cattr" not in outside
    peer.start_worker(queues=["ruby"], require=RAILS)
    assert [each["cattr"] for each in wait_told(redis, 1)] == [[7, "shop"]]


def test_a_variable_that_is_carried_comes_through_ruby_unharmed(
    peer: RubyPeer, app: RedisJobs, redis: RealRedis
) -> None:
    """Ruby fails it, promotes it; Python runs it with the value of where it was enqueued."""
    tenant = app.carry(ContextVar[Any]("tenant"))
    seen: list[Any] = []
    token = tenant.set({"id": 42, "name": "Zoë"})
    app.push("Interop::Fail", ["x"], queue="ruby")
    tenant.reset(token)
    ruby = peer.start_worker(queues=["ruby"], require=RAILS)
    wait_size(redis, "retry", 1)
    ruby.kill()
    make_due(redis, "retry")
    peer.promote()
    app.registry._jobs.pop("Interop::Fail")
    app.job(name="Interop::Fail")(lambda *_: seen.append(tenant.get()))

    run_python(app, "ruby")

    assert seen == [{"id": 42, "name": "Zoë"}]
