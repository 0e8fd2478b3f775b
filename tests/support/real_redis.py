"""RealRedis: a redis-server of the tests' own, and its whole database as plain Python.

It listens on a Unix socket in a folder of its own and on a free port of the loopback. It is ended by its own pid.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, overload

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from redisjobs.config import RedisConfig
from redisjobs.store.op import Op, Together
from redisjobs.store.stores import BlockingStore
from tests.support.eventually import eventually

Text: TypeAlias = str | bytes
Value: TypeAlias = Text | Sequence[Text] | set[Any] | Mapping[Any, Any]
"""A string; a list; a set; a dict with numbers as values is a sorted set, with texts a hash."""

_METRICS = ("*j|[0-9]*", "*h|*-*:*", "*tallied:*", "*lease-taken")


def find_binary() -> str | None:
    """Return the path of a server's program, if there is one: REDISJOBS_TEST_SERVER, else what is on PATH."""
    named = os.environ.get("REDISJOBS_TEST_SERVER")
    if named:
        return shutil.which(named)
    return shutil.which("redis-server") or shutil.which("valkey-server")


class RealRedis:
    """One running server. `options` are lines of its configuration, `_` for `-`: `appendonly="yes"`."""

    def __init__(self, **options: str | int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="redisjobs-test-"))
        self.socket = str(self.folder / "redis.sock")
        self.port = free_port()
        self.password = str(options.get("requirepass", ""))
        defaults = {"save": "", "appendonly": "no", "loglevel": "warning", "repl_diskless_sync_delay": 0}
        self._options = {**defaults, **options}
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def __enter__(self) -> RealRedis:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the process ------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"unix://{self._login}{self.socket}"

    @property
    def tcp_url(self) -> str:
        return f"redis://{self._login}127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self) -> None:
        """Start, or start again on the same folder and port; return when it answers."""
        assert self._process is None, "the server is running"
        program = find_binary()
        assert program is not None, "no redis-server or valkey-server on PATH"
        words = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.socket]
        words += ["--dir", str(self.folder), "--logfile", str(self.folder / "log")]
        for name, value in self._options.items():
            words += [f"--{name.replace('_', '-')}", *(str(value).split() or [""])]
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        eventually(self._answers, message=f"{' '.join(words)} does not answer: {self.log()}")

    def configure(self, **options: str | int) -> None:
        """Change options of its configuration, from its next start on."""
        self._options |= options

    def stop(self) -> None:
        """End it as an administrator would; a file it keeps is written."""
        self._end(signal.SIGTERM)

    def kill9(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def sigstop(self) -> None:
        """Have it answer nobody; connections stay open."""
        self._send(signal.SIGSTOP)

    def sigcont(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def close(self) -> None:
        """End it and delete its folder."""
        if "client" in self.__dict__:
            self.client.close()
        if self._process is not None:
            self.sigcont()
            self._end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """Return what the server wrote to its log."""
        file = self.folder / "log"
        return file.read_text("utf-8", "replace") if file.exists() else ""

    # -- the data ---------------------------------------------------------------------------------------------

    @cached_property
    def client(self) -> Any:
        """A plain redis-py client: bytes in, bytes out. It reconnects, and does not send anything twice."""
        return redis.Redis(
            unix_socket_path=self.socket,
            password=self.password or None,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=30,
        )

    def seed(self, database: Mapping[str, Value]) -> None:
        """Write keys: see `Value` for what becomes of which Python type."""
        for key, value in database.items():
            if isinstance(value, str | bytes):
                self.client.set(key, value)
            elif isinstance(value, set):
                self.client.sadd(key, *value)
            elif isinstance(value, Mapping):
                if all(isinstance(item, int | float) for item in value.values()):
                    self.client.zadd(key, dict(value))
                else:
                    self.client.hset(key, mapping=dict(value))
            else:
                self.client.rpush(key, *value)

    def dump(self, ignore: Sequence[str] = ()) -> dict[str, Any]:
        """Return the whole database: str, list of str, set of str, {str: float} and {str: str} (hash) by key.

        `ignore` are patterns of keys to leave out, such as `pushed:*`. What is no UTF-8 is surrogate-escaped.
        Metrics are never in it: when they are written is a matter of seconds.
        """
        keys = sorted(text(key) for key in self.client.keys("*"))
        ignore = (*ignore, *_METRICS)
        return self._values([key for key in keys if not any(fnmatchcase(key, pattern) for pattern in ignore)])

    def value(self, key: str) -> Any:
        """Return what is under one key, as `dump` does; None if there is nothing."""
        return self._values([key]).get(key)

    def _values(self, keys: Sequence[str]) -> dict[str, Any]:
        names = [key.encode("utf-8", "surrogateescape") for key in keys]
        with self.client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.type(name)
            kinds = pipe.execute()
            for name, kind in zip(names, kinds, strict=True):
                getattr(pipe, _READ[kind][0])(name, *_READ[kind][1])
            replies = pipe.execute()
        found = zip(keys, kinds, replies, strict=True)
        return {key: _plain(kind, reply) for key, kind, reply in found if kind != b"none"}

    @overload
    def run(self, wanted: Op[Any]) -> Any: ...
    @overload
    def run(self, wanted: Together) -> list[Any]: ...
    def run(self, wanted: Any) -> Any:
        """Send Ops as the package does."""
        store = BlockingStore(self.config)
        try:
            return store.run(wanted)
        finally:
            store.close()

    @property
    def config(self) -> RedisConfig:
        """Where this server is, for stores."""
        return RedisConfig(self.url)

    def now(self) -> float:
        """Return the server's clock, Unix seconds."""
        seconds, microseconds = self.client.time()
        return float(seconds + microseconds / 1e6)

    def cli(self, *words: str) -> str:
        """Return what `redis-cli` prints for a command."""
        program = shutil.which("redis-cli") or shutil.which("valkey-cli")
        assert program is not None, "no redis-cli or valkey-cli on PATH"
        login = ["--no-auth-warning", "-a", self.password] if self.password else []
        done = subprocess.run(
            [program, "-s", self.socket, *login, *words], capture_output=True, text=True, check=True, timeout=30
        )
        return done.stdout

    # -- ----------------------------------------------------------------------------------------------------

    @property
    def _login(self) -> str:
        return f":{self.password}@" if self.password else ""

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the server ended at once: {self.log()}"
        try:
            return bool(self.client.ping())
        except (redis.ConnectionError, redis.BusyLoadingError):
            return False

    def _send(self, number: int) -> None:
        assert self._process is not None, "the server is not running"
        self._process.send_signal(number)

    def _end(self, number: int) -> None:
        assert self._process is not None, "the server is not running"
        self._process.send_signal(number)
        self._process.wait(30)
        self._process = None
        self.client.connection_pool.disconnect()


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def text(raw: bytes) -> str:
    """Return bytes as text; what is no UTF-8 is surrogate-escaped."""
    return raw.decode("utf-8", "surrogateescape")


_READ: dict[bytes, tuple[str, tuple[Any, ...]]] = {
    b"none": ("type", ()),
    b"string": ("get", ()),
    b"list": ("lrange", (0, -1)),
    b"set": ("smembers", ()),
    b"zset": ("zrange", (0, -1, False, True)),
    b"hash": ("hgetall", ()),
}


def _plain(kind: bytes, reply: Any) -> Any:
    if kind == b"string":
        return text(reply)
    if kind == b"list":
        return [text(item) for item in reply]
    if kind == b"set":
        return {text(item) for item in reply}
    if kind == b"zset":
        return {text(item): float(score) for item, score in reply}
    return {text(field): text(item) for field, item in reply.items()}
