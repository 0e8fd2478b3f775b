"""Every test that docs/compatibility.md names is there."""

from __future__ import annotations

import ast
import re

import pytest

from tests.support.pages import ROOT

PAGE = ROOT / "docs" / "compatibility.md"
_NAME = re.compile(r"`(?:(?P<file>[\w/]+\.py)::)?(?P<test>test_\w+)`")


def named() -> set[tuple[str, str]]:
    """Return the tests of the page, each with its file as the page writes it, if it does."""
    return {(found["file"] or "", found["test"]) for found in _NAME.finditer(PAGE.read_text("utf-8"))}


def functions_of(path: str) -> set[str]:
    full = ROOT / path if path.startswith("tests/") else ROOT / "tests" / "interop" / path
    tree = ast.parse(full.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_the_page_names_tests() -> None:
    assert len(named()) > 50


@pytest.mark.parametrize(("file", "test"), sorted(named()), ids=lambda value: value or "-")
def test_each_is_there(file: str, test: str) -> None:
    if file:
        assert test in functions_of(file)
        return
    files = [*(ROOT / "tests" / "interop").glob("test_*.py"), *(ROOT / "tests" / "worker").glob("test_*.py")]
    assert any(f"def {test}(" in path.read_text("utf-8") for path in files)
