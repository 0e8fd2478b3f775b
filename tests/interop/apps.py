"""The Python half of the jobs that cross over: named, and told in Redis, as their namesakes in ruby/jobs.rb."""

from __future__ import annotations

import json
import os
import time
from typing import Any, cast

from redisjobs import RedisJobs, current_job
from redisjobs.store.op import command
from redisjobs.wire.times import Wire

HOLD_AT_MOST_S = 60


def interop_app(url: str | None = None, wire: Wire = "sidekiq8", namespace: str = "") -> RedisJobs:
    """Return an app with the jobs Record, Fail, FailOnce and Hold."""
    app = RedisJobs(url, wire=wire, namespace=namespace)
    prefix = f"{namespace}:" if namespace else ""

    def tell(key: str) -> None:
        job = current_job()
        told = json.dumps({"jid": job.jid, "class": job.name, "args": job.args})
        app.store.run(command("RPUSH", f"{prefix}interop:{key}", told))

    @app.job(name="Interop::Record")
    def record(*args: Any) -> None:
        app.store.run(command("RPUSH", f"{prefix}interop:payloads", current_job().raw))
        tell("ran")

    @app.job(name="Interop::Fail")
    def fail(message: str = "boom", times: int = 1) -> None:
        tell("failed")
        raise ValueError(message * times)

    @app.job(name="Interop::FailOnce")
    def fail_once(*args: Any) -> None:
        if app.store.run(command("SET", f"{prefix}interop:tried:{current_job().jid}", 1, "NX")):
            tell("failed")
            raise ValueError("first time")
        tell("ran")

    @app.job(name="Interop::Hold")
    def hold(*args: Any) -> None:
        tell("holding")
        deadline = time.monotonic() + HOLD_AT_MOST_S
        while not app.store.run(command("EXISTS", f"{prefix}interop:let-go")):
            assert time.monotonic() < deadline, "nobody let go"
            time.sleep(0.02)
        tell("ran")

    return app


app = interop_app(
    wire=cast(Wire, os.environ.get("INTEROP_WIRE", "sidekiq8")), namespace=os.environ.get("INTEROP_NAMESPACE", "")
)
