"""A plug-in that adds a page to the web UI: jobs that run for long, with a button that cancels one.

    redisjobs web examples.web_tab.shop:app

`install` is the one registration; the page is a template and a function that fills it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redisjobs import RedisJobs
from redisjobs.inspector import WorkSet
from redisjobs.web import Tab, View


def install(app: RedisJobs, *, longer_than_s: float = 30.0) -> None:
    """Add a page with the jobs that have run for so many seconds or more."""

    def respond(view: View) -> tuple[str, Mapping[str, Any]]:
        now = time.time()
        found = [work for work in WorkSet(view.access) if now - work.run_at >= longer_than_s]
        return "long_running.html", {"found": found, "longer_than_s": longer_than_s}

    def cancel(view: View) -> str:
        jid = view.field("jid")
        work = WorkSet(view.access).find(jid)
        if work is None:
            return f"{jid} does not run any more"
        work.cancel()
        return f"{jid} is asked to end"

    templates = str(Path(__file__).parent / "templates")
    app.tabs.append(
        Tab(path="long-running", title="Long", respond=respond, templates=templates, actions={"cancel": cancel})
    )
