"""Fetcher: the one loop of a capsule that talks to Redis about jobs.

Each turn is one round trip: settle what finished, lease what fits. When the queues are empty it waits blocked, so
that a new job is picked up within about a round trip. When Redis is away, outcomes are kept until it is back.

One thread at a time leads the loop: an idle job thread where there is one, for what it hears of it runs itself, at
once, and lets another lead; else the fetcher's own thread.

Must not know: how jobs run, why they fail.
Always holds: every payload in our lease lists is in the slots (it runs or will) or with the settler (its run is over),
but for what Redis moved there and could not tell us; `_resync` finds that.
"""

from __future__ import annotations

import logging
import math
import select
import threading
from collections import Counter, deque
from typing import Any

from redisjobs import clock
from redisjobs.errors import StoreError, StoreUnavailableError, WrongTypeError
from redisjobs.store.op import Op
from redisjobs.store.ops import leases
from redisjobs.store.ops.leases import Lease, Settlement, released
from redisjobs.store.stores import BlockingStore
from redisjobs.worker.bell import Bell
from redisjobs.worker.capsule import Capsule
from redisjobs.worker.executors import Executor
from redisjobs.worker.executors.threads import Threads
from redisjobs.worker.health import Health
from redisjobs.worker.listeners import BLOCK_S, Listeners
from redisjobs.worker.metrics import Metrics
from redisjobs.worker.pace import Pace
from redisjobs.worker.processor import Processor
from redisjobs.worker.quarantine import Quarantine
from redisjobs.worker.settler import REFUSED_S, Settler
from redisjobs.worker.slots import Slots
from redisjobs.worker.wiring import Wiring
from redisjobs.worker.work import Running, Work

log = logging.getLogger("redisjobs")

