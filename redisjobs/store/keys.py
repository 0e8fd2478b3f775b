r"""Every key: its name, type, writer and lifetime.

| key | type | content | written by | TTL |
|---|---|---|---|---|
| `queues` | set | names of queues | push, promote | - |
| `queue:<name>` | list | payloads, next to run at the tail | push, promote, recover, settle | - |
| `schedule`, `retry`, `dead` | zset | payloads; score in seconds | schedule, settle, bury | - |
| `stat:processed`, `stat:failed` | integer | runs; failed count in both | settle | - |
| `stat:processed:YYYY-MM-DD`, `stat:failed:...` | integer | the same by UTC day | settle | 5 years |
| `processes` | set | identities | beat | - |
| `<identity>` | hash | info, concurrency, busy, beat, quiet, rss, rtt_us; redisjobs (ours) | beat | heartbeat |
| `<identity>:work`, `<identity>:workers` | hash | what runs (generations 7, 8; 6) | beat | heartbeat |
| `<identity>-signals` | list | `TSTP`, `TERM`, `TTIN` for that process | inspector | 60 s |
| `it-<jid>` | hash | how far an iterable job of Ruby's is; `cancelled` | cancel_iteration | 30 d |
| `paused` | set | names of queues that nobody may take from | inspector | - |
| `j\|<bucket>` | hash | per class, of a minute or ten: runs, failures, ms (spec: 2.5) | tally | 8 h, 3 d |
| `h\|<class>-<minute>`, `<class>-<minute>` | integer | a minute's histogram (generations 8; 7) | tally | 8 h |
| `<day>-marks` | hash | minute of a deploy, ISO 8601 -> its label | mark | 90 d |

All of the above are Sidekiq's (spec: sidekiq.md 2). These are Exq's and Verk's, as far as we know of them:

| key | type | content | written by | TTL |
|---|---|---|---|---|
| `queue:backup::<node>::<queue>` | list | payloads that an Exq node holds, newest at the head | adopt | - |
| `unique:<token>` | string | the jid of the job that holds the lock | unlock | the lock's |
| `heartbeats` | zset | Exq nodes by the second of their last beat | forget | - |
| `inprogress:<queue>:<node>` | list | payloads that a Verk node holds, newest at the head | adopt | - |
| `verk_nodes` | set | Verk nodes | forget | - |
| `verk:node:<node>` | string | `alive`; we only look for it | forget | 60 s |
| `verk:node:<node>:queues` | set | the queues that a Verk node took from | forget | - |

Below are ours. The braces put each into the cluster
slot of the key that stands in them, its namespace included. In a Redis Cluster the namespace itself has braces
(`{jobs}`): being the first ones they count, so that all keys are in one slot.

| key | type | content | written by | TTL |
|---|---|---|---|---|
| `lease:{queue:<name>}:<identity>` | list | payloads it holds, newest at the head | lease, settle | - |
| `lease-owners:{queue:<name>}` | hash | identity -> its concurrency: who may hold leases here | lease, recover | - |
| `lease-queues` | set | names of queues that our workers ever listened to | beat | - |
| `lease-recovered:{queue:<name>}:<digest>` | integer | its recoveries while it ran | recover | 72 h |
| `pushed:{<target>}:<producer>` | integer | the last push of a producer that was stored | push, schedule | 10 min |
| `watched` | stream | starts and ends of jobs, while somebody watches | keep, tell | 30 s |
| `<identity>-cancels` | list | `["thread","jid"]` of runs to be ended | cancel | 60 s |
| `tallied:<identity>` | integer | the last of a process's sums that was added | tally | 10 min |
| `web-tasks` | hash | bulk work of the web UI: how far it is, and `<id>:stop` | inspector | 1 h |
| `tallied:twice\|<bucket>` | hash | what of a minute's sums stands under the keys of 7 and of 8 | tally | 8 h |
| `lease-taken` | hash | queue -> jobs that our workers took of it and did not give back | tally | 30 d |
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from redisjobs.wire.times import Wire


class Keys(Struct, frozen=True):
    """The names of all keys under one namespace; `namespace` is put before each, as redis-namespace does.

    `wire`: whose Redis this is. It decides on what is written there besides payloads.

    `next_end` is the end of a queue where its next job stands (`L` or `R`), `last_end` where new ones go;
    `has_patterns`: a worker may be told patterns of queues; `has_metrics`: there is a page that shows them.
    """

    next_end: ClassVar[str] = "R"
    last_end: ClassVar[str] = "L"
    has_patterns: ClassVar[bool] = False
    has_metrics: ClassVar[bool] = True

    namespace: str = ""
    wire: Wire = "sidekiq8"

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

    @property
    def watched(self) -> str:
        return self._key("watched")

    @property
    def lease_taken(self) -> str:
        return self._key("lease-taken")

    @property
    def exq_heartbeats(self) -> str:
        return self._key("heartbeats")

    @property
    def verk_nodes(self) -> str:
        return self._key("verk_nodes")

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

    def tallied(self, identity: str) -> str:
        return self._key(f"tallied:{identity}")

    @property
    def web_tasks(self) -> str:
        return self._key("web-tasks")

    def tallied_twice(self, bucket: str) -> str:
        return self._key(f"tallied:twice|{bucket}")

    def marks(self, day: str) -> str:
        return self._key(f"{day}-marks")

    def runs(self, bucket: str) -> str:
        return self._key(f"j|{bucket}")

    def histogram(self, class_name: str, minute: str) -> str:
        return self._key(f"h|{class_name}-{minute}")

    def histogram7(self, class_name: str, minute: str) -> str:
        return self._key(f"{class_name}-{minute}")

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

    def cancels(self, identity: str) -> str:
        return self._key(f"{identity}-cancels")

    def iteration(self, jid: str) -> str:
        return self._key(f"it-{jid}")

    def exq_backup(self, node: str, queue: str) -> str:
        return self._key(f"queue:backup::{node}::{queue}")

    def exq_unique(self, token: str) -> str:
        return self._key(f"unique:{token}")

    def verk_inprogress(self, queue: str, node: str) -> str:
        return self._key(f"inprogress:{queue}:{node}")

    def verk_node(self, node: str) -> str:
        return self._key(f"verk:node:{node}")

    def verk_node_queues(self, node: str) -> str:
        return self._key(f"verk:node:{node}:queues")

    def kind(self, key: str) -> str:
        """Return the type that one of the keys above, Sidekiq's ones, has if nobody else wrote there."""
        if key in (self.queues, self.processes, self.paused, self.lease_queues, self.verk_nodes):
            return "set"
        if key in (self.schedule, self.retry, self.dead, self.exq_heartbeats):
            return "zset"
        if key == self.watched:
            return "stream"
        if key.startswith(self.stat("")):
            return "string"
        lists = (self.queue(""), self.verk_inprogress("", "").removesuffix(":"))
        return "list" if key.startswith(lists) or key.endswith(("-signals", "-cancels")) else "hash"
