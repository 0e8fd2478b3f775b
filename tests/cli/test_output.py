"""What is printed: aligned, cut, and never able to drive the terminal."""

from __future__ import annotations

import pytest

from redisjobs.cli.output import pairs, table
from redisjobs.wording import brief, cut, duration, moment, printable, wide

pytestmark = pytest.mark.quick

NOW = 1_732_406_400.0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本 👍", "plain é 日本 👍"),
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("two\nlines\r\tand a tab", "two\\nlines\\r\\tand a tab"),
        ("\x9b31m \x7f \x00", "\\x9b31m \\x7f \\x00"),
        ("abc\u202egnp.exe\u2066", "abc\\u202egnp.exe\\u2066"),
        ("line\u2028paragraph\u2029", "line\\u2028paragraph\\u2029"),
        (b"\xff\xfe".decode("utf-8", "surrogateescape"), "\\xff\\xfe"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_could_drive_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([], "[]"),
        ([1, "a", None, True, 1.5, {"k": []}], '[1, "a", null, true, 1.5, {"k": []}]'),
        ({}, "{}"),
        (["\x1b[31m\n\x9b"], '["\\u001b[31m\\n\\x9b"]'),
        ([2**70], "[1180591620717411303424]"),
        ([10**5000], "[(an integer of 16,610 bits)]"),
        (["a" * 300], '["' + "a" * 197 + "…"),
    ],
)
def test_arguments_are_shown_as_json_cut_short(value: object, shown: str) -> None:
    assert brief(value) == shown


def test_a_huge_value_costs_no_more_than_what_is_shown() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]

    assert brief(nested, 10) == "[[[[[[[[[…"
    assert brief({"x" * 10_000_000: ["y" * 10_000_000] * 1000}, 10) == '{"xxxxxxx…'


def test_wide_letters_take_two_columns_and_accents_none() -> None:
    assert (wide("abc"), wide("日本"), wide("e\u0301")) == (3, 4, 1)
    assert cut("日本語", 5) == "日本…"
    assert cut("日本語", 6) == "日本語"
    assert cut("abcdef", 5) == "abcd…"


def test_columns_are_aligned_whatever_is_in_them() -> None:
    printed = table(["NAME", "SIZE", "ARGS"], [["日本", "1", "x"], ["plain", "12,345", "y\x1b"]], right=(1,))

    assert printed.split("\n") == [
        "NAME     SIZE  ARGS",
        "日本        1  x",
        "plain  12,345  y\\x1b",
    ]


def test_a_long_last_column_is_cut() -> None:
    assert table(["A", "B"], [["x", "y" * 5000]]).split("\n")[1] == "x  " + "y" * 99 + "…"


def test_pairs_are_aligned() -> None:
    assert pairs([("a", "1"), ("long", "two\nlines"), ("c", "")]) == "a     1\nlong  two\\nlines\nc"


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (NOW, "now"),
        (NOW + 0.9, "now"),
        (NOW + 3, "in 3 s"),
        (NOW - 9.96, "10 s ago"),
        (NOW - 59, "59 s ago"),
        (NOW - 60, "1 min ago"),
        (NOW - 300, "5 min ago"),
        (NOW + 3600, "in 1 h"),
        (NOW + 86_400 * 1.5, "in 36 h"),
        (NOW + 86_400 * 3, "in 3 days"),
        (NOW + 86_400 * 100, "2025-03-04"),
        (float("inf"), "never"),
        (float("-inf"), "long ago"),
        (float("nan"), "-"),
        (None, "-"),
        (1e300, "1e+300"),
        (-1e18, "-1e+18"),
    ],
)
def test_moments_are_told_as_people_say_them(at: float | None, shown: str) -> None:
    assert moment(at, NOW) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0 s"), (0.25, "0.2 s"), (2.0, "2 s"), (61, "1 min")])
def test_durations_have_the_unit_that_suits_them(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
