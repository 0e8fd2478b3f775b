"""events.py: functions by the name of the moment they wait for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from redisjobs import RedisJobs
from redisjobs.errors import ConfigError
from redisjobs.events import NAMES, Events

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("name", "order"),
    [("heartbeat", ["first", "second"]), ("quiet", ["second", "first"]), ("shutdown", ["second", "first"])],
)
def test_functions_are_called_in_the_order_of_their_registration_and_at_an_end_in_reverse(
    name: str, order: list[str]
) -> None:
    """As Sidekiq has it: what was opened last is closed first."""
    events, notes = Events(), []
    events.on(name)(lambda worker: notes.append(("first", worker)))
    events.on(name)(lambda worker: notes.append(("second", worker)))
    events.on("death")(lambda worker: notes.append(("other", worker)))

    errors = list(events.emit(name, "w"))

    assert notes == [(each, "w") for each in order]
    assert errors == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "startup"])
def test_a_function_whose_call_runs_nothing_is_refused_but_for_startup(name: str) -> None:
    app = RedisJobs("redis://127.0.0.1:1/0")

    async def coroutine(*_: object) -> None: ...

    def generator(*_: object) -> Iterator[None]:
        yield

    for function in (coroutine, generator):
        with pytest.raises(ConfigError, match="must be a plain function; only one for 'startup' may"):
            app.on(name)(function)  # type: ignore[arg-type]
        app.on("startup")(function)


def test_a_failing_function_does_not_stop_the_next() -> None:
    events, notes = Events(), []
    events.on("death")(lambda *_: 1 / 0)
    events.on("death")(lambda payload, error: notes.append((payload, error)))

    errors = list(events.emit("death", {}, None))

    assert [type(error) for error in errors] == [ZeroDivisionError]
    assert notes == [({}, None)]


def test_registering_gives_the_function_back() -> None:
    def hook() -> None: ...

    events = Events()

    assert events.on("startup")(hook) is hook
    assert events.handlers("startup") == [hook]
    events.handlers("startup").clear()
    assert events.handlers("startup") == [hook]


def test_an_unknown_event_names_the_nearest() -> None:
    app = RedisJobs("redis://127.0.0.1:1/0")

    with pytest.raises(ConfigError, match=r"no event is called 'start_up'; did you mean 'startup'\?"):
        app.on("start_up")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"no event is called 'zzz'\. There are: startup, quiet"):
        app.on("zzz")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_an_app_takes_functions_for_each_moment(name: str) -> None:
    app = RedisJobs("redis://127.0.0.1:1/0")

    @app.on(name)  # type: ignore[arg-type]
    def hook(*_: object) -> None: ...

    assert app.events.handlers(name) == [hook]
    assert list(app.events.emit(name, 1, 2)) == []
