"""From a RedisConfig to one connection, and from redis-py's errors to ours.

A `Line` is a single connection that sends many requests in one trip and reads their replies. redis-py does the
sockets, TLS, authentication and the protocol; its own retries are off, because they would double a push and lose
what a blocked pop had taken.
"""

from __future__ import annotations

import re
import select
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from redisjobs.config import RedisConfig
from redisjobs.errors import ConfigError, StoreError, StoreUnavailableError, WrongTypeError
from redisjobs.lazy import LazyModule
from redisjobs.store.drive import adrive, drive
from redisjobs.store.op import Op
from redisjobs.store.opening import Dial, MovedError, opening
from redisjobs.store.place import Place, read
from redisjobs.store.scripts import script

if TYPE_CHECKING:
    import redis
    import redis.asyncio.connection as redis_asyncio
    import redis.asyncio.retry as redis_asyncio_retry
    import redis.backoff as redis_backoff
    import redis.connection as redis_connection
    import redis.exceptions as redis_errors
    import redis.retry as redis_retry
else:
    redis = LazyModule("redis")
    redis_asyncio = LazyModule("redis.asyncio.connection")
    redis_asyncio_retry = LazyModule("redis.asyncio.retry")
    redis_backoff = LazyModule("redis.backoff")
    redis_connection = LazyModule("redis.connection")
    redis_errors = LazyModule("redis.exceptions")
    redis_retry = LazyModule("redis.retry")

# Errors that pass: by the code that redis-py leaves in the text, or by the class that it makes of the code.
_PASSING = (
    "READONLY",
    "OOM ",
    "LOADING",
    "MISCONF",
    "NOREPLICAS",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "UNBLOCKED",
    "BUSY ",
    "TRYAGAIN",
)
_PASSING_CLASSES = (
    "ReadOnlyError",
    "OutOfMemoryError",
    "MasterDownError",
    "ClusterDownError",
    "TryAgainError",
    "AskError",
)
_LOGIN = ("NOAUTH", "WRONGPASS", "invalid password", "invalid username-password", "Authentication required")


