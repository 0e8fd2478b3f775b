"""`redisjobs.testing`: what is enqueued is kept, run at once, or run when asked for."""

from __future__ import annotations

import asyncio
import sys
import threading
from datetime import UTC, datetime
from typing import Any
from unittest.mock import ANY

import pytest

from redisjobs import (
    ConfigError,
    Discard,
    Job,
    Kill,
    PayloadError,
    RedisJobs,
    RedisJobsError,
    Release,
    Retry,
    Snooze,
    current_job,
    testing,
)

pytestmark = pytest.mark.quick

NOWHERE = "redis://127.0.0.1:1/0"


class Shop:
    """An app of a Redis that is not there, with some jobs and what they did."""

    def __init__(self) -> None:
        self.app = RedisJobs(NOWHERE, patience_s=0)
        self.did: list[Any] = []
        self.mail: Job[..., Any] = self.app.job(queue="mailers", retry=2)(self._mail)
        self.index: Job[..., Any] = self.app.job(name="index")(self._index)

    def _mail(self, to: int, *, subject: str = "hi") -> None:
        self.did.append((to, subject, current_job().attempt))
        if to == 0:
            raise ValueError("nobody")

    async def _index(self, product: int) -> None:
        await asyncio.sleep(0)
        self.did.append(("index", product))
        await self.mail.aenqueue(product)


@pytest.fixture
def shop() -> Shop:
    return Shop()


# -- collected --------------------------------------------------------------------------------------------------------


def test_what_is_enqueued_is_kept_and_not_run(shop: Shop) -> None:
    with testing.fake(shop.app) as jobs:
        jid = shop.mail.enqueue(1, subject="x")

        [record] = jobs.enqueued(shop.mail)
        assert (record.args, record.queue, record.jid, record.in_s) == ([1, {"subject": "x"}], "mailers", jid, None)
        assert shop.app.queue("mailers").size == 1
        assert shop.did == []


def test_each_way_to_enqueue_is_kept(shop: Shop) -> None:
    async def push() -> None:
        await shop.mail.aenqueue(5)
        await shop.app.apush("Ruby::Job", [6])

    with testing.fake(shop.app) as jobs:
        shop.mail.enqueue_many([(1,), (2, {"subject": "y"})])
        shop.mail.options(queue="low", retry=7).enqueue_in(30, 3)
        shop.mail.enqueue_at(datetime(2100, 1, 1, tzinfo=UTC), 4)
        asyncio.run(push())

        assert [record.args[0] for record in jobs.enqueued()] == [1, 2, 3, 4, 5, 6]
        assert (shop.app.scheduled.size, shop.app.stats.enqueued) == (2, 4)
        jobs.assert_enqueued(shop.mail, args=(3,), queue="low", in_s=pytest.approx(30), fields={"retry": 7})
        jobs.assert_enqueued(shop.mail, at=datetime(2100, 1, 1, tzinfo=UTC))
        jobs.assert_enqueued("Ruby::Job", args=[6], in_s=None)
        assert len({record.jid for record in jobs.enqueued()}) == 6


def test_what_a_real_push_refuses_is_refused(shop: Shop) -> None:
    with testing.fake(shop.app) as jobs:
        with pytest.raises(PayloadError):
            shop.mail.enqueue(float("nan"))
        with pytest.raises(TypeError):
            shop.mail.enqueue()
        jobs.assert_not_enqueued()


def test_client_middleware_runs_and_may_stop_a_job(shop: Shop) -> None:
    @shop.app.client_middleware.add
    def stop_odd(push: Any) -> Any:
        push.fields["tenant"] = 7
        if push.args[0] % 2 == 0:
            yield

    with testing.fake(shop.app) as jobs:
        assert shop.mail.enqueue(1) is None
        assert shop.mail.enqueue(2) is not None

        assert jobs.assert_enqueued(shop.mail, count=1).fields["tenant"] == 7


def test_a_record_is_not_changed_by_what_the_caller_does_later(shop: Shop) -> None:
    given = {"a": [1]}
    with testing.fake(shop.app) as jobs:
        shop.app.push("J", [given])
        given["a"].append(2)

        jobs.assert_enqueued("J", args=[{"a": [1]}])


# -- assertions -------------------------------------------------------------------------------------------------------


