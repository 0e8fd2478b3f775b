"""Workers of the installed command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fleet import Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Workers of this test, ended with it."""
    made = Fleet(tmp_path)
    yield made
    made.end()
