"""Heavy modules that are imported when first used, so that `import redisjobs` stays cheap.

Used at module level, beside the same import under `TYPE_CHECKING`; nothing else in the package delays an import.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class LazyModule:
    """Stands for a module until one of its names is asked for."""

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(import_module(self.__dict__["_name"]), attribute)
        self.__dict__[attribute] = value
        return value
