"""middleware/chain.py: the order of middleware, and what each can do around a run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from redisjobs.errors import ConfigError
from redisjobs.middleware.chain import Chain
from redisjobs.store.drive import adrive, drive
from redisjobs.store.op import Steps

pytestmark = pytest.mark.quick

NO_STORE: Any = None
"""None of these asks Redis; those that do are in tests/store/test_drive.py."""


def in_a_thread(steps: Steps[Any], perform: Callable[[], Any]) -> Any:
    return drive(steps, NO_STORE, perform)


def on_a_loop(steps: Steps[Any], perform: Callable[[], Any]) -> Any:
    async def aperform() -> Any:
        await asyncio.sleep(0)
        return perform()

    return asyncio.run(adrive(steps, NO_STORE, aperform))


@pytest.fixture(params=[in_a_thread, on_a_loop])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Run steps around a job; every test of this module holds for threads and for coroutines."""
    chosen: Callable[..., Any] = request.param
    return chosen


def noting(name: str, notes: list[str]) -> Callable[[str], Steps[Any]]:
    def middleware(subject: str) -> Steps[Any]:
        notes.append(f"{name} before {subject}")
        yield
        notes.append(f"{name} after")

    middleware.__name__ = name
    return middleware


def names(chain: Chain[str]) -> list[str]:
    return [getattr(link, "__name__", "?") for link in chain]


# -- order ----------------------------------------------------------------------------------------------------------


def test_the_first_is_outermost(run: Callable[..., Any]) -> None:
    notes: list[str] = []
    chain: Chain[str] = Chain()
    chain.add(noting("a", notes))
    chain.add(noting("b", notes))

    def job() -> int:
        notes.append("job")
        return 7

    result = run(chain.wrap("job"), job)

    assert notes == ["a before job", "b before job", "job", "b after", "a after"]
    assert result == 7


def test_an_empty_chain_only_hands_over(run: Callable[..., Any]) -> None:
    chain: Chain[str] = Chain()

    assert run(chain.wrap("job"), lambda: 7) == 7
    assert len(chain) == 0


def test_links_are_put_where_they_are_wanted() -> None:
    a, b, c, d, e = (noting(name, []) for name in "abcde")
    chain: Chain[str] = Chain()

    assert chain.add(b) is b  # works as a decorator
    assert chain.prepend(a) is a
    chain.insert_after(b, d)
    chain.insert_before(d, c)
    chain.add(e)

    assert names(chain) == ["a", "b", "c", "d", "e"]
    assert len(chain) == 5


def test_one_that_is_there_is_moved_and_not_doubled() -> None:
    a, b, c = (noting(name, []) for name in "abc")
    chain: Chain[str] = Chain()
    for link in (a, b, c):
        chain.add(link)

    chain.add(a)
    assert names(chain) == ["b", "c", "a"]
    chain.prepend(c)
    assert names(chain) == ["c", "b", "a"]
    chain.insert_after(c, a)
    assert names(chain) == ["c", "a", "b"]
    chain.insert_before(c, b)
    assert names(chain) == ["b", "c", "a"]


def test_one_is_removed_and_one_that_is_not_there_is_no_error() -> None:
    a, b = (noting(name, []) for name in "ab")
    chain: Chain[str] = Chain()
    chain.add(a)

    chain.remove(b)
    chain.remove(a)

    assert names(chain) == []
    chain.add(a)
    chain.clear()
    assert len(chain) == 0


def test_a_method_is_the_same_middleware_each_time_it_is_named() -> None:
    """A bound method is a new object each time it is looked up."""

    class Limits:
        def around(self, subject: str) -> Steps[Any]:
            yield

    limits = Limits()
    chain: Chain[str] = Chain()
    chain.add(limits.around)

    chain.add(limits.around)
    assert len(chain) == 1
    chain.insert_before(limits.around, noting("a", []))
    assert len(chain) == 2
    chain.remove(limits.around)
    assert len(chain) == 1


def test_beside_one_that_is_not_there_is_an_error() -> None:
    a, b = (noting(name, []) for name in "ab")
    chain: Chain[str] = Chain()
    chain.add(a)

    with pytest.raises(ConfigError, match="is not in this chain"):
        chain.insert_before(b, noting("c", []))
    with pytest.raises(ConfigError, match="is not in this chain"):
        chain.insert_after(b, a)
    with pytest.raises(ConfigError, match="is not in this chain"):
        chain.insert_after(a, a)  # beside itself is nowhere
    assert names(chain) == ["a"]


def test_a_chain_that_changes_while_a_job_runs_changes_for_the_next(run: Callable[..., Any]) -> None:
    notes: list[str] = []
    chain: Chain[str] = Chain()
    chain.add(noting("a", notes))

    run(chain.wrap("job"), lambda: chain.add(noting("b", notes)))

    assert notes == ["a before job", "a after"]


# -- results --------------------------------------------------------------------------------------------------------


def test_a_returned_value_takes_the_place_of_the_result(run: Callable[..., Any]) -> None:
    def outer(_: str) -> Steps[Any]:
        result = yield
        return result + 1

    def inner(_: str) -> Steps[Any]:
        result = yield
        return result * 10

    chain: Chain[str] = Chain()
    chain.add(outer)
    chain.add(inner)

    assert run(chain.wrap("job"), lambda: 7) == 71


