"""Every text of the pages, in English; templates have none of their own (tests hold them to it).

Keys in capitals stand for the figures of a sentence; `TEXTS.at("x", count=3)` fills them in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Texts:
    """Texts by name, as attributes."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def __getattr__(self, name: str) -> str:
        try:
            return self._texts[name]
        except KeyError:
            raise AttributeError(f"no text is called {name!r}") from None

    def at(self, name: str, /, **given: Any) -> str:
        """Return a text with its braces filled."""
        return self._texts[name].format(**given)


TEXTS = Texts(
    {
        # -- everywhere
        "skip": "Skip to the content",
        "navigation": "Pages",
        "theme": "Dark or light",
        "cancel": "Cancel",
        "back": "Back",
        "page_of": "{first:,} to {last:,} of {total:,}",
        "newer": "Previous",
        "older": "Next",
        "user": "signed in as {name}",
        "read_only": "read only",
        "redis_away": "Redis does not answer",
        "not_done": "this could not be done",
        "no_page": "there is no such page",
        "no_page_remedy": "The job or queue may have gone meanwhile; look for it from one of the pages above.",
        "ask_title": "Are you sure?",
        "partial": "Only a part was looked at: {looked:,} of {total:,}.",
        "go_on": "Look on",
        # -- navigation
        "dashboard": "Dashboard",
        "queues": "Queues",
        "busy": "Busy",
        "retries": "Retries",
        "scheduled": "Scheduled",
        "dead": "Dead",
        "metrics": "Metrics",
        # -- figures
        "processed": "Processed",
        "failed": "Failed",
        "enqueued": "Enqueued",
        "processes": "Processes",
        # -- queues
        "queue": "Queue",
        "size": "Jobs",
        "latency": "Waits",
        "state": "State",
        "paused": "paused",
        "listening": "Listeners",
        "nobody": "nobody",
        "pause": "Pause",
        "resume": "Resume",
        "clear": "Clear",
        "clear_ask": "Delete all {count:,} jobs of the queue {name}?",
        "clear_note": "What workers hold is not touched. This cannot be undone.",
        "cleared": "{count:,} jobs deleted",
        "paused_note": "{name} is paused: workers of redisjobs leave it alone, Ruby's open-source workers do not",
        "resumed_note": "{name} goes on",
        "no_queues": "No job was pushed yet.",
        "no_queues_remedy": "Push one with job.enqueue(...), with perform_async in Ruby, or from here:",
        "no_queues_command": "redisjobs enqueue Mail '[\"hello\"]'",
        "queue_empty": "No job waits in this queue.",
        "job": "Job",
        "jid": "JID",
        "arguments": "Arguments",
        "since": "Since",
        "malformed": "(malformed)",
    }
)
