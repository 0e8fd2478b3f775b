"""What the checks go by: all that is asked of Redis, within bounds. It judges nothing.

However large the database is, it takes some dozens of round trips and reads a few megabytes; what was left out is
noted. Where this user may not ask, or something else stands under a key, facts are empty.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from redisjobs import clock
from redisjobs.inspector.doctor.look import Look
from redisjobs.inspector.doctor.seen import Seen, seen
from redisjobs.inspector.processes import Process, ProcessSet
from redisjobs.inspector.resque import Resque, ResqueWorker
from redisjobs.inspector.work import Work, WorkSet
from redisjobs.store.keys import Keys
from redisjobs.store.ops import diagnosis, leases, queues, server
from redisjobs.store.ops.diagnosis import Sampled, Slow
from redisjobs.store.resque_keys import ResqueKeys, matching
from redisjobs.wire.times import Wire

_PINGS = 7
_SLOW = 64
_MAX_QUEUES = 2000
_MAX_SAMPLED = 100  # queues
_EACH_END = 20
_MAX_OWNERS = 5000
_SCANS = 50
_SCANNED = 1000  # keys in one step
_NOTHING = Sampled(0, [])


class QueueFacts(Struct, frozen=True):
    """One queue: how many jobs wait, some of them, and since when (Unix seconds) the one that runs next waits."""

    name: str
    size: int
    paused: bool
    jobs: Sequence[Seen]
    since: float | None


class SetFacts(Struct, frozen=True):
    """The retry or the schedule set: some of its jobs, and the moments when they are due."""

    name: str
    size: int
    jobs: Sequence[Seen]
    due_at: Sequence[float]


class LeaseFacts(Struct, frozen=True):
    """What a process holds of a queue, and whether it has a heartbeat."""

    queue: str
    identity: str
    count: int
    alive: bool


class Beat(Struct, frozen=True):
    """The last heartbeat of a process: when it was by that one's clock, and for how long it still counts by Redis'."""

    at: float | None
    left_s: float | None


class ServerFacts(Struct, frozen=True):
    """The server: what it tells of itself, and how fast it answers. `off_s`: how far our clock is ahead of its own."""

    info: dict[str, str]
    settings: dict[str, str]
    slow: list[Slow]
    ping_s: float
    now: float
    off_s: float

    def number(self, name: str) -> float:
        """Return a figure, 0 if it does not tell."""
        try:
            return float(self.info.get(name, 0))
        except ValueError:
            return 0.0


class Facts(Struct, frozen=True):
    """All that is known; `wire` is how this app writes times, `beats` are those of the processes.

    `elsewhere`: by queue, Ruby's workers on Resque, which keeps a registry of its own.
    """

    keys: Keys
    wire: Wire
    server: ServerFacts
    wrong_types: list[tuple[str, str, str]]
    queues: list[QueueFacts]
    sets: list[SetFacts]
    processes: list[Process]
    listening: dict[str, list[Process]]
    elsewhere: dict[str, list[str]]
    beats: dict[str, Beat]
    works: list[Work]
    leases: list[LeaseFacts]
    strays: list[LeaseFacts]

    @property
    def now(self) -> float:
        """The server's clock when it was asked, Unix seconds."""
        return self.server.now

    @property
    def jobs(self) -> list[Seen]:
        """All jobs that were sampled."""
        return [job for queue in self.queues for job in queue.jobs] + [job for one in self.sets for job in one.jobs]

    def listeners(self, queue: str) -> list[Process]:
        """Return the processes that take jobs of a queue."""
        return self.listening.get(queue, [])


def gather(look: Look, wire: Wire) -> Facts:
    """Ask for everything.

    Raises:
        StoreUnavailableError: Redis does not answer.
    """
    found = _server(look)
    all_names = look.ask("queues", queues.names(look.keys), [])
    names = look.some(all_names, _MAX_QUEUES, "queues")
    processes: list[Process] = look.read("processes", lambda: list(ProcessSet(look.access, abilities=True)), [])
    held = _leases(look, names)
    return Facts(
        keys=look.keys,
        wire=wire,
        server=found,
        wrong_types=_wrong_types(look, names),
        queues=_queues(look, names),
        sets=[_set(look, "retry", look.keys.retry), _set(look, "schedule", look.keys.schedule)],
        processes=processes,
        listening=_listening(look, names, processes),
        elsewhere=_elsewhere(look, names),
        beats=_beats(look, [process.identity for process in processes]),
        works=look.read("processes", lambda: list(WorkSet(look.access)), []),
        leases=held,
        strays=_strays(look, {(lease.queue, lease.identity) for lease in held}),
    )


