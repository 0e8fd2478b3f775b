"""An app on a Redis of a test's own, for a while; and its jobs run where somebody asks for it.

The Redis is in memory, or a private server. An app's shards get one each. Jobs run in the thread or on the event loop
of who asks, with all that a worker's processor puts around them, and are settled as a worker settles them.

Must not know: what tests want to see.
Always holds: when it is left, the app is back where it was, whatever happened in between.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from msgspec import Struct, structs

from redisjobs import clock
from redisjobs.config import RedisConfig, WorkerConfig
from redisjobs.errors import PayloadError, UnknownJobError
from redisjobs.jobs.registry import Registry
from redisjobs.middleware.chain import Chain
from redisjobs.middleware.context import JobContext
from redisjobs.store import embedded
from redisjobs.store.connect import Line
from redisjobs.store.dialect import dialect
from redisjobs.store.drive import drive
from redisjobs.store.keys import Keys
from redisjobs.store.location import Location
from redisjobs.store.memory import AsyncMemoryStore, Call, MemoryStore
from redisjobs.store.op import Steps
from redisjobs.store.ops import leases, queues, sets
from redisjobs.store.ops.leases import Lease, Settlement, Where
from redisjobs.wire import payload
from redisjobs.wire.payload import Payload
from redisjobs.wire.times import stamp
from redisjobs.worker.executors.coroutines import LoopThread
from redisjobs.worker.processor import Processor, find
from redisjobs.worker.settler import Settler
from redisjobs.worker.wiring import Wiring
from redisjobs.worker.work import COROUTINE, Work

IDENTITY = "stand-in:0:000000000000"
_PARTS = ("_location", "store", "astore", "access")
"""What of an app leads to its Redis."""


class App(Protocol):
    """What is needed of an app; its parts are found by their names in it."""

    @property
    def keys(self) -> Keys: ...
    @property
    def registry(self) -> Registry: ...
    def worker_parts(self, settings: WorkerConfig) -> Wiring:
        """Return what a worker gets of it."""
        ...


class Waiting(Struct, frozen=True, eq=False):
    """A job in a queue that its app could run."""

    app: App
    queue: str
    raw: bytes
    read: Payload


class Ran(Struct, frozen=True, eq=False):
    """A run that is over: of which job, where that went (`gone` is done with), and the error if it failed."""

    jid: str
    name: str
    args: list[Any]
    queue: str
    where: Where
    error: BaseException | None = None


class StandIn:
    """Use as a context manager, the innermost to be left first. `state` is what running jobs see as theirs.

    Raises:
        ConfigError: on entering: no Redis can be had.
    """

    def __init__(self, app: App, shards: Mapping[str, App], *, memory: bool) -> None:
        self.state: Any = None
        self._apps = [app, *shards.values()]
        self._memory = memory
        self._loop = LoopThread()
        self._left = ExitStack()
        self._stores: list[MemoryStore] = []

    @property
    def app(self) -> App:
        """The app itself, without its shards."""
        return self._apps[0]

    def __enter__(self) -> StandIn:
        with ExitStack() as undo:
            undo.callback(self._stop_loop)
            folder = "" if self._memory else undo.enter_context(tempfile.TemporaryDirectory(prefix="redisjobs-"))
            server = None if self._memory else undo.enter_context(embedded.start(Path(folder)))
            for at, app in enumerate(self._apps):
                before = {name: vars(app)[name] for name in _PARTS if name in vars(app)}
                parts = self._in_memory(app) if server is None else _at(server.url, at)
                undo.callback(_swap, app, before)
                _swap(app, parts)
            self._left = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.close()

    @property
    def active(self) -> bool:
        """Whether the app is here, and not on another stand-in that was entered since."""
        return bool(self._stores) and vars(self._apps[0]).get("store") is self._stores[0]

    def waiting(self, queue: str | None = None, jid: str | None = None) -> Iterator[Waiting]:
        """Give the jobs that wait in queues and that the apps know, oldest first, queue by queue."""
        for app, store in zip(self._apps, self._stores, strict=True):
            for name in store.run(queues.names(app.keys)) if queue is None else [queue]:
                _, raws = store.run(queues.page(app.keys, name, start=0, stop=-1))
                for raw in reversed(raws):
                    read = _runnable(app, raw)
                    if read is not None and jid in (None, read.jid):
                        yield Waiting(app, name, raw, read)

    def promote(self, kind: Literal["schedule", "retry"], queue: str | None = None) -> int:
        """Put the jobs of a set that the apps know into their queues, due or not; return how many."""
        return sum(
            drive(_promote(app, getattr(app.keys, kind), queue), store)
            for app, store in zip(self._apps, self._stores, strict=True)
        )

    def request(self, jid: str) -> Call:
        """Return what Steps of a push yield to have that job run there and then; answered by a Ran, or None."""

        def found() -> Waiting | None:
            return next(self.waiting(jid=jid), None)

        async def arun() -> Ran | None:
            one = found()
            return None if one is None else await self.arun(one)

        def run() -> Ran | None:
            one = found()
            return None if one is None else self.run(one)

        return Call(run, arun)

    def run(self, one: Waiting) -> Ran | None:
        """Run a job in this thread, an async one on an event loop beside it. None: somebody else took it."""
        run = self._taken(one)
        if run is None:
            return None
        if isinstance(run.work, Work) and run.work.kind == COROUTINE:
            return self._settled(run, self._loop.run(run.processor.arun(run.work)))
        return self._settled(run, run.end())

    async def arun(self, one: Waiting) -> Ran | None:
        """See `run`: an async job on this event loop."""
        run = self._taken(one)
        if run is None:
            return None
        if isinstance(run.work, Work) and run.work.kind == COROUTINE:
            return self._settled(run, await run.processor.arun(run.work))
        return self._settled(run, run.end())

    def _taken(self, one: Waiting) -> _Run | None:
        store = self._store(one.app)
        if not store.run(queues.remove(one.app.keys, one.queue, one.raw)):
            return None
        store.run(leases.hold(one.app.keys, one.queue, one.raw, identity=IDENTITY))
        settings = WorkerConfig()
        wiring = one.app.worker_parts(settings)
        witness = _Witness()
        chain: Chain[JobContext] = Chain()
        for link in (witness.middleware, *wiring.chain):
            chain.add(link)
        made = structs.replace(wiring, chain=chain, identity=IDENTITY)
        processor = Processor(made, store, AsyncMemoryStore(store), settings, None)
        processor.state = self.state
        work = processor.prepare(Lease(one.queue, one.raw, clock.monotonic()))
        return _Run(one, wiring, processor, work, witness)

    def _settled(self, run: _Run, end: Settlement) -> Ran:
        store = self._store(run.one.app)
        line = cast(Line, store)  # as far as a settler uses one
        settler = Settler(line, run.wiring.keys, identity=IDENTITY, dead=run.wiring.dead)
        settler.waiting.append(end)
        settling = settler.request()
        if settling is not None:
            settler.answered(store.run(settling))
        read = run.one.read
        return Ran(read.jid, read.name, read.args, run.one.queue, end.where, run.witness.error)

    def _store(self, app: App) -> MemoryStore:
        return self._stores[self._apps.index(app)]

    def _in_memory(self, app: App) -> dict[str, Any]:
        def stay(store: MemoryStore) -> None:
            vars(app)["store"] = store  # `close` takes it out; an app stays usable, here too

        url = "the Redis in memory of a test"
        store = MemoryStore(RedisConfig(url), stay)
        self._stores.append(store)
        return {"_location": Location(url, None), "store": store, "astore": AsyncMemoryStore(store)}

    def _stop_loop(self) -> None:
        async def nothing() -> None: ...

        self._loop.stop(nothing)


class _Witness:
    """Sees how a run ends, from outside of all middleware."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def middleware(self, _: JobContext) -> Steps[Any]:
        try:
            result = yield
        except BaseException as error:
            self.error = error
            raise
        return result


