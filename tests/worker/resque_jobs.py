"""The app of Resque's jobs that child processes import, and the parent with them."""

from __future__ import annotations

import os

from redisjobs import RedisJobs

app = RedisJobs(dialect="resque")


@app.job(name="Fine", queue="files", executor="process", retry=2)
def fine() -> None:
    """End well."""


@app.job(name="Broken", queue="files", executor="process", retry=1)
def broken() -> None:
    raise ValueError("no")


@app.job(name="Crash", queue="files", executor="process", retry=5)
def crash() -> None:
    os._exit(1)
