"""Enqueue a job by its name, for people: no client middleware runs, as none of any app is known here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redisjobs.client import Client, ClientConfig
from redisjobs.errors import PayloadError
from redisjobs.inspector.access import Access
from redisjobs.jobs.job import NOW, When, after, moment
from redisjobs.jobs.options import JobOptions
from redisjobs.middleware.chain import Chain
from redisjobs.store.stores import AsyncStore, BlockingStore


def enqueue(
    access: Access,
    name: str,
    args: Sequence[Any],
    *,
    at: float | None = None,
    delay_s: float | None = None,
    options: Mapping[str, Any],
) -> str:
    """Push a job, or schedule it for a moment (Unix seconds) or a delay; return its jid.

    Raises:
        PayloadError: it is no job that could run. Nothing was sent.
        OptionError: an option of `JobOptions` that is wrong, or none that a single job can have.
    """
    fields = JobOptions().for_call(options).push_fields()
    client: Client = Client(_Here(access.store), access.keys, Chain(), ClientConfig(access.wire))
    (jid,) = client.push_args(name, [list(args)], fields, _when(at, delay_s))
    assert jid is not None
    return jid


@dataclass(frozen=True)
class _Here:
    """The server that is looked at, as a client asks for it."""

    store: BlockingStore

    @property
    def astore(self) -> AsyncStore:
        raise NotImplementedError


def _when(at: float | None, delay_s: float | None) -> When:
    if at is not None and delay_s is not None:
        raise PayloadError("at", "excludes delay_s: give one of them")
    try:
        if at is not None:
            return moment(at)
        return NOW if delay_s is None else after(delay_s)
    except ValueError as error:
        raise PayloadError("at" if at is not None else "delay_s", str(error)) from None