def _server(look: Look) -> ServerFacts:
    ping_s = sorted(_ping_s(look) for _ in range(_PINGS))[_PINGS // 2]
    sent = clock.now()
    now = look.ask("clock", diagnosis.now(), sent)
    off_s = (sent + clock.now()) / 2 - now
    settings = {name: look.ask("settings", diagnosis.setting(name), "") for name in ("save", "appendfsync")}
    slow = look.ask("slowlog", diagnosis.slow(_SLOW), [])
    return ServerFacts(look.ask("info", diagnosis.info(), {}), settings, slow, ping_s, now, off_s)


def _ping_s(look: Look) -> float:
    sent = clock.monotonic()
    look.ask("ping", server.ping(), None)
    return clock.monotonic() - sent


def _wrong_types(look: Look, names: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return the keys that something else wrote to: each with the type it has and the one it should have."""
    keys = look.keys
    known = [keys.queues, keys.schedule, keys.retry, keys.dead, keys.processes, keys.paused, keys.lease_queues]
    known += [keys.stat("processed"), keys.stat("failed"), *(keys.queue(name) for name in names)]
    kinds = look.ask_all("types", list(server.kinds(known).ops), "none")
    pairs = zip(known, kinds, strict=True)
    return [(key, kind, keys.kind(key)) for key, kind in pairs if kind not in ("none", keys.kind(key))]


def _queues(look: Look, names: Sequence[str]) -> list[QueueFacts]:
    """Look at all queues, and at more jobs of the longest ones."""
    paused = look.ask("queues", queues.paused(look.keys), [])
    sizes = look.ask_all("queues", [queues.size(look.keys, name) for name in names], 0)
    longest = sorted((pair for pair in zip(sizes, names, strict=True) if pair[0]), reverse=True)
    more = {name for _, name in look.some(longest, _MAX_SAMPLED, "queues were sampled")}
    wanted = [diagnosis.sample(look.keys.queue(name), count=_EACH_END if name in more else 1) for name in names]
    found = []
    for name, sampled in zip(names, look.ask_all("samples", wanted, _NOTHING), strict=True):
        jobs = [seen(f"queue {name}", sample, name) for sample in sampled.entries]
        since = jobs[-1].since if jobs else None
        found.append(QueueFacts(name, sampled.length, name in paused, jobs, since))
    return found


def _set(look: Look, name: str, key: str) -> SetFacts:
    sampled = look.ask("samples", diagnosis.sample(key, count=_EACH_END), _NOTHING)
    jobs = [seen(f"{name} set", sample) for sample in sampled.entries]
    return SetFacts(name, sampled.length, jobs, [sample.score or 0.0 for sample in sampled.entries])


def _listening(look: Look, names: Sequence[str], processes: Sequence[Process]) -> dict[str, list[Process]]:
    found: dict[str, list[Process]] = {}
    for process in processes:
        told = matching(process.queues, names) if look.keys.has_patterns else process.queues
        for queue in told if not process.quieted else ():
            found.setdefault(queue, []).append(process)
    return found


def _elsewhere(look: Look, names: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if isinstance(look.keys, ResqueKeys):
        workers: list[ResqueWorker] = look.read("processes", lambda: Resque(look.access).workers, [])
        for worker in workers:
            for queue in matching(worker.queues, names) if not worker.is_ours else ():
                found.setdefault(queue, []).append(worker.id)
    return found


def _beats(look: Look, identities: Sequence[str]) -> dict[str, Beat]:
    """Read both halves of each beat side by side: a beat between them would look like a wrong clock."""
    both = [op(look.keys, identity) for identity in identities for op in (diagnosis.beat_at, diagnosis.left_s)]
    told = look.ask_all("processes", both, None)
    return {name: Beat(at, left) for name, at, left in zip(identities, told[::2], told[1::2], strict=True)}


def _leases(look: Look, names: Sequence[str]) -> list[LeaseFacts]:
    """Return who holds or may hold jobs, as workers of ours keep account of it."""
    keys = look.keys
    led = sorted({*names, *look.ask("leases", leases.leased_queues(keys), [])})
    led = list(look.some(led, _MAX_OWNERS, "queues were searched for leases"))
    owners = look.ask_all("leases", [leases.owners(keys, queue) for queue in led], [])
    pairs = [(queue, identity) for queue, found in zip(led, owners, strict=True) for identity in found]
    pairs = list(look.some(pairs, _MAX_OWNERS, "owners of leases"))
    return _held(look, pairs)


def _strays(look: Look, known: set[tuple[str, str]]) -> list[LeaseFacts]:
    """Return the lease lists that nobody keeps account of; looks at no more than some ten thousand keys."""
    cursor, found = 0, set[tuple[str, str]]()
    for _ in range(_SCANS):
        cursor, pairs = look.ask("scan", diagnosis.leases(look.keys, cursor, count=_SCANNED), (0, []))
        found.update(pairs)
        if cursor == 0:
            break
    else:
        look.partial.append(f"{_SCANS * _SCANNED:,} keys were searched for leases without an owner, there are more")
    return [lease for lease in _held(look, sorted(found - known)) if lease.count]


def _held(look: Look, pairs: Sequence[tuple[str, str]]) -> list[LeaseFacts]:
    keys = look.keys
    counts = look.ask_all("leases", [diagnosis.leased(keys, queue, identity) for queue, identity in pairs], 0)
    identities = sorted({identity for _, identity in pairs})
    left = look.ask_all("leases", [diagnosis.left_s(keys, identity) for identity in identities], None)
    alive = {identity for identity, left_s in zip(identities, left, strict=True) if left_s is not None}
    return [
        LeaseFacts(queue, identity, count, identity in alive)
        for (queue, identity), count in zip(pairs, counts, strict=True)
    ]