class Line:
    """One connection, used by one thread at a time. Connects when first used and after each failure."""

    def __init__(self, config: RedisConfig, *, timeout_s: float | None = None) -> None:
        self._place = _place(config)
        self._timeout_s = timeout_s or config.timeout_s
        self._connection = self._made(self._place.first)

    def request(self, ops: Sequence[Op[Any]], *, atomic: bool = False) -> list[Any]:
        """Send requests in one trip; return their replies, an exception standing in the place of a refused one.

        Raises:
            StoreUnavailableError: the connection failed; any of the requests may or may not have happened.
            StoreError: the login was refused.
        """
        self.send(ops, atomic=atomic)
        if atomic:
            return self._receive_transaction(ops)
        replies = self.receive(ops)
        unknown = [at for at, reply in enumerate(replies) if isinstance(reply, _UnknownScriptError)]
        if unknown:  # by their text, which loads them too: nobody can make Redis forget them in between
            again = [ops[at] for at in unknown]
            self.send(again, by_text=True)
            for at, reply in zip(unknown, self.receive(again), strict=True):
                replies[at] = reply
        return replies

    def send(self, ops: Sequence[Op[Any]], *, atomic: bool = False, by_text: bool = False) -> None:
        """Send requests without waiting for their replies; see `request`."""
        try:
            if not self.connected:
                self._place = drive(opening(self._place), self)
            commands = [packed(op, by_text=atomic or by_text) for op in ops]
            if atomic:
                commands = [("MULTI",), *commands, ("EXEC",)]
            self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)
        except BaseException as error:
            raise self._failed(error) from error

    def receive(self, ops: Sequence[Op[Any]]) -> list[Any]:
        """Read the replies of what `send` sent; see `request`."""
        return [decoded(op, self._read()) for op in ops]

    def run(self, step: Dial | Op[Any]) -> Any:
        """Take a step of `opening`."""
        try:
            if isinstance(step, Dial):
                self.close()
                self._connection = self._made(step.arguments)
                return self._connection.connect()
            self._connection.send_packed_command(self._connection.pack_commands([packed(step)]), check_health=False)
        except BaseException as error:
            raise self._failed(error) from error
        reply = self._read()
        if isinstance(reply, Exception):
            raise reply
        return reply

    def fileno(self) -> int:
        """Return the socket's number, for a selector; redis-py has no public name for it."""
        return int(self._connection._sock.fileno())

    @property
    def connected(self) -> bool:
        """Whether a socket is open, as far as this end knows."""
        return self._connection._sock is not None

    @property
    def stale(self) -> bool:
        """Whether the other end closed it, or said what nobody asked for, since it was last used."""
        if not self.connected:
            return False
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close the socket; the next request opens another."""
        self._connection.disconnect()

    def _made(self, arguments: Mapping[str, Any]) -> Any:
        kind = arguments.get("connection_class", redis_connection.Connection)
        retry = redis_retry.Retry(redis_backoff.NoBackoff(), 0)
        given = {name: value for name, value in arguments.items() if name != "connection_class"}
        return _connection(kind, {**given, "socket_timeout": self._timeout_s, "retry": retry})

    def _receive_transaction(self, ops: Sequence[Op[Any]]) -> list[Any]:
        queued = [self._read() for _ in range(len(ops) + 1)]
        reply = self._read()
        return transaction_replies(ops, queued, reply)

    def _read(self) -> Any:
        try:
            return self._connection.read_response()
        except BaseException as error:
            if isinstance(error, redis_errors.ResponseError):
                translated = translate(error)
                if isinstance(translated, StoreUnavailableError):
                    self.close()  # a replica, or a server that is full: look again who is master
                    raise translated from error
                return translated
            raise self._failed(error) from error

    def _failed(self, error: BaseException) -> BaseException:
        self.close()
        return translate(error)


class AsyncLine:
    """See `Line`: the same on an event loop."""

    def __init__(self, config: RedisConfig) -> None:
        self._place = _place(config)
        self._connection = self._made(self._place.first)

    async def request(self, ops: Sequence[Op[Any]], *, atomic: bool = False) -> list[Any]:
        """See `Line.request`."""
        commands = [packed(op, by_text=atomic) for op in ops]
        if atomic:
            await self._send([("MULTI",), *commands, ("EXEC",)])
            queued = [await self._read() for _ in range(len(ops) + 1)]
            return transaction_replies(ops, queued, await self._read())
        await self._send(commands)
        replies = [decoded(op, await self._read()) for op in ops]
        unknown = [at for at, reply in enumerate(replies) if isinstance(reply, _UnknownScriptError)]
        if unknown:
            await self._send([packed(ops[at], by_text=True) for at in unknown])
            for at in unknown:
                replies[at] = decoded(ops[at], await self._read())
        return replies

    async def run(self, step: Dial | Op[Any]) -> Any:
        """See `Line.run`."""
        try:
            if isinstance(step, Dial):
                await self.close()
                self._connection = self._made(step.arguments)
                return await self._connection.connect()
            await self._connection.send_packed_command(
                self._connection.pack_commands([packed(step)]), check_health=False
            )
        except BaseException as error:
            await self.close()
            raise translate(error) from error
        reply = await self._read()
        if isinstance(reply, Exception):
            raise reply
        return reply

    @property
    def stale(self) -> bool:
        """See `Line.stale`."""
        reader = self._connection._reader
        return reader is not None and (reader.at_eof() or reader.exception() is not None)

    async def close(self, *, wait: bool = False) -> None:
        """See `Line.close`; `wait` for the end of it too: TLS says goodbye, which takes a loop that runs."""
        try:
            await self._connection.disconnect(nowait=not wait)
        except redis_errors.TimeoutError:
            pass

    def _made(self, arguments: Mapping[str, Any]) -> Any:
        kind = _ASYNC_KINDS[arguments.get("connection_class", redis_connection.Connection).__name__]
        retry = redis_asyncio_retry.Retry(redis_backoff.NoBackoff(), 0)
        given = {name: value for name, value in arguments.items() if name != "connection_class"}
        return _connection(getattr(redis_asyncio, kind), {**given, "retry": retry})

    async def _send(self, commands: Sequence[tuple[Any, ...]]) -> None:
        try:
            if not self._connection.is_connected:
                self._place = await adrive(opening(self._place), self)
            await self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)
        except BaseException as error:
            await self.close()
            raise translate(error) from error

    async def _read(self) -> Any:
        try:
            return await self._connection.read_response()
        except BaseException as error:
            if isinstance(error, redis_errors.ResponseError):
                translated = translate(error)
                if isinstance(translated, StoreUnavailableError):
                    await self.close()
                    raise translated from error
                return translated
            await self.close()
            raise translate(error) from error


_ASYNC_KINDS = {
    "Connection": "Connection",
    "SSLConnection": "SSLConnection",
    "UnixDomainSocketConnection": "UnixDomainSocketConnection",
}


class _UnknownScriptError(StoreError):
    """Redis does not know a script any more; it is called again by its text."""


def packed(op: Op[Any], *, by_text: bool = False) -> tuple[Any, ...]:
    """Return an Op as the words of a Redis command; `by_text`: scripts by their text, known to Redis or not."""
    words = [
        # names that others gave to queues are any bytes: `texts` made them surrogate escapes, here they are bytes again
        word.encode("utf-8", "surrogateescape") if type(word) is str else word
        for word in (*op.keys, *op.args)
    ]
    if not op.is_script:
        return (op.name, *words)
    known = script(op.name)
    if by_text:
        return ("EVAL", known.text, len(op.keys), *words)
    return ("EVALSHA", known.sha, len(op.keys), *words)


def decoded(op: Op[Any], reply: Any) -> Any:
    """Return a reply in the form that the Op promises; errors stay errors."""
    if isinstance(reply, WrongTypeError):
        return WrongTypeError(
            f"something else wrote to one of these keys; rename or delete it: {', '.join(op.key_names)[:500]}"
        )
    return reply if isinstance(reply, Exception) else op.decode(reply)


def transaction_replies(ops: Sequence[Op[Any]], queued: Sequence[Any], reply: Any) -> list[Any]:
    """Return the replies of a transaction; a command that was refused when queued spoils them all."""
    refused = next((answer for answer in queued if isinstance(answer, Exception)), None)
    if refused is not None:
        raise refused
    if isinstance(reply, Exception):
        raise reply
    return [
        decoded(op, translate(answer) if isinstance(answer, Exception) else answer)
        for op, answer in zip(ops, reply, strict=True)
    ]


def translate(error: BaseException) -> BaseException:
    """Return our error for one of redis-py's; what is no error of Redis is returned as it is."""
    text = str(error)
    if isinstance(error, redis_errors.AuthenticationError) or any(word in text for word in _LOGIN):
        return StoreError(f"Redis refused the login: {text}; check user and password of the URL")
    if isinstance(error, redis_errors.NoScriptError):
        return _UnknownScriptError(text)
    if isinstance(error, redis_errors.MovedError) or text.startswith("MOVED "):
        return MovedError(text)
    if isinstance(error, redis_errors.ResponseError):
        if "WRONGTYPE" in text:
            return WrongTypeError(text)
        if any(kind.__name__ in _PASSING_CLASSES for kind in type(error).__mro__) or any(
            code in text for code in _PASSING
        ):
            return StoreUnavailableError(text)
        return StoreError(text)
    if isinstance(error, redis_errors.RedisError | OSError | EOFError | TimeoutError):
        return StoreUnavailableError(text or type(error).__name__)
    return error


def _place(config: RedisConfig) -> Place:
    try:
        return read(config)
    except ValueError as error:
        raise ConfigError(
            f"{shown(config.url)} is no Redis URL: {error}; write redis://HOST:PORT/DB, rediss:// for TLS, "
            "redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DB, or unix:///path/to/socket?db=DB"
        ) from None


def _connection(kind: Any, arguments: Mapping[str, Any]) -> Any:
    try:
        made = kind(**arguments)
    except TypeError as error:
        raise ConfigError(f"the URL of Redis has an option that redis-py does not know: {error}") from None
    made.driver_info = made.lib_name = made.lib_version = None  # or it tells them to Redis: two trips, and a right each
    return made


def shown(url: str) -> str:
    """Return a URL that may be printed: without its password."""
    url = re.sub(r"([?&]\w*password=)[^&]*", r"\1***", url)
    head, at, tail = url.rpartition("@")
    if not at:
        return url
    scheme, _, login = head.partition("://")
    return f"{scheme}://{login.partition(':')[0]}:***@{tail}" if ":" in login else f"{scheme}://{login}@{tail}"
