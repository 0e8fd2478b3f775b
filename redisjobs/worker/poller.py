"""Poller: jobs that are due, from the retry and schedule sets to their queues.

What is due is Redis' clock to say. Who removes a job from its set moves it, so Ruby's pollers may work on the same
sets at the same time. It sleeps until the next one is due, or a bounded time, since others may add sooner ones.
"""

from __future__ import annotations

import logging

from redisjobs import clock
from redisjobs.errors import PayloadError, StoreUnavailableError, WrongTypeError
from redisjobs.store.op import Steps
from redisjobs.store.ops import sets as ops
from redisjobs.wire import deadletter, payload
from redisjobs.wire.times import stamp
from redisjobs.worker.wiring import Wiring

log = logging.getLogger("redisjobs")

BATCH = 100


class Poller:
    """One turn moves a batch of each set."""

    name = "poller"

    def __init__(self, wiring: Wiring, max_poll_s: float) -> None:
        self._keys = wiring.keys
        self._dead = wiring.dead
        self._wire = wiring.policy.wire
        self._max_poll_s = max_poll_s
        self._stuck: dict[str, int] = {}

    def once(self) -> Steps[float]:
        """Move what is due; return the seconds until the next is, 0 if more are due now."""
        pauses = []
        for set_key in (self._keys.retry, self._keys.schedule):
            try:
                pauses.append((yield from self._promote(set_key)))
            except WrongTypeError as error:
                log.error("a set cannot be read; its jobs wait", extra={"key": set_key, "error": str(error)})
                pauses.append(1.0)
        return min(*pauses, self._max_poll_s)

    def _promote(self, set_key: str) -> Steps[float]:
        stuck = self._stuck.get(set_key, 0)
        due = yield from ops.due(set_key, offset=stuck, count=BATCH)
        self._stuck[set_key] = 0
        moves: dict[str, list[tuple[bytes, bytes]]] = {}
        for raw in due.payloads:
            try:
                queue, promoted = self._promoted(raw)
            except PayloadError as error:
                yield from self._bury(set_key, raw, error)
            else:
                moves.setdefault(queue, []).append((raw, promoted))
        left = 0
        for queue, pairs in moves.items():
            try:
                yield from ops.promote(self._keys, set_key, queue, pairs)
            except StoreUnavailableError:
                raise
            except WrongTypeError as error:
                left += len(pairs)  # the next look passes over them
                log.error("due jobs wait: their queue cannot be written", extra={"queue": queue, "error": str(error)})
        if len(due.payloads) == BATCH:
            self._stuck[set_key] = stuck + left
            return 0.0
        if left or stuck:
            return 1.0
        return self._max_poll_s if due.next_at is None else max(0.0, due.next_at - due.now)

    def _promoted(self, raw: bytes) -> tuple[str, bytes]:
        """Return the queue of a due job and its payload for there; raises PayloadError if it is no job."""
        payload.decode(raw)
        queue = payload.fields(raw).get("queue", "default")
        if not isinstance(queue, str) or not queue:
            raise PayloadError("queue", "not the name of a queue", raw)
        return queue, payload.change(raw, {"enqueued_at": stamp(clock.now(), self._wire)}, drop=("at",))

    def _bury(self, set_key: str, raw: bytes, error: PayloadError) -> Steps[None]:
        log.error(
            "malformed payload, moved to the dead set",
            extra={"key": set_key, "field": error.field, "problem": error.problem, "raw": repr(raw[:200])},
        )
        buried = deadletter.wrap(raw, error, queue="default", at=clock.now(), wire=self._wire)
        yield from ops.bury(self._keys, set_key, [(raw, buried)], dead=self._dead)
