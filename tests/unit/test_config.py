"""config.py, app_config.py: sources, how they merge, and what a wrong value is answered with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from redisjobs import RedisJobs, config
from redisjobs.config import CapsuleConfig, Given, WorkerConfig
from redisjobs.errors import ConfigError, OptionError

pytestmark = pytest.mark.quick


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The defaults of this page must not depend on the machine."""
    for name in ("APP_ENV", "RAILS_ENV", "RACK_ENV"):
        monkeypatch.delenv(name, raising=False)


# -- sizes, addresses, and what a service manager says -----------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "size"), [("512M", 512 * 1024**2), ("2g", 2 * 1024**3), ("800000K", 800000 * 1024), (1048576, 1048576)]
)
def test_a_size_has_a_letter_or_is_bytes(told: Any, size: int) -> None:
    assert config.build(Given("x", {"max_memory": told})).max_memory == size


@pytest.mark.parametrize(
    ("told", "address"),
    [("0.0.0.0:80", ("0.0.0.0", 80)), (":8710", ("127.0.0.1", 8710)), ("[::1]:8710", ("::1", 8710))],
)
def test_an_address_without_a_host_is_the_loopback(told: str, address: tuple[str, int]) -> None:
    assert config.build(Given("x", {"health": told})).health == address


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("max_memory", value) for value in ("", "M", "-1M", "0", "12X", "inf", True)),
        *(("health", value) for value in ("", "8710", "host", "host:", "host:http", ":99999")),
        *((name, 0) for name in ("processes", "max_jobs", "stall_exit_s")),
    ],
)
def test_a_wrong_size_address_or_count_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"x: {name} = "):
        config.build(Given("x", {name: value}))