class _Run(Struct, frozen=True, eq=False):
    one: Waiting
    wiring: Wiring
    processor: Processor
    work: Work | Settlement
    witness: _Witness

    def end(self) -> Settlement:
        return self.processor.run(self.work) if isinstance(self.work, Work) else self.work


def _swap(app: App, parts: Mapping[str, Any]) -> None:
    for name in _PARTS:
        vars(app).pop(name, None)
    vars(app).update(parts)


def _at(url: str, number: int) -> dict[str, Any]:
    start = url.removesuffix("0")  # `...?db=0`, or fakeredis' `.../0`
    return {"_location": Location(f"{start}{number}", None)}


def _runnable(app: App, raw: bytes) -> Payload | None:
    try:
        read = dialect(app.keys).decode(raw)
        find(app.registry, read)
    except (PayloadError, UnknownJobError):
        return None
    return read


def _promote(app: App, set_key: str, queue: str | None) -> Steps[int]:
    members = yield from sets.page(set_key, start=0, stop=-1, newest_first=False)
    wire = app.worker_parts(WorkerConfig()).policy.wire
    moved = 0
    for raw, _ in members:
        target = payload.fields(raw).get("queue", "default") if _runnable(app, raw) is not None else None
        if isinstance(target, str) and queue in (None, target):
            again = payload.change(raw, {"enqueued_at": stamp(clock.now(), wire)}, drop=("at",))
            moved += yield from sets.promote(app.keys, set_key, target, [(raw, again)])
    return moved
