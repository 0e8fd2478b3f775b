"""Dramatiq: the Redis broker with its heartbeat; one command in ten looks for dead workers."""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from chaos.peers.pushing import URL, perform, push_each

dramatiq.set_broker(RedisBroker(url=URL, maintenance_chance=100_000))
work = dramatiq.actor(actor_name="work")(perform)

if __name__ == "__main__":
    push_each(work.send)
