"""Vitals: how a worker process is, as a parent, a prober or a service manager wants to know it. Plain data.

Always holds: it is made of what this process knows itself; no probe ever asks Redis.
"""

from __future__ import annotations

from msgspec import Struct


class Vitals(Struct, frozen=True):
    """How a worker process was a second ago at most.

    `stuck`: why it does not live, if it does not. `not_ready`: why it takes no jobs, if it takes none.
    `over`: which limit it has passed, so that it should make room for another.
    """

    identity: str = ""
    stuck: tuple[str, ...] = ()
    not_ready: tuple[str, ...] = ("starting",)
    jobs: int = 0
    rss_kib: int = 0
    over: str = ""

    @property
    def live(self) -> bool:
        """Whether its loops turn."""
        return not self.stuck

    @property
    def ready(self) -> bool:
        """Whether it takes jobs."""
        return self.live and not self.not_ready
