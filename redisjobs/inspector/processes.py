"""Worker processes, Ruby's and ours, as of their last heartbeats; and what can be asked of them.

What each generation writes: spec, sidekiq.md 2.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from redisjobs.errors import RedisJobsError, WrongTypeError
from redisjobs.inspector.access import Access
from redisjobs.store.ops import processes as ops


class CapsuleInfo(NamedTuple):
    """A capsule as its process tells of it: how many jobs at once, `mode` (`strict`, `random`, `weighted`), queues."""

    name: str
    concurrency: int
    mode: str
    queues: tuple[str, ...]


@dataclass(frozen=True)
class Process:
    """One process. What it does not say, or says in a form that is none, is empty or 0.

    Ours alone say which `jobs` they know by their names on the wire, how they write times (`wire`), and for how long a
    heartbeat of theirs counts, if `ProcessSet` was told to ask; `jobs` is None of those who do not say.
    """

    identity: str
    hostname: str
    pid: int
    tag: str
    concurrency: int
    busy: int
    queues: tuple[str, ...]
    quieted: bool
    rss_kb: int
    rtt_us: int
    beat_at: float
    started_at: float
    version: str
    labels: tuple[str, ...]
    embedded: bool
    jobs: tuple[str, ...] | None
    wire: str
    heartbeat_ttl_s: float
    info: Mapping[str, Any] = field(repr=False)
    _address: str = field(repr=False)
    _access: Access = field(repr=False, compare=False)

    @property
    def ours(self) -> bool:
        """Whether it is a worker of redisjobs."""
        return is_ours(self.version)

    @property
    def language(self) -> str:
        """What its jobs are written in: `Python` if it is ours, `Elixir` if it is Exq's, else `Ruby`."""
        if self.ours:
            return "Python"
        return "Elixir" if isinstance(self.info.get("pid"), str) else "Ruby"  # Exq alone tells its pid as a text

    @property
    def generation(self) -> int:
        """Which Sidekiq a Ruby process is: what it tells, or 6, which tells nothing; 0 if it is none."""
        if self.language != "Ruby":
            return 0
        major = self.version.partition(".")[0]
        return int(major) if major.isdecimal() and len(major) < 4 else 6

    @property
    def capsules(self) -> list[CapsuleInfo]:
        """Its capsules; those of Sidekiq before 8.0.9, and of Exq, do not tell of any."""
        return [
            CapsuleInfo(name, int(_number(one.get("concurrency"))), _text(one.get("mode")), _names(one.get("weights")))
            for name, one in _capsules(self.info).items()
        ]

    def quiet(self) -> None:
        """Have it take no more jobs; it obeys at its next heartbeat, within ten seconds. There is no way back.

        Raises:
            RedisJobsError: it is embedded in another program, which alone may tell it.
        """
        self._signal("TSTP")

    def stop(self) -> None:
        """Have it end: running jobs get its timeout, then they go back to their queue. Raises as `quiet`."""
        self._signal("TERM")

    def dump_threads(self) -> None:
        """Have it write what its threads do to its log. Raises as `quiet`."""
        self._signal("TTIN")

    def _signal(self, name: str) -> None:
        if self.embedded:
            raise RedisJobsError(f"{self.identity} is embedded in another program: end it from there")
        self._access.run(ops.signal(self._access.keys, self._address, name))


class ProcessSet:
    """The processes that have a heartbeat, by identity; asks Redis when first looked at.

    `abilities`: ask ours what they can do, too; that may be some kilobytes of each.
    """

    def __init__(self, access: Access, *, abilities: bool = False) -> None:
        self._access = access
        self._fields = (*ops.INFO_FIELDS, ops.ABILITIES) if abilities else ops.INFO_FIELDS

    def __iter__(self) -> Iterator[Process]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self)

    @property
    def concurrency(self) -> int:
        """How many jobs they run at most, together."""
        return sum(process.concurrency for process in self)

    def find(self, identity: str) -> Process | None:
        """Return the process of an identity; None if it has no heartbeat."""
        return next((process for process in self if process.identity == identity), None)

    @cached_property
    def _found(self) -> list[Process]:
        keys = self._access.keys
        found = addresses(self._access)
        if not found:
            return []
        told = self._access.gather([ops.info(keys, address, self._fields) for address in found])
        return [
            _process(self._access, address, dict(zip(self._fields, fields, strict=True)))
            for address, fields in zip(found, told, strict=True)
            if not isinstance(fields, WrongTypeError) and fields[0] is not None
        ]


def addresses(access: Access) -> list[str]:
    """Return the names of all processes that are registered; those of Exq nodes without a namespace have a colon."""
    known: list[str] = access.run(ops.identities(access.keys))
    if not ops.have_colons(access.keys):
        return known
    return known + [node for node in access.run(ops.exq_nodes(access.keys)) if node.removeprefix(":") not in known]


def is_ours(version: str) -> bool:
    """Tell by what a process says of its version whether it is a worker of redisjobs."""
    return version.startswith("redisjobs ")


def version_in(info: bytes | None) -> str:
    """Return the version that a process tells in its `info`, empty if it tells none."""
    return _text(_object(info).get("version"))


def _process(access: Access, address: str, told: Mapping[str, bytes | None]) -> Process:
    info = _object(told["info"])
    abilities = _object(told.get(ops.ABILITIES))
    names = abilities.get("jobs")
    return Process(
        identity=address.removeprefix(":"),
        hostname=_text(info.get("hostname")),
        pid=int(_number(info.get("pid"))),
        tag=_text(info.get("tag")),
        concurrency=_concurrency(told["concurrency"], info),
        busy=int(_number(told["busy"])),
        queues=_queues(info),
        quieted=told["quiet"] == b"true",
        rss_kb=int(_number(told["rss"])),
        rtt_us=int(_number(told["rtt_us"])),
        beat_at=_number(told["beat"]),
        started_at=_number(info.get("started_at")),
        version=_text(info.get("version")),
        labels=_texts(info.get("labels")),
        embedded=info.get("embedded") is True,
        jobs=_texts(names) if isinstance(names, list) else None,
        wire=_text(abilities.get("wire")),
        heartbeat_ttl_s=_number(abilities.get("heartbeat_ttl_s")),
        info=info,
        _address=address,
        _access=access,
    )


def _concurrency(own: bytes | None, info: Mapping[str, Any]) -> int:
    """Each generation says it elsewhere: in a field of its own, in `info`, or per capsule."""
    if own is not None:
        return int(_number(own))
    if info.get("concurrency") is not None:
        return int(_number(info["concurrency"]))
    return sum(int(_number(capsule.get("concurrency"))) for capsule in _capsules(info).values())


def _queues(info: Mapping[str, Any]) -> tuple[str, ...]:
    told = _texts(info.get("queues"))
    if told:
        return told
    weights = [capsule.get("weights") for capsule in _capsules(info).values()] or info.get("weights")
    listed = weights if isinstance(weights, list) else [weights]
    return tuple(dict.fromkeys(name for one in listed for name in _names(one)))


def _names(weights: Any) -> tuple[str, ...]:
    return tuple(weights) if isinstance(weights, dict) else ()


def _capsules(info: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = info.get("capsules")
    return {name: one for name, one in found.items() if isinstance(one, dict)} if isinstance(found, dict) else {}


def _object(raw: bytes | None) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(raw or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: Any) -> float:
    try:
        number = float(value or 0)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return number if -1e18 < number < 1e18 else 0.0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
