"""Runs plain functions in child processes, each one at a time.

A thread stands in front of each running job: it hands the job to an idle child, or starts one, and waits. So a child
may crash, or be killed when its job takes too long, and nothing but that job fails.

Always holds: a child ends when its pipe ends, and it is killed with the process group that it leads. Linux also kills
it when the thread ends that started it, which these threads do after all children.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from redisjobs import clock
from redisjobs.config import with_redis
from redisjobs.errors import ChildDiedError, ChildStartError, JobTimeout
from redisjobs.store.ops.leases import Settlement, released
from redisjobs.worker.executors.threads import Threads
from redisjobs.worker.origin import CHILD
from redisjobs.worker.pipe import End, Hello, Order, Pipe, Ready
from redisjobs.worker.processor import Processor
from redisjobs.worker.work import Work

START_S = 60.0
"""How long the import of an app, and its `startup` functions, may take in a child."""

DEAF_TO = (signal.SIGTERM, signal.SIGINT, signal.SIGTSTP)
"""What a child leaves to its parent to decide."""

_LEAVE_S = 5.0  # that children get at the end, for what stands behind the `yield` of `startup` functions
_LOOK_S = 1.0  # how often to see whether a child is there: what its job forked may hold the pipe open


class Child:
    """One child process, seen from its parent."""

    def __init__(self, redis_url: str) -> None:
        ours, theirs = socket.socketpair()
        # deaf from its first instruction on: its handlers are set later, and what is blocked waits for them
        before = signal.pthread_sigmask(signal.SIG_BLOCK, DEAF_TO)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", CHILD, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                process_group=0,
                env=with_redis(redis_url),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        self._pipe = Pipe(ours)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def greet(self, hello: Hello) -> None:
        """Have it import the app; return when it is ready for jobs.

        Raises:
            ChildStartError: it could not.
        """
        try:
            self._pipe.send(hello, START_S)
            ready = self._pipe.receive(Ready, START_S)
        except OSError as error:
            raise ChildStartError(f"a child process did not get ready for jobs: {type(error).__name__}") from None
        if ready is None:
            raise ChildStartError(f"a child process ended before it was ready for jobs: {self._how_it_ended()}")
        if ready.problem:
            raise ChildStartError(f"a child process could not get ready for jobs: {ready.problem}")

    def run(self, work: Work) -> End:
        """Have it run a job; wait for that.

        Raises:
            JobTimeout: the job took too long; the child was killed.
            ChildDiedError: it ended before the job did.
        """
        lease, timeout_s = work.lease, work.timeout_s
        until = math.inf if timeout_s is None else clock.monotonic() + timeout_s
        with suppress(OSError):  # the end of the pipe says it below
            self._pipe.send(Order(lease.queue, lease.raw, lease.since), START_S)
        while (left := until - clock.monotonic()) > 0:
            try:
                end = self._pipe.receive(End, min(left, _LOOK_S))
            except TimeoutError:
                if self.alive:
                    continue
                end = None
            if end is None:
                raise ChildDiedError(f"the child process that ran this job ended: {self._how_it_ended()}")
            return end
        self.kill()
        raise JobTimeout(timeout_s)

    def kill(self) -> None:
        """End it at once, with the processes that its job started."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def leave(self) -> None:
        """Have it end when it is idle."""
        self._pipe.end()

    def bury(self) -> None:
        """Close all that is left of it; kill it if need be."""
        self.kill()
        self._process.wait()
        self._pipe.close()

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(_LOOK_S)
        except subprocess.TimeoutExpired:
            return "it closed its pipe"
        if code >= 0:
            return f"exit code {code}"
        hint = "; was memory running out?" if -code == signal.SIGKILL else ""
        return f"killed by {signal.Signals(-code).name}{hint}"


class Processes(Threads):
    """Up to `count` children. They are started with work and kept; the one that was idle last is used first."""

    def __init__(
        self,
        name: str,
        count: int,
        start: Callable[[], tuple[Child, Hello]],
        processor: Processor,
        finished: Callable[[Settlement], None],
    ) -> None:
        super().__init__(name, count, self._in_child, finished)
        self._start_child = start
        self._processor = processor
        self._idle: deque[Child] = deque()
        self._busy: dict[Child, Work] = {}
        self._leaving: list[Child] = []
        self._lock = threading.Lock()

    def interrupt(self) -> None:
        """Kill the children that run something."""
        with self._lock:
            for child in self._busy:
                child.kill()

    def stop(self) -> None:
        """End all children, and the threads."""
        leaving = [*self._leaving, *self._idle]
        self._idle.clear()
        for child in leaving:
            child.leave()
        until = clock.monotonic() + _LEAVE_S
        while any(child.alive for child in leaving) and clock.monotonic() < until:
            threading.Event().wait(0.01)
        for child in leaving:
            child.bury()
        super().stop()

    def _cancel(self, work: Work, at: int) -> None:
        """Kill the child that runs it."""
        work.cancelled = True
        with self._lock:
            for child, runs in self._busy.items():
                if runs is work:
                    child.kill()

    def _in_child(self, work: Work) -> Settlement:
        """Run a job in a child. Never raises."""
        self._processor.starts(work)
        settlement = self._ran(work)
        self._processor.ends(work, settlement)
        return settlement

    def _ran(self, work: Work) -> Settlement:
        child: Child | None = None
        try:
            child = self._take(work)
            end = child.run(work)
        except (Exception, JobTimeout) as error:
            if child is not None:
                self._lose(child)
            if self._processor.interrupting:
                return released(work.lease)
            return self._processor.failed(work, error)
        self._put_back(child, end)
        return end.settlement(work.lease)

    def _take(self, work: Work) -> Child:
        """Return a child to run a job in.

        Raises:
            ConfigError: children cannot import this app.
            ChildStartError: one was started and did not get ready.
            OSError: none could be started.
        """
        while self._idle:
            with suppress(IndexError):  # another thread was faster
                child = self._idle.pop()
                if child.alive:
                    self._use(child, work)
                    return child
                child.bury()
        self._bury_the_left()
        child, hello = self._start_child()
        self._use(child, work)
        try:
            child.greet(hello)
        except ChildStartError:
            self._lose(child)
            raise
        return child

    def _use(self, child: Child, work: Work) -> None:
        with self._lock:
            self._busy[child] = work
        if self._processor.interrupting or work.cancelled:  # too late for who said so to have seen it
            child.kill()

    def _put_back(self, child: Child, end: End) -> None:
        with self._lock:
            self._busy.pop(child)
            (self._leaving if end.last else self._idle).append(child)

    def _lose(self, child: Child) -> None:
        with self._lock:
            self._busy.pop(child)
        child.bury()

    def _bury_the_left(self) -> None:
        """Take leave of the children that said that they end, and have."""
        with self._lock:
            gone = [child for child in self._leaving if not child.alive]
            self._leaving = [child for child in self._leaving if child not in gone]
        for child in gone:
            child.bury()
