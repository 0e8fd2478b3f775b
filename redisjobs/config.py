"""Settings, checked once and then frozen.

What a source gave is merged by `merged`, weakest first; `build` makes the settings of a worker of it. Nothing else in
the package reads the environment, and nothing changes after start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from redisjobs.errors import ConfigError, did_you_mean
from redisjobs.lazy import LazyModule

if TYPE_CHECKING:
    import tomllib
    from pathlib import Path
else:
    tomllib = LazyModule("tomllib")

DAY_S = 86_400.0
PREFIX = "REDISJOBS_"


class RedisConfig(Struct, frozen=True):
    """Where Redis is and how long to wait for it.

    `url` is `redis://`, `rediss://` (TLS) or `unix://`, with user, password and database as redis-py reads them;
    `redis+sentinel://` and `rediss+sentinel://` name sentinels and the master that they watch. `namespace` is that of
    our keys: in a cluster it decides on the node. `client_name`: what Redis calls the connections, in CLIENT LIST; a
    worker's bear its identity.
    """

    url: str
    timeout_s: float = 5.0
    connect_timeout_s: float = 3.0
    namespace: str = ""
    client_name: str = ""


class DeadSetConfig(Struct, frozen=True):
    """How much the dead set keeps: entries and age. The defaults are Sidekiq's."""

    max_jobs: int = 10_000
    max_age_s: float = 180 * DAY_S


class CapsuleConfig(Struct, frozen=True):
    """Some queues, how they are ordered, and how many of their jobs run at once.

    Weights as Sidekiq's: all 0 is strict order, all 1 is random, anything else weighted random.
    """

    name: str
    queues: tuple[tuple[str, int], ...] = (("default", 0),)
    concurrency: int = 10

    @property
    def mode(self) -> str:
        """`strict`, `random` or `weighted`."""
        weights = {weight for _, weight in self.queues}
        if weights <= {0}:
            return "strict"
        return "random" if weights == {1} else "weighted"


class WorkerConfig(Struct, frozen=True):
    """Everything a worker process is told, but its Redis and its jobs.

    `executor`: where plain functions run that do not say so themselves, `thread` or `process`. A child process is
    replaced after `child_max_jobs` jobs, or when a job leaves it with more than `child_max_rss` bytes in memory.
    `max_memory` (resident bytes) and `max_jobs`: a process over one of them drains and ends; of several `processes`
    it is replaced first. `health`: the address that answers probes. `stall_exit_s`: how long the loop that talks to
    Redis may stand still before the process ends. `follow_parent`: several processes stop when their parent ends.
    """

    capsules: tuple[CapsuleConfig, ...] = (CapsuleConfig("default"),)
    timeout_s: float = 25.0
    environment: str = "development"
    tag: str = ""
    labels: tuple[str, ...] = ()
    heartbeat_ttl_s: float = 60.0
    max_poll_s: float = 0.2
    reap_s: float = 3.0
    max_recoveries: int = 3
    job_log: bool = True
    executor: str = "thread"
    child_max_jobs: int | None = None
    child_max_rss: int | None = None
    processes: int = 1
    max_memory: int | None = None
    max_jobs: int | None = None
    health: tuple[str, int] | None = None
    stall_exit_s: float = 60.0
    follow_parent: bool = True

    @property
    def heartbeat_s(self) -> float:
        """Seconds between heartbeats; twenty must be missed before a process that is still connected counts as gone."""
        return self.heartbeat_ttl_s / 20

    @property
    def concurrency(self) -> int:
        """Jobs at once in all capsules together."""
        return sum(capsule.concurrency for capsule in self.capsules)


class Given(Struct, frozen=True):
    """What one source said: the settings by name, and what to call the source when one of them is wrong.

    `ignored`: what else stands there and has no effect, and why.
    """

    source: str
    values: Mapping[str, Any] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)


def from_environment(environ: Mapping[str, str] = os.environ) -> Given:
    """Read `REDISJOBS_CONCURRENCY`, `REDISJOBS_QUEUES="critical,3 default"` and so on."""
    values: dict[str, Any] = {}
    for name in _SETTINGS:
        text = environ.get(PREFIX + name.upper())
        if text:
            values[name] = text.split() if name in ("queues", "labels", "require") else text
    return Given("the environment", values)


