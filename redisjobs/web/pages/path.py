"""Path: where a page or an action is, and what answers there."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from starlette.responses import Response

from redisjobs.web.view import View


class Path(NamedTuple):
    """A path, with its parts in braces, and the function that answers; it runs in a thread."""

    path: str
    respond: Callable[[View], Response]
