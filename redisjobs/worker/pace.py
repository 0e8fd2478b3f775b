"""How many jobs to hold: leased ahead by time when jobs are short, exactly the free slots when they are long."""

from __future__ import annotations

WINDOW_S = 0.02
MOST = 1000
_SAMPLE_S = 2 * WINDOW_S


class Pace:
    """Measures how fast a busy pool finishes jobs, and from that says how many it should hold."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._rate = 0.0  # jobs a second, 0: not known
        self._count = 0
        self._since: float | None = None

    @property
    def target(self) -> int:
        """How many to hold: what is finished in about 20 ms, the number of slots at least."""
        return max(self._concurrency, min(MOST, int(self._rate * WINDOW_S)))

    def finished(self, count: int, now: float) -> None:
        """Count jobs that a fully busy pool finished."""
        if self._since is None:
            self._since = now
            return
        self._count += count
        elapsed = now - self._since
        if elapsed >= _SAMPLE_S:
            # Jobs that started together end together: of each slot one end was under way before, and tells nothing.
            # So jobs that last longer than the window never make a target above the slots.
            rate = max(0, self._count - self._concurrency) / elapsed
            self._rate = rate if rate < self._rate / 2 or not self._rate else (self._rate + rate) / 2
            self._count, self._since = 0, now

    def pause(self) -> None:
        """The pool was not fully busy: what comes now does not tell how fast it is."""
        self._count, self._since = 0, None

    def stalled(self) -> None:
        """Jobs turned out to be long: hold no more than the slots until that is known better."""
        self._rate = 0.0
        self.pause()
