"""Exq and Verk, who cannot be installed here: what they write, and the commands that they send, by their specs.

Each method is one operation of exq v0.23.0 (`ExqNode`) or verk v1.7.3 (`VerkNode`) on Redis, in their order; their
scripts are replayed by their effect, atomically. What makes them crash, crashes here too.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

EXQ_JOB: dict[str, Any] = {
    "args": ["a", 1],
    "class": "My.Worker",
    "enqueued_at": 1714566600.123456,
    "jid": "5f1c0f3e-7c0b-4f57-9d0e-0d6d6b1c9a11",
    "queue": "default",
    "retry": 25,
}
EXQ_RETRY: dict[str, Any] = {
    **EXQ_JOB,
    "error_class": None,
    "error_message": '{%RuntimeError{message: "boom"}, […]}',
    "failed_at": 1714566601.2,
    "finished_at": None,
    "processor": None,
    "retried_at": 1714566601.2,
    "retry_count": 1,
}
EXQ_INFO: dict[str, Any] = {
    "busy": 1,
    "concurrency": 0,
    "hostname": "web-1",
    "identity": "web-1",
    "labels": [],
    "pid": "4711",
    "queues": ["default"],
    "quiet": False,
    "started_at": 1714566000.0,
    "tag": "",
}
VERK_JOB: dict[str, Any] = {
    "args": "[1,2]",
    "class": "ExampleWorker",
    "created_at": None,
    "enqueued_at": 1714566600,
    "error_backtrace": None,
    "error_message": None,
    "failed_at": None,
    "finished_at": None,
    "jid": "29384756123456789",
    "max_retry_count": 25,
    "queue": "default",
    "retried_at": None,
    "retry_count": 0,
}
VERK_RETRY: dict[str, Any] = {
    **VERK_JOB,
    "error_backtrace": "    (app) lib/example_worker.ex:5: ExampleWorker.perform/2\n",
    "error_message": "boom",
    "failed_at": 1714566601,
    "retry_count": 1,
}


class CrashError(Exception):
    """The real one would crash, or lose a job, over what it met."""


@dataclass
class ExqNode:
    """An Exq node: `client` is a redis-py client, `namespace` as in its configuration, empty for none."""

    client: Any
    name: str = "web-1"
    namespace: str = "exq"
    telemetry: bool = True

    def key(self, name: str) -> str:
        return f"{self.namespace}:{name}" if self.namespace else name

    def bare(self, name: str) -> str:
        """A key as Exq builds it by concatenation: the colon stays without a namespace."""
        return f"{self.namespace}:{name}"

    def enqueue(self, **changes: Any) -> str:
        job = {**EXQ_JOB, **changes}
        _script(
            self.client,
            'redis.call("SADD", KEYS[1], ARGV[1]) return redis.call("LPUSH", KEYS[2], ARGV[2])',
            [self.key("queues"), self.key(f"queue:{job['queue']}")],
            [job["queue"], json.dumps(job)],
        )
        return str(job["jid"])

    def enqueue_at(self, due: float, **changes: Any) -> None:
        self.client.zadd(self.key("schedule"), {json.dumps({**EXQ_JOB, "enqueued_at": due, **changes}): due})

    def take(self, queue: str = "default") -> dict[str, Any] | None:
        """Dequeue one job and decode it as `before_work` does; it stays in the backup list."""
        raw = self.client.rpoplpush(self.key(f"queue:{queue}"), self.key(f"queue:backup::{self.name}::{queue}"))
        if raw is None:
            return None
        job = _object(raw)
        if not isinstance(job.get("class"), str):
            raise CrashError("before_work: no class")
        if self.telemetry:
            _human_time(job.get("enqueued_at"), needed=True)
        if not isinstance(job.get("args"), list):
            raise CrashError(f"badarg: args {job.get('args')!r}")
        self.client.hset(
            self.key(f"{self.name}:workers"),
            "#PID<0.703.0>",
            json.dumps(
                {
                    "host": self.name,
                    "payload": raw.decode(),
                    "pid": "#PID<0.703.0>",
                    "queue": queue,
                    "run_at": time.time(),
                }
            ),
        )
        return {**job, "raw": raw, "module": "Elixir." + str(job["class"]).removeprefix("Elixir.").replace("::", ".")}

    def succeed(self, job: dict[str, Any]) -> None:
        day = time.strftime("%Y-%m-%d", time.gmtime())
        pipe = self.client.pipeline(transaction=False)
        pipe.hdel(self.key(f"{self.name}:workers"), "#PID<0.703.0>")
        pipe.incr(self.key("stat:processed")).incr(self.key(f"stat:processed:{day}"))
        pipe.lrem(self.key(f"queue:backup::{self.name}::{job['queue']}"), 1, job["raw"])
        pipe.execute()

    def fail(self, job: dict[str, Any], message: str = "boom") -> str:
        """Record a failure; return the set it went to. Fields that Exq does not know are dropped."""
        retry, count = job.get("retry"), (job.get("retry_count") or 0) + 1
        most = 25 if retry is True else retry if type(retry) is int else 0
        now = time.time()
        entry = {name: job.get(name) for name in EXQ_RETRY}
        entry |= {"error_message": message, "failed_at": job.get("failed_at") or now, "retried_at": now}
        where = "retry" if count <= most else "dead"
        if where == "retry":
            entry["retry_count"] = count
            score = now + count**4 + 15
        else:
            entry |= {"retry_count": job.get("retry_count") or 0, "error_class": "ExqGenericError"}
            score = now
        self.client.zadd(self.key(where), {json.dumps(entry): score})
        self.client.lrem(self.key(f"queue:backup::{self.name}::{job['queue']}"), 1, job["raw"])
        return where

    def schedule_due(self, now: float) -> None:
        """Move what is due: a member that is no JSON stops it for ever, one without a queue is lost."""
        for name in ("schedule", "retry"):
            for raw in self.client.zrangebyscore(self.key(name), 0, now):
                queue = _object(raw).get("queue")
                self.client.zrem(self.key(name), raw)
                if not isinstance(queue, str):
                    raise CrashError(f"lost: queue {queue!r}")
                self.client.sadd(self.key("queues"), queue)
                self.client.lpush(self.key(f"queue:{queue}"), raw)

    def ping(self, **info: Any) -> list[str]:
        """Say that it lives; return the signals that were left for it."""
        key = self.bare(self.name)
        told = {**EXQ_INFO, "hostname": self.name, "identity": self.name, **info}
        pipe = self.client.pipeline(transaction=True)
        pipe.sadd(self.bare("processes"), self.name)
        pipe.hset(
            key,
            mapping={
                "info": json.dumps(told),
                "busy": told["busy"],
                "beat": time.time(),
                "quiet": str(told["quiet"]).lower(),
            },
        )
        pipe.expire(key, 60).lrange(f"{key}-signals", 0, 99).ltrim(f"{key}-signals", 100, -1)
        return [signal.decode() for signal in pipe.execute()[3]]

    def send(self, node: str, signal: str) -> None:
        """Leave a signal for a node, as the busy page does."""
        self.client.lpush(f"{self.bare(node)}-signals", signal)
        self.client.expire(f"{self.bare(node)}-signals", 60)

    def die(self) -> None:
        """Let its heartbeat run out."""
        self.client.delete(self.bare(self.name))

    # -- exq_ui -----------------------------------------------------------------------------------------------------

    def nodes(self) -> list[dict[str, Any]]:
        """The rows of the busy page's upper table."""
        found = []
        for name in sorted(self.client.smembers(self.bare("processes"))):
            info = self.client.hget(self.bare(name.decode()), "info")
            if info:
                node = json.loads(info)
                _human_time(node["started_at"])
                found.append({**node, "queues": ", ".join(node["queues"])})
        return found

    def busy(self) -> list[dict[str, Any]]:
        """The rows of the busy page's lower table."""
        found = []
        for name in sorted(self.client.smembers(self.bare("processes"))):
            for raw in self.client.hvals(self.key(f"{name.decode()}:workers")):
                process = json.loads(raw)
                job = _object(process["payload"].encode())
                _human_time(process["run_at"])
                found.append({"host": process["host"], "pid": process["pid"], "jid": job["jid"], "class": job["class"]})
        return found

    def page(self, name: str) -> list[dict[str, Any]]:
        """The jobs of `retry`, `schedule` or `dead`, each looked at on its own page too."""
        found = []
        for raw, score in self.client.zrange(self.key(name), 0, -1, withscores=True):
            job = _object(raw)
            if not isinstance(job.get("jid"), str):
                raise CrashError("no link without a jid")
            for moment in ("enqueued_at", "failed_at", "retried_at"):
                _human_time(job.get(moment))
            found.append({**job, "score": score, "raw": raw})
        return found

    def retry_now(self, name: str, raw: bytes) -> None:
        queue = _object(raw).get("queue")
        if self.client.zrem(self.key(name), raw):
            if not isinstance(queue, str):
                raise CrashError(f"lost: queue {queue!r}")
            self.client.sadd(self.key("queues"), queue)
            self.client.lpush(self.key(f"queue:{queue}"), raw)


