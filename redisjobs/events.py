"""Named moments of a worker's life, and the functions that asked to be called then.

Must not know what a worker or a job is: it only keeps functions by name and calls them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from redisjobs.lazy import LazyModule

if TYPE_CHECKING:
    import inspect
else:
    inspect = LazyModule("inspect")

F = TypeVar("F", bound=Callable[..., Any])

NAMES = ("startup", "quiet", "shutdown", "heartbeat", "death", "error")


class Events:
    """Functions by the name of the moment they wait for.

    | name | called with | when |
    |---|---|---|
    | startup | the worker | before the first job; a generator function may yield the `state` that jobs see, and is
      resumed at shutdown; an exception keeps the worker from starting |
    | quiet | the worker | it takes no more jobs |
    | shutdown | the worker | it is about to stop, running jobs may still go on |
    | heartbeat | the worker | after each heartbeat that Redis took |
    | death | the payload (dict), the exception | a job was given up: exhausted, killed or not to be retried |
    | error | the exception, a dict with `context`, and `jid`, `job`, `queue` where one is concerned | anything failed |
    """

    def __init__(self) -> None:
        self._handlers: dict[str, list[Callable[..., Any]]] = {name: [] for name in NAMES}

    def on(self, name: str) -> Callable[[F], F]:
        """Return a decorator that registers a function under an event's name, one of `NAMES`."""
        handlers = self._handlers[name]

        def register(function: F) -> F:
            handlers.append(function)
            return function

        return register

    def handlers(self, name: str) -> list[Callable[..., Any]]:
        """Return the functions registered under a name, first registered first."""
        return list(self._handlers[name])

    def only(self, *names: str) -> Events:
        """Return the events of some names alone: who registers there later is heard here too."""
        made = Events()
        made._handlers |= {name: self._handlers[name] for name in names}
        return made

    def emit(self, name: str, *args: Any) -> Iterator[Exception]:
        """Call every function of a name; yield what they raised. A failing one does not stop the next.

        First registered first; those for an end (`quiet`, `shutdown`) the other way round, as Sidekiq has it.
        """
        handlers = self.handlers(name)
        for handler in reversed(handlers) if name in ("quiet", "shutdown") else handlers:
            try:
                handler(*args)
            except Exception as error:  # user code
                yield error


def needs_driving(function: Callable[..., Any]) -> bool:
    """Tell whether a call only makes a coroutine or a generator, and runs nothing."""
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return any(kind(function) for kind in kinds)
