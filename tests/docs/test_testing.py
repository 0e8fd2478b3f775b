"""The examples of docs/testing.md, run as a reader would run them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.quick

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
_FILE = re.compile(r"<!-- file: (\S+) -->\n```python\n(.*?)```", re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in _FILE.findall(PAGE.read_text("utf-8")):
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "words", [("pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "test_shop.py"), ("unittest", "-v")]
)
def test_the_examples_pass(folder: Path, words: tuple[str, ...]) -> None:
    if words[0] == "unittest":
        words = (*words, "test_shop_unittest")

    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_failure_that_is_shown_is_the_one_that_is_printed(folder: Path) -> None:
    shown = re.search(r"```\nAssertionError: (.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert shown is not None
    code = (
        "from redisjobs import testing\nfrom shop import app, mail, sign_up\nwith testing.fake(app):\n    sign_up(7)\n"
    )
    code += (
        "    try:\n        testing.assert_enqueued(mail, args=(8,))\n    except AssertionError as error: print(error)"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)

    assert done.stdout == shown[1]
