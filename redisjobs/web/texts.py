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
        # -- dashboard
        "alerts": "Alerts",
        "all_well": "Nothing is wrong, as far as one can see.",
        "more_alerts": "{count} more",
        "alike": "{count} more alike",
        "examining": "Being looked at; load the page again in a moment.",
        "unchecked": "{count} checks could not be made",
        "only_part": "Only a part was looked at: {part}.",
        "throughput": "Runs a second",
        "throughput_note": "over 15 s",
        "streaming": "live",
        "polling": "every few seconds",
        "no_stream": "there is no stream now",
        "no_stream_remedy": "Ask /live.json again and again.",
        "no_runs_yet": "The first figures come in a moment.",
        "nameless": "(no name)",
        "as_table": "As a table",
        "time": "Time",
        "latencies": "Longest waits",
        "into": "In/s",
        "out_of": "Out/s",
        "more_queues": "{count:,} more queues",
        "history": "History",
        "history_range": "Range",
        "per_day": "runs by day (UTC)",
        "per_week": "runs by week from Monday (UTC)",
        "per_month": "runs by month (UTC)",
        "range_1w": "1 week",
        "range_1m": "1 month",
        "range_3m": "3 months",
        "range_6m": "6 months",
        "range_1y": "1 year",
        "range_5y": "5 years",
        "period": "Since",
        "share_failed": "Failed of all",
        "redis": "Redis",
        "redis_unasked": "This user of Redis may not ask INFO.",
        "version": "Version",
        "memory": "Memory",
        "memory_of": "{used} of {limit}, {policy}",
        "memory_unlimited": "{used}, no limit",
        "memory_peak": "Peak",
        "clients": "Clients",
        "clients_of": "{count:,} of {most:,}",
        "uptime": "Up for",
        "commands": "Commands",
        "a_second": "{count:,.0f} a second",
        "persistence": "Persistence",
        "aof": "append-only file",
        "snapshots": "snapshots only",
        "save_failed": "The last save failed.",
        "saved": "Last snapshot",
        # -- metrics
        "window": "Window",
        "window_1h": "1 hour",
        "window_8h": "8 hours",
        "window_24h": "24 hours",
        "window_72h": "72 hours",
        "step_60": "by minute",
        "step_600": "by ten minutes",
        "class": "Class",
        "runs": "Runs",
        "failures": "Failures",
        "by_executions": "Runs",
        "by_failures": "Failures",
        "by_total": "Total time",
        "by_mean": "Mean",
        "by_p50": "p50",
        "by_p95": "p95",
        "by_p99": "p99",
        "share": "Share of the time",
        "failing": "Most failing",
        "slowest": "Slowest",
        "heaviest": "Most time in total",
        "none_failed": "No run failed.",
        "class_filter": "Name contains",
        "filter": "Filter",
        "all_classes": "All classes",
        "no_percentiles": "Percentiles are kept for windows of up to 8 hours.",
        "more_classes": "Only the first {shown} of {found:,}: filter by name.",
        "no_metrics": "No job ran in this time.",
        "no_metrics_remedy": "Figures come a few seconds after a run. Ruby's Sidekiq 6.5 and older keeps none.",
        "durations": "How long a run takes, on average",
        "distribution": "Distribution",
        "took": "Took",
        "took_more": "more than {least}",
        "took_between": "{least} to {most}",
        "deploys": "Deploys",
        "no_deploys": "None in this time.",
        "deploy_label": "What was deployed",
        "mark_deploy": "Mark a deploy now",
        "marked": "deploy marked: {label}",
        "no_label": "a deploy needs a name",
        "no_label_remedy": "Say what was deployed, such as a version.",
    }
)
