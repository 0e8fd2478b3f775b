"""Drive a real Ruby Sidekiq: evaluate Ruby beside it, run its server, click through its Web UI.

A Ruby needs a third of a second to start, so each peer keeps one (ruby/harness.rb) that answers everything but
`start_worker` over its standard streams; an answer then takes well under a millisecond.

Must not know: redisjobs, redis-py, pytest. Works with scripts/ruby-peers, which installs and starts the Rubies.
"""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "scripts" / "ruby-peers"
RUBY = Path(__file__).resolve().parent / "ruby"
GENERATIONS = (6, 7, 8)

START_S = 60.0  # for a Ruby on a machine with other work
ANSWER_S = 30.0


class RubyError(Exception):
    """Ruby raised, or died; `kind` is the class of its error, or empty if the process is gone."""

    def __init__(self, kind: str, message: str, backtrace: Sequence[str] = ()) -> None:
        super().__init__(kind, message, backtrace)
        self.kind, self.message, self.backtrace = kind, message, list(backtrace)

    def __str__(self) -> str:
        return "\n    ".join([f"{self.kind or 'Ruby'}: {self.message}", *self.backtrace])


class Page(NamedTuple):
    """What the Web UI answered; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: str


def unavailable(generation: int) -> str | None:
    """Tell why this generation cannot be run here, and the remedy; None if it can."""
    probe = subprocess.run(
        [SCRIPT, "run", str(generation), "--", "true"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if probe.returncode == 0:
        return None
    return probe.stderr.strip() or f"scripts/ruby-peers run {generation} exited {probe.returncode}"


class RubyPeer:
    """One generation of Sidekiq on one Redis. Started when first asked; use as a context manager, or `close` it.

    `redis_url` is `redis://HOST:PORT/DB` or `unix:///path/to.sock?db=N`. `binds` are further folders that Ruby is to
    see; its own scripts, a socket's folder and that of a required file are seen anyway.
    """

    def __init__(self, generation: int, redis_url: str, *, binds: Iterable[Path] = ()) -> None:
        self.generation = generation
        self.redis_url = redis_url
        self._binds = [RUBY, *binds]
        url = urlsplit(redis_url)
        if url.scheme == "unix":
            self._binds.append(Path(url.path).parent)
        self._folder = tempfile.TemporaryDirectory(prefix="redisjobs-ruby-")
        self._harness: _Harness | None = None
        self._workers: list[RubyWorker] = []

    @property
    def version(self) -> str:
        """Sidekiq's, as `8.1.7`."""
        return self._started().versions["sidekiq"]

    @property
    def ruby_version(self) -> str:
        return self._started().versions["ruby"]

    def eval(self, code: str | Path, /, *, timeout_s: float = ANSWER_S, **given: Any) -> Any:
        """Evaluate Ruby, or a file of it, and return the value of its last expression.

        The code reads `given` as the hash `input`, with strings for keys. Both ways only what JSON has; bytes that
        are no UTF-8 come back as `bytes`. Constants stay from one call to the next, local variables do not.

        Raises:
            RubyError: the code raised; or the process died or did not answer in time, and the next call starts anew.
        """
        file = str(code) if isinstance(code, Path) else "(eval)"
        text = code.read_text() if isinstance(code, Path) else code
        try:
            return self._started().ask({"code": text, "file": file, "input": given}, timeout_s)
        except _GoneError as gone:
            self._stop_harness(patience_s=0)
            raise RubyError("", str(gone)) from None

    def web(self, requests: Iterable[tuple[str, str] | tuple[str, str, Mapping[str, Any]]]) -> list[Page]:
        """Send (method, path, parameters) to the real Web UI, one after the other in one browser session.

        Paths begin at its root: `/`, `/retries`, `/queues/default`. A page that raises is a 500 and its error.
        """
        answers = self.eval("input['requests'].map { |request| Interop.web.visit(*request) }", requests=list(requests))
        return [
            Page(answer["status"], {name.lower(): value for name, value in answer["headers"].items()}, answer["body"])
            for answer in answers
        ]

    def promote(self) -> None:
        """Let Sidekiq's own enqueuer push what is due in the retry and schedule sets, once."""
        self.eval("Interop.promote")

    def start_worker(
        self,
        *,
        queues: Sequence[str] = ("default",),
        concurrency: int = 2,
        require: Path = RUBY / "jobs.rb",
        timeout_s: int = 8,
        poll_s: float | None = None,
        arguments: Sequence[str] = (),
        ruby_flags: Sequence[str] = (),  # not -W0: it silences the message of a failing boot
        environment: Mapping[str, str] | None = None,
    ) -> RubyWorker:
        """Start a real `sidekiq` process and return when its first heartbeat is in Redis.

        `queues` as behind `-q`: `name` or `name,weight`; `timeout_s` is `-t`; `arguments` go behind all others.
        `poll_s` makes its poller look that often, on average, but for a first wait of up to five seconds (`promote`
        is quicker). A `require` of your own must load ruby/connect.rb.
        """
        flags = ["-r", str(require), "-c", str(concurrency), "-t", str(timeout_s)]
        flags += [word for queue in queues for word in ("-q", queue)]
        extra = {"INTEROP_LEASH": "1", **({"INTEROP_POLL_S": str(poll_s)} if poll_s is not None else {})}
        worker = RubyWorker(
            self._command([require.resolve().parent], "ruby", *ruby_flags, "/usr/bin/sidekiq", *flags, *arguments),
            self._environment({**extra, **(environment or {})}),
            Path(self._folder.name) / f"worker-{time.monotonic_ns()}.log",
        )
        self._workers.append(worker)
        worker.wait_until_ready()
        return worker

    def kill_workers(self) -> None:
        """End those servers that still run."""
        for worker in self._workers:
            worker.kill()
        self._workers.clear()

    def close(self) -> None:
        """Stop everything that this peer started. Harmless if done twice."""
        self.kill_workers()
        self._stop_harness()
        self._folder.cleanup()

    def __enter__(self) -> RubyPeer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _started(self) -> _Harness:
        if self._harness is None:
            command = self._command([], "ruby", "-W0", str(RUBY / "harness.rb"))
            self._harness = _Harness(command, self._environment({}), Path(self._folder.name) / "harness.log")
        return self._harness

    def _stop_harness(self, patience_s: float = 2) -> None:
        if self._harness is not None:
            self._harness.close(patience_s)
            self._harness = None

    def _command(self, binds: Iterable[Path], *words: str) -> list[str]:
        folders = dict.fromkeys([*self._binds, *binds])
        return [str(SCRIPT), "run", str(self.generation), *(f"--bind={each}" for each in folders), "--", *words]

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        return {**os.environ, "REDIS_URL": self.redis_url, **extra}


