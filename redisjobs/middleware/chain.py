"""A chain of middleware: generator functions that yield once, around each push or each run.

```python
def timed(job: JobContext) -> Steps[Any]:
    started = time.monotonic()          # before
    yield                               # hand over: to the next one, at last to the job
    log.info("took %.3f s", time.monotonic() - started)
```
What the job raises is raised at the `yield`. A value that is returned takes the place of the result; to return
without having yielded means that the push or the run does not happen. Around a push, the `yield` gives the jid; a push
that failed is raised there too, and to the caller whatever the middleware makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeAlias, TypeVar

from redisjobs.errors import ConfigError
from redisjobs.store.op import Steps

S = TypeVar("S")

Middleware: TypeAlias = Callable[[S], Steps[Any]]
"""Takes what it wraps (`Push` or `JobContext`), returns a generator that yields once to hand over."""


class Chain(Generic[S]):
    """Middleware in order, the first outermost. Adding one that is there moves it."""

    def __init__(self) -> None:
        self._links: tuple[Middleware[S], ...] = ()

    def add(self, link: Middleware[S]) -> Middleware[S]:
        """Put a middleware innermost, next to the job. Works as a decorator."""
        self.remove(link)
        self._links = (*self._links, link)
        return link

    def prepend(self, link: Middleware[S]) -> Middleware[S]:
        """Put a middleware outermost. Works as a decorator."""
        self.remove(link)
        self._links = (link, *self._links)
        return link

    def insert_before(self, known: Middleware[S], link: Middleware[S]) -> None:
        """Put a middleware just outside a known one.

        Raises:
            ConfigError: that one is not in the chain.
        """
        self._insert(known, link, 0)

    def insert_after(self, known: Middleware[S], link: Middleware[S]) -> None:
        """Put a middleware just inside a known one. Raises as `insert_before`."""
        self._insert(known, link, 1)

    def remove(self, link: Middleware[S]) -> None:
        """Take a middleware out, if it is there."""
        self._links = tuple(one for one in self._links if one != link)

    def clear(self) -> None:
        """Take all out."""
        self._links = ()

    def __iter__(self) -> Iterator[Middleware[S]]:
        return iter(self._links)

    def __len__(self) -> int:
        return len(self._links)

    def wrap(self, subject: S) -> Steps[Any]:
        """Return the Steps of all middleware around one push or run; a bare yield hands over to what they wrap."""
        return _nest(self._links, 0, subject)

    def _insert(self, known: Middleware[S], link: Middleware[S], after: int) -> None:
        links = [one for one in self._links if one != link]
        if known not in links:
            raise ConfigError(f"{known!r} is not in this chain; it has {[*links]!r}")
        at = links.index(known) + after
        self._links = (*links[:at], link, *links[at:])


def _nest(links: tuple[Middleware[S], ...], at: int, subject: S) -> Steps[Any]:
    if at == len(links):
        result = yield
        return result
    steps = links[at](subject)
    if not hasattr(steps, "send"):
        raise ConfigError(f"{links[at]!r} is no middleware: it must be a generator function, one that yields once")
    result = None
    handed_over = False
    try:
        wanted = next(steps)
        while True:
            try:
                if wanted is not None:
                    reply = yield wanted
                elif handed_over:
                    raise ConfigError(f"{links[at]!r} yielded twice to hand over; a middleware does so once")
                else:
                    handed_over = True
                    reply = result = yield from _nest(links, at + 1, subject)
            except BaseException as error:  # theirs to handle
                wanted = steps.throw(error)
            else:
                wanted = steps.send(reply)
    except StopIteration as end:
        return result if end.value is None else end.value
