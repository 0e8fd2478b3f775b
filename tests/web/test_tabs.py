"""Pages that plug-ins add, by the example of one."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from examples.web_tab import plugin
from redisjobs import RedisJobs
from tests.support.eventually import eventually
from tests.web.client import Client, words


def test_a_plug_in_adds_a_page_that_shows_and_acts(app: RedisJobs, serve: Callable[..., Client]) -> None:
    begun, ended = threading.Event(), threading.Event()

    @app.job(name="Report")
    def report() -> None:
        begun.set()
        while not ended.wait(0.01):
            pass

    plugin.install(app, longer_than_s=0)
    client = serve(app.web())
    assert "No job runs that long." in words(client.text("/long-running"))
    assert ">Long</a>" in client.text("/queues")

    jid = report.enqueue()
    with app.worker(concurrency=1):
        assert begun.wait(30)
        eventually(lambda: jid in client.text("/long-running"), 30)
        assert f"{jid} is asked to end" in client.act("/long-running/cancel", jid=jid)
        eventually(lambda: app.dead.find(str(jid)) is not None, 30)
    ended.set()


@pytest.mark.parametrize(
    "settings", [{"read_only": True}, {"authorize": lambda request: "view"}], ids=["read only", "view"]
)
def test_who_may_only_look_cannot_act_there_either(
    app: RedisJobs, serve: Callable[..., Client], settings: dict[str, object]
) -> None:
    plugin.install(app)
    client = serve(app.web(**settings))

    assert client.get("/long-running").status_code == 200
    assert client.post("/long-running/cancel", jid="x").status_code == 403
