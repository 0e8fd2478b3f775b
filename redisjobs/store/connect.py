"""From a RedisConfig to one connection, and from redis-py's errors to ours.

A `Line` is a single connection that sends many requests in one trip and reads their replies. redis-py opens it (TLS,
authentication); its own retries are off, because they would double a push and lose what a blocked pop had taken.
Requests and replies of a `Line` then go straight from hiredis to the socket: a worker's pick-up hangs on them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from redisjobs import clock
from redisjobs.config import RedisConfig
from redisjobs.errors import ConfigError, StoreError, StoreUnavailableError, WrongTypeError
from redisjobs.lazy import LazyModule
from redisjobs.store.drive import adrive, drive
from redisjobs.store.op import Op
from redisjobs.store.opening import Dial, MovedError, opening
from redisjobs.store.place import Place, read
from redisjobs.store.scripts import script
from redisjobs.store.stream import Stream

if TYPE_CHECKING:
    import asyncio

    import hiredis
    import redis
    import redis.asyncio.connection as redis_asyncio
    import redis.asyncio.retry as redis_asyncio_retry
    import redis.backoff as redis_backoff
    import redis.connection as redis_connection
    import redis.exceptions as redis_errors
    import redis.retry as redis_retry
else:
    asyncio = LazyModule("asyncio")
    hiredis = LazyModule("hiredis")
    redis = LazyModule("redis")
    redis_asyncio = LazyModule("redis.asyncio.connection")
    redis_asyncio_retry = LazyModule("redis.asyncio.retry")
    redis_backoff = LazyModule("redis.backoff")
    redis_connection = LazyModule("redis.connection")
    redis_errors = LazyModule("redis.exceptions")
    redis_retry = LazyModule("redis.retry")

# Errors that pass: by the code that redis-py leaves in the text, or by the class that it makes of the code.
_PASSING = (
    *("READONLY", "OOM ", "LOADING", "MISCONF", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "ASK "),
    *("UNBLOCKED", "BUSY ", "max number of clients"),
)
_PASSING_CLASSES = (
    *("ReadOnlyError", "OutOfMemoryError", "MasterDownError", "ClusterDownError", "TryAgainError", "AskError"),
)
_TRICKLE_BYTES_PER_S = 1_000  # a connection that brings less is as good as dead, and another one may be well
_LOGIN = ("NOAUTH", "WRONGPASS", "invalid password", "invalid username-password", "Authentication required")


class Line:
    """One connection, used by one thread at a time. Connects when first used and after each failure."""

    def __init__(self, config: RedisConfig, *, timeout_s: float | None = None) -> None:
        self._place = _place(config)
        self._timeout_s = timeout_s or config.timeout_s
        self._connection = self._made(self._place.first)
        self._stream: Stream | None = None
        self._reader: Any = None
        self.eager = True
        """Whether to look for answers for a moment, before this thread sleeps; not while others make trips too."""

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
        if UnknownScriptError in map(type, replies):
            # by their text, which loads them too: nobody can make Redis forget them in between
            unknown = [at for at, reply in enumerate(replies) if isinstance(reply, UnknownScriptError)]
            again = [ops[at] for at in unknown]
            self.send(again, by_text=True)
            for at, reply in zip(unknown, self.receive(again), strict=True):
                replies[at] = reply
        return replies

    def send(self, ops: Sequence[Op[Any]], *, atomic: bool = False, by_text: bool = False) -> None:
        """Send requests without waiting for their replies; see `request`."""
        try:
            if self._stream is None:
                self._place = drive(opening(self._place), self)
            assert self._stream is not None
            self._stream.send(message(ops, atomic=atomic, by_text=by_text))
        except BaseException as error:
            raise self._failed(error) from error

    def receive(self, ops: Sequence[Op[Any]]) -> list[Any]:
        """Read the replies of what `send` sent; see `request`."""
        return [decoded(op, self._read()) for op in ops]

    def run(self, step: Dial | Op[Any]) -> Any:
        """Take a step of `opening`."""
        try:
            if isinstance(step, Dial):
                return self._dial(step.arguments)
            self._open.send(packed(step))
        except BaseException as error:
            raise self._failed(error) from error
        reply = self._read()
        if isinstance(reply, Exception):
            raise reply
        return reply

    def fileno(self) -> int:
        """Return the socket's number, for a selector."""
        return self._open.fileno()

    @property
    def connected(self) -> bool:
        """Whether a socket is open, as far as this end knows."""
        return self._stream is not None

    @property
    def stale(self) -> bool:
        """Whether the other end closed it, or said what nobody asked for, since it was last used."""
        return self._stream is not None and self._stream.stale

    def close(self) -> None:
        """Close the socket; the next request opens another."""
        self._stream = None
        self._connection.disconnect()

    @property
    def _open(self) -> Stream:
        assert self._stream is not None
        return self._stream

    def _made(self, arguments: Mapping[str, Any]) -> Any:
        kind = arguments.get("connection_class", redis_connection.Connection)
        retry = redis_retry.Retry(redis_backoff.NoBackoff(), 0)
        given = {name: value for name, value in arguments.items() if name != "connection_class"}
        return _connection(kind, {**given, "socket_timeout": self._timeout_s, "retry": retry})

    def _dial(self, arguments: Mapping[str, Any]) -> None:
        self.close()
        self._connection = self._made(arguments)
        self._connection.connect()
        self._stream = Stream(self._connection._sock, self._timeout_s)  # redis-py has no public name for it
        self._reader = hiredis.Reader(replyError=_refusal)

    def _receive_transaction(self, ops: Sequence[Op[Any]]) -> list[Any]:
        queued = [self._read() for _ in range(len(ops) + 1)]
        reply = self._read()
        return transaction_replies(ops, queued, reply)

    def _read(self) -> Any:
        reply = self._reader.gets()
        if reply is False:
            try:
                reply = self._wait()
            except BaseException as error:
                raise self._failed(error) from error
        if isinstance(reply, Exception):
            reply = translate(reply)
            if isinstance(reply, StoreUnavailableError):
                self.close()  # a replica, or a server that is full: look again who is master
                raise reply
        return reply

    def _wait(self) -> Any:
        """Read from the socket until a reply is whole. Each piece may take the timeout, if they do not just trickle."""
        received, began_at = 0, 0.0
        while True:
            data = self._open.receive(eager=self.eager)
            if not data:
                raise EOFError("Redis closed the connection")
            self._reader.feed(data)
            reply = self._reader.gets()
            if reply is not False:
                return reply
            received, began_at = received + len(data), began_at or clock.monotonic()
            took_s = clock.monotonic() - began_at
            if took_s > 1.0 and received < took_s * _TRICKLE_BYTES_PER_S:
                raise TimeoutError("the replies come too slowly")

    def _failed(self, error: BaseException) -> BaseException:
        self.close()
        return translate(error)


