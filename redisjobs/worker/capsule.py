"""Some queues, and the order in which to take from them.

Those of Resque may be patterns, which are told anew now and then which queues there are.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from redisjobs.config import CapsuleConfig
from redisjobs.store.resque_keys import is_pattern, matching


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


class Patterns(Capsule):
    """A capsule of Resque's queues: `*`, `mail_*`, `!skip` stand for those that there are (spec: resque.md 3.2)."""

    def __init__(self, config: CapsuleConfig) -> None:
        super().__init__(config)
        self._patterns = self.queues
        self.queues = [name for name in self._patterns if not is_pattern(name)]
        self._order = self.queues if not any(name[0] == "!" for name in self._patterns) else []

    def order(self) -> list[str]:
        """See `Capsule.order`: patterns in turn, and the queues of each by name."""
        return self._order

    def refresh(self, known: Sequence[str]) -> None:
        """Hear which queues there are. Those that were taken from stay among `queues`: jobs of theirs may be held."""
        self._order = self.matching(known)
        self.queues = list(dict.fromkeys([*self.queues, *self._order]))

    def matching(self, known: Sequence[str]) -> list[str]:
        """Return the queues that the patterns stand for, if these are all that there are."""
        return matching(self._patterns, known)


def capsules(configs: Sequence[CapsuleConfig], *, patterns: bool) -> list[Capsule]:
    """Return the capsules of a worker; `patterns`: names of queues may be some."""
    return [
        Patterns(config) if patterns and any(is_pattern(name) for name, _ in config.queues) else Capsule(config)
        for config in configs
    ]
