"""Producer: pushes one job after the other while things break, and remembers which ones were confirmed."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from chaos.trial import Trial
from redisjobs.errors import StoreError

_EVERY_S = 0.002


class Fence(Protocol):
    """Tells whether a push is safe though it was answered: see `chaos.scenarios.fleets`."""

    def before(self) -> None:
        """A push is about to be made."""
        ...

    def after(self) -> bool:
        """Tell whether the push that was answered counts as confirmed."""
        ...


class Producer:
    """Pushes from a thread of its own until the block ends. What it is refused it does not count."""

    def __init__(self, trial: Trial, *, url: str = "", patience_s: float = 0.0, fence: Fence | None = None) -> None:
        self._refused = 0
        self._trial = trial
        self._app = trial.app(patience_s, url)
        self._fence = fence
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def __enter__(self) -> Producer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)
        self._trial.check(not self._thread.is_alive(), "a push has not returned in a minute")
        longest_s = self._trial.longest_push_s
        self._trial.notes.append(f"{self._refused:,} pushes refused, the longest took {longest_s:.1f} s")

    def _loop(self) -> None:
        while not self._over.wait(_EVERY_S):
            [number] = self._trial.numbers(1)
            if self._fence:
                self._fence.before()
            began = time.monotonic()
            try:
                self._app.push("work", [number, 0.0])
            except StoreError:
                self._refused += 1
            else:
                if not self._fence or self._fence.after():
                    self._trial.confirmed.add(number)
                    self._trial.pushed_at[number] = time.monotonic()
            self._trial.longest_push_s = max(self._trial.longest_push_s, time.monotonic() - began)
