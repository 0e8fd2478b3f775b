"""A folder with the data of a private server: who uses it, which process serves it, when that is started and ended.

Four files are locked with flock, which the kernel lets go when their holder dies, however it dies:

- `lock`, the gate, exclusively, by whoever starts the server, joins it or leaves it: one at a time.
- `users`, shared, by each process that uses the server, from joining to leaving. A forked child shares its parent's
  hold, and is a user as long as it lives. Who could lock it exclusively after letting go was the last one.
- `alive`, exclusively, by the server itself, which inherits it open: while it is locked a server runs, and no other
  may be started on this data, not even when its socket has vanished.

Beside them: `server.json` (which server wrote the data, where it listens), `redis.conf` (written anew on each start),
`redis.log`, `redis.pid`, `redis.sock`, and the append-only file. It must be a local file system.

A user that crashed is no user any more, but ends nothing: a server that lost its last user that way runs on until
the next user leaves.

Must not know: how a server's program is found, or what is done when there is none.
Always holds: at most one server runs on a folder, and it is ended only by a user who was the last one, at the gate.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeAlias

from redisjobs import clock
from redisjobs.errors import EmbeddedError
from redisjobs.store.embedded_program import Binary, Kind, info, launch, remedy, request, why

log = logging.getLogger("redisjobs")

MAX_SOCKET_PATH_BYTES = 100  # macOS allows 103, Linux 107; a server cuts a longer one without a word

_GATE_S = 150.0  # longer than all that one holder of the gate may wait for
_ANSWER_S = 15.0
_SOCKETLESS_S = 2.0  # a server that ends deletes its socket, and is gone milliseconds later
_LOADING_S = 120.0
_STOP_S = 10.0
_MAX_LOG_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Served:
    """`server.json`: the server that runs on a folder, or was the last to; its family and version wrote the data."""

    kind: Kind
    family: str
    version: str
    path: str
    pid: int
    started_at: float
    socket: str
    stay: bool


Choose: TypeAlias = Callable[[Served | None], Binary]
"""Chooses the program to start, given what wrote the data that are there."""


class Folder:
    """One folder of data and the server on it. Making one touches nothing; `join` does."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self._users: int | None = None
        self._server_pid = 0

    @property
    def was_served(self) -> bool:
        """Tell whether a server was ever started here."""
        return self._file("server.json").exists()

    def join(self, choose: Choose, *, stay: bool) -> Served:
        """Become a user of the server of this folder; start it if none runs.

        Raises:
            EmbeddedError: it does not start, does not answer, or the folder cannot be used.

        Cost: a millisecond if it runs; else the start of a server, and the time it needs to load its data.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_private(self.path, forbidden=0o022)
            with self._gate():
                users = os.open(self._file("users"), os.O_RDWR | os.O_CREAT, 0o600)
                try:
                    _lock(users, fcntl.LOCK_SH, _STOP_S)
                    served = self._adopt() or self._start(choose(self.last()))
                    if stay and not served.stay:
                        served = replace(served, stay=True)
                        self._write(served)
                except BaseException:
                    os.close(users)
                    raise
        except OSError as error:
            problem = error.strerror or str(error)
            raise EmbeddedError(f"{error.filename or self.path}: {problem}; {remedy(problem)}") from error
        self._users, self._server_pid = users, served.pid
        return served

    def leave(self) -> None:
        """Stop being a user; end the server if nobody else is one and nobody wanted it to stay."""
        users, self._users = self._users, None
        if users is None:
            return
        try:
            with self._gate():
                os.close(users)  # not LOCK_UN: a forked child that still has it open is a user too
                users = None
                served = self.last()
                if served is not None and not served.stay and self._nobody_uses():
                    self._stop(Path(served.socket))
        except FileNotFoundError:  # the whole folder was deleted, and the data with it
            if users is not None and _lock(users, fcntl.LOCK_EX, 0):
                self._terminate(self._server_pid)
        except (OSError, EmbeddedError) as error:
            log.warning("the private server is left running", extra={"folder": str(self.path), "error": str(error)})
        finally:
            if users is not None:
                os.close(users)

    def last(self) -> Served | None:
        """Return what `server.json` says; None if there is none, or it is none of ours."""
        try:
            told = json.loads(self._file("server.json").read_text("utf-8"))
            return Served(**{name: told[name] for name in Served.__slots__})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    # -- a server that runs -----------------------------------------------------------------------------------

    def _adopt(self) -> Served | None:
        """Return the server that runs; None if none does, also if it was about to end and has."""
        if not self._alive():
            return None
        served = self.last() or Served(
            "redis-server", "redis", "", "", 0, clock.now(), str(self._socket_path()), stay=False
        )
        told = self._await_answer(Path(served.socket))
        if told is None:
            return None
        now = _completed(served, told)
        if now != served:  # whoever started it died before writing all of it down
            self._note(now)
        return now

    def _await_answer(self, at: Path) -> Mapping[str, str] | None:
        """Wait until the server answers and return who it is; None if it ends instead."""
        begun, limit_s, pause_s = clock.monotonic(), _ANSWER_S, 0.001
        asked_to_end = False
        while True:
            try:
                answer = request(at, "PING")
                if not answer.startswith(("-LOADING", "-BUSY", "-NOAUTH")):
                    return info(at)  # also if it accepts no writes, for want of memory or disk
                if answer.startswith("-LOADING"):
                    limit_s = _LOADING_S
            except OSError as error:
                answer = str(error.strerror or error)
            if not self._alive():
                return None
            waited_s = clock.monotonic() - begun
            if waited_s > _SOCKETLESS_S and not asked_to_end and not at.exists():
                asked_to_end = True
                self._terminate(self._pid())
            if waited_s > limit_s:
                raise EmbeddedError(self._no_answer(answer, waited_s))
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 0.02)

    def _terminate(self, pid: int) -> None:
        """Ask a server that cannot be reached to end, in good order: it writes all it has.

        Sockets vanish where temporary folders are swept. Only if the system tells that the process has `alive` open.
        """
        alive = str(self._file("alive"))
        try:
            if any(str(entry.readlink()).startswith(alive) for entry in Path(f"/proc/{pid}/fd").iterdir()):
                log.warning("the private server lost its socket and is told to end", extra={"pid": pid})
                os.kill(pid, signal.SIGTERM)
        except OSError:  # no such process, or no such system
            pass

    def _no_answer(self, answer: str, waited_s: float) -> str:
        who = f"{self.path}: the server that runs here (pid {self._pid() or 'unknown'})"
        if answer.startswith("-LOADING"):
            return f"{who} still loads its data after {waited_s:.0f} s and goes on doing so; try again in a while"
        return (
            f"{who} does not answer: {answer.lstrip('-')}; if it is stopped, let it go on (kill -CONT), else end it "
            f"(kill) and start again; its log is {self._file('redis.log')}"
        )

    # -- a server that does not run yet -----------------------------------------------------------------------

    def _start(self, binary: Binary) -> Served:
        before = self.last()
        self._check_readable(binary, before)
        at = self._socket_path()
        served = Served(binary.kind, binary.family, binary.version, str(binary.path), 0, clock.now(), str(at), False)
        self._write(served)  # before the first byte of data: from now on they may be in this version's format
        log_start = self._rotate_log()
        told = self._launch(binary, at) or self._launch(binary, at)  # again, if it was killed while it started
        if told is None:
            if before is not None:
                self._write(before)  # it ended before it wrote any data
            log_file = self._file("redis.log")
            raise EmbeddedError(
                f"{self.path}: {binary.path}, {binary.version}, did not start; {why(log_file, log_start)}"
            )
        served = _completed(served, told)
        self._note(served)
        return served

    def _launch(self, binary: Binary, at: Path) -> Mapping[str, str] | None:
        alive = os.open(self._file("alive"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not _lock(alive, fcntl.LOCK_EX, _STOP_S):
                raise EmbeddedError(f"{self._file('alive')}: locked by a process that is no server of ours; try again")
            launch(binary, self.path, at, keep_open=alive)
        finally:
            os.close(alive)  # not LOCK_UN: the server shares it from here on
        return self._await_answer(at)

    def _check_readable(self, binary: Binary, before: Served | None) -> None:
        """Refuse data of a newer server: some versions end at once on seeing them, others start empty beside them."""
        if before is not None:
            wrote, readable = f"{before.family} {before.version}", binary.reads(before.family, before.version)
        else:
            wrote, readable = "redis 7.0", binary.reads("redis", "7.0") or not self._file("appendonlydir").exists()
        if not readable:
            raise EmbeddedError(
                f"{self.path}: the data here were written by {wrote}, which {binary.path}, {binary.family} "
                f"{binary.version}, cannot read; install {wrote} or newer again, or choose another folder "
                "(REDISJOBS_DATA=/path), which starts empty"
            )

    # -- the end of a server ----------------------------------------------------------------------------------

    def _nobody_uses(self) -> bool:
        probe = os.open(self._file("users"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            return _lock(probe, fcntl.LOCK_EX, 0)
        finally:
            fcntl.flock(probe, fcntl.LOCK_UN)  # not only close: a child forked meanwhile has it open too
            os.close(probe)

    def _stop(self, at: Path) -> None:
        """Have the server end in good order: it writes and syncs its append-only file first, whatever appendfsync.

        Not while it cannot write (its disk is full): the last of what it acknowledged may be in its memory only.
        """
        if not self._alive():
            return
        refused = ""
        try:
            refused = request(at, "PING")
            if not refused.startswith("-MISCONF"):
                refused = request(at, "SHUTDOWN", "NOSAVE", wait_s=_STOP_S)
        except OSError:
            pass  # the connection ends with the server
        until = clock.monotonic() + (_STOP_S if not refused.startswith("-") else 0)
        while self._alive():
            if clock.monotonic() > until:
                raise EmbeddedError(refused.lstrip("-") or "it does not end")
            time.sleep(0.002)

    # -- files ------------------------------------------------------------------------------------------------

    def _file(self, name: str) -> Path:
        return self.path / name

    def _socket_path(self) -> Path:
        at = self._file("redis.sock")
        if len(os.fsencode(at)) <= MAX_SOCKET_PATH_BYTES:
            return at
        name = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16] + ".sock"
        return runtime_folder(len(name) + 1) / name

    def _alive(self) -> bool:
        probe = os.open(self._file("alive"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            return not _lock(probe, fcntl.LOCK_EX, 0)
        finally:
            fcntl.flock(probe, fcntl.LOCK_UN)
            os.close(probe)

    def _pid(self) -> int:
        try:
            return int(self._file("redis.pid").read_text("ascii"))
        except (OSError, ValueError):
            return 0

    def _write(self, served: Served) -> None:
        new = self._file("server.json.new")
        new.touch(0o600)
        new.write_text(json.dumps(asdict(served), indent=2) + "\n", "utf-8")
        new.replace(self._file("server.json"))

    def _note(self, served: Served) -> None:
        """Write about a server that runs already; on a full disk it is still of use, if only to look into."""
        try:
            self._write(served)
        except OSError as error:
            log.warning("server.json is not up to date", extra={"folder": str(self.path), "error": str(error)})

    def _rotate_log(self) -> int:
        """Return the size of the log, from which on this start writes; begin a new one if it has grown large."""
        file = self._file("redis.log")
        file.touch(0o600)
        if file.stat().st_size > _MAX_LOG_BYTES:
            file.replace(self._file("redis.log.1"))
            file.touch(0o600)
        return file.stat().st_size

    @contextmanager
    def _gate(self) -> Iterator[None]:
        gate = os.open(self._file("lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not _lock(gate, fcntl.LOCK_EX, _GATE_S):
                raise EmbeddedError(f"{self._file('lock')}: another process has held this lock for {_GATE_S:.0f} s")
            yield
        finally:
            fcntl.flock(gate, fcntl.LOCK_UN)
            os.close(gate)


def runtime_folder(more_bytes: int, environ: Mapping[str, str] = os.environ) -> Path:
    """Return a short private folder for sockets, made if need be; `more_bytes` are for the name that follows.

    Raises:
        EmbeddedError: it is another user's, or not private.
    """
    session = Path(environ.get("XDG_RUNTIME_DIR", ""))
    folder = session / "redisjobs"
    if not session.is_absolute() or not os.access(session, os.W_OK) or _too_long(folder, more_bytes):
        folder = Path(tempfile.gettempdir()) / f"redisjobs-{os.geteuid()}"
    if _too_long(folder, more_bytes):
        folder = Path("/tmp") / folder.name
    folder.mkdir(mode=0o700, exist_ok=True)
    _check_private(folder, forbidden=0o077)
    return folder


def _too_long(folder: Path, more_bytes: int) -> bool:
    return len(os.fsencode(folder)) + more_bytes > MAX_SOCKET_PATH_BYTES


def _check_private(folder: Path, *, forbidden: int) -> None:
    found = folder.lstat()
    if found.st_uid != os.geteuid():
        raise EmbeddedError(
            f"{folder}: belongs to user {found.st_uid}, not to user {os.geteuid()} who runs this; "
            "choose another folder: REDISJOBS_DATA=/path"
        )
    if found.st_mode & forbidden:
        raise EmbeddedError(f"{folder}: is open to other users; chmod 700 it, or choose another: REDISJOBS_DATA=/path")


def _lock(fd: int, how: int, wait_s: float) -> bool:
    """Lock an open file within some seconds; tell whether it was possible."""
    until, pause_s = clock.monotonic() + wait_s, 0.001
    while True:
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.monotonic() >= until:
                return False
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 0.02)
        else:
            return True


def _completed(served: Served, told: Mapping[str, str]) -> Served:
    """Return what is known of a server, by what it says of itself."""
    family = "valkey" if "valkey_version" in told else "redis"
    kind: Kind = served.kind if served.kind == "wheel" else f"{family}-server"  # type: ignore[assignment]
    return replace(
        served,
        kind=kind,
        family=family,
        version=told.get("valkey_version") or told.get("redis_version") or served.version,
        path=served.path or told.get("executable", ""),
        pid=int(told.get("process_id", 0)),
    )