def test_a_failed_assertion_says_what_was_enqueued_instead(shop: Shop) -> None:
    with testing.fake(shop.app) as jobs:
        with pytest.raises(AssertionError, match=r"was enqueued: nothing$"):
            jobs.assert_enqueued(shop.mail)
        shop.mail.enqueue_in(90, 1)
        shop.app.push("Other", ["é"], queue="low")

        with pytest.raises(AssertionError) as failed:
            jobs.assert_enqueued(shop.mail, args=(2,), queue="mailers")
        with pytest.raises(AssertionError, match="enqueued, and should not be"):
            jobs.assert_not_enqueued(shop.mail, args=(1,))
        with pytest.raises(AssertionError, match="not enqueued 2 times, but 1 times"):
            jobs.assert_enqueued(shop.mail, count=2)

    assert str(failed.value) == (
        f"not enqueued: {shop.mail.name} with args=(2,), queue='mailers'; was enqueued:"
        f"\n  {shop.mail.name}(1, {{}}) to mailers in 90 s\n  Other('é') to low"
    )


def test_a_failed_assertion_stays_readable(shop: Shop) -> None:
    with testing.fake(shop.app) as jobs:
        shop.mail.enqueue_many([(number,) for number in range(100)])

        with pytest.raises(AssertionError, match=r"\(29, \{\}\) to mailers\n  and 70 more$"):
            jobs.assert_not_enqueued()


@pytest.mark.parametrize(
    "wanted",
    [{"args": (9,)}, {"queue": "other"}, {"in_s": 90}, {"in_s": None}, {"at": 0.0}, {"fields": {"retry": 1}}],
)
def test_each_thing_that_is_wanted_counts(shop: Shop, wanted: dict[str, Any]) -> None:
    with testing.fake(shop.app) as jobs:
        shop.mail.enqueue_in(30, 1)

        jobs.assert_enqueued(shop.mail, args=(ANY,), in_s=30)
        jobs.assert_not_enqueued(shop.mail, **wanted)


def test_a_wrong_word_or_call_is_an_error_of_the_test(shop: Shop) -> None:
    with testing.fake(shop.app) as jobs:
        shop.mail.enqueue(1)
        with pytest.raises(TypeError, match="unknown: arg; there are: args"):
            jobs.assert_not_enqueued(shop.mail, arg=1)  # type: ignore[call-arg]
        with pytest.raises(TypeError):
            jobs.assert_not_enqueued(shop.mail, args=(1, 2, 3))


def test_the_functions_are_about_the_innermost_block(shop: Shop) -> None:
    with testing.fake(shop.app):
        shop.mail.enqueue(1)
        with testing.fake(shop.app):
            testing.assert_not_enqueued()
            shop.mail.enqueue(2)
            testing.assert_enqueued(shop.mail, args=(2,), count=1)
        testing.assert_enqueued(shop.mail, args=(1,), count=1)
        assert [ran.args[0] for ran in testing.drain()] == [1]
        assert len(testing.enqueued(shop.mail)) == 1

    with pytest.raises(RedisJobsError, match="redisjobs_fake"):
        testing.enqueued()


# -- drain ------------------------------------------------------------------------------------------------------------


def test_drain_runs_what_waits_and_what_that_enqueues(shop: Shop) -> None:
    with testing.fake(shop.app) as jobs:
        shop.mail.enqueue(1)
        shop.index.enqueue(2)
        shop.mail.enqueue_in(60, 3)
        shop.app.push("Ruby::Job", [4], queue="ruby")

        ran = jobs.drain()

        assert [(run.name, run.where) for run in ran] == [
            ("index", "gone"),
            (shop.mail.name, "gone"),
            (shop.mail.name, "gone"),
        ]
        assert shop.did == [("index", 2), (1, "hi", 1), (2, "hi", 1)]
        assert (shop.app.stats.processed, shop.app.queue("ruby").size, shop.app.scheduled.size) == (3, 1, 1)
        assert [run.args[0] for run in jobs.drain(scheduled=True)] == [3]


def test_drain_of_one_queue_leaves_the_others(shop: Shop) -> None:
    with testing.fake(shop.app) as jobs:
        shop.mail.enqueue(1)
        shop.index.enqueue(2)

        assert [run.queue for run in jobs.drain("mailers")] == ["mailers"]
        assert shop.app.queue("default").size == 1


def test_an_error_is_raised_and_the_job_waits_for_its_retry(shop: Shop) -> None:
    with testing.fake(shop.app) as jobs:
        shop.mail.enqueue(0)
        shop.mail.enqueue(1)

        with pytest.raises(ValueError, match="nobody"):
            jobs.drain()

        [entry] = shop.app.retries
        assert (entry.error_class, entry.retry_count, shop.app.stats.failed) == ("ValueError", 0, 1)
        assert shop.app.queue("mailers").size == 1


