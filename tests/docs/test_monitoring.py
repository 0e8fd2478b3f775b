"""docs/monitoring.md and examples/monitoring: each metric that they name is told, and the page names all."""

from __future__ import annotations

import json
import os
import re

import yaml
from prometheus_client.parser import text_string_to_metric_families

from redisjobs.config import DeadSetConfig
from redisjobs.inspector import Access
from redisjobs.inspector.exporter import Exporter
from redisjobs.store.keys import Keys
from redisjobs.store.stores import BlockingStore
from redisjobs.worker.figures import figures
from redisjobs.worker.vitals import Vitals
from tests.support.pages import ROOT
from tests.support.real_redis import RealRedis

EXAMPLES = ROOT / "examples" / "monitoring"
DASHBOARD = json.loads((EXAMPLES / "grafana.json").read_text("utf-8"))
ALERTS = yaml.safe_load((EXAMPLES / "alerts.yml").read_text("utf-8"))


def told(redis: RealRedis) -> set[str]:
    """Return the names of all metrics of the exporter and of a worker."""
    store = BlockingStore(redis.config)
    text = Exporter(Access(store, Keys(), DeadSetConfig(), "sidekiq8")).scrape() + figures({os.getpid(): Vitals()})
    store.close()
    assert list(text_string_to_metric_families(text))
    return set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))


def named(text: str) -> set[str]:
    return set(re.findall(r"\bredisjobs_\w+", text))


def test_the_page_names_all_metrics_and_no_others(redis: RealRedis) -> None:
    assert named((ROOT / "docs" / "monitoring.md").read_text("utf-8")) == told(redis)


def test_the_dashboard_shows_metrics_that_there_are(redis: RealRedis) -> None:
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]

    assert all(named(query) for query in queries)
    assert named(" ".join(queries)) <= told(redis)
    assert {"redisjobs_queue_size", "redisjobs_job_executions_total", "redisjobs_worker_running"} <= named(str(queries))


def test_the_panels_of_the_dashboard_lie_side_by_side() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


def test_the_alerts_ask_for_metrics_that_there_are(redis: RealRedis) -> None:
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]

    assert len({rule["alert"] for rule in rules}) == len(rules)
    assert all(named(rule["expr"]) <= told(redis) and named(rule["expr"]) for rule in rules)
    assert all(rule["labels"]["severity"] and rule["annotations"]["summary"] for rule in rules)
    assert yaml.safe_load((EXAMPLES / "prometheus.yml").read_text("utf-8"))["rule_files"] == ["alerts.yml"]


def test_the_python_of_the_page_runs(redis: RealRedis, monkeypatch) -> None:
    monkeypatch.setenv("REDISJOBS_URL", redis.url)
    page = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    scope: dict[str, object] = {}

    exec(code, scope)

    assert len(scope["app"].metrics.runs().marks) == 1  # type: ignore[attr-defined]
    scope["app"].close()  # type: ignore[attr-defined]
