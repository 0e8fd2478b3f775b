"""Huey: its Redis storage, with retries; a blocking pop is all it has."""

from __future__ import annotations

from huey import RedisHuey

from chaos.peers.pushing import URL, perform, push_each

huey = RedisHuey("chaos", url=URL, results=False)
work = huey.task(retries=5)(perform)

if __name__ == "__main__":
    push_each(work)
