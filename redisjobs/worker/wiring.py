"""What a worker gets of its app: where Redis is, which jobs there are, and what goes around them."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from redisjobs.config import DeadSetConfig, RedisConfig
from redisjobs.events import Events
from redisjobs.jobs.registry import Registry
from redisjobs.jobs.retry import RetryPolicy
from redisjobs.middleware.chain import Chain
from redisjobs.middleware.context import JobContext
from redisjobs.store.keys import Keys
from redisjobs.worker.origin import Origin


class App(Protocol):
    """What a worker needs of the app itself."""

    async def aclose(self) -> None:
        """Close the connections that this event loop's coroutines pushed through."""
        ...


class Wiring(Struct, frozen=True):
    """What a worker gets of its app.

    `identity` is the worker's, which sets it. `shard` is the name of the server that it works for, empty for the main
    one; `main_url` is the main one's. `origin` is what child processes import; None: it is looked for when there are
    jobs for them.
    """

    redis: RedisConfig
    keys: Keys
    dead: DeadSetConfig
    registry: Registry
    chain: Chain[JobContext]
    events: Events
    policy: RetryPolicy
    app: App | None = None
    origin: Origin | None = None
    identity: str = ""
    shard: str = ""
    main_url: str = ""
