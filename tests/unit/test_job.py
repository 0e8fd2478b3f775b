"""jobs/job.py, jobs/registry.py: declaring jobs, finding them by name, and when they are due."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from redisjobs import RedisJobs
from redisjobs.errors import OptionError, UnknownJobError
from redisjobs.jobs.job import NOW, When, after, moment

pytestmark = pytest.mark.quick


@pytest.fixture
def app() -> RedisJobs:
    """Nothing here connects."""
    return RedisJobs("redis://127.0.0.1:1/0")


def test_a_job_is_called_here_and_now(app: RedisJobs) -> None:
    @app.job
    def add(a: int, b: int = 2) -> int:
        """Add."""
        return a + b

    assert add(1) == 3
    assert add.__doc__ == "Add."
    assert not add.is_async


def test_the_name_on_the_wire_is_the_modules_and_the_functions_unless_given(app: RedisJobs) -> None:
    @app.job
    def one() -> None: ...

    @app.job(queue="low")
    def two() -> None: ...

    @app.job(name="Mail::Deliver")
    def three() -> None: ...

    assert one.name == f"{__name__}.test_the_name_on_the_wire_is_the_modules_and_the_functions_unless_given.one"
    assert two.opts.queue == "low"
    assert three.name == "Mail::Deliver"
    assert repr(three) == "<Job Mail::Deliver>"


def test_a_coroutine_function_is_known_as_one(app: RedisJobs) -> None:
    @app.job
    async def later() -> None: ...

    assert later.is_async


@pytest.mark.parametrize("name", ["a b", "a<b", "a>b", "a|b", "a\tb", "a\n"])
def test_a_name_that_rubys_pages_cannot_show_is_refused(app: RedisJobs, name: str) -> None:
    with pytest.raises(OptionError, match="cannot be a job's name"):
        app.job(name=name)(print)


def test_a_lambda_needs_a_name(app: RedisJobs) -> None:
    with pytest.raises(OptionError, match=r"give name="):
        app.job(lambda: None)

    assert app.job(name="nothing")(lambda: None).name == "nothing"


def test_an_unknown_option_is_refused_at_the_declaration(app: RedisJobs) -> None:
    with pytest.raises(OptionError, match="did you mean 'queue'"):
        app.job(quue="low")


def test_defaults_of_the_app_are_weaker_than_the_jobs_and_the_calls() -> None:
    app = RedisJobs("redis://127.0.0.1:1/0", defaults={"queue": "low", "retry": 3, "tags": ["x"]})

    @app.job(retry=5)
    def work() -> None: ...

    assert (work.opts.queue, work.opts.retry, work.opts.tags) == ("low", 5, ("x",))
    changed = work.options(retry=False)
    assert (changed.opts.queue, changed.opts.retry) == ("low", False)
    assert work.opts.retry == 5
    assert changed.name == work.name
    assert app.registry.find(work.name) is work


def test_unknown_options_of_a_call_are_refused(app: RedisJobs) -> None:
    work = app.job(name="work")(print)

    with pytest.raises(OptionError, match="did you mean 'retry'"):
        work.options(retrry=1)


# -- registry -------------------------------------------------------------------------------------------------------


def test_a_job_is_found_by_its_name_and_nothing_else_is(app: RedisJobs) -> None:
    work = app.job(name="Work")(print)

    assert app.registry.find("Work") is work
    assert list(app.registry) == [work]
    with pytest.raises(UnknownJobError, match=r"'os.system'"):
        app.registry.find("os.system")


def test_two_functions_cannot_share_a_name(app: RedisJobs) -> None:
    app.job(name="Work")(print)

    with pytest.raises(OptionError, match=r"two jobs are called 'Work': .*print.*len"):
        app.job(name="Work")(len)


def test_the_same_function_registered_anew_replaces_itself(app: RedisJobs) -> None:
    def make() -> Callable[[], None]:
        def work() -> None: ...

        return work

    app.job(name="Work")(make())
    second = app.job(name="Work")(make())

    assert app.registry.find("Work") is second


# -- when -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delay", "when"),
    [
        (30, When(delay_s=30.0)),
        (0.5, When(delay_s=0.5)),
        (timedelta(minutes=1), When(delay_s=60.0)),
        (0, NOW),
        (-5, NOW),
        (timedelta(seconds=-1), NOW),
        (-math.inf, NOW),
    ],
)
def test_a_delay_of_zero_or_less_means_now(delay: Any, when: When) -> None:
    assert after(delay) == when


@pytest.mark.parametrize("delay", [math.nan, math.inf, 1e12])
def test_what_is_no_delay_is_refused(delay: float) -> None:
    with pytest.raises(ValueError, match="no delay"):
        after(delay)


@pytest.mark.parametrize(
    "when", [datetime(2024, 11, 24, tzinfo=UTC), 1732406400, datetime(2024, 11, 24).astimezone(UTC)]
)
def test_a_moment_is_unix_seconds_or_a_datetime(when: Any) -> None:
    wanted = when.timestamp() if isinstance(when, datetime) else float(when)

    assert moment(when) == When(at=wanted)


def test_a_naive_datetime_is_local_time() -> None:
    naive = datetime(2024, 11, 24, 12)

    assert moment(naive).at == naive.timestamp()


@pytest.mark.parametrize("when", [math.nan, math.inf, -1, 1_732_406_400_123])
def test_what_is_no_moment_is_refused(when: float) -> None:
    """Milliseconds are the slip to expect."""
    with pytest.raises(ValueError, match="no moment"):
        moment(when)
