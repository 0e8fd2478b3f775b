"""Workers in this process."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(autouse=True)
def _every_line(caplog: pytest.LogCaptureFixture) -> None:
    """Have `caplog` hear start and done lines too."""
    caplog.set_level(logging.INFO, "redisjobs")
