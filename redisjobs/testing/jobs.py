"""Fakes: the apps under test without a Redis, what they enqueued, and the ways to run it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any, Unpack

from redisjobs import Push, RedisJobs, RedisJobsError, Steps, clock
from redisjobs.testing.records import AnyJob, Enqueued, Run, Wanted, describe, fits, known, listing

MAX_RUNS = 10_000
"""How many jobs one `drain` runs before it takes them for endless."""


class Jobs:
    """What some apps enqueue, while `fake` or `inline` holds them."""

    def __init__(self, *, inline: bool) -> None:
        self._inline = inline
        self._stands: list[Any] = []
        self._records: list[Enqueued] = []
        self._state: Any = None

    # -- what was enqueued --------------------------------------------------------------------------------------

    def enqueued(self, job: AnyJob | None = None, **wanted: Unpack[Wanted]) -> list[Enqueued]:
        """Return what was enqueued, oldest first: of one job, and of it what fits. It stays here when it was run."""
        if job is None:
            return list(self._records)
        wanted = known(**wanted)
        return [record for record in self._records if fits(record, job, wanted)]

    def assert_enqueued(self, job: AnyJob, *, count: int | None = None, **wanted: Unpack[Wanted]) -> Enqueued:
        """Fail unless a job was enqueued: at least once, or just `count` times; see `Wanted`. Returns the first."""
        __tracebackhide__ = True
        found = self.enqueued(job, **wanted)
        if count == 0:
            raise ValueError("count=0: that is assert_not_enqueued")
        if not found or count not in (None, len(found)):
            times = "" if count is None else f" {count} times, but {len(found)} times"
            raise AssertionError(f"not enqueued{times}: {describe(job, wanted)}; was enqueued:{listing(self._records)}")
        return found[0]

    def assert_not_enqueued(self, job: AnyJob | None = None, **wanted: Unpack[Wanted]) -> None:
        """Fail if a job was enqueued, or, without one, if anything was; see `Wanted`."""
        __tracebackhide__ = True
        if found := self.enqueued(job, **wanted):
            what = "anything" if job is None else describe(job, wanted)
            raise AssertionError(f"enqueued, and should not be: {what}; was enqueued:{listing(found)}")

    def clear(self) -> None:
        """Forget what was enqueued, and delete what waits: in queues, to be retried, scheduled."""
        self._records.clear()
        for app in self.apps:
            for queue in app.queues:
                queue.clear()
            app.scheduled.clear()
            app.retries.clear()

    # -- running it ---------------------------------------------------------------------------------------------

    @property
    def state(self) -> Any:
        """What running jobs see as `current_job().state`; functions for `startup` are not called."""
        return self._state

    @state.setter
    def state(self, state: Any) -> None:
        self._state = state
        for stand in self._stands:
            stand.state = state

    def drain(
        self, queue: str | None = None, *, scheduled: bool = False, retries: bool = False, raise_errors: bool = True
    ) -> list[Run]:
        """Run what waits here, and what that enqueues, until nothing does; return the runs (`Run`) in their order.

        Of one `queue` or of all. `scheduled`: what is scheduled by now too, without waiting. `retries`: what failed
        again, until it goes well or has no attempt left. The first error of a job is raised, once the job is where it
        goes on failing: in `app.retries`, or in `app.dead`. With `raise_errors` false, look at `.error` of the runs.
        Jobs that no app under test knows stay.
        """
        steps = self._drained(queue, scheduled, retries, raise_errors)
        ran: Run | None = None
        while True:
            try:
                stand, one = steps.send(ran)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            ran = stand.run(one)

    async def adrain(
        self, queue: str | None = None, *, scheduled: bool = False, retries: bool = False, raise_errors: bool = True
    ) -> list[Run]:
        """See `drain`: with async jobs on this event loop."""
        steps = self._drained(queue, scheduled, retries, raise_errors)
        ran: Run | None = None
        while True:
            try:
                stand, one = steps.send(ran)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            ran = await stand.arun(one)

    def _drained(
        self, queue: str | None, scheduled: bool, retries: bool, raise_errors: bool
    ) -> Generator[tuple[Any, Any], Run | None, list[Run]]:
        runs: list[Run] = []
        if scheduled:
            for stand in self._stands:
                stand.promote("schedule", queue)
        while True:
            waiting = [(stand, one) for stand in self._stands for one in stand.waiting(queue)]
            for stand, one in waiting:
                ran = yield stand, one
                if ran is None:
                    continue
                runs.append(ran)
                if raise_errors and ran.error is not None and not (retries and ran.where == "retry"):
                    raise ran.error
                if len(runs) > MAX_RUNS:
                    raise RedisJobsError(f"still not empty after {MAX_RUNS:,} jobs: does {ran.name} enqueue itself?")
            if not waiting and not (retries and sum(stand.promote("retry", queue) for stand in self._stands)):
                return runs

    # -- the apps -----------------------------------------------------------------------------------------------

    @property
    def apps(self) -> list[RedisJobs]:
        """The apps under test."""
        return [stand.app for stand in self._stands]

    @contextmanager
    def holding(self, apps: tuple[RedisJobs, ...]) -> Iterator[Jobs]:
        """Hold these apps; without any, all there are and all that are made meanwhile."""
        with ExitStack() as undo:

            def hold(app: RedisJobs) -> None:
                stand = undo.enter_context(app.stand_in())
                stand.state = self._state
                self._stands.append(stand)
                link = app.client_middleware.prepend(self._middleware(stand))
                undo.callback(app.client_middleware.remove, link)

            if not apps:
                RedisJobs.living.watchers.append(hold)
                undo.callback(RedisJobs.living.watchers.remove, hold)
            for app in apps or RedisJobs.living:
                hold(app)
            before = _held.get()
            undo.callback(_held.set, before)
            _held.set(self)
            yield self

    def _middleware(self, stand: Any) -> Any:
        def collect(push: Push) -> Steps[Any]:
            jid = yield
            if jid is None or not stand.active:  # stopped by other middleware; or within a fake within this one
                return
            self._records.append(Enqueued.of(push, clock.now()))
            if self._inline and push.when.at is None and push.when.delay_s is None:
                ran = yield stand.request(jid)
                if ran is not None and ran.error is not None:
                    raise ran.error

        return collect


_held: ContextVar[Jobs | None] = ContextVar("redisjobs_testing", default=None)


@contextmanager
def fake(*apps: RedisJobs) -> Iterator[Jobs]:
    """Keep what these apps enqueue, without a Redis and without running it: `with fake(app) as jobs: ...`.

    Without apps, all of this process. Within it everything is as on an empty Redis of their own, which is gone at
    the end: client middleware runs, arguments are checked, `app.queue(...)`, `app.scheduled` and the like show what
    waits. A function that it decorates runs so.
    """
    with Jobs(inline=False).holding(apps) as jobs:
        yield jobs


@contextmanager
def inline(*apps: RedisJobs) -> Iterator[Jobs]:
    """Run what these apps enqueue at once, where it is enqueued; else see `fake`.

    The job runs with all its middleware, on arguments that went through JSON. It raises where it was enqueued, once it
    is in the retry set. What is scheduled waits, for `drain(scheduled=True)`.
    """
    with Jobs(inline=True).holding(apps) as jobs:
        yield jobs


def current() -> Jobs:
    """Return what the innermost `fake` or `inline` holds.

    Raises:
        RedisJobsError: there is none.
    """
    jobs = _held.get()
    if jobs is None:
        raise RedisJobsError("nothing is held here: use the fixture redisjobs_fake, or `with fake(app): ...`")
    return jobs
