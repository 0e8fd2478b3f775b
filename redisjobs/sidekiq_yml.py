"""Read the settings of a worker from Sidekiq's config/sidekiq.yml (spec: sidekiq.md 4.5).

What a worker here understands is read as Sidekiq reads it. Each other key is named, with why it has no effect and what
to use instead. ERB is refused: only Ruby can tell what it comes to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from redisjobs.config import Given, parse_queue
from redisjobs.errors import ConfigError
from redisjobs.lazy import LazyModule

if TYPE_CHECKING:
    from pathlib import Path

    import yaml
else:
    yaml = LazyModule("yaml")

_LIKE_OURS = {
    "concurrency": "concurrency",
    "timeout": "timeout_s",
    "environment": "environment",
    "tag": "tag",
    "labels": "labels",
}
_OURS = "the app says it: RedisJobs({}=...)"
_SCHEDULE = "schedules of sidekiq-scheduler and sidekiq-cron are for Ruby's processes; leave them to one"
_OLD = "Sidekiq itself ignores it since 6.0"
_IGNORED = {
    "require": "it names a Rails folder or a file of Ruby; name modules of Python by --require",
    "strict": "Sidekiq ignores it too: queues without weights are strict",
    "pidfile": f"{_OLD}; a service manager knows the process",
    "daemon": f"{_OLD}; a service manager starts the process",
    "logfile": f"{_OLD}; give --log-file",
    "max_retries": _OURS.format("max_retries"),
    "dead_max_jobs": _OURS.format("dead_max_jobs"),
    "dead_timeout_in_seconds": _OURS.format("dead_max_age_s"),
    "poll_interval_average": "due jobs are waited for, not polled; see max_poll_s",
    "average_scheduled_poll_interval": "due jobs are waited for, not polled; see max_poll_s",
    "redis": "the app says where its Redis is, or REDISJOBS_URL",
    "namespace": _OURS.format("namespace"),
    "logger": "give --log-format, --log-level and --log-file",
    **dict.fromkeys(("scheduler", "schedule", "enabled", "dynamic", "cron", "cron_poll_interval"), _SCHEDULE),
}


def read(path: Path, environment: str) -> Given:
    """Read a file; the section of the environment counts more than the top.

    Raises:
        ConfigError: no such file, no YAML, ERB in it, or no PyYAML to read it.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name a file that can be read") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8: {error}") from None
    _refuse_erb(path, text)
    top = _plain(path, _loaded(path, text))
    section = top.pop(environment, None) or {}
    if not isinstance(section, dict):
        raise ConfigError(f"{path}: {environment}: must be a section of settings, not {section!r}")
    return _given(path, top | section, environment)


def _given(path: Path, told: dict[str, Any], environment: str) -> Given:
    values = {_LIKE_OURS[name]: told.pop(name) for name in tuple(told) if name in _LIKE_OURS}
    if told.pop("verbose", False):
        values["log_level"] = "debug"
    if "skip_default_job_logging" in told:
        values["job_log"] = not told.pop("skip_default_job_logging")
    capsules = _mapping(path, "capsules", told.pop("capsules", None))
    values |= {"queues": told.pop("queues", None)} | _mapping(path, "capsules: default", capsules.pop("default", None))
    if capsules:
        values["capsules"] = {name: _mapping(path, f"capsules: {name}", one) for name, one in capsules.items()}
    for one in (values, *values.get("capsules", {}).values()):
        if one.get("queues") is not None:
            one["queues"] = _queues(path, one["queues"])
    values = {name: value for name, value in values.items() if value is not None}
    return Given(str(path), values, {name: _why(name, value, environment) for name, value in told.items()})


def _queues(path: Path, told: Any) -> list[tuple[str, int]]:
    """Read `name`, `name,3`, `[name, 3]` or `{name: 3}`, several or one. One named twice is taken from as often."""
    listed = [list(item) for item in told.items()] if isinstance(told, dict) else told
    queues: dict[str, int] = {}
    for item in listed if isinstance(listed, list) else [listed]:
        try:
            name, weight = _queue(item)
        except ValueError as error:
            raise ConfigError(f"{path}: queues: {error}") from None
        queues[name] = queues[name] + max(1, weight) if queues.get(name) else weight
    return list(queues.items())


def _queue(item: Any) -> tuple[str, int]:
    if isinstance(item, list):
        return parse_queue([*map(str, item[:1]), *(weight or 0 for weight in item[1:])])
    return parse_queue(str(item))


def _why(name: str, value: Any, environment: str) -> str:
    if name in _IGNORED:
        return _IGNORED[name]
    if isinstance(value, dict):
        return f"no setting; if it is the section of an environment: this one is {environment}"
    return "no setting of a worker here"


def _mapping(path: Path, name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict | None):
        raise ConfigError(f"{path}: {name}: must be settings by name, not {value!r}")
    return value or {}


def _refuse_erb(path: Path, text: str) -> None:
    for number, line in enumerate(text.splitlines(), 1):
        if "<%" in line and not line.lstrip().startswith("#"):
            raise ConfigError(
                f"{path}:{number}: {line.strip()!r} is ERB, which only Ruby can evaluate. Write the value, or leave "
                "the line out and set REDISJOBS_CONCURRENCY or the like, or have Ruby write the file that it comes to: "
                f"""ruby -rerb -e 'puts ERB.new(File.read("{path}"), trim_mode: "-").result' > plain.yml"""
            )


def _loaded(path: Path, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except ImportError:
        raise ConfigError(f"{path}: reading YAML takes PyYAML: pip install 'redisjobs[yaml]'") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML, or not plain: {' '.join(str(error).split())}") from None


def _plain(path: Path, found: Any) -> dict[str, Any]:
    """Return a file's settings; Ruby's symbols, `:name`, are names all the same, wherever they stand."""
    if not isinstance(found, Mapping | None):
        raise ConfigError(f"{path}: must be settings by name, such as `concurrency: 5`")
    return dict(_unsymbolic(found or {}))


def _unsymbolic(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_unsymbolic(str(name)): _unsymbolic(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_unsymbolic(item) for item in value]
    return value.removeprefix(":") if isinstance(value, str) else value
