"""Whatever stands in a job comes through every move to the byte, but for the fields that the move is about.

On all jobs that real Sidekiqs and ActiveJobs wrote, and on generated ones, in which each unknown field is any JSON in
any spelling. Values are compared as they are spelled, by a reader that is not ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redisjobs import RedisJobs, Snooze, testing
from redisjobs.inspector.entries import JobEntry
from redisjobs.store.op import command
from redisjobs.wire import payload
from redisjobs.wire.jobdata import WRAPPERS

pytestmark = pytest.mark.quick

GOLDEN = Path(__file__).parent / "golden"
QUEUE = "golden"
WIRES = ("sidekiq6", "sidekiq7", "sidekiq8")

FAILED = {"error_message", "error_class", "error_backtrace", "retry_count", "failed_at", "retried_at", "queue", "at"}
"""What a failure changes."""
MOVED = {"enqueued_at", "at"}
"""What a way back into a queue changes."""
REVIVED = MOVED | {"retry_count"}
"""What it changes of a job that is put back by hand."""

_SPACE = re.compile(r"[ \t\r\n]*")


# -- a reader of our own ----------------------------------------------------------------------------------------------


def members(raw: bytes) -> dict[str, str]:
    """Return the fields of a JSON object, each value as it is spelled."""
    text, decoder, found = raw.decode(), json.JSONDecoder(), {}

    def skip(at: int) -> int:
        space = _SPACE.match(text, at)
        assert space is not None
        return space.end()

    at = skip(text.index("{") + 1)
    while text[at] != "}":
        name, at = decoder.raw_decode(text, at)
        at = skip(at)
        assert text[at] == ":"
        start = skip(at + 1)
        _, end = decoder.raw_decode(text, start)
        found[name] = text[start:end]
        at = skip(end)
        at = skip(at + 1) if text[at] == "," else at
    return found


def kept(before: bytes, after: bytes, changed: set[str]) -> None:
    """Fail if any field is spelled otherwise, or gone, that is not one of the changed."""
    old, new = members(before), members(after)
    assert {name: value for name, value in old.items() if name not in changed} == {
        name: value for name, value in new.items() if name not in changed
    }


# -- the corpus -------------------------------------------------------------------------------------------------------


def corpus() -> Iterator[bytes]:
    """Give all jobs that were recorded."""
    for file in sorted(GOLDEN.glob("*.json")):
        recorded = json.loads(file.read_text("utf-8"))
        if file.name.endswith("-database.json"):
            for entry in recorded["keys"].values():
                if entry["type"] == "list":
                    yield from (raw.encode() for raw in entry["value"])
                elif entry["type"] == "zset":
                    yield from (raw.encode() for raw, _ in entry["value"] if raw != "{not JSON")
        elif not file.name.endswith("-process.json"):
            entries = recorded["entries"] if isinstance(recorded, dict) else recorded
            yield from (entry["raw"].encode() for entry in entries if entry["raw"] != "{not JSON")


CORPUS = list(corpus())


# -- generated --------------------------------------------------------------------------------------------------------


_spaces = st.sampled_from(["", "", "", " ", "\n\t"])
_numbers = ["0", "-0", "-0.0", "1.0", "1.50", "1e5", "1.0E+20", "5e-324", "12345678901234567890123456789", "1" * 500]
_texts = ['""', '"\\u00e9"', '"é"', '"\\ud83d\\ude00"', '"\\/\\b"', '"a/b"', '"\\u0000"', '"\u2028"']


def _spelled(text: str, *, ascii_only: bool) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)


_strings = st.builds(
    lambda text, ascii_only: _spelled(text, ascii_only=ascii_only),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.booleans(),
)
_leaves = st.one_of(st.sampled_from(["null", "true", "false", *_numbers, *_texts]), _strings)
_values = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds(lambda items, space: f"[{space}{f'{space},'.join(items)}]", st.lists(inner, max_size=3), _spaces),
        st.builds(
            lambda items, space: f"{{{f',{space}'.join(f'{name}{space}:{value}' for name, value in items.items())}}}",
            st.dictionaries(_strings, inner, max_size=3),
            _spaces,
        ),
    ),
    max_leaves=8,
)
_OURS = {
    *FAILED,
    *MOVED,
    "class",
    "args",
    "jid",
    "queue",
    "retry",
    "created_at",
    "tags",
    "dead",
    "backtrace",
    "crashes",
}
_OURS |= {"retry_for", "retry_queue", "log_level", "timeout"}
_unknown = st.dictionaries(_strings, _values, max_size=6).map(
    lambda found: {name: value for name, value in found.items() if json.loads(name) not in _OURS}
)


@st.composite
def jobs(draw: st.DrawFn) -> bytes:
    """A job as somebody may have written it: fields in any order, any spelling, and some that we do not know."""
    fields = {
        '"class"': '"Golden"',
        '"args"': f"[{','.join(draw(st.lists(_values, max_size=3)))}]",
        '"jid"': '"0123456789abcdef01234567"',
        '"queue"': _spelled(QUEUE, ascii_only=True),
        '"retry"': draw(st.sampled_from(["true", "5", "0", "25"])),
        '"created_at"': draw(st.sampled_from(["1795495788.0466676", "1795496669760"])),
        '"tags"': draw(st.sampled_from(["[]", '["a", "\\u03b2"]', "null"])),
        **draw(_unknown),
    }
    names = {json.loads(name): name for name in fields}  # one spelling of each name
    space = draw(_spaces)
    order = draw(st.permutations(list(names.values())))
    return f"{{{f',{space}'.join(f'{name}{space}:{space}{fields[name]}' for name in order)}{space}}}".encode()


# -- the moves --------------------------------------------------------------------------------------------------------


class Bench:
    """An app whose one job fails or snoozes, on a Redis that is its own."""

    def __init__(self, fields: dict[str, Any], wire: Any) -> None:
        self.app = RedisJobs("redis://127.0.0.1:1/0", wire=wire)
        self.end: Exception = ValueError("naïve 日本")
        if fields["class"] in WRAPPERS:
            self.app.active_job(fields["wrapped"])(self._run)
        else:
            self.app.job(name=fields["class"])(self._run)

    def _run(self, *args: Any, **kwargs: Any) -> None:
        raise self.end

    def put(self, raw: bytes) -> None:
        keys = self.app.keys
        self.app.store.run(command("LPUSH", keys.queue(QUEUE), raw))
        self.app.store.run(command("SADD", keys.queues, QUEUE))

    def only(self) -> JobEntry:
        """The one job that there is, wherever it is."""
        places = [*self.app.queues, self.app.scheduled, self.app.retries, self.app.dead]
        [entry] = [entry for place in places for entry in place]
        return entry


@contextmanager
def bench(raw: bytes, wire: str) -> Iterator[tuple[Bench, Any]]:
    made = Bench(json.loads(raw), wire)
    with testing.fake(made.app) as jobs:
        made.put(raw)
        yield made, jobs


def check(raw: bytes, wire: str) -> None:
    """Fail a job, let it be retried, snooze it, kill it, put it back: nothing else of it changes."""
    fields = json.loads(raw)
    ends = fields.get("retry") is False or fields.get("dead") is False
    with bench(raw, wire) as (made, jobs):
        made.end = Snooze(60)
        jobs.drain()
        kept(raw, made.only().raw, {"queue", "at"})
        made.end = ValueError("naïve 日本")
        [ran] = jobs.drain(scheduled=True, raise_errors=False)
        if ran.where == "gone":
            assert ends
            return
        failed = made.only()
        assert failed.error_message == "naïve 日本"
        kept(raw, failed.raw, FAILED | MOVED)
        if made.app.retries.size:
            made.app.retries.kill(failed.jid)
            assert made.only().raw == failed.raw
        assert made.app.dead.enqueue(failed.jid, queue=QUEUE)
        kept(failed.raw, made.only().raw, REVIVED)


def test_what_real_peers_wrote_comes_through_every_move() -> None:
    assert len(CORPUS) > 400
    for number, raw in enumerate(CORPUS):
        check(raw, WIRES[number % len(WIRES)])


@settings(max_examples=60, deadline=None)
@given(jobs(), st.sampled_from(WIRES))
def test_what_anybody_may_write_comes_through_every_move(raw: bytes, wire: str) -> None:
    check(raw, wire)


@settings(max_examples=200, deadline=None)
@given(jobs(), st.dictionaries(st.sampled_from(["retry_count", "x", "queue"]), st.integers(), max_size=3))
def test_a_change_leaves_every_other_byte(raw: bytes, changes: dict[str, Any]) -> None:
    changed = payload.change(raw, changes, drop=("at", "tags"))

    kept(raw, changed, {*changes, "at", "tags"})
    assert {name: json.loads(value) for name, value in members(changed).items() if name in changes} == changes
    assert "tags" not in members(changed)


@pytest.mark.parametrize("raw", [b'{"a" : [1 , 2.50],"\\u0062":"\\u00e9" }'])
def test_the_reader_tells_spellings_apart(raw: bytes) -> None:
    assert members(raw) == {"a": "[1 , 2.50]", "b": '"\\u00e9"'}
    with pytest.raises(AssertionError):
        kept(raw, b'{"a":[1,2.5],"b":"\\u00e9"}', set())