def test_a_service_managers_variables_are_read() -> None:
    mine, others = str(os.getpid()), str(os.getpid() + 1)

    assert config.notify_socket({}) is None
    assert config.notify_socket({"NOTIFY_SOCKET": "@abstract"}) == "@abstract"
    assert config.watchdog_s({}) is None
    assert config.watchdog_s({"WATCHDOG_USEC": "3000000"}) == 3.0
    assert config.watchdog_s({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": mine}) == 3.0
    assert config.watchdog_s({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": others}) is None
    assert config.watchdog_s({"WATCHDOG_USEC": "0"}) is None


# -- merging --------------------------------------------------------------------------------------------------------


def test_nothing_given_is_one_capsule_with_the_default_queue() -> None:
    found = config.build()

    assert found == WorkerConfig()
    assert found.capsules == (CapsuleConfig("default", (("default", 0),), 10),)
    assert (found.concurrency, found.timeout_s, found.environment) == (10, 25.0, "development")


def test_the_last_source_is_the_strongest_and_says_only_what_it_was_given() -> None:
    file = Given("jobs.toml", {"concurrency": 3, "timeout_s": 10, "tag": "file"})
    environment = Given("the environment", {"timeout_s": "20", "tag": "environment"})
    line = Given("the command line", {"tag": "line"})

    found = config.build(file, environment, line)

    assert (found.concurrency, found.timeout_s, found.tag) == (3, 20.0, "line")


def test_the_environment_is_read_by_prefix() -> None:
    found = config.from_environment(
        {
            "REDISJOBS_CONCURRENCY": "7",
            "REDISJOBS_QUEUES": "critical,3 default",
            "REDISJOBS_JOB_LOG": "no",
            "REDISJOBS_LABELS": "a b",
            "REDISJOBS_TAG": "",
            "REDISJOBS_URL": "redis://x",
            "CONCURRENCY": "9",
        }
    )

    assert found.source == "the environment"
    assert found.values == {
        "concurrency": "7",
        "queues": ["critical,3", "default"],
        "job_log": "no",
        "labels": ["a", "b"],
    }
    built = config.build(found)
    assert built.capsules == (CapsuleConfig("default", (("critical", 3), ("default", 0)), 7),)
    assert (built.job_log, built.labels) == (False, ("a", "b"))


def test_the_deployments_name_is_found_where_rubys_tools_look() -> None:
    assert config.environment_name({}) == "development"
    assert config.environment_name({"RACK_ENV": "test"}) == "test"
    assert config.environment_name({"RACK_ENV": "test", "RAILS_ENV": "staging"}) == "staging"
    assert config.environment_name({"RACK_ENV": "test", "RAILS_ENV": "staging", "APP_ENV": "live"}) == "live"
    assert config.environment_name({"APP_ENV": "", "RAILS_ENV": "staging"}) == "staging"


def test_the_url_is_ours_or_the_usual_one() -> None:
    assert config.redis_url({}) is None
    assert config.redis_url({"REDIS_URL": "redis://b"}) == "redis://b"
    assert config.redis_url({"REDIS_URL": "redis://b", "REDISJOBS_URL": "redis://a"}) == "redis://a"
    assert config.redis_url({"REDIS_URL": "", "REDISJOBS_URL": ""}) is None


def test_the_hosts_name_is_the_dynos_or_the_machines() -> None:
    assert config.host_name({"DYNO": "worker.1"}) == "worker.1"
    assert config.host_name({})


def test_a_capsule_is_added_beside_the_first() -> None:
    found = config.build(
        Given("x", {"queues": ["a"], "capsules": {"slow": {"queues": ["s,1", ["t", 1]], "concurrency": 2}, "one": {}}})
    )

    assert found.capsules == (
        CapsuleConfig("default", (("a", 0),), 10),
        CapsuleConfig("slow", (("s", 1), ("t", 1)), 2),
        CapsuleConfig("one", (("default", 0),), 1),
    )
    assert found.concurrency == 13


@pytest.mark.parametrize(
    ("queues", "mode"),
    [
        ("a b", "strict"),
        ("a,0", "strict"),
        ("a,1 b,1", "random"),
        ("a,3 b", "weighted"),
        ("a,1 b", "weighted"),
        ("a,2 b,2", "weighted"),
    ],
)
def test_the_order_of_queues_follows_from_their_weights(queues: str, mode: str) -> None:
    assert config.build(Given("x", {"queues": queues})).capsules[0].mode == mode


@pytest.mark.parametrize(
    ("given", "queue"),
    [
        ("default", ("default", 0)),
        ("critical,3", ("critical", 3)),
        ("a,b,3", ("a,b", 3)),
        ("with space,1", ("with space", 1)),
        ("a:b", ("a:b", 0)),
        ("ünïcode", ("ünïcode", 0)),
        (["critical", 3], ("critical", 3)),
        (["critical"], ("critical", 0)),
        (("critical", "3"), ("critical", 3)),
    ],
)
def test_a_queue_is_read_with_its_weight(given: Any, queue: tuple[str, int]) -> None:
    assert config.parse_queue(given) == queue


@pytest.mark.parametrize("given", ["", ",3", "a,b", "a,1.5", "a,-1", "a,1001", [], [""], [7], ["a", "x"], ["a", None]])
def test_what_is_no_queue_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="queue"):
        config.parse_queue(given)


def test_a_queue_named_twice_counts_once() -> None:
    assert config.build(Given("x", {"queues": ["a,2", "b", "a,5"]})).capsules[0].queues == (("a", 2), ("b", 0))


@pytest.mark.parametrize(
    ("given", "size"),
    [(1000, 1000), ("1000", 1000), ("2k", 2048), ("512M", 512 << 20), ("1.5G", 3 << 29), ("1MB", 1 << 20)],
)
def test_a_size_is_read_with_its_unit(given: Any, size: int) -> None:
    assert config.build(Given("x", {"child_max_rss": given})).child_max_rss == size


# -- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("jobs.toml", 'concurrency = 3\nqueues = ["a,2", ["b", 1]]\n'),
        ("jobs.toml", '[redisjobs]\nconcurrency = 3\nqueues = ["a,2", ["b", 1]]\n'),
        ("pyproject.toml", '[project]\nname="x"\n[tool.redisjobs]\nconcurrency = 3\nqueues = ["a,2", ["b", 1]]\n'),
    ],
)
def test_a_toml_file_is_read(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text)

    found = config.from_file(file)

    assert found.source == str(file)
    assert config.build(found).capsules == (CapsuleConfig("default", (("a", 2), ("b", 1)), 3),)


def test_the_nearest_pyproject_above_is_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.redisjobs]\nconcurrency = 3\n")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)

    assert config.from_pyproject(deep).values == {"concurrency": 3}
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert config.from_pyproject(deep).values == {}


def test_a_file_that_is_not_there_or_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        config.from_file(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        config.from_file(tmp_path)
    for text in (b"concurrency =", b"\xff\xfe"):
        (tmp_path / "bad.toml").write_bytes(text)
        with pytest.raises(ConfigError, match=r"bad\.toml: not TOML"):
            config.from_file(tmp_path / "bad.toml")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("jobs.toml", "redisjobs = 5"),
        ("pyproject.toml", "tool = 5"),
        ("pyproject.toml", "[tool]\nredisjobs = [1]"),
    ],
)
def test_a_file_whose_table_is_no_table_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(ConfigError, match=name):
        config.build(config.from_file(tmp_path / name))


