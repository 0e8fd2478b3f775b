"""What `RedisJobs(...)` is told: how an app writes to Redis and waits for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from msgspec import Struct, field, structs

from redisjobs.config import DAY_S, DeadSetConfig, Given, checked, positive, seconds, text
from redisjobs.errors import ConfigError, did_you_mean
from redisjobs.lazy import LazyModule
from redisjobs.wire.dialects import DIALECTS, NAMESPACES, DialectName
from redisjobs.wire.times import WIRES, Wire

if TYPE_CHECKING:
    import pathlib
else:
    pathlib = LazyModule("pathlib")


class AppSettings(TypedDict, total=False):
    """What `RedisJobs(...)` takes besides the URL; see `AppConfig`."""

    wire: Wire
    dialect: DialectName
    namespace: str
    defaults: Mapping[str, Any]
    max_retries: int
    max_payload_bytes: int
    dead_max_jobs: int
    dead_max_age_s: float
    timeout_s: float
    patience_s: float
    data_folder: pathlib.Path | str | None
    shards: Mapping[str, str | Mapping[str, str]]
    routes: Mapping[str, str]


class AppConfig(Struct, frozen=True):
    """How an app writes to Redis and waits for it.

    `wire`: whose form payloads get: `sidekiq8` (times in integer milliseconds), `sidekiq7` or `sidekiq6` (float
    seconds, which every generation reads: right for a mixed fleet), `exq` or `verk`. All are read, whatever is written.
    `dialect`: whose queues these are, `sidekiq` or `resque`; of the latter `wire` means nothing (and `wire="resque"` is
    this dialect).
    `namespace`: put before all keys, as redis-namespace does for Sidekiq 6; by default `exq` for Exq, `resque` for
    Resque. `defaults`: options of all jobs. `max_retries`: what `retry=True` means. `max_payload_bytes`: larger jobs
    are refused at enqueue.
    `timeout_s`: how long to wait for one answer of Redis. `patience_s`: how long a producer goes on asking a Redis
    that does not answer. `data_folder`: of the private server, if no other is named.
    `shards`: more servers by name, each a URL, or `{"url": ..., "namespace": ..., "dialect": ...}` where that differs.
    `routes`: the shard of each queue that goes there, by name or pattern (`"reports*"`); the first that fits counts.
    """

    wire: Wire = "sidekiq8"
    dialect: DialectName = "sidekiq"
    namespace: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    max_retries: int = 25
    max_payload_bytes: int = 1024 * 1024
    dead_max_jobs: int = 10_000
    dead_max_age_s: float = 180 * DAY_S
    timeout_s: float = 5.0
    patience_s: float = 5.0
    data_folder: pathlib.Path | None = None
    shards: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    routes: Mapping[str, str] = field(default_factory=dict)

    @property
    def dead(self) -> DeadSetConfig:
        """How much the dead set keeps."""
        return DeadSetConfig(self.dead_max_jobs, self.dead_max_age_s)


def app_config(given: Mapping[str, Any]) -> AppConfig:
    """Check what `RedisJobs(...)` was given.

    Raises:
        ConfigError: an unknown setting, or a value that is none.
    """
    if given.get("wire") == "resque":  # as some call it
        given = {"dialect": "resque", **{name: value for name, value in given.items() if name != "wire"}}
    values = checked(Given("RedisJobs(...)", given), _CHECKS)
    spoken: DialectName = values.get("dialect", "sidekiq")
    values.setdefault("namespace", "exq" if values.get("wire") == "exq" and spoken == "sidekiq" else NAMESPACES[spoken])
    made = AppConfig(**values)
    for pattern, shard in made.routes.items():
        if shard not in made.shards:
            hint = did_you_mean(shard, made.shards, f"; there are: {', '.join(made.shards) or 'none'}")
            raise ConfigError(f"RedisJobs(...): routes: {pattern!r} leads to no shard: {shard!r}{hint}")
    return made


def shard_config(main: AppConfig, told: Mapping[str, Any]) -> AppConfig:
    """Return the settings of a shard: its app's, but for the namespace and the dialect that it is told."""
    spoken: DialectName = told.get("dialect", main.dialect)
    usual = main.namespace if spoken == main.dialect else NAMESPACES[spoken]
    namespace = told.get("namespace", usual)
    return structs.replace(main, shards={}, routes={}, dialect=spoken, namespace=namespace)


def _wire(value: Any) -> Any:
    if value not in WIRES:
        raise ValueError(f"must be one of {', '.join(WIRES)}")
    return value


def _dialect(value: Any) -> Any:
    if value not in DIALECTS:
        raise ValueError(f"must be one of {', '.join(DIALECTS)}")
    return value


def _patience(value: Any) -> float:
    return 0.0 if value == 0 else seconds(value)


def _options(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError("must be a dict of job options")
    return dict(value)


def _shards(value: Any) -> dict[str, dict[str, str]]:
    if not isinstance(value, Mapping):
        raise TypeError("must be a dict of URLs by the names of shards")
    found = {}
    for name, told in value.items():
        fields = {"url": told} if isinstance(told, str) else told
        if not (isinstance(fields, Mapping) and "url" in fields and fields.keys() <= {"url", "namespace", "dialect"}):
            raise TypeError(f"the shard {name!r} must be a URL, or a dict of url, namespace and dialect")
        found[name] = {key: _dialect(part) if key == "dialect" else text(part) for key, part in fields.items()}
    return found


def _routes(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise TypeError("must be a dict of shards by the names of queues")
    return {text(pattern): text(shard) for pattern, shard in value.items()}


def _folder(value: Any) -> pathlib.Path | None:
    return None if value is None else pathlib.Path(value)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "wire": _wire,
    "dialect": _dialect,
    "namespace": text,
    "defaults": _options,
    "max_retries": positive,
    "max_payload_bytes": positive,
    "dead_max_jobs": positive,
    "dead_max_age_s": seconds,
    "timeout_s": seconds,
    "patience_s": _patience,
    "data_folder": _folder,
    "shards": _shards,
    "routes": _routes,
}
