"""What a web UI is told: who may come in, what is hidden, which pages are added."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from msgspec import Struct
from starlette.requests import Request

from redisjobs.web.accounts import Account, User
from redisjobs.web.tabs import Tab

Authorized: TypeAlias = User | str | bool | None
Authorize: TypeAlias = Callable[[Request], Authorized | Awaitable[Authorized]]
"""Called with each request; returns a `User`, a role, True for all rights, or False or None to send them away."""


class Settings(Struct, frozen=True, kw_only=True):
    """How a web UI is served.

    | setting | meaning |
    |---|---|
    | accounts | names and passwords, asked for by the browser |
    | authorize | see `Authorize`; in place of accounts |
    | host_guards | True: the app that this is mounted in looks who comes in |
    | read_only | True: nobody may act, whatever their role |
    | hosts | names that a request may ask for, without ports; any, where somebody looks who comes in |
    | redact | regular expressions; what matches is hidden in pages, and the value of a key that matches |
    | sensitive | by job class, the arguments that are hidden: numbers, or keys of dicts |
    | tabs | pages that are added |
    | title | shown beside the name, such as "production" |
    | live | False: pages ask again and again in place of a stream, as behind a WSGI bridge |

    Without accounts, `authorize` and `host_guards` only this machine is let in, and only under its own names.
    """

    accounts: Sequence[Account] = ()
    authorize: Authorize | None = None
    host_guards: bool = False
    read_only: bool = False
    hosts: Sequence[str] = ()
    redact: Sequence[str] = ()
    sensitive: Mapping[str, Sequence[Any]] = {}
    tabs: Sequence[Tab] = ()
    title: str = ""
    live: bool = True

    @property
    def guarded(self) -> bool:
        """Whether somebody looks who comes in."""
        return bool(self.accounts) or self.authorize is not None or self.host_guards
