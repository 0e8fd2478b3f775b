"""Tabs: pages that plug-ins and users add."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from redisjobs.web.view import View

Respond: TypeAlias = "Callable[[View], tuple[str, Mapping[str, Any]]]"
"""Called with the request; returns the name of a template and what it is given."""

Act: TypeAlias = "Callable[[View], str]"
"""Called with a request that was posted; does something, and returns what to say about it."""


class Tab(Struct, frozen=True, kw_only=True):
    """A page of one's own, with its place in the navigation.

    `path` is its part of the address, `title` its name, `respond` fills one of the Jinja templates in the folder
    `templates`, which starts with `{% extends "layout.html" %}`. `actions` are what its forms post, by name:
    `<form method="post" action="{{ here("clear") }}">{{ csrf() }}`. Whoever may only look cannot post.
    """

    path: str
    title: str
    respond: Respond
    templates: str
    actions: Mapping[str, Act] = {}