# -- wrong values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("concurrency", "x"),
        ("concurrency", 0),
        ("concurrency", -1),
        ("concurrency", 1.5),
        ("concurrency", True),
        ("concurrency", None),
        ("concurrency", float("inf")),
        ("timeout_s", 0),
        ("timeout_s", "soon"),
        ("timeout_s", float("nan")),
        ("timeout_s", float("inf")),
        ("timeout_s", []),
        ("timeout_s", True),
        ("queues", 5),
        ("queues", ["a,x"]),
        ("queues", [None]),
        ("queues", [["a", 1, 2]]),
        ("job_log", "maybe"),
        ("tag", 5),
        ("environment", None),
        ("labels", [1]),
        ("labels", 5),
        ("capsules", ["slow"]),
        ("capsules", {"default": {"queues": ["a"]}}),
        ("capsules", {"slow": {"queue": ["a"]}}),
        ("capsules", {"slow": {"concurrency": 0}}),
        ("capsules", {"slow": 3}),
        ("max_recoveries", 0),
        ("executor", "fiber"),
        ("child_max_jobs", 0),
        ("child_max_rss", "much"),
        ("child_max_rss", "0M"),
        ("child_max_rss", True),
        ("child_max_rss", "1e999"),
        ("heartbeat_ttl_s", -1),
    ],
)
def test_a_wrong_value_names_its_source_and_itself(name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        config.build(Given("weaker", {}), Given("jobs.toml", {name: value}))

    assert str(caught.value).startswith(f"jobs.toml: {name} = {value!r}: ")
    assert not str(caught.value).endswith(": ")


def test_a_wrong_value_of_a_weaker_source_is_an_error_too() -> None:
    """What stands in a file is wrong there, even while the environment hides it."""
    with pytest.raises(ConfigError, match=r"^jobs\.toml: concurrency"):
        config.build(Given("jobs.toml", {"concurrency": "x"}), Given("the environment", {"concurrency": "3"}))


def test_an_unknown_setting_names_its_source_and_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"^jobs\.toml: no setting is called 'concurency'; did you mean 'concurrency'"
    ):
        config.build(Given("jobs.toml", {"concurency": 3}))
    with pytest.raises(ConfigError, match=r"no setting is called 'zzz'; there are: app, require, queues"):
        config.build(Given("jobs.toml", {"zzz": 3}))


@pytest.mark.parametrize(("given", "flag"), [("1", True), ("YES", True), (True, True), ("off", False), ("0", False)])
def test_a_flag_is_read_as_people_write_it(given: Any, flag: bool) -> None:
    assert config.build(Given("x", {"job_log": given})).job_log is flag


def test_one_setting_is_taken_from_the_strongest_source() -> None:
    weak, strong = Given("weak", {"app": "a:a", "log_level": "info"}), Given("strong", {"app": "b:b"})

    assert config.setting("app", weak, strong) == "b:b"
    assert config.setting("log_level", weak, strong) == "info"
    assert config.setting("log_file", weak, strong) is None
    with pytest.raises(ConfigError, match="strong: app = 5"):
        config.setting("app", weak, Given("strong", {"app": 5}))


def test_settings_are_frozen() -> None:
    built: Any = config.build()
    with pytest.raises(AttributeError):
        built.tag = "x"


# -- the app's own --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("wire", "sidekiq5"),
        ("wire", None),
        ("namespace", 5),
        ("defaults", ["queue"]),
        ("max_retries", 0),
        ("max_retries", "many"),
        ("max_payload_bytes", 0),
        ("dead_max_jobs", 0),
        ("dead_max_age_s", -1),
        ("timeout_s", 0),
        ("patience_s", -1),
        ("data_folder", 5),
    ],
)
def test_a_wrong_setting_of_the_app_is_named(name: str, value: Any) -> None:
    settings: Any = {name: value}
    with pytest.raises(ConfigError, match=rf"RedisJobs\(\.\.\.\): {name} = "):
        RedisJobs("redis://127.0.0.1:1/0", **settings)


def test_an_unknown_setting_of_the_app_names_the_nearest() -> None:
    settings: Any = {"max_retry": 5}
    with pytest.raises(ConfigError, match=r"no setting is called 'max_retry'; did you mean 'max_retries'"):
        RedisJobs("redis://127.0.0.1:1/0", **settings)


def test_wrong_defaults_are_refused_at_once() -> None:
    with pytest.raises(OptionError, match="did you mean 'queue'"):
        RedisJobs("redis://127.0.0.1:1/0", defaults={"quue": "x"})


def test_what_is_no_url_is_refused() -> None:
    wrong: Any = 6379
    with pytest.raises(ConfigError, match="url=6379"):
        RedisJobs(wrong)


def test_no_patience_at_all_is_a_choice() -> None:
    assert RedisJobs("redis://127.0.0.1:1/0", patience_s=0).config.patience_s == 0.0
