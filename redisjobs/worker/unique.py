"""The locks of Exq's unique jobs, which are released with the run that ends them (spec: exq.md 1.1, 3).

Exq lets go when the job starts, or ends for good, or never before its time; we do the first with the end of that run.
"""

from __future__ import annotations

from msgspec import structs

from redisjobs.errors import PayloadError
from redisjobs.store.keys import Keys
from redisjobs.store.ops.leases import Settlement
from redisjobs.store.ops.unique import unlock
from redisjobs.wire import payload


def unlocking(settlement: Settlement, keys: Keys) -> Settlement:
    """Return a settlement that releases the job's lock too, if it holds one and this is the time."""
    if settlement.where == "queue" or b'"unique_token"' not in settlement.lease.raw:
        return settlement
    try:
        members = payload.fields(settlement.lease.raw)
    except PayloadError:
        return settlement
    token, jid, until = members.get("unique_token"), members.get("jid"), members.get("unique_until", "success")
    is_time = until == "start" or (until == "success" and settlement.where in ("gone", "dead"))
    if not (is_time and isinstance(token, str) and isinstance(jid, str)):
        return settlement
    return structs.replace(settlement, ops=(*settlement.ops, unlock(keys, token, jid)))
