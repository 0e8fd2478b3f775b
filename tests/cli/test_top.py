"""`redisjobs top` where there is no terminal."""

from __future__ import annotations

import pytest

from redisjobs import RedisJobs
from tests.cli.conftest import Cli

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("options", [(), ("--once",), ("--plain", "--once")])
def test_where_there_is_no_terminal_one_frame_is_printed(cli: Cli, app: RedisJobs, options: tuple[str, ...]) -> None:
    app.push("Mail", queue="mailers")

    ran = cli("top", *options)

    assert ran.status == 0
    assert "mailers" in ran.out
    assert "\x1b" not in ran.out


def test_it_is_no_source_of_json(cli: Cli) -> None:
    ran = cli("top", "--json")

    assert ran.status == 2
    assert "stats --json" in ran.err
