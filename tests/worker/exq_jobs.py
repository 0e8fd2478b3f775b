"""The app that the child processes of test_exq.py import."""

from __future__ import annotations

from redisjobs import RedisJobs

app = RedisJobs(wire="exq")


@app.job(name="My::Child", executor="process", retry=1)
def fail_in_child(fails: bool, *_: object) -> None:
    if fails:
        raise ValueError("boom")
