"""The keys of Resque, resque-scheduler and resque-retry, beside our own ones: name, type, writer and lifetime.

| key | type | content | written by | TTL |
|---|---|---|---|---|
| `workers` | set | ids of workers, one per slot of ours | resque_beat, resque_leave | - |
| `worker:<worker>` | string | what it runs; missing: nothing | resque_beat, resque_leave | - |
| `worker:<worker>:started` | string | when it started | resque_beat, resque_leave | - |
| `workers:heartbeat` | hash | id -> the moment, ISO 8601 | resque_beat, resque_leave | - |
| `stat:processed:<worker>`, `stat:failed:<worker>` | string | its runs, and those that failed | resque_settle | - |
| `failed` | list | failure records, the oldest first | resque_settle, inspector | - |
| `pause-all-workers` | string | `true`: no worker takes anything | inspector | - |
| `delayed_queue_schedule` | zset | seconds, each its own score | resque_schedule, resque_settle, resque_promote | - |
| `delayed:<second>` | list | what is due in that second | resque_schedule, resque_settle, resque_promote | - |
| `timestamps:<item>` | set | its `delayed:` lists | resque_schedule, resque_settle, resque_promote | - |
| `taken:{queue:<queue>}:<identity>` | hash | digest -> how many of those jobs others gave back | recover | 72 h |
| `settled:<settler>` | zset | numbers of the lots that it settled | resque_settle | 1 h |
| `persistent_schedules` | hash | name -> what to enqueue when | save_recurring, delete_recurring | - |
| `schedules_changed` | set | names that schedulers have to read again | save_recurring, delete_recurring | - |
| `resque-retry:<job>` | string | how often a job was tried again | begin_attempt | - |
| `failure-resque-retry:<job>` | string | why it failed the last time | note_failure | twice its delay |

The lock of the scheduler that moves what is due is Ruby's alone to write: `<namespace>:resque_scheduler_master_lock`,
under the namespace once more, for 180 s.

Our own ones (`lease:...`, `processes`, `<identity>`, `paused`, `pushed:...`) are those of `redisjobs.store.keys`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from msgspec import structs

from redisjobs.lazy import LazyModule
from redisjobs.store.keys import Keys

if TYPE_CHECKING:
    import fnmatch
else:
    fnmatch = LazyModule("fnmatch")


class ResqueKeys(Keys, frozen=True):
    """The names of all keys of a Resque; `namespace` is `resque` unless it was told otherwise."""

    next_end: ClassVar[str] = "L"
    last_end: ClassVar[str] = "R"
    has_patterns: ClassVar[bool] = True
    has_metrics: ClassVar[bool] = False

    namespace: str = "resque"
    listens: str = ""
    """The queues that a worker names in its ids."""

    @property
    def worker_ids(self) -> str:
        return self._key("workers")

    @property
    def heartbeats(self) -> str:
        return self._key("workers:heartbeat")

    @property
    def failed(self) -> str:
        return self._key("failed")

    @property
    def pause_all(self) -> str:
        return self._key("pause-all-workers")

    @property
    def delayed_schedule(self) -> str:
        return self._key("delayed_queue_schedule")

    @property
    def recurring(self) -> str:
        return self._key("persistent_schedules")

    @property
    def recurring_changed(self) -> str:
        return self._key("schedules_changed")

    @property
    def scheduler_lock(self) -> str:
        """The namespace stands in it twice, as resque-scheduler has it."""
        return f"{self.all_under}{self.namespace}:resque_scheduler_master_lock"

    def worker(self, worker: str) -> str:
        return self._key(f"worker:{worker}")

    def worker_started(self, worker: str) -> str:
        return self._key(f"worker:{worker}:started")

    def worker_stat(self, name: str, worker: str) -> str:
        return self._key(f"stat:{name}:{worker}")

    def delayed(self, second: str) -> str:
        return self._key(f"delayed:{second}")

    def timestamps(self, item: str) -> str:
        return self._key(f"timestamps:{item}")

    def taken(self, queue: str, identity: str) -> str:
        return self._key(f"taken:{{{self.queue(queue)}}}:{identity}")

    def settled(self, settler: str) -> str:
        return self._key(f"settled:{settler}")

    def attempts(self, job: str) -> str:
        return self._key(f"resque-retry:{job}")

    def last_failure(self, job: str) -> str:
        return self._key(f"failure-resque-retry:{job}")

    def listening(self, queues: Iterable[str]) -> ResqueKeys:
        """Return the same, for a worker that was told to take from these queues."""
        return structs.replace(self, listens=",".join(name for name in queues if name[0] != "!") or "none")

    def worker_start(self, identity: str) -> str:
        """Return what the ids of a process' workers start with.

        The host is none: a starting worker of Ruby's removes all of its own host whose process it does not find.
        """
        host, pid, digits = identity.rsplit(":", 2)
        return f"{host.replace(':', '.')}.redisjobs:{pid}-{digits}-"

    def worker_id(self, identity: str, slot: int = 1) -> str:
        """Return the id of one of a process' workers, `host:pid:queues`; one for each job that it can run at once."""
        return f"{self.worker_start(identity)}{slot}:{self.listens}"

    @property
    def all_under(self) -> str:
        """What stands before every key; scripts make those that hold a moment or an item."""
        return f"{self.namespace}:" if self.namespace else ""

    def kind(self, key: str) -> str:
        """Return the type that one of the keys above, or of Sidekiq's, has if nobody else wrote there."""
        if key == self.worker_ids or key.startswith(self.timestamps("")):
            return "set"
        if key == self.failed or key.startswith(self.delayed("")):
            return "list"
        if key in (self.heartbeats, self.recurring) or key.startswith(f"{self.all_under}taken:"):
            return "hash"
        if key == self.delayed_schedule or key.startswith(self.settled("")):
            return "zset"
        if key == self.pause_all or key.startswith(self.worker("")):
            return "string"
        return super().kind(key)


def is_pattern(name: str) -> bool:
    """Tell whether Resque takes a name for more than the queue of that name."""
    return name[0] == "!" or any(char in name for char in "*?{}[]")


def matching(names: Sequence[str], known: Iterable[str]) -> list[str]:
    """Return the queues that names and patterns stand for, in Resque's order; `known` are all that there are."""
    known = sorted(known)
    skipped = [name[1:] for name in names if name[0] == "!"]
    found: dict[str, None] = {}
    for name in names:
        if is_pattern(name) or skipped:
            found |= dict.fromkeys(queue for queue in known if _fits(queue, name))
        else:
            found[name] = None
    return [queue for queue in found if not any(_fits(queue, pattern) for pattern in skipped)]


def _fits(queue: str, pattern: str) -> bool:
    """Tell whether a queue is meant, as Ruby's File.fnmatch has it: a dot in front only by itself, `[^a]` for no a."""
    if queue.startswith(".") and not pattern.startswith("."):
        return False
    return fnmatch.fnmatchcase(queue, pattern.replace("[^", "[!"))
