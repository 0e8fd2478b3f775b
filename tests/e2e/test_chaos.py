"""The quick half of `scripts/chaos`: what the other tests of this folder do not do already."""

from __future__ import annotations

import pytest

from chaos.__main__ import run
from chaos.scenarios import SCENARIOS
from chaos.systems import Ours

pytestmark = pytest.mark.e2e

_QUICK = (
    *("rolling-term", "resets-1%", "crawl", "lost-push", "lost-settle"),
    *("memory", "demotion", "maxclients", "fuzz"),
)


@pytest.mark.parametrize("name", _QUICK)
def test_nothing_is_lost_and_nothing_runs_twice_in(name: str) -> None:
    """See docs/reliability.md for what each of them does."""
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == name)

    row = run(scenario, Ours(), full=False, keep=True)

    assert row is not None, "it was skipped"
    assert row.broken == [], row
