"""`redisjobs demo`: a private Redis, a mix of jobs, a worker in this terminal, and a table of what happened."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import click

from redisjobs import config
from redisjobs.app import RedisJobs
from redisjobs.cli.session import Session
from redisjobs.config import Given
from redisjobs.middleware.context import JobContext, current_job
from redisjobs.store import embedded
from redisjobs.store.op import Steps, command
from redisjobs.wire import payload
from redisjobs.worker import logs

FAST = 2000
_QUEUE = "demo"
_PATIENCE_S = 60.0


@dataclass
class Tally:
    """What the demo's own middleware saw."""

    runs: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    retried: int = 0
    first_fast: float = 0.0
    last_fast: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def middleware(self, job: JobContext) -> Steps[Any]:
        """Count a run: a server middleware as plain as can be."""
        try:
            yield
        except Exception:
            with self.lock:
                self.failed += 1
            raise
        finally:
            with self.lock:
                self.runs[job.name] += 1
                self.retried += job.attempt > 1
                if job.name == "Fast":
                    self.last_fast = time.monotonic()
                    self.first_fast = self.first_fast or self.last_fast

    @property
    def total(self) -> int:
        return sum(self.runs.values())


def enqueue_mix(app: RedisJobs) -> int:
    """Declare the jobs of the demo and enqueue a mix of them; return how many runs that will make."""

    @app.job(name="Fast", log_level="warn")
    def fast(number: int) -> None:
        """Does nothing, and its log level keeps it out of the log."""

    @app.job(name="Slow")
    def slow(seconds: float) -> None:
        time.sleep(seconds)

    @app.job(name="FailsOnce", retry_in=lambda count, error, members: 1)
    def fails_once() -> None:
        if current_job().attempt == 1:
            raise ConnectionError("the warehouse did not answer")

    @app.job(name="FailsForGood", retry=0, backtrace=10)
    def fails_for_good(order: int) -> None:
        raise ValueError(f"order {order} has no lines")

    @app.job(name="Later")
    def later(seconds: float) -> None:
        current_job().logger.info("here I am", extra={"scheduled_ahead_s": seconds})

    @app.job(name="Async")
    async def coroutine(seconds: float) -> None:
        await asyncio.sleep(seconds)

    @app.job(name="HardJob")
    def hard_job(*args: object) -> None:
        current_job().logger.info("pushed as Ruby does", extra={"arguments": repr(args)})

    fast.enqueue_many([(number,) for number in range(FAST)])
    slow.enqueue_many([(0.4,), (0.6,)])
    fails_once.enqueue()
    fails_for_good.enqueue(7)
    later.enqueue_in(2, 2.0)
    coroutine.enqueue_many([(0.2,)] * 3)
    push_like_ruby(app, "HardJob", '["from Ruby",{"n":42}]')
    return FAST + 2 + 2 + 1 + 1 + 3 + 1


def push_like_ruby(app: RedisJobs, name: str, args: str) -> None:
    """Push raw JSON by the two commands of a Ruby client."""
    now = int(time.time() * 1000)
    raw = (
        f'{{"retry":true,"queue":"{_QUEUE}","args":{args},"class":"{name}","jid":"{payload.new_jid()}",'
        f'"created_at":{now},"enqueued_at":{now}}}'
    )
    app.store.run(command("SADD", app.keys.queues, _QUEUE))
    app.store.run(command("LPUSH", app.keys.queue(_QUEUE), raw))


@click.command()
@click.option("--keep", is_flag=True, help="Leave the worker up at the end, to try things out; Ctrl-C ends it.")
@click.pass_obj
def demo(session: Session, /, keep: bool) -> None:
    """Enqueue a mix of jobs and run them here, on a private Redis unless --url or REDISJOBS_URL names another."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end in good order, the private server too
    url = session.url or config.redis_url()
    server = None if url else embedded.start(embedded.data_folder() / "demo")
    if server is not None:
        click.echo(server.describe())
    cli_line = server.cli_line if server is not None else f"redis-cli -u {url}"
    found = url or (server.url if server is not None else None)
    app = session.open(found, defaults={"queue": _QUEUE})
    try:
        run(app, cli_line=cli_line, keep=keep)
    finally:
        app.close()
        if server is not None:
            server.close()


def run(app: RedisJobs, *, cli_line: str, keep: bool) -> None:
    """Enqueue, run, print."""
    click.echo(f"Inspect it:  {cli_line}    (such as: KEYS '*'; ZRANGE dead 0 -1)\n")
    logs.setup("text", "info")
    tally = Tally()
    app.server_middleware.add(tally.middleware)
    dead_before = app.dead.size
    expected = enqueue_mix(app)
    settings = config.build(Given("the demo", {"queues": [_QUEUE], "tag": "demo"}))
    with app.build_worker(settings, embedded=False):
        try:
            until = time.monotonic() + _PATIENCE_S
            while tally.total < expected and time.monotonic() < until:
                time.sleep(0.05)
            click.echo("\n" + table(app, tally, dead_before) + "\n")
            if tally.total < expected:
                raise click.ClickException(f"only {tally.total} of {expected} runs in {_PATIENCE_S:g} s")
            if keep:
                click.echo(f"The worker stays up; Ctrl-C ends it. Inspect it:  {cli_line}")
                threading.Event().wait()
        except KeyboardInterrupt:
            click.echo()


def table(app: RedisJobs, tally: Tally, dead_before: int) -> str:
    """Return the closing table."""
    took_s = max(tally.last_fast - tally.first_fast, 1e-3)
    rows = {
        "processed": f"{tally.total:,}",
        "failed": f"{tally.failed:,}",
        "retried": f"{tally.retried:,}",
        "dead": f"{app.dead.size - dead_before:,}",
        "jobs/s": f"{tally.runs['Fast'] / took_s:,.0f}    ({FAST:,} jobs that do nothing)",
    }
    return "\n".join(f"{name:>10}  {value}" for name, value in rows.items())
