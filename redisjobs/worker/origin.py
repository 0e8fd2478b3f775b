"""Where an app comes from: what a child process imports to have the same one.

Must not know what an app is: it looks for an object by its identity.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from msgspec import Struct

from redisjobs.errors import ConfigError
from redisjobs.jobs.job import Job

CHILD = "redisjobs.cli.child"
"""The module that a child process runs."""


class LogSettings(Struct, frozen=True):
    """How `logs.setup` was called."""

    style: Literal["text", "json"] | None = None
    level: str = "info"
    file: str | None = None


class Origin(Struct, frozen=True):
    """`app` is `module:attribute`, `require` are modules with more of its jobs; no `log`: the app sees to that."""

    app: str
    require: tuple[str, ...] = ()
    log: LogSettings | None = None


def find(app: object, jobs: Iterable[Job[Any, Any]]) -> Origin:
    """Look for an app among the modules that were imported.

    Raises:
        ConfigError: it has no name there, or in a module that cannot be imported anew.
    """
    modules = [item for item in sys.modules.items() if isinstance(item[1], ModuleType)]
    for name, module in sorted(modules, key=lambda item: item[0] == "__main__"):
        for attribute, value in list(vars(module).items()):
            if value is app:
                needed = {_importable(job.function.__module__) for job in jobs}
                return Origin(f"{_importable(name)}:{attribute}", tuple(sorted(needed)))
    raise ConfigError(
        "jobs with executor='process' run in child processes, which import the app, and this one has no name in any "
        "module: make it at the top of a module, as `app = RedisJobs(...)`"
    )


def in_child() -> bool:
    """Tell whether this is a child process of a worker."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec is not None and spec.name == CHILD


def _importable(name: str) -> str:
    """Return the name by which a child imports a module: a script's is its file's."""
    if name != "__main__":
        return name
    main = sys.modules[name]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    file = Path(getattr(main, "__file__", None) or "<stdin>")
    if file.suffix != ".py":
        raise ConfigError(
            f"jobs with executor='process' run in child processes, which cannot import {file}: put app and jobs into a "
            "module"
        )
    return file.stem
