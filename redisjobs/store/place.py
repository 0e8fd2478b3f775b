"""What a URL says of where Redis is: one server, the sentinels that know it, or nodes of a cluster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from msgspec import Struct, field

from redisjobs.config import RedisConfig
from redisjobs.lazy import LazyModule

if TYPE_CHECKING:
    import redis.connection as redis_connection
else:
    redis_connection = LazyModule("redis.connection")

_SENTINEL_PORT = 26379
_URL = re.compile(
    r"(?P<scheme>redis|rediss|unix)(?P<sentinel>\+sentinel)?://(?P<login>[^/?#]*@)?(?P<hosts>[^/?#]*)"
    r"(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?",
    re.DOTALL,
)


class Place(Struct, frozen=True):
    """Where Redis is, as arguments of redis-py's connections.

    `seeds` are hosts and ports to try in order: of sentinels, and then with the arguments `sentinel`, if `service` is
    the name of the master that they watch. `namespace` is that of our keys.
    """

    arguments: dict[str, Any]
    seeds: tuple[dict[str, Any], ...]
    namespace: str = ""
    service: str = ""
    sentinel: dict[str, Any] = field(default_factory=dict)

    @property
    def first(self) -> dict[str, Any]:
        """The arguments of the connection that is made first."""
        return {**(self.sentinel if self.service else self.arguments), **self.seeds[0]}


def read(config: RedisConfig) -> Place:
    """Return what a URL says.

    Raises:
        ValueError: it is none.
    """
    found = _URL.fullmatch(config.url)
    if found is None:
        raise ValueError("it does not begin with redis://, rediss:// or unix://")
    if found["scheme"] == "unix":
        return Place(_arguments(config, config.url), ({},), config.namespace)
    start = f"{found['scheme']}://{found['login'] or ''}"
    hosts = found["hosts"].split(",")
    if not found["sentinel"]:
        each = [_arguments(config, f"{start}{host}{found['path']}?{found['query'] or ''}") for host in hosts]
        return Place(each[0], tuple(_seed(one, 6379) for one in each), config.namespace)
    _, service, *path = found["path"].split("/") if found["path"] else ("", "")
    if not service:
        raise ValueError("the name of the master that the sentinels watch is missing")
    query = parse_qsl(found["query"] or "", keep_blank_values=True)
    common = urlencode([(name, value) for name, value in query if not name.startswith("sentinel_")])
    each = [_arguments(config, f"{start}{host}/{'/'.join(path)}?{common}") for host in hosts]
    own = ("host", "port", "db", "username", "password", "client_name")
    sentinel = {name: value for name, value in each[0].items() if name not in own}
    sentinel |= {name.removeprefix("sentinel_"): value for name, value in query if name.startswith("sentinel_")}
    return Place(each[0], tuple(_seed(one, _SENTINEL_PORT) for one in each), config.namespace, service, sentinel)


def _seed(arguments: dict[str, Any], port: int) -> dict[str, Any]:
    return {"host": arguments.get("host", "localhost"), "port": arguments.get("port", port)}


def _arguments(config: RedisConfig, url: str) -> dict[str, Any]:
    found = dict(redis_connection.parse_url(url))  # type: ignore[no-untyped-call]
    if found.get("connection_class") is not redis_connection.UnixDomainSocketConnection:
        found.setdefault("socket_keepalive", True)
    found.setdefault("socket_timeout", config.timeout_s)
    found.setdefault("socket_connect_timeout", config.connect_timeout_s)
    if config.client_name:
        found["client_name"] = config.client_name
    return {**found, "protocol": 2, "decode_responses": False}
