"""sidekiq_yml.py: what a worker here understands of Sidekiq's own file, and what it says of the rest."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from redisjobs.config import CapsuleConfig, Given, build
from redisjobs.errors import ConfigError
from redisjobs.sidekiq_yml import read

pytestmark = pytest.mark.quick

RAILS = """
# what a Rails app may have: <%= ENV["OLD"] %>
:verbose: false
:concurrency: 5
:timeout: 8
:tag: shop
:labels:
  - eu
  - blue
:queues:
  - [critical, 4]
  - - mailers
    - 2
  - default
  - "low,1"
:max_retries: 7
:pidfile: tmp/pids/sidekiq.pid
:logfile: log/sidekiq.log
:scheduler:
  :schedule:
    nightly: {cron: "0 3 * * *", class: Nightly}
production:
  :concurrency: 20
staging:
  :concurrency: 10
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sidekiq.yml"


def given(file: Path, text: str, environment: str = "production") -> Given:
    file.write_text(text, "utf-8")
    return read(file, environment)


def queues(file: Path, text: str) -> tuple[str, tuple[tuple[str, int], ...]]:
    [capsule] = build(given(file, text)).capsules
    return capsule.mode, capsule.queues


@pytest.mark.parametrize(("environment", "concurrency"), [("production", 20), ("staging", 10), ("development", 5)])
def test_a_file_of_rails_is_read(file: Path, environment: str, concurrency: int) -> None:
    settings = build(given(file, RAILS, environment))

    weights = (("critical", 4), ("mailers", 2), ("default", 0), ("low", 1))
    assert settings.capsules == (CapsuleConfig("default", weights, concurrency),)
    assert (settings.timeout_s, settings.tag, settings.labels) == (8.0, "shop", ("eu", "blue"))


def test_what_has_no_effect_is_named_with_its_reason(file: Path) -> None:
    ignored = given(file, RAILS + "own_thing: 1\n").ignored

    assert set(ignored) == {"max_retries", "pidfile", "logfile", "scheduler", "staging", "own_thing"}
    assert "RedisJobs(max_retries=...)" in ignored["max_retries"]
    assert "--log-file" in ignored["logfile"]
    assert "sidekiq-scheduler" in ignored["scheduler"]
    assert "this one is production" in ignored["staging"]
    assert ignored["own_thing"] == "no setting of a worker here"


def test_symbols_and_strings_are_the_same_names(file: Path) -> None:
    symbols = given(
        file, ":queues:\n  - :critical\n  - - :low\n    - 2\n:concurrency: 3\n:production:\n  :timeout: 9\n"
    )
    strings = given(file, "queues:\n  - critical\n  - [low, 2]\nconcurrency: 3\nproduction:\n  timeout: 9\n")

    assert symbols == strings
    assert build(symbols).timeout_s == 9


@pytest.mark.parametrize(
    ("text", "mode", "found"),
    [
        ("queues: [a, b]", "strict", [("a", 0), ("b", 0)]),
        ("queues:\n- [a]\n- [b, ]", "strict", [("a", 0), ("b", 0)]),
        ("queues: [[a, 1], [b, 1]]", "random", [("a", 1), ("b", 1)]),
        ("queues: [[a, 2], b]", "weighted", [("a", 2), ("b", 0)]),
        ('queues: ["a,2", "b,1"]', "weighted", [("a", 2), ("b", 1)]),
        ("queues: {a: 2, b: 1}", "weighted", [("a", 2), ("b", 1)]),
        ("queues: [a, b, a]", "strict", [("a", 0), ("b", 0)]),
        ("queues: [[a, 1], [b, 1], [a, 1]]", "weighted", [("a", 2), ("b", 1)]),
        ("queues: solo", "strict", [("solo", 0)]),
        ("queues: [1, 2]", "strict", [("1", 0), ("2", 0)]),
        ("queues: []", "strict", [("default", 0)]),
        ("queues:", "strict", [("default", 0)]),
        ("", "strict", [("default", 0)]),
    ],
)
def test_queues_in_every_form(file: Path, text: str, mode: str, found: list[Any]) -> None:
    assert queues(file, text) == (mode, tuple(found))


