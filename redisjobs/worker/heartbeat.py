"""Heartbeat: this process lives, this is what it runs; and what was it told through Redis.

Writes what Ruby's pages read of a process (spec: sidekiq.md 2.3, 2.4), the union of what each generation knows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from redisjobs import clock
from redisjobs.config import WorkerConfig, host_name
from redisjobs.errors import StoreError, StoreUnavailableError
from redisjobs.lazy import LazyModule
from redisjobs.store.dialect import Beat, dialect
from redisjobs.store.keys import Keys
from redisjobs.store.op import Steps, Together
from redisjobs.store.ops import processes as ops
from redisjobs.store.ops import server, watching
from redisjobs.version import __version__
from redisjobs.wire import payload
from redisjobs.worker.work import Running

resource = LazyModule("resource")  # only where /proc is missing

PROCESS_VERSION = f"redisjobs {__version__}"


class Living(Protocol):
    """What a heartbeat asks of the worker whose it is, and tells it."""

    @property
    def identity(self) -> str:
        """The worker's identity."""
        ...

    def running(self) -> list[Running]:
        """What runs at this moment."""
        ...

    def beaten(self) -> None:
        """Redis took a beat."""
        ...

    def told(self, signal: str) -> None:
        """Somebody left a signal in Redis."""
        ...

    def watched(self, by_somebody: bool) -> None:
        """Somebody watches starts and ends of jobs, or nobody does."""
        ...

    def cancel(self, tid: str, jid: str) -> None:
        """Somebody wants a run to end."""
        ...


class Heartbeat:
    """One turn is one beat."""

    name = "heartbeat"

    def __init__(
        self, worker: Living, keys: Keys, settings: WorkerConfig, *, embedded: bool, abilities: Callable[[], bytes]
    ) -> None:
        self.quiet = False
        self._worker = worker
        self._keys = keys
        self._dialect = dialect(keys)
        self._settings = settings
        self._embedded = embedded
        self._abilities = abilities
        self._rtt_us = 0
        self._queues = sorted({name for capsule in settings.capsules for name, _ in capsule.queues})
        self._info = process_info(worker.identity, settings, embedded=embedded)

    def once(self) -> Steps[float]:
        """Beat; return the seconds until the next."""
        sent = clock.monotonic()
        watched = yield from self._ping()
        self._rtt_us = int((clock.monotonic() - sent) * 1e6)
        self._worker.watched(watched)
        yield from self._listen()
        running = self._worker.running()
        info = self._info
        if self._keys.wire == "exq":  # whose pages read all from here
            info = payload.change(info, {"busy": len(running), "quiet": self.quiet})
        beat = Beat(
            fields={
                "info": info,
                "concurrency": self._settings.concurrency,
                "busy": len(running),
                "beat": repr(clock.now()),
                "quiet": "true" if self.quiet else "false",
                "rss": rss_kib(),
                "rtt_us": self._rtt_us,
                ops.ABILITIES: self._abilities(),
            },
            work={one.tid: self._work(one) for one in running},
            queues=self._queues,
            ttl_s=self._settings.heartbeat_ttl_s,
            items=[(one.work.lease.queue, one.work.lease.raw, one.started_at) for one in running],
            slots=sum(capsule.concurrency for capsule in self._settings.capsules),
        )
        yield from self._dialect.beat(self._worker.identity, beat)
        self._worker.beaten()
        return self._settings.heartbeat_s

    def _ping(self) -> Steps[bool]:
        """Wait for an answer; return whether somebody watches, as far as our rights let us know."""
        try:
            replies = yield from Together((server.ping(), watching.is_watched(self._keys)))
        except StoreUnavailableError:
            raise
        except StoreError:
            return False
        return bool(replies[1])

    def _listen(self) -> Steps[None]:
        """Hear what was left for us in Redis; before the beat, so that what goes wrong there does not lose it."""
        addresses = [] if self._embedded else ops.addresses(self._keys, self._worker.identity)
        signals = [ops.signal_for(self._keys, address) for address in addresses]
        cancelled, *names = yield from Together([ops.cancels_for(self._keys, self._worker.identity), *signals])
        for tid, jid in cancelled:
            self._worker.cancel(tid, jid)
        for name in names:
            if name:
                self._worker.told(name)

    def _work(self, one: Running) -> bytes:
        lease = one.work.lease
        told: dict[str, Any] = {
            "queue": lease.queue,
            "payload": lease.raw.decode("utf-8", "replace"),
            "run_at": int(one.started_at),
        }
        if self._keys.wire == "exq":
            told |= {"pid": one.tid, "host": self._worker.identity}  # where its pages send signals to
        return msgspec.json.encode(told)


def new_identity(hostname: str | None = None) -> str:
    """Return `<hostname>:<pid>:<12 hexadecimal digits>`, as Ruby's processes are called."""
    return f"{hostname or host_name()}:{os.getpid()}:{os.urandom(6).hex()}"


def process_info(identity: str, settings: WorkerConfig, *, embedded: bool) -> bytes:
    """Return the `info` field: the union of what the pages of every generation read."""
    weights = [dict(capsule.queues) for capsule in settings.capsules]
    queues: Sequence[str] = list(dict.fromkeys(name for capsule in settings.capsules for name, _ in capsule.queues))
    info: dict[str, Any] = {
        "hostname": host_name(),
        "started_at": clock.now(),
        "pid": os.getpid(),
        "tag": settings.tag,
        "concurrency": settings.concurrency,
        "capsules": {
            capsule.name: {
                "concurrency": capsule.concurrency,
                "mode": capsule.mode,
                "weights": dict(capsule.queues),
            }
            for capsule in settings.capsules
        },
        "queues": queues,
        "weights": weights,
        "labels": list(dict.fromkeys(("python", *settings.labels))),
        "identity": identity,
        "version": PROCESS_VERSION,
        "embedded": embedded,
    }
    return msgspec.json.encode(info)


def rss_kib() -> int:
    """Return this process's resident memory in KiB, 0 if the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    except (OSError, ValueError, IndexError):
        try:
            return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) // 1024
        except ImportError:
            return 0
