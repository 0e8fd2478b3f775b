"""wire/backtrace.py: error backtraces as each generation packs them."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisjobs.wire import backtrace
from redisjobs.wire.times import Wire

pytestmark = pytest.mark.quick

RUBY6 = (  # recorded from Sidekiq 6.4.1: MIME base64, a newline after each 60 characters
    "eJy1zUEKwjAQQNGrhGyqYDtUSsReRUSTONbYNIkzqejtbYsewe3nwztI0CnB\n"
    "PRquyLS71gVxTkjXSEMhNxJGJuCbJgQazbvDgUsXMnaks4sBtPcwR2B3wd49\n"
    "SlU1VQ3emV+BRNEic6QZqPdqIfCFdsx4muC/MKpZGOOj7cVqKzw+0fNaTPE7\n"
    "FvL4AWG8WP0=\n"
)
RUBY8 = (  # recorded from Sidekiq 8.1.7: strict base64
    "eJy1zUEOgjAQQNGrNN2giXQCmoBcxRhtccRKoXWmNXp7gegR3P785B0k6BDg7g0rMk3V2FGcA9LV05DJjYTEBHzThEDJvDscOLdj"
    "xI50tH4E7RzMEdhesLePvFaFqsBZ8ysQyLfI7GkGyrJeCHxhmyKeJvgfTLHfLoxxvu3FaiccPtHxWkzxO2by+AFklVkH"
)


@pytest.mark.parametrize("field", [RUBY6, RUBY8], ids=["6.4.1", "8.1.7"])
def test_a_backtrace_of_ruby_is_read(field: str) -> None:
    lines = backtrace.unpack(field)

    assert len(lines) == 3
    assert all(":in `" in line for line in lines)


def test_generation_6_gets_a_newline_after_each_60_characters_and_at_the_end() -> None:
    lines = [f"shop/mail.py:{at}:in `deliver'" for at in range(50)]

    field = backtrace.pack(lines, "sidekiq6")

    parts = field.split("\n")
    assert field.endswith("\n")
    assert {len(part) for part in parts[:-2]} == {60}
    assert 0 < len(parts[-2]) <= 60
    assert backtrace.unpack(field) == lines


@pytest.mark.parametrize("wire", ["sidekiq7", "sidekiq8"])
def test_the_later_ones_get_one_line(wire: Wire) -> None:
    field = backtrace.pack(["a" * 500], wire)

    assert "\n" not in field
    assert json.loads(zlib.decompress(base64.b64decode(field, validate=True))) == ["a" * 500]


def test_what_a_page_would_swallow_is_escaped_and_read_back() -> None:
    """Ruby's pages print the lines as HTML: `<module>` would vanish there."""
    lines = ["shop.py:1:in `<module>'", "a & b", "&lt;"]

    field = backtrace.pack(lines, "sidekiq8")

    raw = json.loads(zlib.decompress(base64.b64decode(field)))
    assert raw == ["shop.py:1:in `&lt;module&gt;'", "a &amp; b", "&amp;lt;"]
    assert backtrace.unpack(field) == lines


@pytest.mark.parametrize(
    ("field", "lines"),
    [
        (["a", "b"], ["a", "b"]),  # generation 6 takes the bare array
        ([1], ["1"]),
        (None, []),
        (7, []),
        ("", []),
        ("not base64 at all", []),
        ("abc", []),
        (base64.b64encode(b"no zlib").decode(), []),
        (base64.b64encode(zlib.compress(b"no json")).decode(), []),
        (base64.b64encode(zlib.compress(b'{"a":1}')).decode(), []),
        (base64.b64encode(zlib.compress(b"[1]")).decode(), []),
        (base64.b64encode(zlib.compress(b'["a"]')[:-6]).decode(), []),
        ("é", []),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_cannot_be_read_gives_no_lines_and_no_error(field: Any, lines: list[str]) -> None:
    assert backtrace.unpack(field) == lines


@given(st.lists(st.text()), st.sampled_from(["sidekiq6", "sidekiq7", "sidekiq8"]))
def test_lines_come_back_whatever_they_are(lines: list[str], wire: Wire) -> None:
    assert backtrace.unpack(backtrace.pack(lines, wire)) == lines


def test_what_would_fill_the_memory_or_is_cut_off_is_not_read() -> None:
    def packed(text: bytes) -> str:
        return base64.b64encode(zlib.compress(text)).decode()

    whole = packed(b'["' + b"x" * 1_000_000 + b'"]')

    assert backtrace.unpack(whole) == ["x" * 1_000_000]
    assert backtrace.unpack(packed(b'["' + b"x" * 100_000_000 + b'"]')) == []
    assert backtrace.unpack(base64.b64encode(base64.b64decode(whole)[:-5]).decode()) == []
