"""Make a payload, a lease: complete, with only what the test is about spelled out."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from redisjobs.store.keys import Keys
from redisjobs.store.ops.leases import Lease

KEYS = Keys()
JID = "b4a577edbccf1d805744efa9"
CREATED_MS = 1_732_406_400_123


def a_payload(**fields: Any) -> bytes:
    """Return a job as Ruby writes it; `class_` stands for `class`, and a field given as `...` is left out."""
    members: dict[str, Any] = {
        "retry": True,
        "queue": "default",
        "args": [],
        "class": "Mail",
        "jid": JID,
        "created_at": CREATED_MS,
        "enqueued_at": CREATED_MS,
    }
    if "class_" in fields:
        fields["class"] = fields.pop("class_")
    members.update(fields)
    return msgspec.json.encode({name: value for name, value in members.items() if value is not ...})


def a_lease(raw: bytes | None = None, *, queue: str = "default", since: float | None = None, **fields: Any) -> Lease:
    """Return a lease of given bytes, or of `a_payload(**fields)`."""
    if raw is None:
        raw = a_payload(queue=queue, **fields)
    return Lease(queue, raw, time.monotonic() if since is None else since)
