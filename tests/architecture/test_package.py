"""What the package as a whole must be like."""

from __future__ import annotations

import subprocess
import sys

import pytest

import redisjobs

pytestmark = pytest.mark.quick


def test_the_exports_are_sorted_and_exist() -> None:
    assert redisjobs.__all__ == sorted(redisjobs.__all__)
    assert all(hasattr(redisjobs, name) for name in redisjobs.__all__)


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = ("redis", "asyncio", "rich", "redisjobs.worker")
    code = f"import redisjobs, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
