"""The scenarios by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import NamedTuple

from chaos.scenarios import access, clocks, crashes, fleets, hostile, network, outages
from chaos.trial import Trial


class Scenario(NamedTuple):
    """One thing that is done to workers, Redis or the network. `peers`: others can be put through it too."""

    name: str
    run: Callable[[Trial], None]
    peers: bool = False

    @property
    def about(self) -> str:
        """What is done, in a line."""
        return (inspect.getdoc(self.run) or "").partition("\n")[0]


SCENARIOS = (
    Scenario("storm", crashes.storm, peers=True),
    Scenario("one-kill", crashes.one_kill, peers=True),
    Scenario("rolling-term", crashes.rolling_term, peers=True),
    Scenario("gil", crashes.gil),
    Scenario("zombie", crashes.zombie),
    Scenario("poison", crashes.poison),
    Scenario("redis-always", outages.restart("always"), peers=True),
    Scenario("redis-everysec", outages.restart("everysec"), peers=True),
    Scenario("redis-stop-5", outages.hang(5), peers=True),
    Scenario("redis-stop-30", outages.hang(30), peers=True),
    Scenario("redis-stop-90", outages.hang(90)),
    Scenario("memory", outages.memory),
    Scenario("demotion", outages.demotion),
    Scenario("forgetting", outages.forgetting),
    Scenario("maxclients", outages.doors),
    Scenario("resets", network.resets),
    Scenario("resets-1%", network.some_resets),
    Scenario("black-hole", network.hole),
    Scenario("half-open", network.half_open),
    Scenario("crawl", network.crawl),
    Scenario("lost-push", network.lost_answers("pushes", "push")),
    Scenario("lost-lease", network.lost_answers("leases", "lease", "BLMOVE")),
    Scenario("lost-settle", network.lost_answers("settles", "settle")),
    Scenario("clock-jumps", clocks.jumps),
    Scenario("fuzz", hostile.fuzz),
    Scenario("tls-acl", access.tls),
    Scenario("sentinels", fleets.sentinels),
    Scenario("cluster", fleets.cluster),
)
