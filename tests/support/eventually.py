"""Wait for a condition, with a deadline: the only way for a test to wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE_S = 0.01


def eventually(condition: Callable[[], T], timeout_s: float = 10, message: str = "") -> T:
    """Ask again until the condition is true; return what it said.

    Raises:
        AssertionError: it was not, until `timeout_s` seconds were over.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {message or condition!r} (last: {found!r})")
        time.sleep(_PAUSE_S)


async def aeventually(condition: Callable[[], T], timeout_s: float = 10, message: str = "") -> T:
    """See `eventually`: lets the other coroutines of this loop run meanwhile."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {message or condition!r} (last: {found!r})")
        await asyncio.sleep(_PAUSE_S)
