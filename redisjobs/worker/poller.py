"""Poller: jobs that are due, from the retry and schedule sets to their queues.

What is due is Redis' clock to say. Who removes a job from its set moves it, so Ruby's pollers may work on the same
sets at the same time. It sleeps until the next one is due, or a bounded time, since others may add sooner ones.
"""

from __future__ import annotations

import logging
from typing import Any

from redisjobs import clock
from redisjobs.errors import PayloadError, WrongTypeError
from redisjobs.store.op import Steps
from redisjobs.store.ops import sets as ops
from redisjobs.wire import deadletter, payload
from redisjobs.wire.elixir import ELIXIR
from redisjobs.wire.times import stamp
from redisjobs.worker.wiring import Wiring

log = logging.getLogger("redisjobs")

BATCH = 100
_AGAIN_S = 1.0  # until the next look at what could not be moved
_SILENCE_S = 10.0  # between two lines about the same key


class Poller:
    """One turn moves a batch of each set."""

    name = "poller"

    def __init__(self, wiring: Wiring, max_poll_s: float) -> None:
        self._keys = wiring.keys
        self._dead = wiring.dead
        self._wire = wiring.policy.wire
        self._max_poll_s = max_poll_s
        self._stuck: dict[str, int] = {}  # set -> how many due ones to pass over at the next look
        self._silent_until: dict[str, float] = {}  # key -> monotonic seconds

    def once(self) -> Steps[float]:
        """Move what is due; return the seconds until the next is, 0 if more are due now."""
        pauses = []
        for set_key in (self._keys.retry, self._keys.schedule):
            try:
                pauses.append((yield from self._promote(set_key)))
            except WrongTypeError as error:
                pauses.append(_AGAIN_S)
                self._complain("a set cannot be read; its jobs wait", set_key, error)
        return min(*pauses, self._max_poll_s)

    def _promote(self, set_key: str) -> Steps[float]:
        stuck = self._stuck.get(set_key, 0)
        due = yield from ops.due(set_key, offset=stuck, count=BATCH)
        self._stuck[set_key] = 0
        moves: dict[str, list[tuple[bytes, bytes]]] = {}
        left = 0  # the next look passes over these
        for raw in due.payloads:
            try:
                queue, promoted = self._promoted(raw)
            except PayloadError as error:
                left += yield from self._bury(set_key, raw, error)
            else:
                moves.setdefault(queue, []).append((raw, promoted))
        for queue, pairs in moves.items():
            try:
                yield from ops.promote(self._keys, set_key, queue, pairs)
            except WrongTypeError as error:
                left += len(pairs)
                self._complain("due jobs wait: their queue cannot be written", self._keys.queue(queue), error)
        if len(due.payloads) == BATCH:
            self._stuck[set_key] = stuck + left
            return 0.0
        until_next_s = self._max_poll_s if due.next_at is None else max(0.0, due.next_at - due.now)
        return min(until_next_s, _AGAIN_S) if left or stuck else until_next_s

    def _complain(self, what: str, key: str, error: WrongTypeError) -> None:
        """Say what keeps jobs waiting: once in a while, though it is found at every turn."""
        now = clock.monotonic()
        if now >= self._silent_until.get(key, 0.0):
            self._silent_until[key] = now + _SILENCE_S
            log.error(what, extra={"key": key, "error": str(error)})

    def _promoted(self, raw: bytes) -> tuple[str, bytes]:
        """Return the queue of a due job and its payload for there; raises PayloadError if it is no job."""
        payload.decode(raw)
        queue = payload.fields(raw).get("queue", "default")
        if not isinstance(queue, str) or not queue:
            raise PayloadError("queue", "not the name of a queue", raw)
        changes: dict[str, Any] = {"enqueued_at": stamp(clock.now(), self._wire)}
        if self._wire in ELIXIR:  # both lose a job that names none when it fails there
            changes["queue"] = queue
        return queue, payload.change(raw, changes, drop=("at",), wire=self._wire)

    def _bury(self, set_key: str, raw: bytes, error: PayloadError) -> Steps[int]:
        """Move bytes that are no job to the dead set; return how many could not be, 0 or 1."""
        buried = deadletter.wrap(raw, error, queue="default", at=clock.now(), wire=self._wire)
        try:
            yield from ops.bury(self._keys, set_key, [(raw, buried)], dead=self._dead)
        except WrongTypeError as problem:
            self._complain("malformed payloads wait: the dead set cannot be written", self._keys.dead, problem)
            return 1
        log.error(
            "malformed payload, moved to the dead set",
            extra={"key": set_key, "field": error.field, "problem": error.problem, "raw": repr(raw[:200])},
        )
        return 0
