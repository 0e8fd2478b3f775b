"""store/keys.py: in a Redis Cluster all keys of a namespace with braces are in one slot."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from redisjobs.store.keys import Keys
from tests.support.cluster import slot

pytestmark = pytest.mark.quick

NAMES = some.text(max_size=20) | some.sampled_from(["{", "}", "{}", "{a}", "}{", "{{jobs}", "mailers"])
TAGS = some.text(some.characters(exclude_characters="{}", exclude_categories=["Cs"]), min_size=1, max_size=10)
METHODS = [
    name
    for name, kind in vars(Keys).items()
    if inspect.isfunction(kind) and not name.startswith("_") and name != "kind"
]
PLAIN = [name for name, kind in vars(Keys).items() if isinstance(kind, property)]


@given(TAGS, NAMES, NAMES, NAMES)
def test_all_keys_of_a_namespace_that_is_a_tag_are_in_one_slot(tag: str, before: str, first: str, second: str) -> None:
    """Whatever braces the names of queues and processes have: the first pair counts."""
    keys = Keys(f"{before.replace('{', '')}{{{tag}}}")
    found = [getattr(keys, name) for name in PLAIN]
    for name in METHODS:
        method: Callable[..., Any] = getattr(keys, name)
        found.append(method(*(first, second)[: len(inspect.signature(method).parameters)]))
    found.append(f"{keys.lease_recovered(first)}0123456789abcdef")  # as recover.lua makes it

    assert {slot(key) for key in found} == {slot(f"{{{tag}}}")}
    assert len(found) == len(PLAIN) + len(METHODS) + 1 > 15


def test_the_slots_are_those_of_redis() -> None:
    """As its documentation gives them."""
    assert slot("123456789") == 0x31C3
    assert slot("{user1000}.following") == slot("{user1000}.followers") == slot("user1000")
    assert slot("foo{{bar}}zap") == slot("{bar")
    assert slot("foo{}{bar}") != slot("bar")
