"""Every key: its name, type, writer and lifetime.

| key | type | content | written by | TTL |
|---|---|---|---|---|
| `queues` | set | names of queues | push, promote | - |
| `queue:<name>` | list | payloads, next to run at the tail | push, promote, recover, settle | - |
| `schedule`, `retry`, `dead` | zset | payloads; score in seconds | schedule, settle, bury | - |
| `stat:processed`, `stat:failed` | integer | runs; failed count in both | settle | - |
| `stat:processed:YYYY-MM-DD`, `stat:failed:...` | integer | the same by UTC day | settle | 5 years |
| `processes` | set | identities | beat | - |
| `<identity>` | hash | info, concurrency, busy, beat, quiet, rss, rtt_us | beat | heartbeat |
| `<identity>:work`, `<identity>:workers` | hash | what runs (generations 7, 8; 6) | beat | heartbeat |
| `<identity>-signals` | list | `TSTP`, `TERM`, `TTIN` for that process | inspector | 60 s |
| `paused` | set | names of queues that nobody may take from | inspector | - |

All of the above are Sidekiq's (spec: sidekiq.md 2); below are ours. The braces put each into the cluster
slot of the key that stands in them, its namespace included. In a Redis Cluster the namespace itself has braces
(`{jobs}`): being the first ones they count, so that all keys are in one slot.

| key | type | content | written by | TTL |
|---|---|---|---|---|
| `lease:{queue:<name>}:<identity>` | list | payloads it holds, newest at the head | lease, settle | - |
| `lease-owners:{queue:<name>}` | hash | identity -> its concurrency: who may hold leases here | lease, recover | - |
| `lease-queues` | set | names of queues that our workers ever listened to | beat | - |
| `lease-recovered:{queue:<name>}:<digest>` | integer | its recoveries while it ran | recover | 72 h |
| `pushed:{<target>}:<producer>` | integer | the last push of a producer that was stored | push, schedule | 10 min |
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct


class Keys(Struct, frozen=True):
    """The names of all keys under one namespace; `namespace` is put before each, as redis-namespace does.

    `next_end` is the end of a queue where its next job stands (`L` or `R`), `last_end` where new ones go;
    `has_patterns`: a worker may be told patterns of queues.
    """

    next_end: ClassVar[str] = "R"
    last_end: ClassVar[str] = "L"
    has_patterns: ClassVar[bool] = False

    namespace: str = ""

    def _key(self, name: str) -> str:
        return f"{self.namespace}:{name}" if self.namespace else name

    @property
    def queues(self) -> str:
        return self._key("queues")

    @property
    def schedule(self) -> str:
        return self._key("schedule")

    @property
    def retry(self) -> str:
        return self._key("retry")

    @property
    def dead(self) -> str:
        return self._key("dead")

    @property
    def processes(self) -> str:
        return self._key("processes")

    @property
    def paused(self) -> str:
        return self._key("paused")

    @property
    def lease_queues(self) -> str:
        return self._key("lease-queues")

    def queue(self, name: str) -> str:
        return self._key(f"queue:{name}")

    def lease(self, queue: str, identity: str) -> str:
        return self._key(f"lease:{{{self.queue(queue)}}}:{identity}")

    def lease_owners(self, queue: str) -> str:
        return self._key(f"lease-owners:{{{self.queue(queue)}}}")

    def lease_recovered(self, queue: str) -> str:
        """The start of the key; the script adds the payload's digest."""
        return self._key(f"lease-recovered:{{{self.queue(queue)}}}:")

    def pushed(self, target: str, producer: str) -> str:
        """`target` is the key that the producer pushes to."""
        return self._key(f"pushed:{{{target}}}:{producer}")

    def stat(self, name: str, day: str = "") -> str:
        return self._key(f"stat:{name}:{day}" if day else f"stat:{name}")

    def process(self, identity: str) -> str:
        return self._key(identity)

    def work(self, identity: str) -> str:
        return self._key(f"{identity}:work")

    def workers(self, identity: str) -> str:
        return self._key(f"{identity}:workers")

    def signals(self, identity: str) -> str:
        return self._key(f"{identity}-signals")

    def kind(self, key: str) -> str:
        """Return the type that one of the keys above, Sidekiq's ones, has if nobody else wrote there."""
        if key in (self.queues, self.processes, self.paused, self.lease_queues):
            return "set"
        if key in (self.schedule, self.retry, self.dead):
            return "zset"
        if key.startswith(self.stat("")):
            return "string"
        return "list" if key.startswith(self.queue("")) or key.endswith("-signals") else "hash"
