"""An app with that plug-in."""

from __future__ import annotations

import time

from examples.web_tab import plugin
from redisjobs import RedisJobs

app = RedisJobs()
plugin.install(app, longer_than_s=5)


@app.job(queue="reports")
def report(month: str) -> None:
    """Take its time."""
    for _ in range(600):
        time.sleep(0.1)
