"""Loads the scripts of `lua/`, one atomic step per file, and knows their digests.

`lua/trim_dead.lua` is no script of its own: a line `-- include NAME` is replaced by that file.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct

from redisjobs.lazy import LazyModule

if TYPE_CHECKING:
    import hashlib
    import pathlib
else:
    hashlib = LazyModule("hashlib")
    pathlib = LazyModule("pathlib")

_INCLUDE = re.compile(r"^-- include (\w+)$", re.MULTILINE)


class Script(Struct, frozen=True):
    """A script's text and the SHA-1 that Redis calls it by."""

    name: str
    text: bytes
    sha: str


@cache
def script(name: str) -> Script:
    """Return the script of a name; read from its file once per process."""
    text = _INCLUDE.sub(lambda match: _read(match[1]), _read(name)).encode()
    return Script(name, text, hashlib.sha1(text, usedforsecurity=False).hexdigest())


def _read(name: str) -> str:
    return pathlib.Path(__file__).with_name("lua").joinpath(f"{name}.lua").read_text("utf-8")