class Request(Struct, eq=False):
    """Ops that one coroutine asks for, as bytes, how many replies they get, and who waits for these."""

    sent: bytes
    count: int
    replies: asyncio.Future[list[Any]]


class AsyncLine:
    """See `Line`: the same on an event loop, for the requests of many coroutines at once."""

    def __init__(self, config: RedisConfig) -> None:
        self._timeout_s = config.timeout_s
        self._connecting_s = config.connect_timeout_s + config.timeout_s
        self._place = _place(config)
        self._connection = self._made(self._place.first)
        self._refused = False

    async def carry(self, requests: Sequence[Request]) -> None:
        """Send requests in one trip and give each its replies; who stopped waiting gets none.

        Raises:
            StoreUnavailableError: the connection failed; requests without replies may or may not have happened.
            StoreError: the login was refused.
        """
        try:
            await self._connect()
            async with asyncio.timeout(self._timeout_s):
                await self._connection.send_packed_command([b"".join([each.sent for each in requests])], False)
                for each in requests:
                    replies = [await self._read() for _ in range(each.count)]
                    if not each.replies.done():
                        each.replies.set_result(replies)
        except BaseException as error:
            await self.close()
            raise translate(error) from error
        if self._refused:  # by a replica, or a server that is full: look again who is master
            await self.close()

    async def close(self, *, wait: bool = False) -> None:
        """See `Line.close`; `wait` for the end of it too: TLS says goodbye, which takes a loop that runs."""
        self._refused = False
        writer = self._connection._writer
        if writer is not None and not wait:
            writer.transport.abort()  # what it could not send yet would keep it open
        try:
            await self._connection.disconnect(nowait=not wait)
        except redis_errors.TimeoutError:
            pass

    async def run(self, step: Dial | Op[Any]) -> Any:
        """See `Line.run`."""
        try:
            async with asyncio.timeout(self._connecting_s):
                if isinstance(step, Dial):
                    await self.close()
                    self._connection = self._made(step.arguments)
                    return await self._connection.connect()
                await self._connection.send_packed_command([packed(step)], False)
                reply = await self._read()
        except BaseException as error:
            await self.close()
            raise translate(error) from error
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _made(self, arguments: Mapping[str, Any]) -> Any:
        kind = _ASYNC_KINDS[arguments.get("connection_class", redis_connection.Connection).__name__]
        retry = redis_asyncio_retry.Retry(redis_backoff.NoBackoff(), 0)
        given = {name: value for name, value in arguments.items() if name != "connection_class"}
        # no socket_timeout: a timer for each reply would cost more than the reply
        return _connection(getattr(redis_asyncio, kind), {**given, "socket_timeout": None, "retry": retry})

    async def _connect(self) -> None:
        reader = self._connection._reader
        if reader is not None and (reader.at_eof() or reader.exception() is not None):
            await self.close()  # Redis was restarted since: that is no outage now
        if not self._connection.is_connected:
            self._place = await adrive(opening(self._place), self)

    async def _read(self) -> Any:
        try:
            return await self._connection.read_response()
        except redis_errors.ResponseError as error:
            reply = translate(error)
            self._refused |= isinstance(reply, StoreUnavailableError)
            return reply


