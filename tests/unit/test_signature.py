"""jobs/signature.py: how a call stands in `args`, and back."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisjobs.jobs.signature import Signature

pytestmark = pytest.mark.quick


def plain(a: Any, b: Any) -> Any:
    return a, b


def optional(a: Any, b: Any = 2, c: Any = 3) -> Any:
    return a, b, c


def all_optional(a: Any = 1, b: Any = 2, c: Any = 3) -> Any:
    return a, b, c


def open_ended(a: Any, *rest: Any) -> Any:
    return a, rest


def keyword(a: Any, *, subject: Any = "hi", urgent: Any = False) -> Any:
    return a, subject, urgent


def needs_keyword(a: Any, *, subject: Any) -> Any:
    return a, subject


def any_keyword(a: Any, b: Any = 2, **names: Any) -> Any:
    return a, b, names


def optional_and_keyword(a: Any = 1, b: Any = 2, *, c: Any = 3) -> Any:
    return a, b, c


def everything(a: Any, /, b: Any = 2, *rest: Any, c: Any = 3, **names: Any) -> Any:
    return a, b, rest, c, names


def nothing() -> Any:
    return ()


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "listed"),
    [
        (nothing, (), {}, []),
        (plain, (1, 2), {}, [1, 2]),
        (plain, (1,), {"b": 2}, [1, 2]),
        (plain, (), {"b": 2, "a": 1}, [1, 2]),
        (optional, (1,), {}, [1]),
        (optional, (1,), {"b": 5}, [1, 5]),
        (optional, (1, {"b": 1}), {}, [1, {"b": 1}]),
        (open_ended, (1, 2, 3), {}, [1, 2, 3]),
        (keyword, (1,), {}, [1, {}]),
        (keyword, (1,), {"subject": "x"}, [1, {"subject": "x"}]),
        (keyword, (), {"a": 1, "urgent": True}, [1, {"urgent": True}]),
        (keyword, ({"subject": "x"},), {}, [{"subject": "x"}, {}]),
        (needs_keyword, (1,), {"subject": "x"}, [1, {"subject": "x"}]),
        (any_keyword, (1,), {"x": 1}, [1, {"x": 1}]),
        (everything, (1, 2, 3), {"c": 4, "d": 5}, [1, 2, 3, {"c": 4, "d": 5}]),
    ],
)
def test_a_call_stands_in_the_list_by_position(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], listed: list[Any]
) -> None:
    signature = Signature(function)

    assert signature.to_list(args, kwargs) == listed
    again, names = signature.from_list(listed)
    assert function(*again, **names) == function(*args, **kwargs)


@pytest.mark.parametrize(
    ("function", "kwargs", "listed"),
    [
        (all_optional, {"c": 9}, [1, 2, 9]),
        (optional, {"a": 0, "c": 9}, [0, 2, 9]),
        (optional_and_keyword, {"b": 9}, [1, 9, {}]),
        (optional_and_keyword, {"b": 9, "c": 8}, [1, 9, {"c": 8}]),
    ],
)
def test_a_keyword_behind_a_gap_is_put_in_its_place_with_the_defaults_before_it(
    function: Callable[..., Any], kwargs: dict[str, Any], listed: list[Any]
) -> None:
    signature = Signature(function)

    assert signature.to_list((), kwargs) == listed
    args, names = signature.from_list(listed)
    assert function(*args, **names) == function(**kwargs)


@pytest.mark.parametrize(
    ("function", "args", "kwargs"),
    [
        (nothing, (1,), {}),
        (plain, (1,), {}),
        (plain, (1, 2, 3), {}),
        (plain, (1, 2), {"c": 3}),
        (plain, (1, 2), {"a": 3}),
        (optional, (), {}),
        (optional, (1, 2, 3, 4), {}),
        (open_ended, (), {}),
        (keyword, (1, 2), {}),
        (keyword, (1,), {"unknown": 1}),
        (needs_keyword, (1,), {}),
    ],
)
def test_a_call_that_the_function_would_refuse_is_refused(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    with pytest.raises(TypeError):
        Signature(function).to_list(args, kwargs)


@pytest.mark.parametrize(
    ("function", "listed", "args", "kwargs"),
    [
        (plain, [1, {"b": 2}], [1, {"b": 2}], {}),
        (optional, [1, {"subject": 2}], [1, {"subject": 2}], {}),
        (keyword, [1], [1], {}),  # Ruby may leave the object out
        (keyword, [1, {}], [1], {}),
        (keyword, [1, {"subject": "x"}], [1], {"subject": "x"}),
        (keyword, [1, {"other": "x"}], [1, {"other": "x"}], {}),
        (keyword, [{"subject": "x"}], [{"subject": "x"}], {}),  # the only argument is no keywords
        (keyword, [], [], {}),
        (any_keyword, [1, {"other": "x"}], [1], {"other": "x"}),
        (any_keyword, [{"other": "x"}], [{"other": "x"}], {}),
        (everything, [1, 2, {"d": 1}], [1, 2], {"d": 1}),
    ],
)
def test_a_list_of_ruby_is_read_by_the_rule(
    function: Callable[..., Any], listed: list[Any], args: list[Any], kwargs: dict[str, Any]
) -> None:
    assert Signature(function).from_list(listed) == (args, kwargs)


VALUES = st.none() | st.integers() | st.text(max_size=3) | st.dictionaries(st.sampled_from("abcdxy"), st.integers())
FUNCTIONS = (plain, optional, all_optional, open_ended, keyword, any_keyword, optional_and_keyword, everything)


@st.composite
def calls(draw: st.DrawFn) -> tuple[Callable[..., Any], list[Any], dict[str, Any]]:
    """A function, and arguments that it mostly takes."""
    function = draw(st.sampled_from(FUNCTIONS))
    args = draw(st.lists(VALUES, max_size=3))
    names = [*inspect.signature(function).parameters, "x"][len(args) :] or ["x"]
    return function, args, draw(st.dictionaries(st.sampled_from(names), VALUES, max_size=3))


@given(calls())
def test_whatever_can_be_called_arrives_as_it_was_called(
    call: tuple[Callable[..., Any], list[Any], dict[str, Any]],
) -> None:
    function, args, kwargs = call
    signature = Signature(function)
    try:
        wanted = function(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError):
            signature.to_list(args, kwargs)
        return

    again, names = signature.from_list(signature.to_list(args, kwargs))

    assert function(*again, **names) == wanted


@given(st.sampled_from(FUNCTIONS), st.lists(VALUES, max_size=5))
def test_a_list_that_was_read_is_written_the_same_or_with_its_empty_object(
    function: Callable[..., Any], listed: list[Any]
) -> None:
    signature = Signature(function)
    args, kwargs = signature.from_list(listed)
    try:
        function(*args, **kwargs)
    except TypeError:
        return

    written = signature.to_list(args, kwargs)
    if kwargs.keys().isdisjoint(inspect.signature(function).parameters.keys() - signature._keywords):
        assert written in (listed, [*listed, {}])
    again, names = signature.from_list(written)  # a keyword of an ordinary parameter was put in its place
    assert function(*again, **names) == function(*args, **kwargs)
