"""examples/deploy: the files are well-formed, their times fit together, and their commands start workers."""

from __future__ import annotations

import configparser
import getpass
import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.eventually import eventually
from tests.support.fleet import ROOT, command
from tests.support.real_redis import RealRedis

pytestmark = pytest.mark.e2e

FOLDER = ROOT / "examples" / "deploy"
REDIS_AWAY_S = 15
"""What a supervisor waits beyond the time for jobs."""

UNIT = (FOLDER / "redisjobs.service").read_text("utf-8")
DEPLOYMENT = yaml.safe_load((FOLDER / "kubernetes.yaml").read_text("utf-8"))
POD: dict[str, Any] = DEPLOYMENT["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]


def service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string(UNIT)
    return parser["Service"]


def of_unit() -> list[str]:
    return shlex.split(service()["ExecStart"])[1:]


def of_kubernetes() -> list[str]:
    words: list[str] = CONTAINER["command"]
    assert words[0] == "redisjobs"
    return [word.replace("0.0.0.0:8710", "127.0.0.1:0") for word in words[1:]]


def of_procfile() -> list[str]:
    name, _, line = (FOLDER / "Procfile").read_text("utf-8").strip().partition(": ")
    assert name == "worker"
    expanded = subprocess.run(["sh", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, check=True)
    program, *words = expanded.stdout.splitlines()
    assert program == "redisjobs"
    return words


def after(option: str, words: list[str]) -> str:
    return words[words.index(option) + 1]


@pytest.mark.parametrize(
    "words", [of_unit(), of_kubernetes(), of_procfile()], ids=["systemd", "kubernetes", "procfile"]
)
def test_its_command_runs_workers_that_drain_on_term(redis: RealRedis, tmp_path: Path, words: list[str]) -> None:
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [command(), *words],
            cwd=ROOT,
            env={**os.environ, "REDISJOBS_URL": redis.url},
            stdin=subprocess.DEVNULL,
            stderr=log,
        )
    try:
        count = int(after("--processes", words))
        eventually(lambda: redis.client.scard("processes") == count, 60, (tmp_path / "log").read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_systemd_waits_longer_than_a_stop_takes_and_reloads_by_usr2() -> None:
    told = service()

    assert int(told["TimeoutStopSec"]) > int(after("-t", of_unit())) + REDIS_AWAY_S
    assert (told["Type"], told["KillMode"], told["Restart"]) == ("notify", "mixed", "always")
    assert told["ExecReload"] == "kill -USR2 $MAINPID"
    assert int(told["WatchdogSec"]) > 60, "a loop that stands still has written why and ended before"


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("there is no systemd-analyze to verify the unit with")
    text = UNIT.replace("/srv/shop/.venv/bin/redisjobs", command()).replace("/srv/shop", str(ROOT))
    unit = tmp_path / "redisjobs-test.service"
    unit.write_text(text.replace("User=shop", f"User={getpass.getuser()}"))

    done = subprocess.run([program, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)

    assert (done.returncode, [line for line in done.stderr.splitlines() if unit.name in line]) == (0, [])


def test_kubernetes_waits_longer_than_a_stop_takes_and_asks_where_it_is_answered() -> None:
    pause_s = int(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][-1].rpartition(" ")[2])
    stop_s = int(after("-t", CONTAINER["command"])) + REDIS_AWAY_S
    (port,) = CONTAINER["ports"]

    assert POD["terminationGracePeriodSeconds"] > pause_s + stop_s
    assert after("--health", CONTAINER["command"]) == f"0.0.0.0:{port['containerPort']}"
    for probe, path in (("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        assert CONTAINER[probe]["httpGet"] == {"path": path, "port": port["name"]}
    assert "kill -TSTP 1" in CONTAINER["lifecycle"]["preStop"]["exec"]["command"][-1]
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"] == DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
