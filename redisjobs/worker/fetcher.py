"""Fetcher: the one thread of a capsule that talks to Redis about jobs.

Each turn is one round trip: settle what finished, lease what fits. When the queues are empty it waits blocked, so
that a new job is picked up within about a round trip. When Redis is away, outcomes are kept until it is back.

Must not know: how jobs run, why they fail.
Always holds: every payload in our lease lists is in `_held` (given to an executor) or in `_unsettled` (its run is
over), but for what Redis moved there and could not tell us; `_resync` finds that.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any

from redisjobs import clock
from redisjobs.errors import StoreError, StoreUnavailableError, WrongTypeError
from redisjobs.store.op import Op, command
from redisjobs.store.ops import leases
from redisjobs.store.ops.leases import Lease, Settlement, released
from redisjobs.store.stores import BlockingStore
from redisjobs.worker.capsule import Capsule
from redisjobs.worker.executors import Executor
from redisjobs.worker.health import Health
from redisjobs.worker.listeners import BLOCK_S, Bell, Listeners
from redisjobs.worker.pace import Pace
from redisjobs.worker.processor import Processor
from redisjobs.worker.wiring import Wiring
from redisjobs.worker.work import Running, Work

log = logging.getLogger("redisjobs")

STALL_S = 0.05  # unstarted jobs that no slot came free for in this time go back to their queue
_BAD_QUEUE_S = 10.0
_LONGEST_PAUSE_S = 1.0
_RESYNC_S = 60.0
_REFUSED_S = 1.0


class Fetcher:
    """Leases for one capsule and settles for it."""

    def __init__(
        self,
        capsule: Capsule,
        *,
        identity: str,
        wiring: Wiring,
        store: BlockingStore,
        processor: Processor,
        health: Health,
    ) -> None:
        self._capsule = capsule
        self._identity = identity
        self._keys = wiring.keys
        self._dead = wiring.dead
        self._processor = processor
        self._health = health
        self._who = f"fetcher-{capsule.name}"
        self._bell = Bell()
        self._line = store.line()
        self._listeners = Listeners(store, wiring.keys, identity, capsule.concurrency, self._bell)
        self._pace = Pace(capsule.concurrency)
        self._threads: Executor
        self._coroutines: Executor
        self._thread = threading.Thread(target=self._loop, name=f"redisjobs-{self._who}", daemon=True)

        self._done: deque[Settlement] = deque()  # filled by the executors
        self._unsettled: list[Settlement] = []
        self._sent_before = False
        self._refused: list[Settlement] = []
        self._refused_until = 0.0
        self._held: dict[bytes, list[Work]] = {}
        self._holding = [0, 0]  # threads, coroutines
        self._pending: deque[Work] = deque()
        self._bad_queues: dict[str, float] = {}
        self._empty = False
        self._asleep = False
        self._low = 0
        self._moved_at = clock.monotonic()  # when a job was last given to or back from an executor
        self._resync_at = clock.monotonic() + _RESYNC_S
        self._quiet = False
        self._stopped = False
        self._pause_s = 0.0
        self._idle = threading.Event()
        self._ended = threading.Event()

    # -- called by others ---------------------------------------------------------------------------------------

    def start(self, threads: Executor, coroutines: Executor) -> None:
        """Begin to lease for these executors."""
        self._threads, self._coroutines = threads, coroutines
        self._thread.start()

    def finished(self, settlement: Settlement) -> None:
        """Take a run's end, from any thread; it is sent with the next turn."""
        self._done.append(settlement)
        if self._asleep and self._threads.waiting + self._coroutines.waiting <= self._low:
            self._asleep = False
            self._bell.ring()

    def quiet(self) -> None:
        """Take no more jobs and give back at once what was not started."""
        self._quiet = True
        self._bell.ring()

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing runs and all is settled; only after `quiet`."""
        return self._idle.wait(timeout_s)

    def stop(self, timeout_s: float) -> None:
        """Give back what still runs, settle the rest, end."""
        self._stopped = True
        self._ended.set()
        self._bell.ring()
        self._thread.join(timeout_s)

    def running(self) -> list[Running]:
        """What runs at this moment."""
        return self._threads.running() + self._coroutines.running()

    # -- the loop -----------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while not self._stopped:
            try:
                self._turn()
                self._pause_s = 0.0
                self._health.answered(self._who)
            except StoreUnavailableError as error:
                self._away(error)
            except Exception as error:  # this thread must outlive its bugs
                log.exception("fetcher failed")
                self._processor.report(error, {"context": self._who})
                self._away(StoreUnavailableError(str(error)))
        self._last_turn()

    def _turn(self) -> None:
        now = clock.monotonic()
        self._collect(now)
        if self._refused and now >= self._refused_until:
            self._unsettled, self._refused = [*self._unsettled, *self._refused], []
        if now >= self._resync_at:
            self._resync(now)
        if self._quiet or self._has_stalled(now):
            self._give_back()
        room = 0 if self._quiet else self._pace.target - sum(self._holding)
        self._exchange(room, now)
        if not self._unsettled:
            self._sleep()

    def _exchange(self, room: int, now: float) -> None:
        """Settle and lease, in one round trip."""
        queues = [] if room <= 0 else self._queues_to_ask(now)
        ops: list[Op[Any]] = []
        settling = bool(self._unsettled)
        plain = [item for item in self._unsettled if not item.ops]
        if settling:
            ops.append(self._settle_op(plain))
        if queues:
            ops.append(
                leases.lease(
                    self._keys, queues, identity=self._identity, concurrency=self._capsule.concurrency, count=room
                )
            )
        if not ops:
            return
        leased_at = clock.monotonic()
        sent_before, self._sent_before = self._sent_before, settling
        replies = self._line.request(ops)
        if settling:
            self._settled(plain, replies[0], sent_before)
        self._sent_before = False
        if queues:
            self._leased(queues, replies[-1], room, leased_at)
        self._idle_if_done()  # not before: `quiet` may have come after these jobs were asked for

    def _settle_op(self, items: list[Settlement]) -> Op[list[Settlement]]:
        return leases.settle(self._keys, items, identity=self._identity, dead=self._dead)

    def _settled(self, plain: list[Settlement], reply: Any, sent_before: bool) -> None:
        """Forget what was settled, and settle apart what could not go with the others.

        An outcome is forgotten only after its own answer: whatever fails before that, it is sent again.
        """
        apart = [[item] for item in self._unsettled if item.ops]
        if isinstance(reply, Exception):  # one key is wrong; all the jobs that do not need it go on
            apart += [[item for item in plain if item.where == where] for where in {item.where for item in plain}]
        else:
            self._forget(plain)
            self._not_ours(reply, sent_before)
        for items in apart:
            self._settle_apart(items, sent_before)

    def _settle_apart(self, items: list[Settlement], sent_before: bool) -> None:
        """Settle some, together with the Ops of theirs in one transaction."""
        ops = [self._settle_op(items), *(op for item in items for op in item.ops)]
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
        self._not_ours(replies[0], sent_before)
        for refused in replies[1:]:
            if isinstance(refused, Exception):
                log.error(
                    "redis refused what a job asked for with on_settle; the job is settled",
                    extra={"error": str(refused), "raw": repr(items[0].lease.raw[:200])},
                )

    def _forget(self, items: list[Settlement]) -> None:
        if len(items) == len(self._unsettled):
            self._unsettled = []
        else:
            settled = {id(item) for item in items}
            self._unsettled = [item for item in self._unsettled if id(item) not in settled]

    def _keep(self, items: list[Settlement], error: Exception) -> None:
        """Keep outcomes that Redis refused, to send them again in a while; the others go on."""
        self._refused += items
        self._refused_until = clock.monotonic() + _REFUSED_S
        log.error(
            "outcomes refused by redis; they are kept and sent again",
            extra={"jobs": len(items), "where": items[0].where, "error": str(error)},
        )

    def _not_ours(self, items: Iterable[Settlement], sent_before: bool) -> None:
        if sent_before:  # its first answer was lost: most likely it had been settled then
            return
        for item in items:
            log.warning(
                "a job was not ours any more: another process recovered it while we were silent",
                extra={"queue": item.lease.queue, "where": item.where, "raw": repr(item.lease.raw[:200])},
            )

    # -- leases -------------------------------------------------------------------------------------------------

    def _queues_to_ask(self, now: float) -> list[str]:
        """Return the queues that may have jobs: none while each is waited for."""
        queues = self._capsule.order()
        if self._bad_queues:
            self._bad_queues = {queue: until for queue, until in self._bad_queues.items() if until > now}
            queues = [queue for queue in queues if queue not in self._bad_queues]
        if all(self._listeners.armed(queue) for queue in queues):
            return []
        return queues

    def _leased(self, queues: list[str], reply: Any, room: int, leased_at: float) -> None:
        if isinstance(reply, WrongTypeError):
            self._find_bad_queues(queues)
            return
        if isinstance(reply, Exception):
            raise reply
        found: list[Lease] = []
        paused: set[str] = set()
        for taken in reply:
            if taken.paused:
                paused.add(taken.queue)
            elif taken.payloads:
                queue = taken.queue
                found += [Lease(queue, raw, leased_at) for raw in taken.payloads]
        if found:
            self._accept(found)
        self._empty = len(found) < room
        if self._empty and sum(self._holding) < self._capsule.concurrency:
            for queue in queues:
                if queue not in paused:
                    self._listeners.arm(queue)

    def _accept(self, found: list[Lease]) -> None:
        """Take over leased jobs: read them and give them to an executor."""
        works: list[Work] = []
        for lease in found:
            prepared = self._processor.prepare(lease)
            if isinstance(prepared, Settlement):
                self._unsettled.append(prepared)
            else:
                works.append(prepared)
                self._held.setdefault(lease.raw, []).append(prepared)
        self._pending.extend(works)
        self._dispatch()

    def _dispatch(self) -> None:
        """Give pending work to the executors: ahead of free slots only while just one of them has any.

        So that threads and coroutines together never run more than the capsule's concurrency.
        """
        batches: tuple[list[Work], list[Work]] = ([], [])
        while self._pending:
            kind = int(self._pending[0].job.is_async)
            if self._holding[1 - kind] and sum(self._holding) >= self._capsule.concurrency:
                break
            batches[kind].append(self._pending.popleft())
            self._holding[kind] += 1
        if batches[0]:
            self._threads.submit(batches[0])
        if batches[1]:
            self._coroutines.submit(batches[1])
        if batches[0] or batches[1]:
            self._moved_at = clock.monotonic()

    def _collect(self, now: float) -> None:
        """Take over what the executors finished."""
        busy = sum(self._holding) >= self._capsule.concurrency
        count = 0
        done, unsettled, held, holding = self._done, self._unsettled, self._held, self._holding
        while done:
            settlement = done.popleft()
            works = held.get(settlement.lease.raw)
            if works is None:
                continue  # it was given back while it ran
            work = works.pop()
            if not works:
                del held[settlement.lease.raw]
            holding[work.job.is_async] -= 1
            unsettled.append(settlement)
            count += 1
        if count:
            self._moved_at = now
            if busy:
                self._pace.finished(count, now)
            if self._pending:
                self._dispatch()
        if not busy:
            self._pace.pause()

    def _has_stalled(self, now: float) -> bool:
        if now - self._moved_at < STALL_S or not (self._pending or self._threads.waiting or self._coroutines.waiting):
            return False
        self._pace.stalled()
        return True

    def _give_back(self) -> None:
        """Give back what was not started."""
        threads, coroutines = self._threads.take_back(), self._coroutines.take_back()
        self._holding[0] -= len(threads)
        self._holding[1] -= len(coroutines)
        back = [*threads, *coroutines, *self._pending]
        self._pending.clear()
        for work in back:
            self._drop(work)
            self._unsettled.append(released(work.lease))
        if self._quiet:
            self._disarm()
            self._idle_if_done()

    def _drop(self, work: Work) -> None:
        works = self._held[work.lease.raw]
        works.remove(work)
        if not works:
            del self._held[work.lease.raw]

    def _idle_if_done(self) -> None:
        if self._quiet and not (self._held or self._unsettled or self._refused or self._done):
            self._idle.set()

    # -- waiting ------------------------------------------------------------------------------------------------

    def _sleep(self) -> None:
        """Sleep until there is something to do: a job, an outcome, or a look at the clock."""
        holding = sum(self._holding)
        if holding >= self._capsule.concurrency:
            self._disarm()
        waiting = self._threads.waiting + self._coroutines.waiting
        if self._unsettled:
            return
        timeout_s = BLOCK_S
        if self._refused:
            timeout_s = _REFUSED_S
        if waiting or self._pending:
            timeout_s = STALL_S / 2
        elif not self._quiet and not self._listeners.any_armed and holding < self._capsule.concurrency:
            timeout_s = 0.5 if self._empty else 0.0  # every queue is paused or bad; or there may be more at once
        self._low = max(0, (self._pace.target - self._capsule.concurrency) // 2)
        self._asleep = True
        if self._done and self._threads.waiting + self._coroutines.waiting <= self._low:
            timeout_s = 0.0
        heard = self._listeners.sleep(timeout_s)
        self._asleep = False
        self._heard(heard)

    def _heard(self, heard: list[tuple[str, bytes | StoreError | None]]) -> None:
        found = []
        for queue, answer in heard:
            if isinstance(answer, bytes):
                found.append(Lease(queue, answer, clock.monotonic()))
            elif isinstance(answer, WrongTypeError):
                self._find_bad_queues([queue])
            elif isinstance(answer, Exception):
                raise answer
        if not found:
            return
        free = 0 if self._quiet else self._pace.target - sum(self._holding)
        self._accept(found[:free])
        self._unsettled += [released(lease) for lease in found[free:]]

    def _disarm(self) -> None:
        self._heard(self._listeners.disarm(self._line))

    # -- when something is wrong --------------------------------------------------------------------------------

    def _away(self, error: StoreUnavailableError) -> None:
        """Redis does not answer: close everything, wait a little, and look at the lease lists when it is back."""
        self._health.failed(self._who, error)
        self._line.close()
        self._listeners.close()
        self._resync_at = 0.0
        self._pause_s = min(_LONGEST_PAUSE_S, max(0.05, self._pause_s * 2))
        if not self._stopped:
            self._ended.wait(self._pause_s)

    def _resync(self, now: float) -> None:
        """Adopt what stands in our lease lists and never reached us: its reply was lost with a connection."""
        was_away = self._resync_at == 0.0
        self._listeners.close()
        queues = self._capsule.queues
        known: dict[bytes, int] = {raw: len(works) for raw, works in self._held.items()}
        for item in (*self._unsettled, *self._refused):
            known[item.lease.raw] = known.get(item.lease.raw, 0) + 1
        replies = self._line.request([leases.held(self._keys, queue, self._identity) for queue in queues])
        found = []
        for queue, reply in zip(queues, replies, strict=True):
            if isinstance(reply, Exception):
                continue
            for raw in reversed(reply):
                if known.get(raw, 0) > 0:
                    known[raw] -= 1
                else:
                    found.append(Lease(queue, raw, now))
        if found:
            log.warning("jobs adopted whose lease had not reached us", extra={"jobs": len(found)})
            if self._quiet:
                self._unsettled += [released(lease) for lease in found]
            else:
                self._accept(found)
        # a wait that Redis did not yet see end may still deliver: look once more when it must be over
        self._resync_at = now + (BLOCK_S + 1.0 if was_away else _RESYNC_S)

    def _find_bad_queues(self, queues: list[str]) -> None:
        """Find which keys are of another type, leave those queues alone for a while, and say so."""
        needed = [
            (queue, key, kind)
            for queue in queues
            for key, kind in (
                (self._keys.queue(queue), "list"),
                (self._keys.lease(queue, self._identity), "list"),
                (self._keys.lease_owners(queue), "hash"),
                (self._keys.paused, "set"),
            )
        ]
        kinds = self._line.request([command("TYPE", key, decode=_text) for _, key, _ in needed])
        for (queue, key, wanted), kind in zip(needed, kinds, strict=True):
            if kind not in (wanted, "none"):
                self._bad_queues[queue] = clock.monotonic() + _BAD_QUEUE_S
                log.error(
                    "a key of another type keeps a queue from being worked; rename or delete that key",
                    extra={"queue": queue, "key": key, "type": kind, "wanted": wanted},
                )

    def _last_turn(self) -> None:
        """Give back all that still runs, and settle what can be settled."""
        try:
            self._collect(clock.monotonic())
            self._give_back()
            self._unsettled += self._refused
            self._unsettled += [released(work.lease) for works in self._held.values() for work in works]
            self._held.clear()
            if self._unsettled:
                self._exchange(0, clock.monotonic())
        except StoreError as error:
            log.error(
                "outcomes not settled: their jobs stay leased and another process recovers them",
                extra={"jobs": len(self._unsettled), "error": str(error)},
            )
        finally:
            self._line.close()
            self._listeners.end()
            self._bell.close()


def _text(reply: bytes | str) -> str:
    return reply.decode() if isinstance(reply, bytes) else reply