STALL_S = 0.05  # unstarted jobs that no slot came free for in this time go back to their queue
_LONGEST_PAUSE_S = 1.0
_RESYNC_S = 60.0
_HAND_OVER_S = 1.0


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
        self._processor = processor
        self._health = health
        self._handed_over_at = 0.0  # what was counted, to `metrics`
        self.name = self._who = f"fetcher-{capsule.name}" + (f"@{wiring.shard}" if wiring.shard else "")
        self._bell = Bell()
        self._line = store.line()
        self._quarantine = Quarantine(self._line, wiring.keys, identity)
        self._settler = Settler(self._line, wiring.keys, identity=identity, dead=wiring.dead)
        self._listeners = Listeners(store, wiring.keys, identity, capsule.concurrency, self._bell)
        self._pace = Pace(capsule.concurrency)
        self._thread = threading.Thread(target=self._loop, name=f"redisjobs-{self._who}", daemon=True)
        self._called = threading.Lock()  # our own thread sleeps on it while a job thread leads
        self._called.acquire()

        self._slots: Slots
        self._done: deque[Settlement] = deque()  # filled by the executors
        self._empty = False
        self._asleep, self._low = False, 0
        self.turned_at = clock.monotonic()  # when the loop last began a turn
        self.turns = self.count = 0  # count: of runs that ended
        self._resync_at = clock.monotonic() + _RESYNC_S
        self._quiet = self._stopped = False
        self._pause_s = 0.0
        self._idle = threading.Event()
        self._ended = threading.Event()

    # -- called by others ---------------------------------------------------------------------------------------

    def start(self, metrics: Metrics, threads: Threads, *others: Executor) -> None:
        """Begin to lease for these executors, each in the place that `Work.kind` names; tell `metrics` what ended."""
        self._metrics = metrics
        self._slots = Slots(self._capsule.concurrency, threads, *others)
        self._thread.start()

    def finished(self, settlement: Settlement) -> None:
        """Take a run's end, from any thread; it is sent with the next turn."""
        self._done.append(settlement)
        if self._asleep and self._slots.waiting <= self._low:
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

    def figures(self) -> tuple[int, int, int]:
        """How many jobs run, how many are held, running or not, and how many runs failed, as of a second ago."""
        return len(self._slots.running()), self._slots.held, self._slots.counts.failed

    def running(self) -> list[Running]:
        """What runs at this moment."""
        return self._slots.running()

    # -- the loop -----------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while not self._stopped:
            self._lead()
            self._pass_on()
            self._called.acquire()
        self._last_turn()

    def _borrow(self) -> Work | None:
        """Lead in a job thread; return what it is to run."""
        slots = self._slots
        slots.leader_is_job_thread = True
        try:
            self._lead()
            return slots.leaders_own
        finally:
            slots.leader_is_job_thread, slots.leaders_own = False, None
            self._pass_on()

    def _pass_on(self) -> None:
        """Let another thread lead."""
        if not self._stopped and self._slots.has_idle_thread:
            self._slots.threads.borrow(self._borrow)
        else:
            self._called.release()

    def _lead(self) -> None:
        """Take turns until another thread had better lead."""
        leads = True
        while leads and not self._stopped:
            try:
                leads = self._turn()
                self._pause_s = 0.0
                self._health.answered(self._who)
            except StoreUnavailableError as error:
                self._away(error)
            except Exception as error:  # this thread must outlive its bugs
                log.exception("fetcher failed")
                self._processor.report(error, {"context": self._who})
                self._away(StoreUnavailableError(str(error)))

    def _turn(self) -> bool:
        """Do what there is to do, then sleep; False if another thread had better go on."""
        now = self.turned_at = clock.monotonic()
        self.turns += 1
        self._collect(now)
        self._settler.retry_refused(now)
        if now >= self._resync_at:
            self._resync(now)
        if self._quiet or self._has_stalled(now):
            self._give_back()
        room = 0 if self._quiet else self._pace.target - len(self._slots)
        self._exchange(room, now)
        slots = self._slots
        if not self._settler.waiting and slots.leaders_own is None:
            if slots.has_idle_thread and not slots.leader_is_job_thread and not self._quiet:
                return False
            self._sleep()
        return slots.leaders_own is None

    def _exchange(self, room: int, now: float) -> None:
        """Settle and lease, in one round trip."""
        queues = [] if room <= 0 else self._queues_to_ask(now)
        settling = self._settler.request()
        ops: list[Op[Any]] = [] if settling is None else [settling]
        if queues:
            ops.append(
                leases.lease(
                    self._keys, queues, identity=self._identity, concurrency=self._capsule.concurrency, count=room
                )
            )
        if not ops:
            return
        leased_at = clock.monotonic()
        replies = self._line.request(ops)
        if settling is not None:
            self._settler.answered(replies[0])
        if queues:
            self._leased(queues, replies[-1], room, leased_at)
        self._idle_if_done()  # not before: `quiet` may have come after these jobs were asked for

    # -- leases -------------------------------------------------------------------------------------------------

    def _queues_to_ask(self, now: float) -> list[str]:
        """Return the queues that may have jobs: none while each is waited for."""
        queues = self._quarantine.leave_out(self._capsule.order(), now)
        self._empty = self._empty or not queues
        if all(self._listeners.armed(queue) for queue in queues):
            return []
        return queues

    def _leased(self, queues: list[str], reply: Any, room: int, leased_at: float) -> None:
        if isinstance(reply, WrongTypeError):
            self._quarantine.examine(queues, clock.monotonic())
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
                self._slots.counts.took(queue, len(taken.payloads))
        if found:
            self._accept(found)
        self._empty = len(found) < room
        if self._empty and not self._slots.full:
            for queue in queues:
                if queue not in paused:
                    self._listeners.arm(queue)

    def _adopt(self, found: list[Lease]) -> None:
        """Take over jobs that came one by one."""
        for lease in found:
            self._slots.counts.took(lease.queue, 1)
        self._accept(found)

    def _accept(self, found: list[Lease]) -> None:
        """Take over leased jobs: read them and give them to an executor."""
        works: list[Work] = []
        for lease in found:
            prepared = self._processor.prepare(lease)
            if isinstance(prepared, Settlement):
                self._settler.waiting.append(prepared)
            else:
                works.append(prepared)
        self._slots.put(works)

    def _collect(self, now: float) -> None:
        """Take over what the executors finished."""
        busy = self._slots.full
        ended = self._slots.end(self._done, now)
        self._settler.waiting += ended
        self.count += len(ended)
        if now - self._handed_over_at > _HAND_OVER_S:
            self._hand_over(now)
        if not busy:
            self._pace.pause()
        elif ended:
            self._pace.finished(len(ended), now)

    def _hand_over(self, now: float) -> None:
        self._handed_over_at = now
        self._metrics.add(self._slots.counts.take())

    def _has_stalled(self, now: float) -> bool:
        """Tell whether jobs turned out to be longer than those that the leases ahead were counted by."""
        slots = self._slots
        if len(slots) > 2 * self._pace.target:
            return True
        if now - slots.moved_at < STALL_S or not (slots.pending or slots.waiting):
            return False
        self._pace.stalled()
        return True

    def _give_back(self) -> None:
        """Give back what was not started."""
        self._settler.waiting += [released(lease) for lease in self._slots.take_back()]
        if self._quiet:
            self._disarm()
            self._idle_if_done()

    def _idle_if_done(self) -> None:
        if self._quiet and not (self._slots.leases or self._done or any(self._settler)):
            self._idle.set()

    # -- waiting ------------------------------------------------------------------------------------------------

    def _sleep(self) -> None:
        """Sleep until there is something to do: a job, an outcome, or a look at the clock."""
        slots = self._slots
        if slots.full:
            self._disarm()
        if self._settler.waiting:
            return
        timeout_s = REFUSED_S if self._settler.refused else BLOCK_S
        if slots.waiting or slots.pending:
            timeout_s = STALL_S / 2
        elif not self._quiet and not self._listeners.any_armed and not slots.full:
            timeout_s = 0.5 if self._empty else 0.0  # every queue is paused or bad; or there may be more at once
        self._low = max(0, (self._pace.target - self._capsule.concurrency) // 2)
        self._asleep = True
        if self._done and slots.waiting <= self._low:
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
                self._quarantine.examine([queue], clock.monotonic())
            elif isinstance(answer, Exception):
                raise answer
        if not found:
            return
        free = 0 if self._quiet else self._pace.target - len(self._slots)
        self._adopt(found[:free])
        self._settler.waiting += [released(lease) for lease in found[free:]]
        if self._slots.leaders_own is None:
            select.select((), (), (), 0)  # lets the job's thread have the GIL at once: it starts about 40 us sooner

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
        known = Counter(lease.raw for lease in (*self._slots.leases, *(item.lease for item in self._settler)))
        replies = self._line.request([leases.held(self._keys, queue, self._identity) for queue in queues])
        found = []
        for queue, reply in zip(queues, replies, strict=True):
            if isinstance(reply, Exception):
                continue
            for raw in reversed(reply):
                if known[raw] > 0:
                    known[raw] -= 1
                else:
                    found.append(Lease(queue, raw, now))
        if found:
            log.warning("jobs adopted whose lease had not reached us", extra={"jobs": len(found)})
            if self._quiet:
                self._settler.waiting += [released(lease) for lease in found]
            else:
                self._adopt(found)
        # a wait that Redis did not yet see end may still deliver: look once more when it must be over
        self._resync_at = now + (BLOCK_S + 1.0 if was_away else _RESYNC_S)

    def _last_turn(self) -> None:
        """Give back all that still runs, and settle what can be settled."""
        try:
            self._collect(clock.monotonic())
            self._give_back()
            self._settler.retry_refused(math.inf)
            self._settler.waiting += [released(lease) for lease in self._slots.abandon()]
            self._hand_over(clock.monotonic())
            self._exchange(0, clock.monotonic())
        except StoreError as error:
            log.error(
                "outcomes not settled: their jobs stay leased and another process recovers them",
                extra={"jobs": len(list(self._settler)), "error": str(error)},
            )
        finally:
            self._line.close()
            self._listeners.end()
            self._bell.close()
