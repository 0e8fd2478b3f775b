"""Exporter: the fleet as Prometheus reads it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from redisjobs import clock
from redisjobs.config import DeadSetConfig
from redisjobs.inspector import Access
from redisjobs.inspector import exporter as exporter_module
from redisjobs.inspector.exporter import Exporter
from redisjobs.store.keys import Keys
from redisjobs.store.ops import metrics as ops
from redisjobs.store.ops.metrics import Sums
from redisjobs.store.stores import BlockingStore
from redisjobs.wire.metrics import Tally
from tests.support.builders import a_payload
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.quick


def read(text: str) -> dict[str, float]:
    """Return the samples of a text, by name and the values of their labels: `queue_size default`."""
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    return {
        " ".join([sample.name.removeprefix("redisjobs_"), *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
    }


class Minutes:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = time.time()

    def now(self) -> float:
        return self.at

    monotonic = staticmethod(clock.monotonic)


@pytest.fixture
def minutes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Minutes]:
    made = Minutes()
    monkeypatch.setattr(exporter_module, "clock", made)
    yield made


def ran(access: Access, at: float, name: str, *times_s: float, failures: int = 0) -> None:
    tally = Tally()
    for took_s in times_s:
        tally.note(took_s, failed=False)
    for _ in range(failures):
        tally.note(0.1, failed=True)
    identity = f"one:{time.monotonic_ns()}"
    access.run(ops.tally(access.keys, Sums({name: tally}), at=at, generations=[8], identity=identity, number=1))


def test_an_empty_redis_is_up(access: Access) -> None:
    told = read(Exporter(access).scrape())

    assert (told["up"], told["scrape_errors_total"], told["processed_total"]) == (1, 0, 0)
    assert (told["processes python"], told["processes ruby"], told["set_size dead"]) == (0, 0, 0)


def test_queues_sets_and_counters_are_told(redis: RealRedis, access: Access) -> None:
    redis.seed({"stat:processed": "12", "stat:failed": "3", "queues": {'we"ird\n', "default"}, "paused": {"default"}})
    redis.seed({"queue:default": [a_payload(), a_payload(enqueued_at=time.time() - 90)], 'queue:we"ird\n': ["x"]})
    redis.seed({"retry": {"a": 1.0}, "schedule": {"a": 1.0, "b": 2.0}, "lease-taken": {"default": "7"}})

    told = read(Exporter(access).scrape())

    assert (told["processed_total"], told["failed_total"]) == (12, 3)
    assert (told["set_size retry"], told["set_size schedule"], told["set_size dead"]) == (1, 2, 0)
    assert (told["queue_size default"], told['queue_size we"ird\n']) == (2, 1)
    assert (told["queue_paused default"], told['queue_paused we"ird\n']) == (1, 0)
    assert told["queue_latency_seconds default"] == pytest.approx(90, abs=20)
    assert told["queue_taken_total default"] == 7


def test_processes_of_all_languages_are_counted(redis: RealRedis, access: Access) -> None:
    for identity, version in (("py:1:a", "redisjobs 1.0"), ("py:2:b", "redisjobs 1.0"), ("rb:3:c", "8.1.7")):
        info = json.dumps({"version": version, "concurrency": 5, "pid": 1})
        beat = {"info": info, "busy": "2", "rss": "1024", "quiet": "true" if identity == "py:2:b" else "false"}
        redis.seed({identity: beat})
        redis.client.sadd("processes", identity)

    told = read(Exporter(access).scrape())

    assert (told["processes python"], told["processes ruby"]) == (2, 1)
    assert (told["quiet_processes python"], told["quiet_processes ruby"]) == (1, 0)
    assert (told["concurrency python"], told["busy python"], told["busy ruby"]) == (10, 4, 2)
    assert told["resident_memory_bytes ruby"] == 1024 * 1024


def test_what_classes_did_adds_up_over_scrapes_whatever_redis_forgets(
    redis: RealRedis, access: Access, minutes: Minutes
) -> None:
    exporter = Exporter(access)
    ran(access, minutes.at, "Mail", 0.5, failures=1)
    first = read(exporter.scrape())
    for _ in range(10):
        ran(access, minutes.at, "Mail", 0.5)
        minutes.at += 60
        exporter.scrape()
    redis.client.delete(*redis.client.keys("j|*"))

    told = read(exporter.scrape())

    assert (first["job_executions_total Mail"], first["job_failures_total Mail"]) == (2, 1)
    assert (told["job_executions_total Mail"], told["job_failures_total Mail"]) == (12, 1)
    assert told["job_seconds_total Mail"] == pytest.approx(5.5)


def test_a_minute_that_is_written_late_counts(access: Access, minutes: Minutes) -> None:
    exporter = Exporter(access)
    exporter.scrape()
    ran(access, minutes.at, "Mail", 0.5)
    minutes.at += 120
    ran(access, minutes.at - 120, "Mail", 0.5)

    assert read(exporter.scrape())["job_executions_total Mail"] == 2


def test_a_counter_never_goes_back(redis: RealRedis, access: Access) -> None:
    exporter = Exporter(access)
    redis.client.hset("lease-taken", "default", 10)
    exporter.scrape()
    redis.client.hset("lease-taken", "default", 8)  # two were given back

    assert read(exporter.scrape())["queue_taken_total default"] == 10


def test_what_cannot_be_read_is_missing_and_counted(redis: RealRedis, access: Access) -> None:
    redis.seed({"queues": {"bad", "good"}, "queue:bad": "x", "queue:good": ["job"], "retry": "text"})
    exporter = Exporter(access)

    told = read(exporter.scrape())

    assert (told["up"], told["queue_size good"], told["scrape_errors_total"]) == (1, 1, 2)
    assert {"queue_size bad", "processed_total"} & told.keys() == set()
    assert read(exporter.scrape())["scrape_errors_total"] == 4


def test_a_redis_that_does_not_answer_is_down_and_up_again_when_it_does(server) -> None:
    redis = server()
    store = BlockingStore(redis.config)
    exporter = Exporter(Access(store, Keys(), DeadSetConfig(), "sidekiq8"))
    assert read(exporter.scrape())["up"] == 1
    redis.stop()

    down = read(exporter.scrape())
    redis.start()
    up = read(exporter.scrape())
    store.close()

    assert (down["up"], down["scrape_errors_total"]) == (0, 1)
    assert (up["up"], up["scrape_errors_total"], up["set_size dead"]) == (1, 1, 0)
