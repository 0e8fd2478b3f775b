"""The inspector on the session's server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from redisjobs.config import DeadSetConfig
from redisjobs.inspector import Access
from redisjobs.store.keys import Keys
from redisjobs.store.stores import BlockingStore
from tests.support.real_redis import RealRedis


@pytest.fixture
def access(redis: RealRedis) -> Iterator[Access]:
    """What every part of the inspector is made with."""
    store = BlockingStore(redis.config)
    yield Access(store, Keys(), DeadSetConfig(), "sidekiq8")
    store.close()
