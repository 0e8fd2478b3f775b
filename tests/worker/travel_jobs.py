"""The app of the tests of what travels, which child processes import, and the parent with them."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import msgspec

from redisjobs import RedisJobs, current_job
from redisjobs.active_job import RetryOn
from redisjobs.store.op import command

app = RedisJobs()
tenant = app.carry(ContextVar[Any]("tenant", default="nobody"))
user = app.carry(ContextVar[Any]("user"))
app.forward("locale", "cattr*")


def tell() -> None:
    """Tell what the variables are where this runs."""
    told = msgspec.json.encode([tenant.get(), user.get(None)])
    app.store.run(command("RPUSH", "told", told))


@app.job(name="InThread")
def in_thread() -> None:
    tell()


@app.job(name="InProcess", executor="process")
def in_process() -> None:
    tell()


@app.job(name="OnLoop")
async def on_loop() -> None:
    tell()


@app.job(name="FailsOnce")
def fails_once() -> None:
    if "retry_count" not in current_job().payload:
        raise ValueError
    tell()


@app.job(name="Parent")
def parent(name: str) -> None:
    app.push(name)


@app.job(name="AsyncParent")
async def aparent(name: str) -> None:
    await app.apush(name)
    await app.aclose()


@app.active_job("ReportJob", executor="process", retry_on=RetryOn(ValueError, wait=0))
def report(*args: Any) -> None:
    if current_job().active_job.executions < 3:
        raise ValueError(args)
    app.store.run(command("RPUSH", "told", msgspec.json.encode([list(args), current_job().active_job.executions])))