def test_retries_run_until_none_is_left_and_the_job_is_dead(shop: Shop) -> None:
    dead = []
    shop.app.on("death")(lambda job, error: dead.append(job["jid"]))
    with testing.fake(shop.app) as jobs:
        jid = shop.mail.enqueue(0)

        ran = jobs.drain(retries=True, raise_errors=False)

        assert [attempt for _, _, attempt in shop.did] == [1, 2, 3]
        assert [run.where for run in ran] == ["retry", "retry", "dead"]
        assert {type(run.error) for run in ran} == {ValueError}
        assert dead == [jid]
        assert [entry.jid for entry in shop.app.dead] == [jid]


def test_with_retries_only_the_last_error_is_raised(shop: Shop) -> None:
    with testing.fake(shop.app) as jobs:
        shop.mail.enqueue(0)

        with pytest.raises(ValueError, match="nobody"):
            jobs.drain(retries=True)

        assert (len(shop.did), shop.app.retries.size, shop.app.dead.size) == (3, 0, 1)


@pytest.mark.parametrize(
    ("end", "where"), [(Retry(5), "retry"), (Snooze(5), "schedule"), (Kill("no"), "dead"), (Discard(), "gone")]
)
def test_the_ends_that_a_job_asks_for_are_no_errors(end: Any, where: str) -> None:
    app = RedisJobs(NOWHERE)

    @app.job
    def ending() -> Any:
        raise end

    with testing.fake(app) as jobs:
        ending.enqueue()

        [ran] = jobs.drain()

        assert (ran.where, ran.error) == (where, None)


