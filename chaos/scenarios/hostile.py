"""Bytes that are no jobs: real payloads that were damaged, and what hypothesis makes up."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import strategies as st

from chaos.trial import Trial
from redisjobs.errors import PayloadError
from redisjobs.wire import payload

GOLDEN = Path(__file__).parents[2] / "tests" / "interop" / "golden"
_ODD: tuple[Any, ...] = (None, True, 7, -1.5, "", "x", [], {}, [[]], {"a": None}, "\ud800", 10**40)
_FIELDS = ("args", "jid", "class")

_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_bytes: st.SearchStrategy[bytes] = st.binary(max_size=200) | _json.map(lambda value: json.dumps(value).encode())


def fuzz(trial: Trial) -> None:
    """Fill a queue with bytes that are no jobs, some jobs among them; all end verbatim in the dead set."""
    redis = trial.server()
    bad = bad_payloads(trial.pick(3_000, 100_000))
    workers = [trial.worker() for _ in range(2)]
    for start in range(0, len(bad), 1000):
        redis.client.lpush(trial.key("queue:default"), *bad[start : start + 1000])
        trial.push([0.0] * 10)
    trial.finish(60)
    trial.until(
        lambda: redis.client.llen(trial.key("queue:default")) == 0, trial.pick(60, 300), "the queue is not empty"
    )
    trial.until(lambda: redis.client.keys(trial.key("lease:*")) == [], 60, "leases are left")
    kept = {entry.raw if entry.original is None else entry.original for entry in trial.app().dead}
    trial.notes.append(f"{len(bad):,} payloads that are none, {len(kept & set(bad)):,} kept to the byte")
    trial.check(kept == set(bad), f"{len(set(bad) - kept)} are not in the dead set, {len(kept - set(bad))} are others")
    trial.check(all(worker.running for worker in workers), "a worker died")
    trial.check_logs()
    trial.stop_workers()


def bad_payloads(count: int) -> list[bytes]:
    """Return so many different payloads that are no jobs, the same ones each time."""
    chance = random.Random(13)
    corpus = [one["raw"].encode() for file in sorted(GOLDEN.glob("*.json")) for one in _of(file)]
    found: dict[bytes, None] = dict.fromkeys(raw for raw in _made_up(count // 5) if _is_none(raw))
    while len(found) < count:
        raw = chance.choice(corpus)
        for _ in range(chance.randint(1, 3)):
            raw = _damaged(raw, corpus, chance)
        if _is_none(raw):
            found[raw] = None
    payloads = list(found)[:count]
    chance.shuffle(payloads)
    return payloads


def _of(file: Path) -> list[dict[str, Any]]:
    told = json.loads(file.read_text("utf-8"))
    return [one for one in told if isinstance(one, dict) and "raw" in one] if isinstance(told, list) else []


def _made_up(count: int) -> list[bytes]:
    found: list[bytes] = []

    @hypothesis.seed(13)
    @hypothesis.settings(
        max_examples=max(1, count // 25),
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(st.lists(_bytes, min_size=25, max_size=25))
    def collect(payloads: list[bytes]) -> None:
        found.extend(payloads)

    collect()
    return found


def _damaged(raw: bytes, corpus: list[bytes], chance: random.Random) -> bytes:
    at, other = chance.randrange(len(raw) + 1), chance.randrange(len(raw) + 1)
    match chance.randrange(7):
        case 0:
            return raw[:at]
        case 1:
            return raw[: min(at, other)] + raw[max(at, other) :]
        case 2:
            return raw[:at] + chance.randbytes(chance.randint(1, 4)) + raw[at:]
        case 3:
            return raw[:at] + chance.randbytes(1) + raw[at + 1 :]
        case 4:
            return raw[:at] + chance.choice(corpus)[at:]
        case 5:
            return raw[:at] + b"[" * chance.randint(1, 600) + raw[at:]
    return _with_odd_field(raw, chance)


def _with_odd_field(raw: bytes, chance: random.Random) -> bytes:
    try:
        fields = json.loads(raw)
    except ValueError:
        return raw
    if isinstance(fields, dict):
        name = chance.choice(_FIELDS)
        fields[name] = chance.choice(_ODD)
        if chance.random() < 0.3:
            del fields[name]
    return json.dumps(fields).encode()


def _is_none(raw: bytes) -> bool:
    try:
        payload.decode(raw)
    except PayloadError:
        return True
    return False