def test_the_section_replaces_whole_settings(file: Path) -> None:
    text = "queues: [a]\nlabels: [x]\nproduction: &p\n  queues: [b]\n"

    settings = build(given(file, text))
    assert (settings.capsules[0].queues, settings.labels) == ((("b", 0),), ("x",))


def test_aliases_are_followed(file: Path) -> None:
    text = "base: &base\n  concurrency: 7\nproduction:\n  <<: *base\n  timeout: 4\n"

    settings = build(given(file, text))
    assert (settings.concurrency, settings.timeout_s) == (7, 4)


def test_capsules(file: Path) -> None:
    text = """
:concurrency: 5
:queues: [a]
:capsules:
  single:
    queues: [serial]
    concurrency: 1
  :wide:
    :queues: [[x, 2], [y, 1]]
    :concurrency: 4
"""
    assert build(given(file, text)).capsules == (
        CapsuleConfig("default", (("a", 0),), 5),
        CapsuleConfig("single", (("serial", 0),), 1),
        CapsuleConfig("wide", (("x", 2), ("y", 1)), 4),
    )


def test_the_capsule_named_default_is_the_worker_s_own(file: Path) -> None:
    text = "concurrency: 5\nqueues: [a]\ncapsules:\n  default: {queues: [b], concurrency: 2}\n"

    assert build(given(file, text)).capsules == (CapsuleConfig("default", (("b", 0),), 2),)


def test_verbosity_and_the_log_of_jobs(file: Path) -> None:
    assert given(file, ":verbose: true\n:skip_default_job_logging: true").values == {
        "log_level": "debug",
        "job_log": False,
    }
    assert given(file, ":verbose: false").values == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (':queues:\n  - a\n:concurrency: <%= ENV["N"] || 5 %>\n', ":3: ':concurrency: <%= ENV"),
        ("<% if true %>\nqueues: [a]\n<% end %>\n", ":1: '<% if true %>' is ERB"),
    ],
)
def test_erb_is_refused_with_its_line_and_the_remedy(file: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match="is ERB, which only Ruby can evaluate") as caught:
        given(file, text)

    assert f"{file}{told}" in str(caught.value)
    assert f"""ruby -rerb -e 'puts ERB.new(File.read("{file}"), trim_mode: "-").result' > plain.yml""" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("queues: [a", "not YAML"),
        ("- a\n- b\n", "must be settings by name"),
        ("production: 5", "production: must be a section of settings, not 5"),
        ("queues: [[a, many]]", "queues: the weight 'many' of queue 'a' is no whole number"),
        ("queues: [[a, -1]]", "queues: the weight -1 of queue 'a' is not from 0 to 1000"),
        ("queues: [[a, 1, 2]]", "queues: a queue is a name and a weight"),
        ("queues: [[]]", "queues: a queue needs a name"),
        ("capsules: [a]", "capsules: must be settings by name"),
        ("capsules: {a: 5}", "capsules: a: must be settings by name"),
        ("x: !ruby/object:Foo {}", "not YAML, or not plain"),
        ("concurrency: 0", "concurrency = 0: must be a whole number of at least 1"),
        ("timeout: 0", "timeout_s = 0: must be a number of seconds above 0"),
        ("capsules: {a: {queues: [b], size: 1}}", "capsule 'a': no setting is called 'size'"),
    ],
)
def test_what_is_wrong_is_named(file: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=str(file)) as caught:
        build(given(file, text))

    assert told in str(caught.value)


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory; name a file that can be read"):
        read(file, "production")


def test_without_pyyaml_it_says_what_to_install(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    monkeypatch.setattr("redisjobs.sidekiq_yml.yaml", type(sys.modules["redisjobs.lazy"].LazyModule("yaml"))("yaml"))

    with pytest.raises(ConfigError, match=r"pip install 'redisjobs\[yaml\]'"):
        given(file, "queues: [a]")
