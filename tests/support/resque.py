"""RubyResque: Resque 2.7 with resque-scheduler 5, as the commands that they send (spec: resque.md 3), in their order.

Neither can be installed where these tests run. What Ruby would do with a job between two commands, a function does.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.real_redis import RealRedis

PRUNE_S = 300


class DirtyExitError(Exception):
    """Resque::PruneDeadWorkerDirtyExit."""


class RubyResque:
    """A Ruby process with Resque loaded, on one namespace."""

    def __init__(self, redis: RealRedis, namespace: str = "resque", host: str = "web-1", pid: int = 4711) -> None:
        self._client = redis.client
        self._namespace = namespace
        self.host, self.pid = host, pid

    def key(self, name: str) -> str:
        return f"{self._namespace}:{name}"

    # -- a producer ---------------------------------------------------------------------------------------------

    def enqueue(self, queue: str, name: str, *args: Any, **extra: Any) -> str:
        item = encode({"class": name, "args": list(args), **extra})
        self._push(queue, item)
        return item

    def enqueue_at(self, second: int, queue: str, name: str, *args: Any) -> str:
        item = encode({"class": name, "args": list(args), "queue": queue})
        self._client.rpush(self.key(f"delayed:{second}"), item)
        self._client.sadd(self.key(f"timestamps:{item}"), f"delayed:{second}")
        self._client.zadd(self.key("delayed_queue_schedule"), {str(second): second})
        return item

    def dequeue(self, queue: str, name: str, *args: Any) -> int:
        return int(self._client.lrem(self.key(f"queue:{queue}"), 0, encode({"class": name, "args": list(args)})))

    def remove_delayed(self, queue: str, name: str, *args: Any) -> int:
        item = encode({"class": name, "args": list(args), "queue": queue})
        removed = 0
        for name_ in sorted(self._client.smembers(self.key(f"timestamps:{item}"))):
            removed += self._client.lrem(self.key(name_.decode()), 0, item)
            self._client.srem(self.key(f"timestamps:{item}"), name_)
        return removed

    def _push(self, queue: str, item: str | bytes) -> None:
        pipe = self._client.pipeline(transaction=False)
        pipe.sadd(self.key("queues"), queue)
        pipe.rpush(self.key(f"queue:{queue}"), item)
        pipe.execute()

    # -- a worker -----------------------------------------------------------------------------------------------

    def worker_id(self, *queues: str) -> str:
        return f"{self.host}:{self.pid}:{','.join(queues)}"

    def start_worker(self, *queues: str, pids: Sequence[int] = ()) -> str:
        """Start: heartbeat, prune, register; `pids` are those that `ps` shows."""
        worker = self.worker_id(*queues)
        self._client.hdel(self.key("workers:heartbeat"), worker)
        self._client.hset(self.key("workers:heartbeat"), worker, self._now().strftime("%Y-%m-%dT%H:%M:%S+00:00"))
        self.prune(worker, queues, pids)
        pipe = self._client.pipeline(transaction=False)
        pipe.sadd(self.key("workers"), worker)
        pipe.set(self.key(f"worker:{worker}:started"), self._now().strftime("%Y-%m-%d %H:%M:%S +0000"))
        pipe.execute()
        return worker

    def prune(self, me: str, queues: Sequence[str], pids: Sequence[int]) -> None:
        if not self._client.set(self.key("pruning_dead_workers_in_progress"), me, ex=60, nx=True):
            return
        workers = self.workers()
        for raw_id, raw in self._client.hgetall(self.key("workers:heartbeat")).items():
            if (self._now() - datetime.fromisoformat(raw.decode())).total_seconds() > PRUNE_S:
                worker = raw_id.decode()
                self.unregister(worker, f"Worker {worker} did not gracefully exit while processing ")
        for worker, host, pid, its in workers:
            if host != self.host or pid in pids or worker == me:
                continue
            if "*" in queues or set(its) == set(queues):
                self.unregister(worker, "Job still being processed: ")

    def unregister(self, worker: str, problem: str = "") -> None:
        job = self._client.get(self.key(f"worker:{worker}"))
        if job:
            found = json.loads(job)
            problem += found["payload"]["class"]
            self.fail(worker, found["queue"], found["payload"], "Resque::PruneDeadWorkerDirtyExit", problem)
        pipe = self._client.pipeline(transaction=False)
        pipe.srem(self.key("workers"), worker)
        pipe.delete(self.key(f"worker:{worker}"))
        pipe.delete(self.key(f"worker:{worker}:started"))
        pipe.hdel(self.key("workers:heartbeat"), worker)
        pipe.delete(self.key(f"stat:processed:{worker}"))
        pipe.delete(self.key(f"stat:failed:{worker}"))
        pipe.execute()

    def work_off(self, *patterns: str, perform: Callable[[str, list[Any]], Any] = lambda name, args: None) -> list[Any]:
        """Be a worker until its queues are empty, or it is paused; return the items that it ran, in order."""
        worker = self.start_worker(*patterns, pids=[self.pid])
        ran = []
        while (reserved := self._reserve(patterns)) is not None:
            queue, item = reserved
            job = {"queue": queue, "run_at": self._now().strftime("%Y-%m-%dT%H:%M:%SZ"), "payload": item}
            self._client.set(self.key(f"worker:{worker}"), encode(job))
            ran.append(item)
            try:
                perform(item["class"], item["args"] or [])
            except Exception as error:
                self.fail(worker, queue, item, type(error).__name__, str(error))
                self._client.incrby(self.key("stat:failed"), 1)
                self._client.incrby(self.key(f"stat:failed:{worker}"), 1)
            pipe = self._client.pipeline(transaction=False)
            pipe.delete(self.key(f"worker:{worker}"))
            pipe.incrby(self.key("stat:processed"), 1)
            pipe.incrby(self.key(f"stat:processed:{worker}"), 1)
            pipe.execute()
        self.unregister(worker)
        return ran

    def fail(self, worker: str, queue: str, item: Any, kind: str, message: str) -> None:
        record = {
            "failed_at": self._now().strftime("%Y/%m/%d %H:%M:%S UTC"),
            "payload": item,
            "exception": kind,
            "error": message,
            "backtrace": [],
            "worker": worker,
            "queue": queue,
        }
        self._client.rpush(self.key("failed"), encode(record))

    def _reserve(self, patterns: Sequence[str]) -> tuple[str, Any] | None:
        paused = (self._client.get(self.key("pause-all-workers")) or b"").decode().strip().lower()
        if paused == "true":
            return None
        for queue in self.expand(patterns):
            raw = self._client.lpop(self.key(f"queue:{queue}"))
            if raw is not None:
                item = json.loads(raw)  # a worker ends here, if that is no JSON
                item["class"]  # and raises here, if it is an array or a number
                return queue, item
        return None

    def expand(self, patterns: Sequence[str]) -> list[str]:
        if not any(pattern.startswith("!") or set(pattern) & set("*?{}[]") for pattern in patterns):
            return list(patterns)
        known = sorted(name.decode() for name in self._client.smembers(self.key("queues")))
        skipped = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
        found = [name for pattern in patterns for name in known if fnmatch.fnmatchcase(name, pattern)]
        return [
            name for name in dict.fromkeys(found) if not any(fnmatch.fnmatchcase(name, pattern) for pattern in skipped)
        ]

    # -- resque-web ---------------------------------------------------------------------------------------------

    def workers(self) -> list[tuple[str, str, int, list[str]]]:
        """Find all workers as any process of Ruby's does: an id of another shape raises."""
        found = []
        for raw in sorted(self._client.smembers(self.key("workers"))):
            host, pid, queues = raw.decode().split(":", 2)
            assert queues, raw
            found.append((raw.decode(), host, int(pid.partition("-")[0]), queues.split(",")))
        return found

    def working(self) -> dict[str, Any]:
        """What the page `working` shows: by worker queue, class and arguments of its job."""
        found = {}
        for worker, *_ in self.workers():
            raw = self._client.get(self.key(f"worker:{worker}"))
            if raw:
                job = json.loads(raw)
                datetime.strptime(job["run_at"], "%Y-%m-%dT%H:%M:%SZ")
                found[worker] = (job["queue"], job["payload"]["class"], job["payload"]["args"])
        return found

    def failed_page(self) -> list[str]:
        """Render the failed list, with what the real template asks of each record; the oldest first."""
        lines = []
        for raw in self._client.lrange(self.key("failed"), 0, -1):
            job = json.loads(raw)
            where = ":".join(job["worker"].split(":")[:2])
            moment(job["failed_at"])
            if job.get("retried_at"):
                moment(job["retried_at"])
            name = job["payload"]["class"]
            if name.endswith("ResqueAdapter::JobWrapper"):
                name = job["payload"]["args"][0]["job_class"]
            trace = "\n".join(job["backtrace"])
            lines.append(
                f"{where} {job['queue']} {name}{job['payload']['args']} {job['exception']} {job['error']} {trace}"
            )
        return lines

    def requeue(self, index: int) -> None:
        raw = self._client.lindex(self.key("failed"), index)
        job = json.loads(raw)
        job["retried_at"] = self._now().strftime("%Y/%m/%d %H:%M:%S")
        self._client.lset(self.key("failed"), index, encode(job))
        self._push(job["queue"], encode({"class": job["payload"]["class"], "args": job["payload"]["args"]}))

    def remove_failure(self, index: int) -> None:
        self._client.lset(self.key("failed"), index, "")
        self._client.lrem(self.key("failed"), 1, "")

    # -- resque-scheduler ---------------------------------------------------------------------------------------

    @property
    def lock_key(self) -> str:
        return self.key(f"{self._namespace}:resque_scheduler_master_lock")

    def is_master(self) -> bool:
        me = f"{self.host}.example.net:{self.pid}"
        if self._client.set(self.lock_key, me, nx=True, ex=180):
            return True
        return bool(self._client.get(self.lock_key) == me.encode() and self._client.expire(self.lock_key, 180))

    def release(self) -> None:
        self._client.delete(self.lock_key)

    def move_due(self) -> int:
        """One loop of a scheduler: nothing unless it is master."""
        moved = 0
        while self.is_master():
            now = int(self._now().timestamp())
            due = self._client.zrangebyscore(self.key("delayed_queue_schedule"), "-inf", now, start=0, num=1)
            if not due:
                break
            second = str(int(due[0]))
            name = f"delayed:{second}"
            for raw in self._client.lrange(self.key(name), 0, 99):
                item = json.loads(raw)
                self._push(item["queue"], encode({"class": item["class"], "args": item["args"]}))
                self._client.srem(self.key(f"timestamps:{raw.decode()}"), name)
                moved += 1
            self._client.ltrim(self.key(name), 100, -1)
            if self._client.llen(self.key(name)) == 0:
                self._client.delete(self.key(name))
                self._client.zrem(self.key("delayed_queue_schedule"), second)
        return moved

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._client.time()[0], UTC)


def encode(value: Any) -> str:
    """Write JSON as MultiJson does: compact, no escapes beyond ASCII."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def moment(text: str) -> datetime:
    """Read a date as DateTime.parse takes those of failures."""
    return datetime.strptime(text.removesuffix(" UTC"), "%Y/%m/%d %H:%M:%S").replace(tzinfo=UTC)


def ago(seconds: float) -> str:
    """Return a moment as heartbeats have it."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S+00:00")
