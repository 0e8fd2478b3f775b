"""Whose queues an app has: the names of the dialects, and what stands before all keys of each."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

DialectName: TypeAlias = Literal["sidekiq", "resque"]

DIALECTS: tuple[str, ...] = get_args(DialectName)

NAMESPACES: dict[DialectName, str] = {"sidekiq": "", "resque": "resque"}
"""What stands before all keys where nothing else is said."""