_MOVER = """
local job = redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", ARGV[1], "LIMIT", 0, 1)[1]
if not job then return false end
local fields = cjson.decode(job)
if fields["queue"] == nil then return job end
local target = string.format("queue:%s", fields["queue"])
if fields["enqueued_at"] == nil or fields["enqueued_at"] == cjson.null then
  fields["enqueued_at"] = tonumber(ARGV[1])
end
redis.call("LPUSH", target, cjson.encode(fields))
redis.call("ZREM", KEYS[1], job)
return job
"""


@dataclass
class VerkNode:
    """A Verk node; `generated`: its id is one of those that have a heartbeat."""

    client: Any
    node: str = "1"
    generated: bool = False

    def enqueue(self, **changes: Any) -> None:
        job = {**VERK_JOB, **changes}
        self.client.lpush(f"queue:{job['queue']}", json.dumps(job))

    def schedule(self, due: int, **changes: Any) -> None:
        job = {**VERK_JOB, "enqueued_at": None, "max_retry_count": None, **changes}
        self.client.zadd("schedule", {json.dumps(job): due})

    def take(self, queue: str = "default") -> dict[str, Any] | None:
        """Dequeue one job and decode it; `args` come as the list that the worker gets."""
        if self.generated:
            self.client.sadd("verk_nodes", self.node)
            self.client.sadd(f"verk:node:{self.node}:queues", queue)
        raw = self.client.rpoplpush(f"queue:{queue}", f"inprogress:{queue}:{self.node}")
        if raw is None:
            return None
        found = json.loads(raw)
        job = {**dict.fromkeys(VERK_JOB), "retry_count": 0, **{name: found[name] for name in VERK_JOB if name in found}}
        args = json.loads(found["args"]) if isinstance(found["args"], str) else found["args"]
        return {**job, "args": [] if isinstance(args, dict) else args, "raw": raw}

    def succeed(self, job: dict[str, Any]) -> None:
        self.client.lrem(f"inprogress:{job['queue']}:{self.node}", -1, job["raw"])

    def fail(self, job: dict[str, Any], message: str = "boom") -> str:
        """Record a failure; return the set it went to. Fields that Verk does not know are dropped."""
        now, count = int(time.time()), job["retry_count"] + 1
        entry = {name: job[name] for name in VERK_JOB} | {"args": json.dumps(job["args"]), "retry_count": count}
        entry |= {"error_message": message, "error_backtrace": "    (app) lib/example_worker.ex:5\n"}
        entry["failed_at" if count == 1 else "retried_at"] = now
        most = job["max_retry_count"]
        where = "retry" if count <= (25 if most is None else most) else "dead"
        self.client.zadd(where, {json.dumps(entry): now + count**4 + 15 if where == "retry" else now})
        self.client.lrem(f"inprogress:{job['queue']}:{self.node}", -1, job["raw"])
        return where

    def move_due(self, now: int) -> int:
        """Move what is due, one by one, each decoded and encoded anew in Lua; return how many."""
        moved = 0
        for name in ("retry", "schedule"):
            while self.client.zrangebyscore(name, "-inf", now, start=0, num=1):
                before = self.client.zcard(name)
                _script(self.client, _MOVER, [name], [now])
                if self.client.zcard(name) == before:
                    raise CrashError("hot loop: an entry without a queue")
                moved += 1
        return moved

    def beat(self) -> None:
        self.client.psetex(f"verk:node:{self.node}", 60_000, "alive")

    def page(self, name: str) -> list[dict[str, Any]]:
        """The entries of verk_web's `/retries`, `/scheduled` and `/dead`: scores must be integers."""
        found = []
        for raw in self.client.zrange(name, 0, -1):
            score = self.client.execute_command("ZSCORE", name, raw)
            job = json.loads(raw)
            text = score.decode() if isinstance(score, bytes) else f"{score:.17g}"
            args = json.loads(job["args"]) if isinstance(job["args"], str) else job["args"]
            if not isinstance(job.get("error_backtrace"), str | None):
                raise CrashError("Regex.replace on no text")
            found.append({**job, "args": args, "score": int(text)})
        return found


def _script(client: Any, text: str, keys: list[str], args: list[Any]) -> Any:
    return client.eval(text, len(keys), *keys, *args)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError as error:
        raise CrashError(f"no JSON: {error}") from None
    if not isinstance(found, dict):
        raise CrashError(f"no object: {found!r}")
    return found


def _human_time(value: Any, *, needed: bool = False) -> None:
    """Raise for what exq_ui's pages, or Exq's telemetry if `needed`, cannot take for a moment."""
    if value is None and not needed:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or value > 253_402_300_799:
        raise CrashError(f"no moment: {value!r}")
