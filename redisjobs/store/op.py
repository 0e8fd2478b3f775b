"""A request to Redis as a value, and logic that asks for one.

An `Op` is built by a plain function in `ops/` and sent by somebody else. `Steps` is a generator that yields Ops and
gets their replies: written once, run by `drive` in a thread or by `adrive` on an event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from msgspec import Struct

T = TypeVar("T")

Arg: TypeAlias = str | bytes | int | float
Wanted: TypeAlias = "Op[Any] | Together | None"
"""What a step can yield: a request, some in one round trip, or None to hand over to the job."""

Steps: TypeAlias = Generator[Any, Any, T]
"""Logic that asks Redis by `yield from op` and hands over to the job by a bare `yield`."""


def as_it_is(reply: Any) -> Any:
    """Leave a reply as Redis gave it."""
    return reply


class Op(Struct, Generic[T], frozen=True):
    """One script, by the name of its file in `lua/`, or one command.

    Every Op is safe to send twice; the function that builds it says why.
    """

    name: str
    keys: Sequence[str | bytes] = ()
    args: Sequence[Arg] = ()
    decode: Callable[[Any], T] = as_it_is
    is_script: bool = True

    @property
    def key_names(self) -> list[str]:
        """The keys it is about, as text; of a command, its first argument."""
        names = self.keys if self.is_script else self.args[:1]
        return [name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name) for name in names]

    def __iter__(self) -> Generator[Op[T], Any, T]:
        reply: T = yield self
        return reply


class Together(Struct, frozen=True):
    """Some Ops in one round trip; `atomic`: as one transaction, nothing of others in between."""

    ops: Sequence[Op[Any]]
    atomic: bool = False

    def __iter__(self) -> Generator[Together, Any, list[Any]]:
        replies: list[Any] = yield self
        return replies


def command(name: str, *args: Arg, decode: Callable[[Any], T] = as_it_is) -> Op[T]:
    """Build the Op of a plain Redis command."""
    return Op(name, (), args, decode, is_script=False)


class OpData(Struct, frozen=True, array_like=True):
    """An Op as it crosses to another process: the words that Redis gets, but not what is made of the reply."""

    name: str
    keys: list[bytes]
    args: list[bytes]
    is_script: bool

    @classmethod
    def of(cls, op: Op[Any]) -> OpData:
        """Take an Op apart.

        Raises:
            TypeError: one of its words is of a kind that Redis does not know.
        """
        return cls(op.name, [_word(key) for key in op.keys], [_word(arg) for arg in op.args], op.is_script)

    @property
    def op(self) -> Op[Any]:
        """The Op, its reply as Redis gives it."""
        return Op(self.name, self.keys, self.args, is_script=self.is_script)


def _word(word: Arg) -> bytes:
    if isinstance(word, bytes):
        return word
    if isinstance(word, str):
        return word.encode("utf-8", "surrogateescape")
    if isinstance(word, bool) or not isinstance(word, int | float):
        raise TypeError(f"{word!r:.80} is no string, number or bytes")
    return repr(word).encode()


def texts(reply: Iterable[bytes]) -> list[str]:
    """Decode names, sorted. They may be any bytes: what is no UTF-8 comes as surrogate escapes, and goes back so."""
    return sorted(item.decode("utf-8", "surrogateescape") for item in reply)
