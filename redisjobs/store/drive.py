"""The only two functions that wait: run Steps in a thread, or on an event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from redisjobs.store.op import Steps

T = TypeVar("T")


class Store(Protocol):
    """What sends a request and waits for its reply."""

    def run(self, wanted: Any, /) -> Any: ...


class AStore(Protocol):
    """See `Store`."""

    async def run(self, wanted: Any, /) -> Any: ...


def no_job() -> Any:
    """Stand for the job where there is none."""
    return None


async def no_ajob() -> Any:
    """See `no_job`."""
    return None


def drive(steps: Steps[T], store: Store, perform: Callable[[], Any] = no_job) -> T:
    """Run `steps` to the end and return their result; what they do not catch is raised."""
    try:
        wanted = next(steps)
        while True:
            try:
                reply = store.run(wanted) if wanted is not None else perform()
            except BaseException as error:  # theirs to handle, as in any `try`
                wanted = steps.throw(error)
            else:
                wanted = steps.send(reply)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def adrive(steps: Steps[T], store: AStore, perform: Callable[[], Awaitable[Any]] = no_ajob) -> T:
    """See `drive`."""
    try:
        wanted = next(steps)
        while True:
            try:
                reply = (await store.run(wanted)) if wanted is not None else await perform()
            except BaseException as error:
                wanted = steps.throw(error)
            else:
                wanted = steps.send(reply)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
