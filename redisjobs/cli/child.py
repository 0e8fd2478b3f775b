"""What a child process of a worker runs: not a command for people.

Its arguments are the number of its end of the pipe and its parent's process id; the rest comes through the pipe.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

from redisjobs.app import RedisJobs
from redisjobs.cli import loading
from redisjobs.worker import children, logs
from redisjobs.worker.child import ChildWorker
from redisjobs.worker.executors.processes import DEAF_TO
from redisjobs.worker.pipe import Hello, Pipe, Ready


def main() -> None:
    """Run jobs until the pipe ends."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    _be_deaf()
    children.end_with(parent, number=signal.SIGKILL)  # whatever runs here
    os.set_inheritable(descriptor, False)  # what jobs start must not hold it open
    pipe = Pipe(socket.socket(fileno=descriptor))
    hello = pipe.receive(Hello)
    if hello is None:
        return
    try:
        app = _import(hello).shard(hello.shard)
        worker = ChildWorker(app.worker_parts(hello.settings), hello, pipe)
        worker.open()
    except Exception as error:  # user code
        pipe.send(Ready(f"{type(error).__name__}: {error}"))
        raise
    pipe.send(Ready())
    try:
        worker.work()
    except BrokenPipeError:  # the parent is gone, and whoever finds its leases runs the job again
        pass
    finally:
        worker.close()
        app.close()


def _import(hello: Hello) -> RedisJobs:
    origin, log = hello.origin, hello.origin.log
    if log is not None:
        logs.setup(log.style, log.level, Path(log.file) if log.file else None)
    sys.path[:] = hello.path
    folder = Path(hello.path[0])
    app = loading.find_app(origin.app, folder)
    for module in origin.require:
        loading.load(module, folder)
    return app


def _be_deaf() -> None:
    """Hear the signals of the whole group and do nothing; unlike ignoring them, that is not passed on by `exec`."""
    for number in DEAF_TO:
        signal.signal(number, _nothing)
        signal.siginterrupt(number, False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, DEAF_TO)


def _nothing(*_: object) -> None:
    pass


if __name__ == "__main__":
    main()
