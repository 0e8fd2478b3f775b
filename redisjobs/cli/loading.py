"""Find the app that `module:attribute` names, and say exactly what is wrong if it is not there."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from redisjobs.app import RedisJobs
from redisjobs.errors import AppNotFoundError, RedisJobsError, did_you_mean


def find_app(spec: str, folder: Path) -> RedisJobs:
    """Import a module, found from `folder` or anywhere Python looks, and return the app in it.

    Raises:
        AppNotFoundError: no such module, nothing of that name in it, or it is no app; says where was looked.
        RedisJobsError: the module is there, and failed while it was imported; says where.
    """
    name, _, attribute = spec.partition(":")
    if not name or not attribute:
        raise AppNotFoundError(f"{spec!r} names no app: write MODULE:ATTRIBUTE{_hint(name or spec)}")
    if "/" in name or name.endswith(".py"):
        raise AppNotFoundError(f"{name!r} is a file, not a module: write MODULE:ATTRIBUTE{_hint(name, attribute)}")
    module = load(name, folder)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise AppNotFoundError(_missing(module, attribute))
        found = getattr(found, part)
    if not isinstance(found, RedisJobs):
        kind = type(found)
        raise AppNotFoundError(
            f"{spec} is a {kind.__module__}.{kind.__qualname__}, not a RedisJobs app{_others(module)}"
        )
    return found


def load(name: str, folder: Path) -> ModuleType:
    """Import a module; `folder` comes first where Python looks. Raises as `find_app`."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise AppNotFoundError(_no_module(name, error.name, folder)) from error
        raise RedisJobsError(_failed(name, error)) from error
    except SystemExit as error:
        raise RedisJobsError(f"importing {name} ended the program (exit status {error.code}){_place(error)}") from error
    except Exception as error:  # user code
        raise RedisJobsError(_failed(name, error)) from error


def _no_module(name: str, missing: str, folder: Path) -> str:
    parent = missing.rpartition(".")[0]
    if parent in sys.modules:
        within = getattr(sys.modules[parent], "__file__", None) or parent
        return f"no module {missing!r}: {parent} is there ({within}), but has no {missing.rpartition('.')[2]!r}"
    elsewhere = sum(1 for entry in sys.path if entry and entry != str(folder))
    there = sorted(path.stem for path in folder.glob("*.py")) + sorted(
        path.parent.name for path in folder.glob("*/__init__.py")
    )
    hint = did_you_mean(missing, there)
    return f"no module {missing!r}: looked in {folder} and {elsewhere} more places of Python's path{hint}"


def _missing(module: ModuleType, attribute: str) -> str:
    hint = did_you_mean(attribute, vars(module), _others(module))
    return f"{module.__name__} ({module.__file__}) has no {attribute!r}{hint}"


def _others(module: ModuleType) -> str:
    apps = [name for name, value in vars(module).items() if isinstance(value, RedisJobs)]
    return f"; its apps are: {', '.join(apps)}" if apps else "; there is no app in it"


def _failed(name: str, error: Exception) -> str:
    text = f"{error.msg}" if isinstance(error, SyntaxError) else str(error)
    return f"importing {name} failed: {type(error).__name__}: {text}{_place(error)}"


def _place(error: BaseException) -> str:
    """Return where an import went wrong: the last line that is not of the import machinery."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}:{error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    own = [frame for frame in frames if frame.filename != __file__]
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""


def _hint(name: str, attribute: str = "app") -> str:
    module = name.removesuffix(".py").strip("./").replace("/", ".")
    return f", such as {module or 'shop.jobs'}:{attribute}"
