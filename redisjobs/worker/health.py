"""Whether Redis answers this process: said in the log once when it stops, and once when it is back."""

from __future__ import annotations

import logging
import threading

from redisjobs import clock

log = logging.getLogger("redisjobs")


class Health:
    """Hears from all who talk to Redis. `outages` counts how often somebody got no answer."""

    def __init__(self) -> None:
        self.outages = 0
        self._silent: set[str] = set()
        self._since = 0.0
        self._lock = threading.Lock()

    @property
    def away(self) -> bool:
        """Whether somebody got no answer and has not had one since."""
        return bool(self._silent)

    def failed(self, who: str, error: Exception) -> None:
        """Redis did not answer `who`."""
        with self._lock:
            self.outages += 1
            first = not self._silent
            self._silent.add(who)
            if first:
                self._since = clock.monotonic()
        if first:
            log.error("redis away: running jobs go on, their outcomes are kept", extra={"error": str(error)})

    def answered(self, who: str) -> None:
        """Redis answered `who`."""
        if not self._silent:  # without the lock: this is asked all the time
            return
        with self._lock:
            back = who in self._silent and len(self._silent) == 1
            self._silent.discard(who)
        if back:
            log.warning("redis back", extra={"away_s": round(clock.monotonic() - self._since, 3)})
