"""All workers at once, as the page about them shows it: processes, what they run, and what they took ahead of that.

However many processes there are, a look is ten round trips at most: what is asked of each goes out together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from redisjobs.inspector.access import Access
from redisjobs.inspector.processes import Process, ProcessSet
from redisjobs.inspector.work import Work, WorkSet
from redisjobs.store.ops import diagnosis, leases


@dataclass(frozen=True)
class Member:
    """A process, what it runs (the longest-running first), and how many jobs it holds, running or not.

    Only ours hold jobs: what others have taken and not finished stands nowhere.
    """

    process: Process
    running: tuple[Work, ...]
    held: int

    @property
    def ahead(self) -> int:
        """How many it has leased ahead of those that it runs; as good as a heartbeat that is seconds old."""
        return max(0, self.held - self.process.busy)


class Fleet:
    """The processes that have a heartbeat, as of one look; `at` is when that was, in Unix seconds of Redis' clock."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self.at: float = access.run(diagnosis.now())

    @cached_property
    def members(self) -> list[Member]:
        """All of them, by host and process id."""
        running: dict[str, list[Work]] = {}
        for work in WorkSet(self._access):
            running.setdefault(work.process, []).append(work)
        held = self._held()
        found = sorted(ProcessSet(self._access), key=lambda one: (one.hostname, one.pid, one.identity))
        return [Member(one, tuple(running.get(one.identity, ())), held[one.identity]) for one in found]

    @property
    def busy(self) -> int:
        """How many jobs run."""
        return sum(member.process.busy for member in self.members)

    @property
    def concurrency(self) -> int:
        """How many may run at once."""
        return sum(member.process.concurrency for member in self.members)

    def uptime_s(self, process: Process) -> float:
        """How long a process has lived, in seconds; 0 if it does not say when it began."""
        return max(0.0, self.at - process.started_at) if process.started_at else 0.0

    def quiet(self) -> list[Process]:
        """Have all take no more jobs, but for those embedded in other programs; return who was told."""
        return self._tell(Process.quiet)

    def stop(self) -> list[Process]:
        """Have all end, likewise."""
        return self._tell(Process.stop)

    def dump_threads(self) -> list[Process]:
        """Have all write to their logs what their threads do, likewise."""
        return self._tell(Process.dump_threads)

    def _tell(self, what: Callable[[Process], None]) -> list[Process]:
        told = [member.process for member in self.members if not member.process.embedded]
        for process in told:
            what(process)
        return told

    def _held(self) -> Counter[str]:
        """Count what each process holds."""
        keys = self._access.keys
        queues: list[str] = self._access.run(leases.leased_queues(keys))
        owners = self._access.gather([leases.owners(keys, queue) for queue in queues])
        pairs = [
            (queue, identity)
            for queue, found in zip(queues, owners, strict=True)
            if isinstance(found, list)  # no error about a key of another type
            for identity in found
        ]
        counts = self._access.gather([diagnosis.leased(keys, queue, identity) for queue, identity in pairs])
        held: Counter[str] = Counter()
        for (_, identity), count in zip(pairs, counts, strict=True):
            held[identity] += count if isinstance(count, int) else 0
        return held
