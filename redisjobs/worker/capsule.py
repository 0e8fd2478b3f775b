"""Some queues, and the order in which to take from them."""

from __future__ import annotations

import random

from redisjobs.config import CapsuleConfig


class Capsule:
    """The queues of a capsule, ordered anew for each fetch as Sidekiq does (spec: sidekiq.md 3.2)."""

    def __init__(self, config: CapsuleConfig, shuffle: random.Random | None = None) -> None:
        self.name = config.name
        self.concurrency = config.concurrency
        self.queues = [name for name, _ in config.queues]
        self._strict = config.mode == "strict"
        self._tickets = [name for name, weight in config.queues for _ in range(max(1, weight))]
        self._random = shuffle or random.Random()

    def order(self) -> list[str]:
        """Return all queues, the first to take from first: as given, or by weighted lot."""
        if self._strict or len(self.queues) == 1:
            return self.queues
        self._random.shuffle(self._tickets)
        return list(dict.fromkeys(self._tickets))
