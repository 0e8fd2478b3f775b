"""docs/cli.md: what it says is what there is."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.cli import reference
from tests.cli.conftest import Cli
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


def test_the_page_has_all_commands_as_they_are() -> None:
    page = reference.PAGE.read_text("utf-8")

    assert page == reference.page_with(reference.generated()), "run `python -m tests.cli.reference`"


def test_the_examples_of_the_page_work(cli: Cli, redis: RealRedis) -> None:
    """Those that need no worker and no terminal, in their order, on one Redis."""
    page = reference.PAGE.read_text("utf-8")
    blocks = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("$ redisjobs ")]

    assert len(lines) >= 8
    for line in lines:
        words = shlex.split(line.removeprefix("$ redisjobs ").partition(" | ")[0], comments=True)
        ran = cli(*words)
        assert ran.status == 0, line