class RubyWorker:
    """A `sidekiq` process; its pid is Ruby's own. It stops by itself if this Python dies."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.identity = ""
        self._log_path = log
        with log.open("wb") as sink:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=sink, stderr=subprocess.STDOUT
            )
        self.pid = self._process.pid

    @property
    def log(self) -> str:
        """All it has logged so far."""
        return self._log_path.read_text(errors="replace")

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self, timeout_s: float = START_S) -> None:
        """Wait for its first heartbeat; then its key in Redis is known as `identity`."""
        deadline = time.monotonic() + timeout_s
        while not self.identity:
            ready = [line.split()[2] for line in self.log.splitlines() if line.startswith("interop: ready ")]
            if ready:
                self.identity = ready[0]
            elif not self.running or time.monotonic() > deadline:
                state = "is not ready" if self.running else f"exited {self._process.returncode}"
                self.kill()
                raise RubyError("", f"sidekiq {state}; it logged:\n{self.log}")
            else:
                time.sleep(0.01)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, timeout_s: float = START_S) -> int:
        """Wait for its end, by whomever, and return its exit code."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise RubyError("", f"sidekiq did not stop within {timeout_s:g} s; it logged:\n{self.log}") from None
        self._close_leash()
        return code

    def stop(self, timeout_s: float = START_S) -> int:
        """Send TERM, wait, and return the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def kill(self) -> None:
        """End it as a crash would."""
        if self.running:
            self._process.kill()
        self._process.wait()
        self._close_leash()

    def __enter__(self) -> RubyWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self.running:
            self.stop()
        else:
            self.kill()

    def _close_leash(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()


class _GoneError(Exception):
    """The harness died or does not answer."""


class _Harness:
    """The long-lived Ruby behind a peer: a line of JSON in, a line of JSON out."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._log_path = log
        with log.open("wb") as sink:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests: IO[bytes] = self._process.stdin
        self._replies: IO[bytes] = self._process.stdout
        self._unread = b""
        try:
            self.versions: dict[str, str] = json.loads(self._read_line(START_S))
        except _GoneError as gone:
            self.close(0)
            raise RubyError("", str(gone)) from None

    def ask(self, request: Mapping[str, Any], timeout_s: float) -> Any:
        try:
            self._requests.write(json.dumps(request, allow_nan=False).encode() + b"\n")
            self._requests.flush()
        except BrokenPipeError:
            raise _GoneError(self._obituary()) from None
        answer = json.loads(self._read_line(timeout_s), object_hook=_bytes)
        if "error" in answer:
            error = answer["error"]
            raise RubyError(error["class"], error["message"], error["backtrace"])
        return answer["value"]

    def close(self, patience_s: float) -> None:
        """Let it end with its input; what does not in time is killed."""
        try:
            self._requests.close()
        except BrokenPipeError:
            pass
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._replies.close()

    def _read_line(self, timeout_s: float) -> bytes:
        deadline = time.monotonic() + timeout_s
        descriptor = self._replies.fileno()
        while b"\n" not in self._unread:
            if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise _GoneError(f"Ruby did not answer within {timeout_s:g} s")
            chunk = os.read(descriptor, 1 << 20)
            if not chunk:
                raise _GoneError(self._obituary())
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _obituary(self) -> str:
        return f"exited {self._process.wait()}; it printed:\n{self._log_path.read_text(errors='replace')}"


def _bytes(value: dict[str, Any]) -> Any:
    """Turn {"$bytes": base64} back into bytes."""
    return base64.b64decode(value["$bytes"]) if value.keys() == {"$bytes"} else value
