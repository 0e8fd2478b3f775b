"""The way of a connection to the server that takes writes of our keys, as Steps for threads and coroutines.

It is gone anew for each connection, so that a failover is a reconnect: nothing here remembers who was master.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from redisjobs.errors import ConfigError, StoreError, StoreUnavailableError
from redisjobs.store.keys import Keys
from redisjobs.store.op import Steps, command
from redisjobs.store.place import Place

_MAX_HOPS = 5


class Dial(Struct, frozen=True):
    """A step: close what is open and connect, with these arguments of redis-py's connections."""

    arguments: dict[str, Any]


class MovedError(StoreUnavailableError):
    """Another node of the cluster has this key; the text is `SLOT HOST:PORT`, no host meaning the same one."""


def opening(place: Place) -> Steps[Place]:
    """Connect; return the place with the seed that answered put first.

    Raises:
        StoreUnavailableError: nobody answers, or nobody is master at the moment.
        ConfigError: it is a cluster, and its nodes would share our keys.
    """
    failures = []
    for at, seed in enumerate(place.seeds):
        try:
            yield from _open(place, seed)
        except StoreUnavailableError as error:
            failures.append(str(error))
        else:
            return msgspec.structs.replace(place, seeds=(seed, *place.seeds[:at], *place.seeds[at + 1 :]))
    raise StoreUnavailableError("; ".join(failures))


def _open(place: Place, seed: dict[str, Any]) -> Steps[None]:
    if place.service:
        yield Dial({**place.sentinel, **seed})
        seed = yield from _master(place.service, seed)
    yield Dial({**place.arguments, **seed})
    said = yield from _hello()
    if place.service and said.get("role", "master") != "master":
        raise StoreUnavailableError(f"{seed['host']}:{seed['port']} is a replica: the sentinels are about to decide")
    if said.get("mode") == "cluster":
        yield from _follow(place, seed)


def _master(service: str, sentinel: dict[str, Any]) -> Steps[dict[str, Any]]:
    found: list[bytes] | None = yield from command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)
    if not found:
        raise StoreUnavailableError(f"the sentinel {sentinel['host']}:{sentinel['port']} knows no master {service!r}")
    return {"host": found[0].decode(), "port": int(found[1])}


def _hello() -> Steps[dict[str, Any]]:
    """Ask a server what it is; what may not or cannot tell is taken for a single one."""
    try:
        words: list[Any] = yield from command("HELLO")
    except StoreUnavailableError:
        raise
    except StoreError:
        return {}
    plain = [word.decode() if isinstance(word, bytes) else word for word in words]
    return dict(zip(plain[::2], plain[1::2], strict=True))


def _follow(place: Place, seed: dict[str, Any]) -> Steps[None]:
    """Go on to the node that has our keys: asked for one of them, the others say who it is."""
    if not hash_tag(place.namespace):
        raise ConfigError(
            f"this Redis is a cluster, and namespace={place.namespace!r} would spread our keys over its nodes, while "
            'jobs move between keys in one step; write RedisJobs(..., namespace="{jobs}"), whose braces keep all keys '
            "on one node. To use more masters, name them as shards, each with a namespace of its own"
        )
    arguments = {name: value for name, value in place.arguments.items() if name != "path"}
    if "path" in place.arguments:
        del arguments["connection_class"]
    host = seed.get("host", "localhost")
    for _ in range(_MAX_HOPS):
        try:
            yield from _touch(Keys(place.namespace))
        except MovedError as moved:
            named, _, port = str(moved).rpartition(" ")[2].rpartition(":")
            host = named or host
            yield Dial({**arguments, "host": host, "port": int(port)})
        else:
            return
    raise StoreUnavailableError("the nodes of the cluster do not agree on who has our keys")


def _touch(keys: Keys) -> Steps[None]:
    try:
        yield from command("SCARD", keys.queues)
    except StoreUnavailableError:
        raise
    except StoreError:  # it is of another type, or not for us to read: here it is anyway
        pass


def hash_tag(namespace: str) -> str:
    """Return what a cluster takes for the whole of each key of a namespace; nothing if each counts for itself."""
    tag, closed, _ = namespace.partition("{")[2].partition("}")
    return tag if closed else ""
