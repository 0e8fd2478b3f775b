"""The same config/sidekiq.yml means the same to a real Sidekiq and to a worker here."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from redisjobs.config import CapsuleConfig, build
from redisjobs.sidekiq_yml import read
from tests.interop.peers import RUBY, SCRIPT, RubyPeer

STRICT = """
:concurrency: 7
:timeout: 9
:tag: shop
:labels: [eu, blue]
:queues:
  - critical
  - default
  - :low
"""
WEIGHTED = """
concurrency: 3
queues:
  - [critical, 6]
  - - default
    - 2
  - low
"""
RANDOM = ":concurrency: 3\n:queues:\n  - [a, 1]\n  - [b, 1]\n"
BY_NAME = "concurrency: 3\nqueues:\n  a: 2\n  b: 1\n"
SECTIONS = """
defaults: &defaults
  :concurrency: 4
  :queues: [a, b]
:concurrency: 2
:timeout: 6
:queues: [top]
production:
  <<: *defaults
  timeout: 8
staging:
  concurrency: 9
"""
NO_QUEUES = ":concurrency: 6\n:timeout: 5\n:verbose: true\n"
CAPSULES = """
concurrency: 5
queues: [a, [b, 2]]
capsules:
  single:
    queues: [serial]
    concurrency: 1
  :lots:
    :queues: [[x, 3], ["y", 1], "z,2"]
    :concurrency: 4
"""
WORDS = "concurrency: 3\nqueues:\n  - critical,3\n  - low, 1\n"
ONE = "concurrency: 3\nqueues: solo\n"
TWICE = "concurrency: 3\nqueues: [[a, 1], [b, 1], [a, 1]]\n"
FROM_7 = [CAPSULES, WORDS, ONE, TWICE]
"""What generation 6 does not know, or refuses."""


def asked(peer: RubyPeer, file: Path, environment: str) -> dict[str, Any]:
    """Return what a real Sidekiq made of a file."""
    script = RUBY / "print_config.rb"
    words = [SCRIPT, "run", str(peer.generation), f"--bind={RUBY}", f"--bind={file.parent}", "--"]
    words += ["ruby", "-W0", script, "-r", script, "-C", file, "-e", environment]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def ours(capsule: CapsuleConfig, generation: int) -> dict[str, Any]:
    tickets = [name for name, weight in capsule.queues for _ in range(max(1, weight))]
    mode = {"strict": capsule.mode == "strict"} if generation == 6 else {"mode": capsule.mode}
    return {
        "tickets": sorted(tickets),
        "order": list(dict.fromkeys(tickets)),
        "concurrency": capsule.concurrency,
        **mode,
    }


def theirs(capsule: dict[str, Any]) -> dict[str, Any]:
    """Leave aside where a queue stands a second time: it is drawn by lot then."""
    return {**capsule, "tickets": sorted(capsule["tickets"]), "order": list(dict.fromkeys(capsule["tickets"]))}


@pytest.mark.parametrize("environment", ["production", "staging"])
@pytest.mark.parametrize(
    "text",
    [STRICT, WEIGHTED, RANDOM, BY_NAME, SECTIONS, NO_QUEUES, CAPSULES, WORDS, ONE, TWICE],
    ids=lambda text: text[:0],
)
def test_ruby_and_we_read_the_same_file_alike(peer: RubyPeer, tmp_path: Path, text: str, environment: str) -> None:
    if text in FROM_7 and peer.generation == 6:
        pytest.skip("Sidekiq 6 has no such form")
    file = tmp_path / "sidekiq.yml"
    file.write_text(text)

    found = asked(peer, file, environment)
    given = read(file, environment)
    settings = build(given)

    capsules = {name: theirs(one) for name, one in found["capsules"].items()}
    expected = {capsule.name: ours(capsule, peer.generation) for capsule in settings.capsules}
    if text == TWICE:  # what they call random is drawn with two lots for `a`
        capsules["default"].pop("mode")
        expected["default"].pop("mode")
    assert capsules == expected
    assert settings.timeout_s == found["timeout"]
    assert (settings.tag, list(settings.labels)) == (found["tag"] if settings.tag else "", found["labels"])
    assert (given.values.get("log_level") == "debug") == bool(found["verbose"])
