"""Settler: the ends of runs, from an executor's report to Redis' answer.

Most travel with the request that leases, all in one script; one with Ops of its own goes in a transaction of its own.

Must not know: how jobs run, when to lease. Used by the fetcher's thread only.
Always holds: an outcome is forgotten only after its own answer. Whatever fails before that, it is sent again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from typing import Any

from redisjobs import clock
from redisjobs.config import DeadSetConfig
from redisjobs.errors import StoreError, StoreUnavailableError
from redisjobs.store.connect import Line
from redisjobs.store.dialect import dialect
from redisjobs.store.keys import Keys
from redisjobs.store.op import Op
from redisjobs.store.ops.leases import Lot, Settlement

log = logging.getLogger("redisjobs")

REFUSED_S = 1.0
"""How long outcomes that Redis refused are kept before they are sent again."""


class Lots:
    """Numbers the lots of one settler, and keeps in which ones each outcome went whose answer is not known."""

    def __init__(self, identity: str) -> None:
        self._settler = f"{identity}:{os.urandom(4).hex()}"
        self._number = 0
        self._earlier: dict[int, list[int]] = {}

    def next(self, items: Iterable[Settlement]) -> Lot:
        """Return the lot of some outcomes that are about to be sent."""
        self._number += 1
        earlier = {id(item): tuple(self._earlier.get(id(item), ())) for item in items}
        for number in earlier:
            self._earlier.setdefault(number, []).append(self._number)
        return Lot(self._settler, self._number, earlier)

    def forget(self, items: Iterable[Settlement]) -> None:
        """Take note that the answers about some outcomes are known."""
        for item in items:
            self._earlier.pop(id(item), None)


class Settler:
    """The outcomes of one fetcher that Redis does not have yet."""

    def __init__(self, line: Line, keys: Keys, *, identity: str, dead: DeadSetConfig) -> None:
        self.waiting: list[Settlement] = []  # to be sent with the next turn; the fetcher appends to it
        self.refused: list[Settlement] = []
        self._line = line
        self._dialect = dialect(keys)
        self._identity = identity
        self._dead = dead
        self._lots = Lots(identity) if self._dialect.needs_lots else None
        self._plain: list[Settlement] = []
        self._under_way = False
        self._sent_before = False
        self._refused_until = 0.0

    def __iter__(self) -> Iterator[Settlement]:
        yield from self.waiting
        yield from self.refused

    def retry_refused(self, now: float) -> None:
        """Have what Redis refused sent again, if it is time for that."""
        if self.refused and now >= self._refused_until:
            self.waiting, self.refused = [*self.waiting, *self.refused], []

    def request(self) -> Op[list[Settlement]] | None:
        """Return the request that settles what waits, None if nothing does; its reply is for `answered`."""
        if not self.waiting:
            return None
        self._plain = [item for item in self.waiting if not item.ops]
        self._sent_before, self._under_way = self._under_way, True
        return self._settle(self._plain)

    def answered(self, reply: Any) -> None:
        """Forget what was settled, and settle apart what could not go with the others."""
        apart = [[item] for item in self.waiting if item.ops]
        if isinstance(reply, Exception):  # one key is wrong; all the jobs that do not need it go on
            places = {item.where for item in self._plain}
            apart += [[item for item in self._plain if item.where == where] for where in places]
        else:
            self._forget(self._plain)
            self._say_not_ours(reply)
        for items in apart:
            self._settle_apart(items)
        self._under_way = False

    def _settle(self, items: list[Settlement]) -> Op[list[Settlement]]:
        lot = self._lots.next(items) if self._lots is not None else None
        return self._dialect.settle(items, identity=self._identity, dead=self._dead, lot=lot)

    def _settle_apart(self, items: list[Settlement]) -> None:
        """Settle some, together with the Ops of theirs in one transaction."""
        ops = [self._settle(items), *(op for item in items for op in item.ops)]
        try:
            replies = self._line.request(ops, atomic=len(ops) > 1)
        except StoreUnavailableError:
            raise
        except StoreError as error:
            replies = [error]
        self._forget(items)
        if isinstance(replies[0], Exception):
            self._keep(items, replies[0])
            return
        self._say_not_ours(replies[0])
        for refused in replies[1:]:
            if isinstance(refused, Exception):
                log.error(
                    "redis refused what a job asked for with on_settle; the job is settled",
                    extra={"error": str(refused), "raw": repr(items[0].lease.raw[:200])},
                )

    def _forget(self, items: list[Settlement]) -> None:
        if self._lots is not None:
            self._lots.forget(items)
        if len(items) == len(self.waiting):
            self.waiting = []
        else:
            settled = {id(item) for item in items}
            self.waiting = [item for item in self.waiting if id(item) not in settled]

    def _keep(self, items: list[Settlement], error: Exception) -> None:
        """Keep outcomes that Redis refused, to send them again in a while; the others go on."""
        self.refused += items
        self._refused_until = clock.monotonic() + REFUSED_S
        log.error(
            "outcomes refused by redis; they are kept and sent again",
            extra={"jobs": len(items), "where": items[0].where, "error": str(error)},
        )

    def _say_not_ours(self, items: Iterable[Settlement]) -> None:
        if self._sent_before:  # its first answer was lost: most likely it had been settled then
            return
        for item in items:
            log.warning(
                "a job was not ours any more: another process recovered it while we were silent, or Redis forgot it",
                extra={"queue": item.lease.queue, "where": item.where, "raw": repr(item.lease.raw[:200])},
            )
