"""Ops on the locks of Exq's unique jobs (spec: exq.md 3)."""

from __future__ import annotations

from redisjobs.store.keys import Keys
from redisjobs.store.op import Op


def unlock(keys: Keys, token: str, jid: str) -> Op[bool]:
    """Release a job's lock, if it is this job's. Safe to send twice: it is gone then, or another's."""
    return Op("unlock", keys=(keys.exq_unique(token),), args=(jid,), decode=bool)
