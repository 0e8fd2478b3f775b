"""Vitals: how a worker process is, as a parent, a prober or a service manager wants to know it. Plain data.

Always holds: it is made of what this process knows itself; no probe ever asks Redis.
"""

from __future__ import annotations

from msgspec import Struct


class Vitals(Struct, frozen=True):
    """How a worker process was a second ago at most.

    `stuck`: why it does not live, if it does not. `not_ready`: why it takes no jobs, if it takes none.
    `jobs` ended so far, some of them `failed`; it holds those that are `running` and those `waiting` to. Its loops took
    so many `turns`, and Redis left so many requests without an answer.
    `over`: which limit it has passed, so that it should make room for another.
    """

    identity: str = ""
    stuck: tuple[str, ...] = ()
    not_ready: tuple[str, ...] = ("starting",)
    jobs: int = 0
    failed: int = 0
    running: int = 0
    waiting: int = 0
    turns: int = 0
    redis_errors: int = 0
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
