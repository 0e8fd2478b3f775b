"""Ops on the sums of runs per class, as Ruby's page of metrics reads them; on deploys, and on what queues lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from redisjobs.store.keys import Keys
from redisjobs.store.op import Op, Together, command
from redisjobs.wire import metrics
from redisjobs.wire.metrics import MARK_TTL_S, SHORT_TTL_S, Generation, Tally

GUARD_TTL_S = 600
TAKEN_TTL_S = 30 * 86_400


class Sums(Struct):
    """What a process counted: the runs of each class; how many jobs it took of each queue and did not give back."""

    tallies: dict[str, Tally] = {}
    taken: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self.tallies or self.taken)


def tally(
    keys: Keys, sums: Sums, *, at: float, generations: Sequence[Generation], identity: str, number: int
) -> Op[bool]:
    """Add what a process counted; its runs to the minute of `at` (Unix seconds).

    Safe to send twice: the number is stored along, and the second adds nothing.
    """
    counters: list[_Counter] = []
    if sums.taken:
        counters.append(_Counter(keys.lease_taken, "hash", TAKEN_TTL_S, sums.taken))
    if sums.tallies:
        counters += _counters(keys, sums.tallies, datetime.fromtimestamp(at, UTC), generations)
    args: list[Any] = [number, GUARD_TTL_S]
    for one in counters:
        args += [one.kind, one.ttl_s, len(one.more), *(part for pair in one.more.items() for part in pair)]
    return Op("tally", [keys.tallied(identity), *(one.key for one in counters)], args, decode=bool)


def runs(keys: Keys, moments: Sequence[datetime], name: str | None = None, *, long: bool = False) -> Together:
    """Read the sums of some minutes (UTC), or of their ten minutes if `long`, of all classes or one.

    Three replies for each, one if `long`: of generation 8, of 7, and what stands in both; by class and kind.
    Safe to send twice: it only reads.
    """
    if long:
        return Together([_read(keys.runs(metrics.long_bucket(at)), name) for at in moments])
    return Together(
        [
            _read(key, name)
            for at in moments
            for key in (
                keys.runs(metrics.bucket(at, 8)),
                keys.runs(metrics.bucket(at, 7)),
                keys.tallied_twice(metrics.bucket(at, 8)),
            )
        ]
    )


def histograms(keys: Keys, name: str, moments: Sequence[datetime], generation: Generation) -> Op[list[tuple[int, ...]]]:
    """Read the histograms of one class, of some minutes (UTC). Safe to send twice: it only reads."""
    key = keys.histogram if generation == 8 else keys.histogram7
    names = [key(name, metrics.minute(at, generation)) for at in moments]
    return command("MGET", *names, decode=lambda reply: [metrics.histogram(raw) for raw in reply])


def mark(keys: Keys, at: float, label: str) -> Together:
    """Note a deploy under its minute. Safe to send twice: the first label of a minute stays."""
    day, field = metrics.mark(datetime.fromtimestamp(at, UTC))
    key = keys.marks(day)
    return Together([command("HSETNX", key, field, label), command("EXPIRE", key, MARK_TTL_S)], atomic=True)


def marks(keys: Keys, days: Sequence[datetime]) -> Together:
    """Read the labels of some days (UTC), by their minutes. Safe to send twice: it only reads."""
    return Together([command("HGETALL", keys.marks(metrics.mark(day)[0]), decode=_pairs) for day in days])


def taken(keys: Keys) -> Op[dict[str, int]]:
    """Read how many jobs our workers took of each queue. Safe to send twice: it only reads."""
    return command("HGETALL", keys.lease_taken, decode=_numbers)


class _Counter(NamedTuple):
    """A key with counters, and what to add to which of them."""

    key: str
    kind: Literal["hash", "bits"]
    ttl_s: int
    more: Mapping[Any, int]


def _counters(
    keys: Keys, tallies: Mapping[str, Tally], at: datetime, generations: Sequence[Generation]
) -> Iterable[_Counter]:
    fields = _fields(tallies)
    for generation in generations:
        for bucket, ttl_s in metrics.buckets(at, generation).items():
            yield _Counter(keys.runs(bucket), "hash", ttl_s, fields)
        histogram = keys.histogram if generation == 8 else keys.histogram7
        for name, one in tallies.items():
            if one.buckets:
                yield _Counter(histogram(name, metrics.minute(at, generation)), "bits", SHORT_TTL_S, one.buckets)
    if len(generations) > 1:  # so that who reads both does not count it twice
        counts = {f"{name}|{place}": count for name, one in tallies.items() for place, count in one.buckets.items()}
        yield _Counter(keys.tallied_twice(metrics.bucket(at, 8)), "hash", SHORT_TTL_S, fields | counts)


def _fields(tallies: Mapping[str, Tally]) -> dict[str, int]:
    sums = {name: {"p": one.runs, "f": one.failures, "ms": round(one.ms)} for name, one in tallies.items()}
    return {f"{name}|{kind}": more for name, kinds in sums.items() for kind, more in kinds.items() if more}


def _read(key: str, name: str | None) -> Op[dict[str, int]]:
    if name is None:
        return command("HGETALL", key, decode=_numbers)
    kinds = ("p", "f", "ms", *range(len(metrics.LIMITS_MS) + 1))
    fields = [f"{name}|{kind}" for kind in kinds]
    return command("HMGET", key, *fields, decode=lambda reply: _valid(zip(fields, reply, strict=True)))


def _numbers(reply: Sequence[bytes]) -> dict[str, int]:
    return _valid(zip(map(_text, reply[::2]), reply[1::2], strict=True))


def _valid(pairs: Iterable[tuple[str, bytes | None]]) -> dict[str, int]:
    """Return what is a number: one odd field does not hide all others."""
    return {name: int(count) for name, count in pairs if count and len(count) < 19 and count.lstrip(b"-").isdigit()}


@lru_cache(maxsize=10_000)  # each minute has the same names
def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _pairs(reply: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(reply[::2], reply[1::2], strict=True))