_ASYNC_KINDS = {
    "Connection": "Connection",
    "SSLConnection": "SSLConnection",
    "UnixDomainSocketConnection": "UnixDomainSocketConnection",
}


class UnknownScriptError(StoreError):
    """Redis does not know a script any more; it is called again by its text."""


def message(ops: Sequence[Op[Any]], *, atomic: bool = False, by_text: bool = False) -> bytes:
    """Return what is sent for some requests."""
    if len(ops) == 1 and not atomic:
        return packed(ops[0], by_text=by_text)  # most pushes
    sent = b"".join([packed(op, by_text=atomic or by_text) for op in ops])
    return b"*1\r\n$5\r\nMULTI\r\n%b*1\r\n$4\r\nEXEC\r\n" % sent if atomic else sent


def packed(op: Op[Any], *, by_text: bool = False) -> bytes:
    """Return an Op as a Redis command; `by_text`: scripts by their text, known to Redis or not."""
    words: Any
    if not op.is_script:
        words = (op.name, *op.keys, *op.args)
    elif by_text:
        words = ("EVAL", script(op.name).text, len(op.keys), *op.keys, *op.args)
    else:
        words = ("EVALSHA", script(op.name).sha, len(op.keys), *op.keys, *op.args)
    try:
        return bytes(hiredis.pack_command(words))
    except UnicodeEncodeError:
        # names that others gave to queues are any bytes: `texts` made them surrogate escapes, here they are bytes again
        plain = [word.encode("utf-8", "surrogateescape") if isinstance(word, str) else word for word in words]
        return bytes(hiredis.pack_command(tuple(plain)))  # type: ignore[arg-type]  # its stub knows of one word only


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


def _refusal(text: str) -> Exception:
    """Return redis-py's error for an error reply, its code still in the text."""
    kind = redis_errors.NoScriptError if text.startswith("NOSCRIPT") else redis_errors.ResponseError
    return kind(text)


def translate(error: BaseException) -> BaseException:
    """Return our error for one of redis-py's; what is no error of Redis is returned as it is."""
    text = str(error)
    if isinstance(error, redis_errors.AuthenticationError) or any(word in text for word in _LOGIN):
        return StoreError(f"Redis refused the login: {text}; check user and password of the URL")
    if isinstance(error, redis_errors.NoScriptError):
        return UnknownScriptError(text)
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