def test_one_that_returns_nothing_leaves_the_result_as_it_is(run: Callable[..., Any]) -> None:
    chain: Chain[str] = Chain()
    chain.add(noting("a", []))

    assert run(chain.wrap("job"), lambda: "result") == "result"


def test_one_that_does_not_yield_keeps_the_job_from_running(run: Callable[..., Any]) -> None:
    notes: list[str] = []

    def stop(_: str) -> Steps[Any]:
        if not notes:
            yield
        return "stopped"

    chain: Chain[str] = Chain()
    chain.add(noting("outer", notes))
    chain.add(stop)
    chain.add(noting("inner", notes))

    assert run(chain.wrap("job"), lambda: notes.append("job")) == "stopped"
    assert notes == ["outer before job", "outer after"]


# -- errors ---------------------------------------------------------------------------------------------------------


def test_what_the_job_raises_is_raised_at_each_yield_from_within(run: Callable[..., Any]) -> None:
    notes: list[str] = []

    def seeing(name: str) -> Callable[[str], Steps[Any]]:
        def middleware(_: str) -> Steps[Any]:
            try:
                yield
            except ValueError as error:
                notes.append(f"{name} saw {error}")
                raise
            finally:
                notes.append(f"{name} finally")

        return middleware

    chain: Chain[str] = Chain()
    chain.add(seeing("outer"))
    chain.add(seeing("inner"))

    with pytest.raises(ValueError, match="boom"):
        run(chain.wrap("job"), failing)
    assert notes == ["inner saw boom", "inner finally", "outer saw boom", "outer finally"]


def test_one_may_swallow_an_error_and_the_outer_ones_see_none(run: Callable[..., Any]) -> None:
    notes: list[str] = []

    def swallow(_: str) -> Steps[Any]:
        try:
            yield
        except ValueError:
            return "instead"

    chain: Chain[str] = Chain()
    chain.add(noting("outer", notes))
    chain.add(swallow)

    assert run(chain.wrap("job"), failing) == "instead"
    assert notes == ["outer before job", "outer after"]


def test_one_may_raise_another_error(run: Callable[..., Any]) -> None:
    def translate(_: str) -> Steps[Any]:
        try:
            yield
        except ValueError as error:
            raise KeyError("translated") from error

    chain: Chain[str] = Chain()
    chain.add(translate)

    with pytest.raises(KeyError) as caught:
        run(chain.wrap("job"), failing)
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("after", [False, True])
def test_what_one_raises_itself_the_outer_ones_see(run: Callable[..., Any], after: bool) -> None:
    notes: list[str] = []

    def seeing(_: str) -> Steps[Any]:
        try:
            yield
        except RuntimeError as error:
            notes.append(str(error))
            raise

    def broken(_: str) -> Steps[Any]:
        if after:
            yield
        raise RuntimeError("broken")

    chain: Chain[str] = Chain()
    chain.add(seeing)
    chain.add(broken)

    with pytest.raises(RuntimeError, match="broken"):
        run(chain.wrap("job"), lambda: notes.append("job"))
    assert notes == (["job", "broken"] if after else ["broken"])


def test_an_interrupt_passes_through_all_of_them(run: Callable[..., Any]) -> None:
    class Interrupt(BaseException):
        pass

    def interrupted() -> None:
        raise Interrupt

    notes: list[str] = []

    def guarded(_: str) -> Steps[Any]:
        try:
            yield
        except Exception:
            notes.append("caught")
        finally:
            notes.append("finally")

    chain: Chain[str] = Chain()
    chain.add(guarded)

    with pytest.raises(Interrupt):
        run(chain.wrap("job"), interrupted)
    assert notes == ["finally"]


def test_handing_over_twice_is_an_error_and_the_job_runs_once(run: Callable[..., Any]) -> None:
    runs: list[int] = []

    def twice(_: str) -> Steps[Any]:
        yield
        yield

    chain: Chain[str] = Chain()
    chain.add(twice)

    with pytest.raises(ConfigError, match=r"twice.* yielded twice to hand over"):
        run(chain.wrap("job"), lambda: runs.append(1))
    assert runs == [1]


# -- drive and adrive alone -----------------------------------------------------------------------------------------


def test_steps_that_ask_nothing_give_their_result(run: Callable[..., Any]) -> None:
    def steps() -> Steps[int]:
        if False:
            yield
        return 7

    assert run(steps(), failing) == 7


def test_a_job_that_raises_stop_iteration_is_a_failed_job(run: Callable[..., Any]) -> None:
    """`next(iterator)` on an empty one, forgotten in a job, must not look like the end of the steps."""

    def exhausted() -> Any:
        return next(iter(()))

    def steps() -> Steps[Any]:
        result = yield
        return result

    with pytest.raises((RuntimeError, StopIteration)):
        run(steps(), exhausted)


def test_a_job_that_raises_stop_iteration_under_a_chain_is_a_failed_job(run: Callable[..., Any]) -> None:
    chain: Chain[str] = Chain()
    chain.add(noting("a", []))

    with pytest.raises((RuntimeError, StopIteration)):
        run(chain.wrap("job"), lambda: next(iter(())))


def failing() -> Any:
    raise ValueError("boom")