@pytest.mark.parametrize("end", ["release", "enqueue"])
def test_a_job_that_never_ends_does_not_hang_the_test(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redisjobs.testing.jobs.MAX_RUNS", 20)
    app = RedisJobs(NOWHERE)

    @app.job
    def again() -> Any:
        if end == "release":
            return Release()
        again.enqueue()
        return None

    with testing.fake(app) as jobs:
        again.enqueue()
        with pytest.raises(RedisJobsError, match=r"does .*again enqueue itself"):
            jobs.drain()


def test_adrain_runs_async_jobs_on_the_callers_loop() -> None:
    app = RedisJobs(NOWHERE)
    loops = []

    @app.job
    async def where() -> None:
        loops.append(asyncio.get_running_loop())

    async def test() -> asyncio.AbstractEventLoop:
        with testing.fake(app) as jobs:
            await where.aenqueue()
            where.enqueue()
            assert len(await jobs.adrain()) == 2
        return asyncio.get_running_loop()

    assert [asyncio.run(test())] * 2 == loops


def test_server_middleware_and_state_are_there(shop: Shop) -> None:
    seen = []

    @shop.app.server_middleware.add
    def around(job: Any) -> Any:
        seen.append((job.state, job.args[0]))
        yield

    with testing.fake(shop.app) as jobs:
        jobs.state = {"db": "fake"}
        shop.mail.enqueue(1)
        jobs.drain()

    assert seen == [({"db": "fake"}, 1)]


def test_clear_forgets_all_that_waits(shop: Shop) -> None:
    with testing.fake(shop.app) as jobs:
        shop.mail.enqueue(1)
        shop.mail.enqueue_in(5, 2)
        shop.mail.enqueue(0)

        jobs.clear()

        jobs.assert_not_enqueued()
        assert jobs.drain(scheduled=True) == []


# -- inline -----------------------------------------------------------------------------------------------------------


def test_inline_runs_at_enqueue_from_threads_and_coroutines(shop: Shop) -> None:
    async def push() -> None:
        await shop.index.aenqueue(3)
        shop.mail.enqueue(4)

    with testing.inline(shop.app) as jobs:
        shop.mail.enqueue(1)
        shop.index.enqueue(2)
        asyncio.run(push())

        assert [did[0] for did in shop.did] == [1, "index", 2, "index", 3, 4]
        jobs.assert_enqueued(shop.mail, count=4)
        assert shop.app.stats.processed == 6


def test_inline_raises_where_it_was_enqueued(shop: Shop) -> None:
    with testing.inline(shop.app):
        with pytest.raises(ValueError, match="nobody"):
            shop.mail.enqueue_many([(0,), (1,)])

        assert (shop.app.retries.size, len(shop.did)) == (1, 2)


def test_inline_passes_arguments_through_json() -> None:
    app = RedisJobs(NOWHERE)
    given = {"a": [1]}
    got = []

    @app.job
    def take(value: dict[str, Any]) -> None:
        value["a"].append(2)
        got.append(value)

    with testing.inline(app):
        take.enqueue(given)

    assert got == [{"a": [1, 2]}]
    assert given == {"a": [1]}


def test_inline_leaves_what_is_for_later_and_for_others(shop: Shop) -> None:
    with testing.inline(shop.app) as jobs:
        shop.mail.enqueue_in(60, 1)
        shop.app.push("Ruby::Job", [1], queue="ruby")

        assert shop.did == []
        jobs.drain(scheduled=True)
        assert [did[0] for did in shop.did] == [1]


def test_a_fake_within_inline_only_keeps(shop: Shop) -> None:
    with testing.inline(shop.app) as outer:
        with testing.fake(shop.app) as inner:
            shop.mail.enqueue(1)
            inner.assert_enqueued(shop.mail)
        outer.assert_not_enqueued()
        shop.mail.enqueue(2)

    assert [did[0] for did in shop.did] == [2]


# -- which apps, and what is left of it -------------------------------------------------------------------------------


def test_without_apps_all_are_held_those_made_later_too() -> None:
    first = RedisJobs(NOWHERE)
    with testing.fake() as jobs:
        later = RedisJobs(NOWHERE)
        first.push("A")
        later.push("B")

        assert [record.name for record in jobs.enqueued()] == ["A", "B"]
        assert (first.stats.enqueued, later.stats.enqueued) == (1, 1)


def test_afterwards_nothing_is_left(shop: Shop) -> None:
    url = shop.app.url
    store = shop.app.store
    with testing.fake(shop.app):
        shop.mail.enqueue(1)
    with testing.fake(shop.app) as jobs:
        jobs.assert_not_enqueued()
        assert shop.app.queue("mailers").size == 0
        shop.app.close()
        shop.mail.enqueue(2)  # an app stays usable

    assert shop.app.url == url
    assert shop.app.store is store
    assert len(shop.app.client_middleware) == 0
    assert RedisJobs.living.watchers == []


def test_an_app_without_a_url_starts_no_server_while_it_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDISJOBS_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    app = RedisJobs()

    with testing.fake(app) as jobs:
        app.push("J")
        jobs.drain()

        assert app.server is None


def test_jobs_of_rails_are_known_by_the_class_inside() -> None:
    app = RedisJobs(NOWHERE)
    ran = []

    @app.active_job("ReportJob")
    def report(number: int) -> None:
        ran.append(number)

    with testing.fake(app) as jobs:
        app.push_active_job("ReportJob", [7], queue="rails", wait=30)

        jobs.assert_enqueued("ReportJob", args=[7], queue="rails", in_s=30)
        [run] = jobs.drain(scheduled=True)
        assert (run.name, ran) == ("ReportJob", [7])


@pytest.mark.parametrize("wire", ["sidekiq6", "sidekiq7", "exq", "verk"])
def test_retries_are_each_wires_own(wire: Any) -> None:
    app = RedisJobs(NOWHERE, wire=wire)

    @app.job(name="My.Job", retry=1)
    def fail() -> None:
        raise ValueError("no")

    with testing.fake(app) as jobs:
        fail.enqueue()

        assert [run.where for run in jobs.drain(retries=True, raise_errors=False)] == ["retry", "dead"]
        assert app.dead.size == 1


def test_each_shard_is_held_on_its_own() -> None:
    app = RedisJobs(NOWHERE, shards={"eu": NOWHERE}, routes={"eu-*": "eu"})
    ran = []

    @app.job(queue="eu-mail")
    def mail(to: int) -> None:
        ran.append(to)

    with testing.fake(app) as jobs:
        mail.enqueue(1)
        app.push("J")

        assert (app.shard("eu").stats.enqueued, app.stats.enqueued) == (1, 1)
        jobs.drain()
        assert ran == [1]


def test_pushes_of_other_threads_are_kept(shop: Shop) -> None:
    with testing.fake(shop.app) as jobs:
        threads = [threading.Thread(target=shop.mail.enqueue, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        jobs.assert_enqueued(shop.mail, count=8)
        assert shop.app.queue("mailers").size == 8


def test_a_worker_of_a_held_app_says_why_it_cannot_start(shop: Shop) -> None:
    with testing.fake(shop.app), pytest.raises(ConfigError, match="in memory of a test"), shop.app.worker():
        pass


def test_as_a_decorator_it_holds_for_each_call(shop: Shop) -> None:
    @testing.fake(shop.app)
    def test() -> None:
        shop.mail.enqueue(1)
        testing.assert_enqueued(shop.mail, count=1)

    test()
    test()


@pytest.mark.parametrize("missing", ["fakeredis", "lupa"])
def test_without_the_extra_it_says_what_to_install(shop: Shop, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(ConfigError, match=r"pip install 'redisjobs\[testing\]'"), testing.fake(shop.app):
        pass

    assert shop.app.url == NOWHERE
    assert RedisJobs.living.watchers == []
