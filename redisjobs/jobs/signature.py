"""How a function's arguments stand in `args`, the list that Ruby passes by position.

Positional arguments are the list. A job that declares keyword-only parameters (or `**names`) carries all its keywords
as one object at the end, `{}` if none are given; reading, the last object counts as the keywords if its keys are all
keywords of the job. A keyword given for an ordinary parameter is put in its place in the list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from redisjobs.lazy import LazyModule

if TYPE_CHECKING:
    import inspect
else:
    inspect = LazyModule("inspect")


class Sensitive(NamedTuple):
    """Which arguments are not for everybody's eyes: by place, all from a place on, and by key in any dict of them."""

    places: frozenset[int] = frozenset()
    rest: int | None = None
    keys: frozenset[str] = frozenset()

    def covers(self, place: int) -> bool:
        """Tell whether the argument at a place is sensitive as a whole."""
        return place in self.places or (self.rest is not None and place >= self.rest)


class Signature:
    """What one function takes, worked out once."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._signature = inspect.signature(function)
        parameters = self._signature.parameters.values()
        ordinary = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        positional = [item for item in parameters if item.kind in ordinary]
        kinds = {item.kind for item in parameters}
        self._positional = [item.name for item in positional]
        self._least = sum(item.default is item.empty for item in positional)
        self._most = None if inspect.Parameter.VAR_POSITIONAL in kinds else len(positional)
        self._any_keyword = inspect.Parameter.VAR_KEYWORD in kinds
        self._open = {item.kind: item.name for item in parameters}  # of `*args` and `**kwargs` there is one each
        self._keywords = {item.name for item in parameters if item.kind is inspect.Parameter.KEYWORD_ONLY}
        self.is_async = inspect.iscoroutinefunction(function)
        self.has_keywords = self._any_keyword or bool(self._keywords)

    def to_list(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        """Return the `args` of a payload for a call.

        Raises:
            TypeError: the function cannot be called like this.
        """
        plain = not kwargs and not self.has_keywords
        if plain and len(args) >= self._least and (self._most is None or len(args) <= self._most):
            return list(args)  # the usual case, many times as fast as binding
        bound = self._signature.bind(*args, **kwargs)
        for name in self._positional[: self._least]:
            if name not in bound.arguments:  # CPython 3.13.0 lets a positional-only one be given by name
                raise TypeError(f"missing a required argument: {name!r}")
        self._close_gaps(bound)
        return [*bound.args, dict(bound.kwargs)] if self.has_keywords else list(bound.args)

    def _close_gaps(self, bound: inspect.BoundArguments) -> None:
        """Give the parameters before the last one that was given by name their defaults: a list has no gaps."""
        given = [name for name in self._positional if name in bound.arguments]
        if given:
            known = bound.arguments
            upto = self._positional[: self._positional.index(given[-1]) + 1]
            filled = {name: known.get(name, self._signature.parameters[name].default) for name in upto}
            bound.arguments = {**filled, **known}

    def from_list(self, args: list[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return the positional arguments and the keywords that a payload's `args` mean."""
        if not self.has_keywords or len(args) <= self._least or not isinstance(args[-1], dict):
            return args, {}
        if not self._any_keyword and not self._keywords.issuperset(args[-1]):
            return args, {}
        return args[:-1], args[-1]

    def sensitive(self, told: Sequence[str | int]) -> Sensitive:
        """Return where those arguments stand that were named by their parameters or numbered from 0."""
        keys = frozenset(one for one in told if isinstance(one, str))
        places = {at for at, name in enumerate(self._positional) if name in keys}
        places |= {one for one in told if isinstance(one, int)}
        rest = self._open.get(inspect.Parameter.VAR_POSITIONAL)
        return Sensitive(frozenset(places), len(self._positional) if rest in keys else None, keys)

    def unknown(self, told: Sequence[str | int]) -> list[str | int]:
        """Return which of these name no parameter and number no argument.

        With `**kwargs` each keyword may be named, but not `kwargs`, of which nothing is left in a payload.
        """
        known = {*self._positional, *self._keywords, self._open.get(inspect.Parameter.VAR_POSITIONAL)}
        of_keywords = self._open.get(inspect.Parameter.VAR_KEYWORD)
        return [
            one
            for one in told
            if not (self._numbers(one) if isinstance(one, int) else one in known)
            and not (self._any_keyword and isinstance(one, str) and one != of_keywords)
        ]

    def _numbers(self, place: int) -> bool:
        return self._most is None or place < self._most + self.has_keywords