def redis_url(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return what `REDISJOBS_URL`, or else `REDIS_URL`, says."""
    return environ.get(PREFIX + "URL") or environ.get("REDIS_URL") or None


def environment_name(environ: Mapping[str, str] = os.environ) -> str:
    """Return the deployment's name as Ruby's tools find it, `development` if nothing is said."""
    return next((environ[name] for name in ("APP_ENV", "RAILS_ENV", "RACK_ENV") if environ.get(name)), "development")


def host_name(environ: Mapping[str, str] = os.environ) -> str:
    """Return the name of this host as Sidekiq takes it: the dyno's, else the machine's."""
    return environ.get("DYNO") or os.uname().nodename


def notify_socket(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return where a service manager wants to be told how we are, None if none does."""
    return environ.get("NOTIFY_SOCKET") or None


def watchdog_s(environ: Mapping[str, str] = os.environ) -> float | None:
    """Return how many seconds of silence a service manager takes for our end, None if it does not mind."""
    told = environ.get("WATCHDOG_USEC", "")
    if not told.isdecimal() or environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(told) / 1e6 or None


def with_redis(url: str | None, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for a child process, with the Redis that it is to use if one is named."""
    return {**environ, **({PREFIX + "URL": url} if url else {})}


def debugging(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether errors of the CLI should show their traceback (`REDISJOBS_DEBUG=1`)."""
    return bool(environ.get(PREFIX + "DEBUG"))


def from_file(path: Path) -> Given:
    """Read a TOML file: the settings at the top, or under `[redisjobs]`, or, in pyproject, under `[tool.redisjobs]`.

    Raises:
        ConfigError: no such file, no TOML.
    """
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name a file that can be read") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    if path.name == "pyproject.toml":
        table = _table(path, "tool", found.get("tool", {})).get("redisjobs", {})
        return Given(str(path), _table(path, "tool.redisjobs", table))
    return Given(str(path), _table(path, "redisjobs", found.get("redisjobs", found)))


def _table(path: Path, name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: {name} = {value!r}: must be a table, written [{name}]")
    return value


def from_pyproject(folder: Path) -> Given:
    """Read `[tool.redisjobs]` of the nearest pyproject.toml at or above a folder, if there is one."""
    for parent in (folder, *folder.parents):
        path = parent / "pyproject.toml"
        if path.is_file():
            return from_file(path)
    return Given("pyproject.toml")


def build(*sources: Given) -> WorkerConfig:
    """Merge what was given, weakest first, and check it.

    Raises:
        ConfigError: an unknown setting, or a value that is none; names the source and the remedy.
    """
    settings: dict[str, Any] = {}
    for given in sources:
        settings |= checked(given, _SETTINGS)
    queues = settings.pop("queues", None) or (("default", 0),)
    concurrency = settings.pop("concurrency", 10)
    main = CapsuleConfig("default", queues, concurrency)
    capsules = (main, *settings.pop("capsules", ()))
    for name in ("app", "require", "log_format", "log_level", "log_file"):
        settings.pop(name, None)
    settings.setdefault("environment", environment_name())
    return WorkerConfig(capsules=capsules, **settings)


def setting(name: str, *sources: Given) -> Any:
    """Return one setting as the strongest source that names it gave it, checked; None if none does."""
    for given in reversed(sources):
        if name in given.values:
            return checked(Given(given.source, {name: given.values[name]}), _SETTINGS)[name]
    return None


def checked(given: Given, checks: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Return what one source said, each value through the check of its name.

    Raises:
        ConfigError: a name that has no check, with the nearest one that has, or a value that its check refused.
    """
    settings = {}
    for name, value in given.values.items():
        if name not in checks:
            hint = did_you_mean(name, checks, f"; there are: {', '.join(checks)}")
            raise ConfigError(f"{given.source}: no setting is called {name!r}{hint}")
        try:
            settings[name] = checks[name](value)
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"{given.source}: {name} = {value!r}: {error}") from None
    return settings


def parse_queue(text: str | list[Any] | tuple[Any, ...]) -> tuple[str, int]:
    """Read `name`, `name,weight` or `[name, weight]`; no weight is 0.

    Raises:
        ValueError: no name, or a weight that is no number from 0 to 1,000.
    """
    parts: Sequence[Any] = text.rsplit(",", 1) if isinstance(text, str) else text
    if len(parts) > 2:
        raise ValueError(f"a queue is a name and a weight, not {text!r}")
    name, weight = (*parts, 0)[:2] if parts else ("", 0)
    if not isinstance(name, str) or not name:
        raise ValueError("a queue needs a name, such as 'critical' or 'critical,3'")
    try:
        number = int(str(weight))
    except (TypeError, ValueError):
        raise ValueError(f"the weight {weight!r} of queue {name!r} is no whole number") from None
    if not 0 <= number <= 1000:
        raise ValueError(f"the weight {number} of queue {name!r} is not from 0 to 1000")
    return name, number


def _queues(value: Any) -> tuple[tuple[str, int], ...]:
    if isinstance(value, str):
        value = value.split()
    found: dict[str, int] = {}
    for item in value:
        name, weight = parse_queue(item)
        found.setdefault(name, weight)
    return tuple(found.items())


def _capsules(value: Any) -> tuple[CapsuleConfig, ...]:
    if not isinstance(value, Mapping):
        raise TypeError("capsules are tables of `queues` and `concurrency`, by name")
    found = []
    for name, told in value.items():
        if name == "default":
            raise ValueError("the capsule 'default' is the worker's own: set its `queues` and `concurrency` at the top")
        unknown = set(told) - {"queues", "concurrency"}
        if unknown:
            raise ValueError(f"capsule {name!r}: no setting is called {min(unknown)!r}")
        queues = _queues(told.get("queues", ["default"]))
        found.append(CapsuleConfig(name, queues, positive(told.get("concurrency", 1))))
    return tuple(found)


def positive(value: Any) -> int:
    """Check a count from 1."""
    number = int(value)
    if number < 1 or isinstance(value, bool) or number != float(value):
        raise ValueError("must be a whole number of at least 1")
    return number


def seconds(value: Any) -> float:
    """Check a duration above 0."""
    number = float(value)
    if not 0 < number < 1e9 or isinstance(value, bool):
        raise ValueError("must be a number of seconds above 0")
    return number


def size(value: Any) -> int:
    """Read a size: `512M`, `1.5G`, `800000K`, or a number of bytes."""
    told = str(value).strip().upper().removesuffix("B")
    factor = {"K": 1024, "M": 1024**2, "G": 1024**3}.get(told[-1:], 1)
    try:
        number = int(float(told if factor == 1 else told[:-1]) * factor)
    except (ValueError, OverflowError):
        number = 0
    if number < 1 or isinstance(value, bool):
        raise ValueError("must be a size above 0, such as 512M or 2G")
    return number


def executor(value: Any) -> str:
    """Check where jobs run."""
    if value not in ("thread", "process"):
        raise ValueError("must be thread or process")
    return str(value)


def address(value: Any) -> tuple[str, int]:
    """Read `HOST:PORT`; no host is the loopback."""
    host, colon, port = str(value).rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:8710, or :8710 for this machine only")
    return host.strip("[]") or "127.0.0.1", int(port)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("1", "true", "yes", "on"):
        return True
    if str(value).lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("must be true or false")


def text(value: Any) -> str:
    """Check a string."""
    if not isinstance(value, str):
        raise TypeError("must be a string")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(text(item) for item in ([value] if isinstance(value, str) else value))


_SETTINGS: dict[str, Any] = {
    "app": text,
    "require": _texts,
    "queues": _queues,
    "concurrency": positive,
    "capsules": _capsules,
    "timeout_s": seconds,
    "environment": text,
    "tag": text,
    "labels": _texts,
    "heartbeat_ttl_s": seconds,
    "max_poll_s": seconds,
    "reap_s": seconds,
    "max_recoveries": positive,
    "job_log": _flag,
    "executor": executor,
    "child_max_jobs": positive,
    "child_max_rss": size,
    "processes": positive,
    "max_memory": size,
    "max_jobs": positive,
    "health": address,
    "stall_exit_s": seconds,
    "follow_parent": _flag,
    "log_format": text,
    "log_level": text,
    "log_file": text,
}


assert set(WorkerConfig.__struct_fields__) - {"capsules"} <= set(_SETTINGS)
